/* variables.c - gathering values, expanding templates, and what a Location needs besides. */
#include "gateway/route/variables.h"

#include "gateway/http/http_syntax.h"

/* ---- values ---- */

/* "OPTIONS *" asks about the host as a whole, as routing sees it: "/". */
static struct str uri_of(const struct http_head *request)
{
    return str_starts(request->path, STR("/")) ? request->path : STR("/");
}

static struct str path_of(const struct http_head *request)
{
    struct str uri = uri_of(request);
    return str_sub(uri, 0, str_index(uri, '?'));
}

static struct str query_of(const struct http_head *request)
{
    return str_skip(request->path, str_index(request->path, '?') + 1);
}

/* OpenSSL passes on whatever stood in the ClientHello. */
static struct str clean_name(struct str name)
{
    return http_syntax_span(name, HTTP_SYNTAX_HOST) == name.len ? name : STR("");
}

static struct str value_of(struct arena *a, const struct variables_source *from,
                           enum template_variable v)
{
    const struct client_facts *facts = from->facts;
    switch (v) {
    case TEMPLATE_CLIENT_IP:
        return facts->address;
    case TEMPLATE_CLIENT_PORT:
        return facts->port == 0 ? STR("") : arena_fmt(a, "%u", (unsigned)facts->port);
    case TEMPLATE_HOST:
        return client_facts_host_name(facts);
    case TEMPLATE_METHOD:
        return from->request->method;
    case TEMPLATE_PATH:
        return path_of(from->request);
    case TEMPLATE_QUERY:
        return query_of(from->request);
    case TEMPLATE_URI:
        return uri_of(from->request);
    case TEMPLATE_SCHEME:
        return facts->is_https ? STR("https") : STR("http");
    case TEMPLATE_PORT:
        return client_facts_port(facts);
    case TEMPLATE_REQUEST_ID:
        return from->request_id;
    case TEMPLATE_ROUTE:
        return from->route->object.id;
    case TEMPLATE_TLS_VERSION:
        return from->ssl == NULL ? STR("") : str_from(SSL_get_version(from->ssl));
    case TEMPLATE_TLS_CIPHER:
        return from->ssl == NULL ? STR("") : str_from(SSL_get_cipher_name(from->ssl));
    case TEMPLATE_SNI:
        return clean_name(from->sni);
    case TEMPLATE_TEXT:
    case TEMPLATE_VARIABLE_COUNT:
        break;
    }
    return STR("");
}

struct err variables_gather(struct arena *a, const struct variables_source *from,
                            const struct variables **ret_variables)
{
    struct variables *v = arena_one(a, struct variables);
    if (v == NULL)
        return fail(ERR_MEMORY, 0);
    for (unsigned i = 0; i < TEMPLATE_VARIABLE_COUNT; i++) {
        if ((from->route->variables & 1u << i) == 0)
            continue;
        v->values[i] = value_of(a, from, i);
        if (v->values[i].p == NULL && i == TEMPLATE_CLIENT_PORT)
            return fail(ERR_MEMORY, 0);
    }
    *ret_variables = v;
    return OK;
}

/* ---- templates ---- */

static struct str value_at(const struct template_part *part, const struct variables *v)
{
    return part->variable == TEMPLATE_TEXT ? part->text : v->values[part->variable];
}

struct err variables_expand(struct arena *a, const struct template *t,
                            const struct variables *v, struct str *ret_text)
{
    *ret_text = STR("");
    if (t->count == 1)
        *ret_text = value_at(&t->parts[0], v);
    if (t->count <= 1)
        return OK;
    size_t len = 0, at = 0;
    for (size_t i = 0; i < t->count; i++)
        len += value_at(&t->parts[i], v).len;
    char *text = arena_bytes(a, len);
    if (text == NULL)
        return fail(ERR_MEMORY, 0);
    for (size_t i = 0; i < t->count; i++) {
        struct str value = value_at(&t->parts[i], v);
        if (value.len > 0)
            memcpy(text + at, value.p, value.len);
        at += value.len;
    }
    *ret_text = str_make(text, len);
    return OK;
}

/* ---- Location ---- */

static bool is_uri(char c)
{
    return c > 0x20 && c < 0x7f && strchr("\"<>\\^`{|}", c) == NULL;
}

static struct err escape(struct arena *a, struct str *text)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t bad = 0, at = 0;
    for (size_t i = 0; i < text->len; i++)
        bad += is_uri(text->p[i]) ? 0 : 1;
    if (bad == 0)
        return OK;
    char *out = arena_bytes(a, text->len + 2 * bad);
    if (out == NULL)
        return fail(ERR_MEMORY, 0);
    for (size_t i = 0; i < text->len; i++) {
        unsigned char c = (unsigned char)text->p[i];
        if (is_uri(text->p[i])) {
            out[at++] = text->p[i];
            continue;
        }
        out[at++] = '%';
        out[at++] = digits[c >> 4];
        out[at++] = digits[c & 15];
    }
    *text = str_make(out, at);
    return OK;
}

struct err variables_expand_location(struct arena *a, const struct template *to,
                                     const struct variables *v, struct str *ret_location)
{
    struct str location;
    TRY(variables_expand(a, to, v, &location));
    /* A path alone: "//" at its front would name a host (RFC 3986 4.2). */
    while (str_starts(location, STR("//")))
        location = str_skip(location, 1);
    TRY(escape(a, &location)); /* a backslash too, which browsers take for a slash */
    *ret_location = location;
    return OK;
}
