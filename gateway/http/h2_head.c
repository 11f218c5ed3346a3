/* h2_head.c - add: pseudo-fields, then fields; finish: what they say together; then writing. */
#include "gateway/http/h2_head.h"

#include "gateway/http/http_syntax.h"

#include "gateway/base/limits.h"

enum { FIELD_COST_BYTES = 32 }; /* RFC 9113 6.5.2 */

void h2_head_init(struct h2_head *h, enum h2_head_kind kind, struct arena *a, size_t max_bytes)
{
    *h = (struct h2_head){
        .kind = kind, .arena = a, .left_bytes = max_bytes, .head = {.version = HTTP_2}};
}

/* ---- pseudo-fields (RFC 9113 8.3) ---- */

/* Each at most once; an empty value counts as one that came, and no pseudo-field may be
 * empty. */
static struct err set_once(struct str *slot, struct str value)
{
    if (slot->len > 0 || value.len == 0)
        return fail(ERR_BAD_REQUEST, 0);
    *slot = value;
    return OK;
}

static struct err set_status(struct h2_head *h, struct str value)
{
    uint64_t status;
    if (h->head.status != 0 || value.len != 3 || failed(str_to_u64(value, 599, &status)) ||
        status < 100 || status == 101) /* RFC 9113 8.6 */
        return fail(ERR_BAD_REQUEST, 0);
    h->head.status = (unsigned)status;
    return OK;
}

static struct err add_pseudo(struct h2_head *h, struct str name, struct str value)
{
    struct http_head *head = &h->head;
    if (h->has_regular || h->kind == H2_HEAD_TRAILERS)
        return fail(ERR_BAD_REQUEST, 0);
    if (h->kind == H2_HEAD_RESPONSE)
        return str_eq(name, STR(":status")) ? set_status(h, value) : fail(ERR_BAD_REQUEST, 0);
    if (str_eq(name, STR(":method")))
        return set_once(&head->method, value);
    if (str_eq(name, STR(":scheme")))
        return set_once(&h->scheme, value);
    if (str_eq(name, STR(":authority")))
        return set_once(&head->authority, value);
    if (str_eq(name, STR(":path")))
        return set_once(&h->path, value);
    if (str_eq(name, STR(":protocol")))
        return set_once(&h->protocol, value);
    return fail(ERR_BAD_REQUEST, 0);
}

/* ---- fields (RFC 9113 8.2) ---- */

static bool is_lower_token(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.p[i] >= 'A' && name.p[i] <= 'Z')
            return false;
    }
    return http_syntax_is_token(name);
}

/* RFC 9113 8.2.3: pieces of one Cookie field are one again for whoever speaks HTTP/1.1. */
static struct err add_cookie(struct h2_head *h, struct str value)
{
    const struct str parts[] = {h->cookie, STR("; "), value};
    h->cookie = h->cookie.p == NULL ? value : arena_join(h->arena, parts, ARRAY_LEN(parts));
    return h->cookie.p == NULL ? fail(ERR_MEMORY, 0) : OK;
}

static struct err add_regular(struct h2_head *h, struct str name, struct str value)
{
    h->has_regular = true;
    if (!is_lower_token(name) || !http_syntax_is_value(value))
        return fail(ERR_BAD_REQUEST, 0);
    enum http_field_id id = http_field_id_of(name);
    /* RFC 9113 8.2.2; Proxy-Connection and its like are hop-by-hop rows as well. */
    if (id == HTTP_FIELD_TE && h->kind == H2_HEAD_REQUEST)
        return str_eq(value, STR("trailers"))
                   ? http_fields_add(&h->head.fields, h->arena, name, value)
                   : fail(ERR_BAD_REQUEST, 0);
    if (id == HTTP_FIELD_CONNECTION || id == HTTP_FIELD_TRANSFER_ENCODING ||
        id == HTTP_FIELD_UPGRADE || id == HTTP_FIELD_KEEP_ALIVE ||
        str_eq(name, STR("proxy-connection")))
        return fail(ERR_BAD_FRAMING, 0);
    if (id == HTTP_FIELD_COOKIE && h->kind == H2_HEAD_REQUEST)
        return add_cookie(h, value);
    return http_fields_add(&h->head.fields, h->arena, name, value);
}

static struct err add(struct h2_head *h, struct str name, struct str value)
{
    size_t cost = name.len + value.len + FIELD_COST_BYTES;
    if (cost > h->left_bytes)
        return fail(ERR_HEAD_TOO_LARGE, 0);
    h->left_bytes -= cost;
    struct str own_name = arena_dup(h->arena, name);
    struct str own_value = arena_dup(h->arena, value);
    if (own_name.p == NULL || own_value.p == NULL)
        return fail(ERR_MEMORY, 0);
    if (own_name.len > 0 && own_name.p[0] == ':')
        return add_pseudo(h, own_name, own_value);
    return add_regular(h, own_name, own_value);
}

void h2_head_add(struct h2_head *h, struct str name, struct str value)
{
    if (!failed(h->error))
        h->error = add(h, name, value);
}

/* ---- what they say together ---- */

static struct err lower_host(struct arena *a, struct str host, struct str *ret_lower)
{
    char *copy = arena_bytes(a, host.len);
    if (copy == NULL)
        return fail(ERR_MEMORY, 0);
    for (size_t i = 0; i < host.len; i++)
        copy[i] = chr_lower(host.p[i]);
    *ret_lower = str_make(copy, host.len);
    return OK;
}

/* RFC 9113 8.3.1: one of :authority and Host; both only if they are equal. */
static struct err read_authority(struct h2_head *h)
{
    struct http_head *head = &h->head;
    const struct http_field *host = http_fields_find(&head->fields, HTTP_FIELD_HOST);
    struct http_authority authority;
    if (http_fields_count(&head->fields, HTTP_FIELD_HOST) > 1)
        return fail(ERR_BAD_HOST, 0);
    if (host != NULL && head->authority.len > 0 && !str_eq_nocase(host->value, head->authority))
        return fail(ERR_BAD_HOST, 0);
    if (host != NULL)
        head->authority = host->value;
    TRY(http_syntax_authority(head->authority, &authority));
    return lower_host(h->arena, authority.host, &head->host);
}

static struct err read_path(struct h2_head *h)
{
    if (h->path.len > TARGET_URI_MAX_BYTES)
        return fail(ERR_URI_TOO_LONG, 0);
    bool is_star = str_eq(h->path, STR("*")) && str_eq(h->head.method, STR("OPTIONS"));
    if (!http_syntax_is_target(h->path) || (h->path.p[0] != '/' && !is_star))
        return fail(ERR_BAD_REQUEST, 0);
    h->head.path = h->path;
    return OK;
}

static struct err read_length(struct h2_head *h, bool has_end)
{
    struct http_head *head = &h->head;
    const struct http_field *length =
        http_fields_find(&head->fields, HTTP_FIELD_CONTENT_LENGTH);
    if (length == NULL) {
        head->body = has_end ? HTTP_BODY_NONE : HTTP_BODY_UNKNOWN;
        return OK;
    }
    if (http_fields_count(&head->fields, HTTP_FIELD_CONTENT_LENGTH) > 1)
        return fail(ERR_BAD_FRAMING, 0);
    head->body = HTTP_BODY_LENGTH;
    return http_syntax_length(length->value, &head->body_bytes);
}

/* RFC 8441 4: the same to the rest of the gateway as an Upgrade of HTTP/1.1, which is a
 * GET. */
static struct err read_connect(struct h2_head *h, bool has_end)
{
    struct http_head *head = &h->head;
    if (h->protocol.len == 0)
        return fail(ERR_NOT_IMPLEMENTED, 0);
    if (has_end || !http_syntax_is_token(h->protocol) ||
        http_fields_find(&head->fields, HTTP_FIELD_CONTENT_LENGTH) != NULL)
        return fail(ERR_BAD_REQUEST, 0);
    head->method = STR("GET");
    head->upgrade = h->protocol;
    return OK;
}

static struct err finish_request(struct h2_head *h, bool has_end)
{
    struct http_head *head = &h->head;
    if (!http_syntax_is_token(head->method))
        return fail(ERR_BAD_REQUEST, 0);
    bool is_connect = str_eq(head->method, STR("CONNECT"));
    if (is_connect && h->protocol.len == 0)
        return fail(ERR_NOT_IMPLEMENTED, 0);
    if (!is_connect && h->protocol.len > 0)
        return fail(ERR_BAD_REQUEST, 0);
    if (!str_eq(h->scheme, STR("https")) && !str_eq(h->scheme, STR("http")))
        return fail(ERR_BAD_REQUEST, 0);
    TRY(read_authority(h));
    TRY(read_path(h));
    /* A TRACE would show the client what we tell the target about it (RFC 9110 9.3.8). */
    if (str_eq(head->method, STR("TRACE")))
        return fail(ERR_NOT_IMPLEMENTED, 0);
    if (is_connect)
        return read_connect(h, has_end);
    TRY(read_length(h, has_end));
    if (has_end && head->body_bytes > 0)
        return fail(ERR_BAD_FRAMING, 0);
    if (has_end)
        head->body = HTTP_BODY_NONE;
    const struct http_field *expect = http_fields_find(&head->fields, HTTP_FIELD_EXPECT);
    head->expects_continue =
        !has_end && expect != NULL && str_eq_nocase(expect->value, STR("100-continue"));
    return OK;
}

/* A length without a body is what HEAD and 304 have; the codec knows what was asked. */
static struct err finish_response(struct h2_head *h, bool has_end)
{
    struct http_head *head = &h->head;
    if (head->status == 0 || (head->status < 200 && has_end))
        return fail(ERR_BAD_REQUEST, 0);
    TRY(read_length(h, has_end));
    if (head->status < 200 || head->status == 204) {
        if (head->body_bytes > 0)
            return fail(ERR_BAD_FRAMING, 0);
        head->body = HTTP_BODY_NONE;
    }
    return OK;
}

static void drop_head_fields(struct http_fields *f)
{
    size_t kept = 0;
    for (size_t i = 0; i < f->count; i++) {
        if (http_field_is_trailer(&f->items[i]))
            f->items[kept++] = f->items[i];
    }
    f->count = kept;
}

struct err h2_head_finish(struct h2_head *h, bool has_end)
{
    TRY(h->error);
    if (h->cookie.p != NULL)
        TRY(http_fields_add_id(&h->head.fields, h->arena, HTTP_FIELD_COOKIE, h->cookie));
    switch (h->kind) {
    case H2_HEAD_REQUEST:
        return finish_request(h, has_end);
    case H2_HEAD_RESPONSE:
        return finish_response(h, has_end);
    case H2_HEAD_TRAILERS:
        break;
    }
    drop_head_fields(&h->head.fields);
    return has_end ? OK : fail(ERR_BAD_REQUEST, 0); /* RFC 9113 8.1 */
}

/* ---- sending ---- */

struct table {
    struct arena *arena;
    nghttp2_nv *items;
    size_t count;
};

static void put(struct table *t, struct str name, struct str value)
{
    /* nghttp2 copies both: its members are not const for the sake of other uses. */
    t->items[t->count++] = (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name.p,
                                        .namelen = name.len,
                                        .value = (uint8_t *)(uintptr_t)value.p,
                                        .valuelen = value.len};
}

static struct err put_lower(struct table *t, struct str name, struct str value)
{
    struct str lower;
    TRY(lower_host(t->arena, name, &lower));
    put(t, lower, value);
    return OK;
}

/* Crumbs, so that HPACK may remember each (RFC 9113 8.2.3). */
static void put_cookie(struct table *t, struct str value, size_t room)
{
    struct str crumb;
    while (t->count + 1 < room && str_next(&value, ';', &crumb)) {
        struct str text = str_trim(crumb);
        if (text.len > 0)
            put(t, STR("cookie"), text);
    }
    if (str_trim(value).len > 0)
        put(t, STR("cookie"), str_trim(value));
}

/* What proves in HTTP/1.1 that the other side means WebSocket. */
static bool is_of_handshake(struct str name)
{
    return str_eq_nocase(name, STR("Sec-WebSocket-Key")) ||
           str_eq_nocase(name, STR("Sec-WebSocket-Accept"));
}

static struct err put_fields(struct table *t, const struct http_fields *f, size_t room)
{
    for (size_t i = 0; i < f->count; i++) {
        const struct http_field *field = &f->items[i];
        bool is_te = field->id == HTTP_FIELD_TE && str_eq_nocase(field->value, STR("trailers"));
        bool is_ours = http_field_is_framing(field->id) || http_field_is_hop_by_hop(field->id);
        if (is_ours && !is_te)
            continue;
        if (is_of_handshake(field->name)) /* RFC 8441 5 */
            continue;
        if (field->id == HTTP_FIELD_COOKIE)
            put_cookie(t, field->value, room - (f->count - i));
        else
            TRY(put_lower(t, field->name, field->value));
    }
    return OK;
}

enum { PSEUDO_MAX = 6, CRUMBS_MAX = 64 };

static struct err make_table(struct arena *a, const struct http_fields *f, struct table *t,
                             size_t *ret_room)
{
    *ret_room = f->count + PSEUDO_MAX + CRUMBS_MAX;
    *t = (struct table){.arena = a, .items = arena_array(a, nghttp2_nv, *ret_room)};
    return t->items == NULL ? fail(ERR_MEMORY, 0) : OK;
}

static void put_request_line(struct table *t, const struct http_head *head, struct str scheme)
{
    bool is_upgrade = head->upgrade.len > 0;
    put(t, STR(":method"), is_upgrade ? STR("CONNECT") : head->method);
    if (is_upgrade)
        put(t, STR(":protocol"), head->upgrade);
    put(t, STR(":scheme"), scheme);
    put(t, STR(":authority"), head->authority);
    put(t, STR(":path"), head->path);
}

struct err h2_head_write(struct arena *a, const struct http_head *head, struct str scheme,
                         nghttp2_nv **ret_nva, size_t *ret_count)
{
    struct table t;
    size_t room;
    TRY(make_table(a, &head->fields, &t, &room));
    if (head->status == 0) {
        put_request_line(&t, head, scheme);
    } else {
        /* RFC 8441 5: 200 is what 101 is in HTTP/1.1. */
        struct str status = arena_decimal(a, head->status == 101 ? 200 : head->status);
        if (status.p == NULL)
            return fail(ERR_MEMORY, 0);
        put(&t, STR(":status"), status);
    }
    if (head->body == HTTP_BODY_LENGTH && head->status != 204) {
        struct str length = arena_decimal(a, head->body_bytes);
        if (length.p == NULL)
            return fail(ERR_MEMORY, 0);
        put(&t, STR("content-length"), length);
    }
    TRY(put_fields(&t, &head->fields, room));
    *ret_nva = t.items;
    *ret_count = t.count;
    return OK;
}

struct err h2_head_write_trailers(struct arena *a, const struct http_fields *trailers,
                                  nghttp2_nv **ret_nva, size_t *ret_count)
{
    struct table t;
    size_t room;
    TRY(make_table(a, trailers, &t, &room));
    TRY(put_fields(&t, trailers, room));
    *ret_nva = t.items;
    *ret_count = t.count;
    return OK;
}
