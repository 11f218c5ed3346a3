/* api_status.c - GET /v1/status: one document about everything that runs.
 *
 * api_status_show -> counts, listeners, warnings, routes (describe_route -> describe_target,
 * certificate_reason), certificates, last errors. */
#include "admin/api.h"
#include "admin/condition_report.h"
#include "admin/route_report.h"
#include "admin/target_report.h"
#include "store/host_name.h"

#include "gateway/base/clock.h"
#include "gateway/base/units.h"

/* JSON null for 0; new reference. */
static json_t *time_or_null(int64_t at)
{
    char text[UNITS_TIME_MAX];
    if (at == 0)
        return json_null();
    units_format_time(at, text);
    return json_string(text);
}

/* Appends a sentence to reasons; out of memory loses it. */
static void add_reason(json_t *reasons, struct str sentence)
{
    if (sentence.p != NULL)
        (void)json_array_append_new(reasons, json_from_str(sentence));
}

static json_t *describe_target(struct arena *a, const struct upstream *u,
                               const struct target *t, json_t *reasons)
{
    struct target_report r = target_report_read(u, t);
    if (!t->is_draining)
        add_reason(reasons, target_report_reason(a, &r, t->url));
    return json_pack("{s:s%, s:s, s:b, s:b, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:i, s:i, "
                     "s:o, s:o}",
                     "url", t->url.p, t->url.len, "state", target_report_state_name(r.state),
                     "backup", (int)t->is_backup, "drain", (int)t->is_draining, "ejected_until",
                     time_or_null(r.ejected_until), "slow_start_until",
                     time_or_null(r.slow_start_until), "stale_since", time_or_null(r.stale_at),
                     "requests", (json_int_t)r.requests, "failures", (json_int_t)r.failures,
                     "probe_failures", (json_int_t)r.probe_failures, "retries",
                     (json_int_t)r.retries, "ejections", (json_int_t)r.ejections, "active",
                     (int)r.active, "connections", (int)r.connections, "last_ok_at",
                     time_or_null(r.ok_at), "last_error", target_report_error_to_json(a, &r));
}

/* The id of the certificate that the route wants; empty for none. */
static struct str wanted_cert(const struct snapshot *s, const struct route *r)
{
    if (str_eq(r->certificate, STR("none")))
        return STR_NONE;
    if (str_eq(r->certificate, STR("auto")))
        return snapshot_managed_cert_id(s, r);
    return r->certificate;
}

/* A host of the route that clients will not believe the certificate for; empty: there is none.
 * "*" is whatever name they come with. */
static struct str uncovered_host(const struct cert *c, const struct route *r)
{
    for (size_t i = 0; i < r->hosts.count; i++) {
        struct str host = r->hosts.items[i];
        if (host_name_kind(host) != HOST_ANY && !cert_names_cover(&c->names, host))
            return host;
    }
    return STR_NONE;
}

/* Why the route's certificate is not what it should be; empty if it is. */
static struct str certificate_reason(struct arena *a, const struct api *api,
                                     const struct snapshot *s, const struct route *r)
{
    struct str id = wanted_cert(s, r);
    if (str_is_empty(id))
        return str_eq(r->certificate, STR("auto"))
                   ? STR("no certificate can be issued automatically for these hosts; import "
                         "one")
                   : STR_NONE;
    const struct cert *c = snapshot_cert_find(s, id);
    if (c == NULL)
        return arena_fmt(a, "certificate \"%.*s\" does not exist", STR_ARG(id));
    enum cert_state state = cert_state_now(c, clock_now_at());
    struct str host = uncovered_host(c, r);
    if (!str_is_empty(host))
        return arena_fmt(a, "certificate \"%.*s\" does not cover %.*s", STR_ARG(id),
                         STR_ARG(host));
    struct str not_served = condition_report_not_served(a, store_conditions(api->store), c);
    if (!str_is_empty(not_served))
        return arena_fmt(a, "certificate \"%.*s\" is not served: %.*s", STR_ARG(id),
                         STR_ARG(not_served));
    if (state == CERT_ACTIVE || (state == CERT_RENEWING && c->has_material))
        return STR_NONE;
    /* A failed renewal keeps the old pair serving: worth a word, not an alarm in other
     * words. */
    const char *meanwhile =
        c->has_material ? "the previous one is served" : "a self-signed stand-in is served";
    return arena_fmt(a, "certificate \"%.*s\" is %s, %s%s%.*s", STR_ARG(id),
                     cert_state_name(state), meanwhile, str_is_empty(c->next.why) ? "" : "; ",
                     STR_ARG(c->next.why));
}

static json_t *strings(const struct str_list *list)
{
    AUTO(json_decref) json_t *array = json_array();
    for (size_t i = 0; i < list->count; i++) {
        if (json_array_append_new(array, json_from_str(list->items[i])) != 0)
            return NULL;
    }
    return TAKE(array);
}

static json_t *describe_route(struct arena *a, const struct api *api, const struct snapshot *s,
                              const struct route *r)
{
    AUTO(json_decref) json_t *reasons = json_array();
    AUTO(json_decref) json_t *targets = json_array();
    const struct target *list = upstream_targets(&r->upstream);
    for (size_t i = 0; i < r->upstream.targets_list.count; i++) {
        if (json_array_append_new(targets,
                                  describe_target(a, &r->upstream, &list[i], reasons)) != 0)
            return NULL;
    }
    if (r->is_enabled)
        add_reason(reasons, certificate_reason(a, api, s, r));
    struct str cert = wanted_cert(s, r);
    const char *state = !r->is_enabled                  ? "disabled"
                        : json_array_size(reasons) == 0 ? "ok"
                                                        : "degraded";
    return json_pack("{s:s%, s:o, s:s%, s:b, s:s, s:O, s:o, s:o, s:I, s:O}", "id",
                     r->object.id.p, r->object.id.len, "hosts", strings(&r->hosts), "path",
                     r->path.p, r->path.len, "enabled", (int)r->is_enabled, "state", state,
                     "reasons", reasons, "certificate",
                     str_is_empty(cert) ? json_null() : json_from_str(cert), "traffic",
                     route_report_to_json(r->live), "waiting",
                     (json_int_t)upstream_waiting(&r->upstream), "targets", targets);
}

static json_t *describe_cert(const struct api *api, const struct cert *c,
                             const struct cert_users *users, int64_t now_at)
{
    static const char *const kept[] = {"id",        "names",       "source",    "state",
                                       "not_after", "next_action", "last_error"};
    AUTO(json_decref) json_t *whole = cert_to_json(c, now_at);
    AUTO(json_decref) json_t *doc = json_object();
    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        json_t *value = json_object_get(whole, kept[i]);
        if (json_object_set(doc, kept[i], value == NULL ? json_null() : value) != 0)
            return NULL;
    }
    if (json_object_set_new(doc, "used_by", cert_users_of(users, c->object.id)) != 0 ||
        json_object_set_new(doc, "served",
                            condition_report_served(store_conditions(api->store), c)) != 0)
        return NULL;
    return TAKE(doc);
}

static struct err add_routes(struct arena *a, const struct api *api, const struct snapshot *s,
                             json_t *doc)
{
    const struct route *const *list;
    size_t count;
    AUTO(json_decref) json_t *array = json_array();
    TRY(snapshot_routes(s, a, &list, &count));
    for (size_t i = 0; i < count; i++) {
        if (json_array_append_new(array, describe_route(a, api, s, list[i])) != 0)
            return fail(ERR_MEMORY, 0);
    }
    return json_object_set(doc, "routes", array) != 0 ? fail(ERR_MEMORY, 0) : OK;
}

static struct err add_certs(struct arena *a, const struct api *api, const struct snapshot *s,
                            json_t *doc)
{
    const struct cert *const *list;
    size_t count;
    int64_t now_at = clock_now_at();
    AUTO(cert_users_free) struct cert_users *users = NULL;
    AUTO(json_decref) json_t *array = json_array();
    TRY(snapshot_certs(s, a, &list, &count));
    TRY(cert_users_new(s, &users));
    for (size_t i = 0; i < count; i++) {
        if (json_array_append_new(array, describe_cert(api, list[i], users, now_at)) != 0)
            return fail(ERR_MEMORY, 0);
    }
    return json_object_set(doc, "certificates", array) != 0 ? fail(ERR_MEMORY, 0) : OK;
}

static size_t count_tokens(struct arena *a, const struct snapshot *s)
{
    const struct token *const *list;
    size_t count;
    return failed(snapshot_tokens(s, a, &list, &count)) ? 0 : count;
}

/* An array from a port; empty where the port has nothing. */
static json_t *ask_port(json_t *(*port)(void *arg), void *arg)
{
    json_t *answer = port == NULL ? NULL : port(arg);
    return answer == NULL ? json_array() : answer;
}

/* ---- settings that lead nowhere ---- */

/* The admin interface is none: it takes no PROXY header. */
static bool has_listener(const json_t *listeners, struct str name)
{
    for (size_t i = 0; i < json_array_size(listeners); i++) {
        const json_t *it = json_array_get(listeners, i);
        bool is_admin = str_eq(json_str(json_object_get(it, "kind")), STR("admin"));
        if (!is_admin &&
            settings_names_listener(name, json_str(json_object_get(it, "address"))))
            return true;
    }
    return false;
}

static json_t *warnings(struct arena *a, const struct settings *s, const json_t *listeners)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->proxy_protocol.count; i++) {
        struct str name = s->proxy_protocol.items[i];
        if (!has_listener(listeners, name))
            add_reason(list, arena_fmt(a,
                                       "settings.proxy_protocol names %.*s, but no listener "
                                       "is there",
                                       STR_ARG(name)));
    }
    if (s->proxy_protocol.count > 0 && s->trusted_proxies.count == 0)
        add_reason(list, STR("settings.proxy_protocol has no effect: trusted_proxies is "
                             "empty, and nobody else's PROXY header is believed"));
    return list;
}

struct err api_status_show(struct api_call *call)
{
    AUTO(snapshot_unref) const struct snapshot *s = store_snapshot(call->api->store);
    const struct api *api = call->api;
    const struct admin_ports *ports = &api->ports;
    struct arena *a = call->request->arena;
    char uptime[UNITS_QUANTITY_MAX];
    uint64_t up_s = (clock_mono_ms() - api->started_ms) / 1000;
    units_format_duration(up_s * 1000, uptime);
    AUTO(json_decref) json_t *listeners = ask_port(ports->listeners, ports->arg);
    AUTO(json_decref)
    json_t *doc = json_pack(
        "{s:s, s:o, s:s, s:I, s:b, s:{s:I, s:i, s:I, s:I}, s:O, s:o}", "version", GW_VERSION,
        "started_at", time_or_null(api->started_at), "uptime", uptime, "generation",
        (json_int_t)snapshot_generation(s), "ready",
        (int)(ports->is_ready == NULL || ports->is_ready(ports->arg)), "counts", "routes",
        (json_int_t)snapshot_route_count(s), "streams", 0, "certificates",
        (json_int_t)snapshot_cert_count(s), "tokens", (json_int_t)count_tokens(a, s),
        "listeners", listeners, "warnings", warnings(a, snapshot_settings(s), listeners));
    if (doc == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(add_routes(a, api, s, doc));
    TRY(add_certs(a, api, s, doc));
    if (json_object_set_new(doc, "alarms", ask_port(ports->alarms, ports->arg)) != 0)
        return fail(ERR_MEMORY, 0);
    if (json_object_set_new(doc, "last_errors", ask_port(ports->recent_errors, ports->arg)) !=
        0)
        return fail(ERR_MEMORY, 0);
    return admin_reply_json(call->reply, 200, doc);
}
