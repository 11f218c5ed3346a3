/* client_facts.c - addresses, then X-Forwarded-*, then Forwarded, then all that is believed. */
#include "gateway/route/client_facts.h"

#include "gateway/http/http_syntax.h"
#include "gateway/route/forwarded.h"

#include "gateway/base/ip.h"

enum { REQUEST_ID_MAX_BYTES = 128 };

/* ---- addresses ---- */

/* "[::1]:80" -> "::1" and 80, "192.0.2.1:80", or an address alone, then port 0; false if what
 * is behind the address is no port. */
static bool split_port(struct str text, struct str *ret_address, uint16_t *ret_port)
{
    struct str address = text, tail = STR_NONE;
    uint64_t port = 0;
    *ret_port = 0;
    if (str_starts(text, STR("["))) {
        if (!str_split(str_skip(text, 1), ']', &address, &tail))
            return false;
    } else {
        size_t colon = str_index(text, ':');
        bool is_v6 = str_index(str_skip(text, colon + 1), ':') + colon + 1 < text.len;
        if (!is_v6) {
            address = str_sub(text, 0, colon);
            tail = str_skip(text, colon);
        }
    }
    *ret_address = address;
    if (tail.len == 0)
        return true;
    if (tail.p[0] != ':' || failed(str_to_u64(str_skip(tail, 1), UINT16_MAX, &port)))
        return false;
    *ret_port = (uint16_t)port;
    return true;
}

/* Somebody is said to be the client.  True if it is a trusted proxy itself: who it had as a
 * client is believed, too. */
static bool believe_client(const struct settings *settings, struct str text,
                           struct client_facts *facts)
{
    unsigned char address[16];
    bool is_v6;
    struct str alone;
    uint16_t port;
    if (!split_port(text, &alone, &port) || !ip_parse(alone, address, &is_v6))
        return false;
    facts->address = alone;
    facts->port = port;
    return settings_is_trusted_proxy(settings, address);
}

/* A proxy may pass on what its own client sent: only what can be an authority is believed. */
static void believe_host(struct str text, struct client_facts *facts)
{
    struct http_authority authority;
    if (!failed(http_syntax_authority(text, &authority)))
        facts->host = text;
}

/* ---- X-Forwarded-* ---- */

/* Walks one line from the right over trusted proxies; the first address that is none of them
 * asked.  True if the whole line was trusted: the search goes on in the line before. */
static bool read_forwarded_for(const struct settings *settings, struct str list,
                               struct client_facts *facts)
{
    while (list.len > 0) {
        size_t start = list.len;
        while (start > 0 && list.p[start - 1] != ',')
            start--;
        struct str entry = str_trim(str_skip(list, start));
        /* Empty elements of a list count for nothing (RFC 9110 5.6.1). */
        if (entry.len > 0 && !believe_client(settings, entry, facts))
            return false;
        list.len = start > 0 ? start - 1 : 0;
    }
    return true;
}

/* Of several lines the last: it was added by who is closest to us. */
static struct str last_value(const struct http_fields *f, enum http_field_id id)
{
    for (size_t i = f->count; i > 0; i--) {
        if (f->items[i - 1].id == id)
            return str_trim(f->items[i - 1].value);
    }
    return STR_NONE;
}

static bool has_x_forwarded(const struct http_fields *f)
{
    static const enum http_field_id ids[] = {
        HTTP_FIELD_X_FORWARDED_FOR, HTTP_FIELD_X_FORWARDED_PROTO, HTTP_FIELD_X_FORWARDED_HOST,
        HTTP_FIELD_X_FORWARDED_PORT};
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        if (http_fields_find(f, ids[i]) != NULL)
            return true;
    }
    return false;
}

static void read_x_forwarded(const struct settings *settings, const struct http_fields *f,
                             struct client_facts *facts)
{
    /* Several lines are one list (RFC 9110 5.3): the last line is the right-most part. */
    bool goes_on = true;
    for (size_t i = f->count; i > 0 && goes_on; i--) {
        if (f->items[i - 1].id == HTTP_FIELD_X_FORWARDED_FOR)
            goes_on = read_forwarded_for(settings, f->items[i - 1].value, facts);
    }
    struct str proto = last_value(f, HTTP_FIELD_X_FORWARDED_PROTO);
    if (proto.p != NULL)
        facts->is_https = str_eq_nocase(proto, STR("https"));
    struct str port = last_value(f, HTTP_FIELD_X_FORWARDED_PORT);
    uint64_t number;
    if (!failed(str_to_u64(port, UINT16_MAX, &number)) && number > 0)
        facts->host_port = port;
    believe_host(last_value(f, HTTP_FIELD_X_FORWARDED_HOST), facts);
}

/* ---- Forwarded ---- */

/* From the right: what a trusted proxy says of its client also says how that client came. */
static void read_forwarded(const struct settings *settings, const struct http_fields *f,
                           struct client_facts *facts)
{
    struct forwarded_element elements[FORWARDED_ELEMENTS_MAX];
    size_t i =
        http_fields_find(f, HTTP_FIELD_FORWARDED) == NULL ? 0 : forwarded_read(f, elements);
    bool goes_on = true;
    for (; i > 0 && goes_on; i--) {
        const struct forwarded_element *e = &elements[i - 1];
        if (e->proto.len > 0)
            facts->is_https = str_eq_nocase(e->proto, STR("https"));
        believe_host(e->host, facts);
        goes_on = believe_client(settings, e->client, facts);
    }
}

/* ---- all ---- */

/* One field of visible characters; anything else would not be found again in a log. */
static struct str read_request_id(const struct http_fields *f)
{
    const struct http_field *field = http_fields_find(f, HTTP_FIELD_X_REQUEST_ID);
    if (field == NULL || http_fields_count(f, HTTP_FIELD_X_REQUEST_ID) > 1 ||
        field->value.len > REQUEST_ID_MAX_BYTES)
        return STR_NONE;
    for (size_t i = 0; i < field->value.len; i++) {
        if (field->value.p[i] <= 0x20 || field->value.p[i] >= 0x7f)
            return STR_NONE;
    }
    return field->value;
}

void client_facts_read(const struct settings *settings, const unsigned char peer[16],
                       const struct http_head *request, struct client_facts *facts)
{
    facts->host = request->authority;
    facts->is_trusted_peer = settings_is_trusted_proxy(settings, peer);
    if (!facts->is_trusted_peer)
        return;
    if (has_x_forwarded(&request->fields))
        read_x_forwarded(settings, &request->fields, facts);
    else
        read_forwarded(settings, &request->fields, facts);
    facts->request_id = read_request_id(&request->fields);
}

/* Where the port of an authority begins, its colon included, or its length. */
static size_t find_port(struct str host)
{
    size_t at = host.len;
    while (at > 0 && chr_is_digit(host.p[at - 1]))
        at--;
    return at > 0 && host.p[at - 1] == ':' ? at - 1 : host.len;
}

struct str client_facts_port(const struct client_facts *facts)
{
    struct str port = str_skip(facts->host, find_port(facts->host) + 1);
    if (facts->host_port.len > 0)
        return facts->host_port;
    if (port.len > 0)
        return port;
    return facts->is_https ? STR("443") : STR("80");
}

struct str client_facts_host_name(const struct client_facts *facts)
{
    return str_sub(facts->host, 0, find_port(facts->host));
}
