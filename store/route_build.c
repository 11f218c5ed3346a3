/* route_build.c - from JSON to a route, in the order: fields, hosts, headers, action, targets,
 * TLS. */
#include "store/route_build.h"

#include "store/counted.h"
#include "store/host_name.h"
#include "store/model_check.h"
#include "store/model_parts.h"
#include "store/target_url.h"

#include "gateway/base/hash.h"
#include "gateway/base/limits.h"
#include "gateway/base/text.h"

#include <stdio.h>
#include <stdlib.h>

/* A route with one target fits into the first block. */
enum { ROUTE_ARENA_BYTES = 1280, ROUTE_ARENA_MAX_BYTES = 16 * 1024 * 1024 };

struct builder {
    const struct route_origin *origin;
    struct route *route;
    const json_t *fields; /* what the route is built from */
    struct json_path *path;
    struct invalid *inv;
};

/* Reports at a place below the route: keys end with NULL. */
static void complain_at(struct builder *b, const char *const *keys, const char *words)
{
    size_t mark = b->path->len;
    for (; *keys != NULL; keys++)
        (void)json_path_push(b->path, str_from(*keys));
    invalid_add(b->inv, json_path_view(b->path), "%s", words);
    json_path_pop(b->path, mark);
}

#define complain(b, words, ...)                                                                \
    complain_at((b), (const char *const[]){__VA_ARGS__, NULL}, words)

/* ---- hosts ---- */

static void check_host(struct builder *b, size_t index)
{
    const struct str_list *hosts = &b->route->hosts;
    struct str host = hosts->items[index];
    if (str_is_empty(host))
        return; /* its field has been refused already */
    bool is_auto = str_eq(b->route->certificate, STR("auto"));
    char number[24];
    (void)snprintf(number, sizeof(number), "%zu", index);
    for (size_t i = 0; i < index; i++) {
        if (str_eq(hosts->items[i], host)) {
            complain(b, "is listed twice", "hosts", number);
            return;
        }
    }
    if (is_auto && host_name_kind(host) == HOST_WILDCARD)
        complain(
            b,
            "a wildcard cannot have an automatic certificate: HTTP-01 cannot prove it; import "
            "a certificate and name it in \"certificate\", or use \"none\"",
            "hosts", number);
    if (is_auto && host_name_kind(host) == HOST_NAME && host_name_has_underscore(host))
        complain(b,
                 "a name with an underscore cannot have an automatic certificate: no public CA "
                 "issues one; set \"certificate\" to \"none\" or to a certificate's id",
                 "hosts", number);
}

static int compare_names(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* The provable names, sorted, one per line. */
static struct err note_managed_names(struct builder *b)
{
    struct route *r = b->route;
    if (!r->is_enabled || !str_eq(r->certificate, STR("auto")))
        return OK;
    struct str *names = arena_array(r->arena, struct str, r->hosts.count);
    if (names == NULL)
        return fail(ERR_MEMORY, 0);
    size_t count = 0, len = 0;
    for (size_t i = 0; i < r->hosts.count; i++) {
        if (!host_name_is_provable(r->hosts.items[i]))
            continue;
        names[count++] = r->hosts.items[i];
        len += r->hosts.items[i].len + 1;
    }
    if (count == 0)
        return OK;
    qsort(names, count, sizeof(names[0]), compare_names);
    char *text = arena_bytes(r->arena, len);
    if (text == NULL)
        return fail(ERR_MEMORY, 0);
    r->managed_names = str_make(text, len - 1);
    for (size_t i = 0; i < count; i++) {
        memcpy(text, names[i].p, names[i].len);
        text[names[i].len] = '\n';
        text += names[i].len + 1;
    }
    return OK;
}

/* ---- headers ---- */

/* Parses the values; complains at the pair's place. */
static struct err build_pairs(struct builder *b, const char *ops, const char *op,
                              const struct pair_list *pairs, struct template **ret_values)
{
    struct template *values = arena_array(b->route->arena, struct template, pairs->count);
    if (values == NULL)
        return fail(ERR_MEMORY, 0);
    for (size_t i = 0; i < pairs->count; i++) {
        const struct pair *p = &pairs->items[i];
        struct str problem;
        const char *words = model_check_header_value(p->value);
        if (words != NULL)
            complain(b, words, ops, op, p->name.p);
        struct err e = template_parse(b->route->arena, p->value, &values[i], &problem);
        if (err_is(e, ERR_SYNTAX))
            complain(b, problem.p, ops, op, p->name.p);
        else
            TRY(e);
        b->route->variables |= values[i].variables;
        for (size_t k = 0; k < i; k++) {
            if (str_eq_nocase(pairs->items[k].name, p->name))
                complain(b, "is the same header as another one here: case does not count", ops,
                         op, p->name.p);
        }
    }
    *ret_values = values;
    return OK;
}

static struct err build_header_ops(struct builder *b, const char *name, struct header_ops *ops)
{
    TRY(build_pairs(b, name, "set", &ops->set, &ops->set_values));
    return build_pairs(b, name, "add", &ops->add, &ops->add_values);
}

/* ---- what it does ---- */

static bool is_given(const struct builder *b, const char *name)
{
    const json_t *value = json_object_get(b->fields, name);
    return value != NULL && !json_is_null(value);
}

/* By what was given, not by what could be read of it: each fault is told once. */
static void choose_action(struct builder *b)
{
    static const struct {
        const char *name;
        enum route_action action;
    } rows[] = {
        {"upstream", ROUTE_PROXY}, {"redirect", ROUTE_REDIRECT}, {"respond", ROUTE_RESPOND}};
    const char *chosen = NULL;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (!is_given(b, rows[i].name))
            continue;
        if (chosen != NULL)
            complain(b, "must be null: a route has one of upstream, redirect and respond",
                     rows[i].name);
        else
            b->route->action = rows[i].action;
        chosen = rows[i].name;
    }
    if (chosen == NULL && json_is_object(b->fields))
        complain(b, "is required, or else redirect or respond", "upstream");
}

static struct err build_redirect(struct builder *b)
{
    struct route_redirect *r = &b->route->redirect;
    struct str problem;
    if (str_is_empty(r->to)) {
        if (json_is_string(json_object_get(json_object_get(b->fields, "redirect"), "to")))
            complain(b, "must not be empty", "redirect", "to");
        return OK;
    }
    /* 304, 305 and 306 lie within the bounds of the field and are no redirects. */
    if (r->status >= 304 && r->status <= 306)
        complain(b, "must be 301, 302, 303, 307 or 308", "redirect", "status");
    struct err e = template_parse(b->route->arena, r->to, &r->location, &problem);
    if (err_is(e, ERR_SYNTAX)) {
        complain(b, problem.p, "redirect", "to");
        return OK;
    }
    TRY(e);
    const char *words = template_check_redirect(&r->location);
    if (words != NULL)
        complain(b, words, "redirect", "to");
    b->route->variables |= r->location.variables;
    return OK;
}

/* RFC 9110 15.3.5, 15.3.6, 15.4.5. */
static void check_respond(struct builder *b)
{
    const struct route_respond *r = &b->route->respond;
    if ((r->status == 204 || r->status == 205 || r->status == 304) && r->body.len > 0)
        complain(b, "must be empty: an answer of status 204, 205 or 304 has no content",
                 "respond", "body");
}

/* ---- targets ---- */

static bool is_same_target(const struct target *a, const struct target *b)
{
    return a->scheme == b->scheme && a->host_kind == b->host_kind && a->port == b->port &&
           str_eq(a->host, b->host);
}

/* However they are spelled: one that is there twice would have two states and two counts. */
static void check_target(struct builder *b, size_t index)
{
    const struct target *targets = upstream_targets(&b->route->upstream);
    char number[24];
    (void)snprintf(number, sizeof(number), "%zu", index);
    for (size_t i = 0; i < index && !str_is_empty(targets[index].host); i++) {
        if (is_same_target(&targets[i], &targets[index])) {
            complain(b, "is the same target as one before it; a larger share is its \"weight\"",
                     "upstream", "targets", number, "url");
            return;
        }
    }
}

/* What its field's check has refused already stays without a host. */
static void check_targets(struct builder *b)
{
    const struct object_list *list = &b->route->upstream.targets_list;
    struct target *targets = list->items;
    for (size_t i = 0; i < list->count; i++) {
        (void)target_url_parse(b->route->arena, targets[i].url, &targets[i]);
        check_target(b, i);
    }
}

static bool is_same_list(const struct str_list *a, const struct str_list *b)
{
    bool is_same = a->count == b->count;
    for (size_t i = 0; is_same && i < a->count; i++)
        is_same = str_eq(a->items[i], b->items[i]);
    return is_same;
}

/* False: the edit may have cured what made targets fail. */
static bool is_reached_alike(const struct route *a, const struct route *b)
{
    const struct upstream *x = &a->upstream, *y = &b->upstream;
    return x->protocol == y->protocol && x->proxy_protocol == y->proxy_protocol &&
           x->timeouts.connect_ms == y->timeouts.connect_ms &&
           x->timeouts.response_ms == y->timeouts.response_ms &&
           x->timeouts.idle_ms == y->timeouts.idle_ms && x->tls.verify == y->tls.verify &&
           str_eq(x->tls.ca, y->tls.ca) && is_same_list(&x->tls.pins, &y->tls.pins) &&
           str_eq(x->tls.server_name, y->tls.server_name) &&
           str_eq(x->tls.certificate, y->tls.certificate) &&
           str_eq(a->host_header, b->host_header);
}

/* The cell that the same URL had in the previous revision, or a new one. */
static void find_live(const struct route *previous, const struct route *r, struct target *t)
{
    const struct upstream *u = previous == NULL ? NULL : &previous->upstream;
    for (size_t i = 0; u != NULL && i < u->targets_list.count; i++) {
        const struct target *before = &upstream_targets(u)[i];
        if (!str_eq(before->url, t->url))
            continue;
        t->live = model_live_ref(before->live);
        t->edition = before->edition + (is_reached_alike(previous, r) ? 0 : 1);
        return;
    }
    t->live = model_live_new();
}

/* Without a key of this process: every gateway and every start places a target alike. */
static uint64_t place_of(struct str url)
{
    static const struct hash_key fixed = {.k0 = 0, .k1 = 0};
    return hash_str(&fixed, url);
}

static struct err build_target(struct builder *b, struct target *t)
{
    struct arena *a = b->route->arena;
    /* What cannot be parsed was refused: only memory can have been short. */
    if (str_is_empty(t->host))
        return fail(ERR_MEMORY, 0);
    t->hash = place_of(t->url);
    find_live(b->origin->previous, b->route, t);
    if (t->live == NULL)
        return fail(ERR_MEMORY, 0);
    if (!arena_on_reset(a, model_live_unref, t->live)) {
        model_live_unref(t->live);
        return fail(ERR_MEMORY, 0);
    }
    return OK;
}

/* Where requests wait: only a limit makes them wait, and a queue outlives its revision. */
static struct err build_queue(struct builder *b)
{
    struct upstream *u = &b->route->upstream;
    const struct route *previous = b->origin->previous;
    if (u->max_connections == 0)
        return OK;
    u->live = previous != NULL && previous->upstream.live != NULL
                  ? model_upstream_live_ref(previous->upstream.live)
                  : model_upstream_live_new();
    if (u->live == NULL)
        return fail(ERR_MEMORY, 0);
    if (!arena_on_reset(b->route->arena, model_upstream_live_unref, u->live)) {
        model_upstream_live_unref(u->live);
        return fail(ERR_MEMORY, 0);
    }
    return OK;
}

/* The field's check has refused what makes no sense. */
static void build_health(struct builder *b)
{
    struct upstream_health *h = &b->route->upstream.health;
    (void)status_set_parse(h->expect, &h->expected);
}

static struct err build_targets(struct builder *b, bool *ret_has_https)
{
    struct object_list *list = &b->route->upstream.targets_list;
    struct target *targets = list->items;
    size_t serving_count = 0;
    *ret_has_https = false;
    for (size_t i = 0; i < list->count; i++) {
        TRY(build_target(b, &targets[i]));
        if (targets[i].scheme == TARGET_HTTPS)
            *ret_has_https = true;
        if (!targets[i].is_draining)
            serving_count++;
    }
    b->route->upstream.has_choice = serving_count > 1;
    return OK;
}

/* "hash_cookie:NAME" into its parts; the others are their name alone. */
static void read_balance(struct upstream *u)
{
    static const struct str names[] = {
        [BALANCE_ROUND_ROBIN] = STR_LIT("round_robin"),
        [BALANCE_LEAST_CONN] = STR_LIT("least_conn"),
        [BALANCE_RANDOM_TWO] = STR_LIT("random_two"),
        [BALANCE_HASH_IP] = STR_LIT("hash_ip"),
        [BALANCE_HASH_URI] = STR_LIT("hash_uri"),
        [BALANCE_HASH_COOKIE] = STR_LIT("hash_cookie"),
    };
    struct str name;
    if (!str_split(u->balance, ':', &name, &u->hash_cookie))
        name = u->balance;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_eq(name, names[i]))
            u->method = (enum balance_method)i;
    }
}

/* ---- TLS to targets ---- */

static struct err build_pins(struct builder *b)
{
    struct upstream_tls *tls = &b->route->upstream.tls;
    tls->pin_digests =
        arena_alloc(b->route->arena, tls->pins.count, sizeof(tls->pin_digests[0]));
    if (tls->pin_digests == NULL)
        return fail(ERR_MEMORY, 0);
    for (size_t i = 0; i < tls->pins.count; i++) {
        struct buf bytes;
        buf_init(&bytes, sizeof(tls->pin_digests[0]));
        struct err e = text_unhex(&bytes, tls->pins.items[i]);
        if (!failed(e))
            memcpy(tls->pin_digests[i], buf_view(&bytes).p, sizeof(tls->pin_digests[0]));
        buf_fini(&bytes);
        TRY(e);
    }
    return OK;
}

static void free_anchors(void *anchors)
{
    X509_STORE_free(anchors);
}

static struct err keep_trust(struct builder *b, X509_STORE *anchors)
{
    if (!arena_on_reset(b->route->arena, free_anchors, anchors)) {
        X509_STORE_free(anchors);
        return fail(ERR_MEMORY, 0);
    }
    b->route->upstream.tls.trust = anchors;
    return OK;
}

/* The PEM is checked whatever verify says: it must not turn out bad on the day it is needed. */
static struct err build_ca(struct builder *b)
{
    struct upstream_tls *tls = &b->route->upstream.tls;
    if (str_is_empty(tls->ca)) {
        if (tls->verify == TLS_VERIFY_CA)
            complain(b, "needs PEM certificates when verify is \"ca\"", "upstream", "tls",
                     "ca");
        return OK;
    }
    X509_STORE *anchors;
    struct err e = trust_from_pem(tls->ca, &anchors);
    if (err_is(e, ERR_CERT_PARSE)) {
        complain(b, "must be PEM certificates (-----BEGIN CERTIFICATE-----) and nothing else",
                 "upstream", "tls", "ca");
        return OK;
    }
    TRY(e);
    if (tls->verify == TLS_VERIFY_CA)
        return keep_trust(b, anchors);
    X509_STORE_free(anchors);
    return OK;
}

static struct err build_system_trust(struct builder *b, bool has_https)
{
    if (b->route->upstream.tls.verify != TLS_VERIFY_SYSTEM || !has_https)
        return OK;
    X509_STORE *anchors;
    TRY(trust_get_system(b->origin->trust, &anchors));
    return keep_trust(b, anchors);
}

/* ---- all of it ---- */

/* Also runs over what shape_read has found fault with, so that all complaints come at once. */
static struct err check_rules(struct builder *b)
{
    const struct upstream_tls *tls = &b->route->upstream.tls;
    for (size_t i = 0; i < b->route->hosts.count; i++)
        check_host(b, i);
    TRY(build_header_ops(b, "request_headers", &b->route->request_headers));
    TRY(build_header_ops(b, "response_headers", &b->route->response_headers));
    choose_action(b);
    TRY(build_redirect(b));
    check_respond(b);
    check_targets(b);
    if (tls->verify == TLS_VERIFY_PIN && tls->pins.count == 0)
        complain(b, "needs at least one pin when verify is \"pin\"", "upstream", "tls",
                 "pin_sha256");
    return build_ca(b);
}

static struct err build_live(struct builder *b)
{
    const struct route *previous = b->origin->previous;
    struct route_live *live =
        previous == NULL ? route_live_new() : route_live_ref(previous->live);
    if (live == NULL)
        return fail(ERR_MEMORY, 0);
    b->route->live = live;
    if (arena_on_reset(b->route->arena, route_live_unref, live))
        return OK;
    route_live_unref(live);
    return fail(ERR_MEMORY, 0);
}

static struct err build_parts(struct builder *b)
{
    bool has_https;
    TRY(build_live(b));
    TRY(note_managed_names(b));
    read_balance(&b->route->upstream);
    TRY(build_targets(b, &has_https));
    TRY(build_queue(b));
    build_health(b);
    TRY(build_pins(b));
    return build_system_trust(b, has_https);
}

json_t *route_build_strip(const json_t *body)
{
    static const char *const names[] = {"id", "revision", "created_at", "updated_at",
                                        "hosts_unicode"};
    if (!json_is_object(body))
        return json_null();
    json_t *copy = json_copy(COUNTED_MUTABLE(json_t, body));
    for (size_t i = 0; copy != NULL && i < ARRAY_LEN(names); i++)
        (void)json_object_del(copy, names[i]);
    return copy;
}

static struct route *new_route(void)
{
    struct arena *a = arena_new(ROUTE_ARENA_BYTES, ROUTE_ARENA_MAX_BYTES);
    struct route *r = a == NULL ? NULL : arena_one(a, struct route);
    if (r == NULL) {
        arena_free(a);
        return NULL;
    }
    r->arena = a;
    atomic_init(&r->refs, 1);
    return r;
}

struct err route_build(const struct route_origin *origin, const json_t *body,
                       struct json_path *path, struct invalid *inv, struct route **ret_route)
{
    AUTO(json_decref) json_t *fields = route_build_strip(body);
    AUTO(model_drop_route) struct route *r = new_route();
    if (fields == NULL || r == NULL)
        return fail(ERR_MEMORY, 0);
    size_t before = inv->count;
    struct err e = shape_read(route_shape, fields, r->arena, path, inv, r);
    if (failed(e) && !err_is(e, ERR_INVALID))
        return e;
    struct builder b = {
        .origin = origin, .route = r, .fields = fields, .path = path, .inv = inv};
    TRY(check_rules(&b));
    if (inv->count > before)
        return fail(ERR_INVALID, 0);
    TRY(build_parts(&b));
    *ret_route = TAKE(r);
    return OK;
}
