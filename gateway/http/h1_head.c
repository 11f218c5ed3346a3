/* h1_head.c - start line and fields; then what they say: persistence, framing, host, target. */
#include "gateway/http/h1_head.h"

#include "gateway/http/http_syntax.h"

#include "gateway/base/limits.h"

/* The fields that say something about the message itself; the first of each. */
struct notes {
    const struct http_field *host;
    const struct http_field *length;
    const struct http_field *coding;
    const struct http_field *upgrade;
    unsigned host_count;
    unsigned length_count;
    unsigned coding_count;
    unsigned upgrade_count;
    unsigned option_count;
    bool says_close;
    bool says_keep_alive;
    bool says_upgrade;
    bool expects_continue;
};

static void note_options(struct notes *n, struct str list)
{
    struct str item;
    while (str_next(&list, ',', &item)) {
        struct str option = str_trim(item);
        n->option_count++;
        if (str_eq_nocase(option, STR("keep-alive")))
            n->says_keep_alive = true;
        if (str_eq_nocase(option, STR("close")))
            n->says_close = true;
        if (str_eq_nocase(option, STR("upgrade")))
            n->says_upgrade = true;
    }
}

static void note_first(const struct http_field *field, const struct http_field **first,
                       unsigned *count)
{
    if ((*count)++ == 0)
        *first = field;
}

static struct err note_fields(const struct http_fields *f, struct notes *n)
{
    for (size_t i = 0; i < f->count; i++) {
        const struct http_field *field = &f->items[i];
        switch ((unsigned)field->id) {
        case HTTP_FIELD_HOST:
            note_first(field, &n->host, &n->host_count);
            break;
        case HTTP_FIELD_CONTENT_LENGTH:
            note_first(field, &n->length, &n->length_count);
            break;
        case HTTP_FIELD_TRANSFER_ENCODING:
            note_first(field, &n->coding, &n->coding_count);
            break;
        case HTTP_FIELD_UPGRADE:
            note_first(field, &n->upgrade, &n->upgrade_count);
            break;
        case HTTP_FIELD_CONNECTION:
            note_options(n, field->value);
            break;
        case HTTP_FIELD_EXPECT:
            n->expects_continue |= str_eq_nocase(field->value, STR("100-continue"));
            break;
        default:
            break;
        }
    }
    return n->option_count > CONNECTION_OPTIONS_MAX ? fail(ERR_BAD_REQUEST, 0) : OK;
}

/* RFC 9112 9.3. */
static bool keeps_alive(const struct notes *n, enum http_version version)
{
    return !n->says_close && (version != HTTP_1_0 || n->says_keep_alive);
}

/* Why codings other than one "chunked" are refused: ERR_NOT_IMPLEMENTED for codings we do not
 * know, ERR_BAD_FRAMING where it could not even be said where the body ends. */
static struct err refuse_codings(const struct http_fields *f)
{
    bool was_chunked = false;
    for (size_t i = 0; i < f->count; i++) {
        if (f->items[i].id != HTTP_FIELD_TRANSFER_ENCODING)
            continue;
        struct str list = f->items[i].value;
        struct str item;
        while (str_next(&list, ',', &item)) {
            struct str name = str_trim(item);
            bool has_parameters = str_split(name, ';', &name, &item);
            name = str_trim(name);
            bool is_chunked = str_eq_nocase(name, STR("chunked"));
            /* RFC 9112 6.1: chunked is last, once, and without parameters. */
            if (was_chunked || (is_chunked && has_parameters) || !http_syntax_is_token(name))
                return fail(ERR_BAD_FRAMING, 0);
            was_chunked = is_chunked;
        }
    }
    return fail(ERR_NOT_IMPLEMENTED, 0);
}

/* RFC 9112 6: what the head says about the body, whether or not one follows. */
static struct err read_framing(const struct notes *n, struct http_head *h)
{
    if (n->coding_count > 0) {
        /* RFC 9112 6.1: both a coding and a length, or a coding from before there were any, is
         * an attack or a bug. We may repair it, but the next hop may repair it differently. */
        if (n->length_count > 0 || h->version == HTTP_1_0)
            return fail(ERR_BAD_FRAMING, 0);
        if (n->coding_count > 1 || !str_eq_nocase(n->coding->value, STR("chunked")))
            return refuse_codings(&h->fields);
        h->body = HTTP_BODY_UNKNOWN;
        return OK;
    }
    if (n->length_count == 0)
        return OK;
    /* RFC 9112 6.3: equal lengths could be merged; nobody honest sends them. */
    if (n->length_count > 1)
        return fail(ERR_BAD_FRAMING, 0);
    TRY(http_syntax_length(n->length->value, &h->body_bytes));
    h->body = HTTP_BODY_LENGTH;
    return OK;
}

static struct err lower_case(struct arena *a, struct str s, struct str *ret_lower)
{
    size_t i = 0;
    while (i < s.len && !(s.p[i] >= 'A' && s.p[i] <= 'Z'))
        i++;
    if (i < s.len) {
        char *copy = arena_bytes(a, s.len);
        if (copy == NULL)
            return fail(ERR_MEMORY, 0);
        for (i = 0; i < s.len; i++)
            copy[i] = chr_lower(s.p[i]);
        s.p = copy;
    }
    *ret_lower = s;
    return OK;
}

static struct err set_authority(struct arena *a, struct str text, struct http_head *h,
                                struct http_authority *ret_authority)
{
    TRY(http_syntax_authority(text, ret_authority));
    TRY(lower_case(a, ret_authority->host, &h->host));
    h->authority = text;
    return OK;
}

/* True if both name the same server; a port that is missing is that of the scheme. */
static bool agrees(const struct http_authority *x, const struct http_authority *y,
                   uint16_t default_port)
{
    uint16_t x_port = x->port != 0 ? x->port : default_port;
    uint16_t y_port = y->port != 0 ? y->port : default_port;
    return x_port == y_port && x->is_ip6 == y->is_ip6 && str_eq_nocase(x->host, y->host);
}

/* RFC 9112 3.2.2: "http://authority/path". host: of the Host field; NULL: an HTTP/1.0 client
 * sent none. */
static struct err read_absolute(struct arena *a, struct str target,
                                const struct http_authority *host, struct http_head *h)
{
    static const struct {
        struct str prefix;
        uint16_t port;
    } schemes[] = {{STR_LIT("http://"), 80}, {STR_LIT("https://"), 443}};
    size_t s = 0;
    while (s < ARRAY_LEN(schemes) &&
           !str_eq_nocase(str_sub(target, 0, schemes[s].prefix.len), schemes[s].prefix))
        s++;
    if (s == ARRAY_LEN(schemes))
        return fail(ERR_BAD_REQUEST, 0);

    struct str rest = str_skip(target, schemes[s].prefix.len);
    size_t slash = str_index(rest, '/');
    size_t query = str_index(rest, '?');
    size_t end = slash < query ? slash : query;
    struct str text = str_sub(rest, 0, end);
    struct str path = str_skip(rest, end);
    struct http_authority authority;
    if (host == NULL)
        TRY(set_authority(a, text, h, &authority));
    else
        TRY(http_syntax_authority(text, &authority));
    if (host != NULL && !agrees(&authority, host, schemes[s].port))
        return fail(ERR_BAD_HOST, 0);

    if (path.len > 0 && path.p[0] == '/')
        h->path = path;
    else if (path.len == 0)
        h->path = str_eq(h->method, STR("OPTIONS")) ? STR("*") : STR("/");
    else
        h->path = arena_fmt(a, "/%.*s", STR_ARG(path));
    return h->path.p != NULL ? OK : fail(ERR_MEMORY, 0);
}

/* RFC 9112 3.2. */
static struct err read_target(struct arena *a, struct str target, const struct notes *n,
                              struct http_head *h)
{
    struct http_authority host;
    if (n->host_count > 1 || (n->host_count == 0 && h->version != HTTP_1_0))
        return fail(ERR_BAD_HOST, 0);
    if (n->host_count == 1)
        TRY(set_authority(a, n->host->value, h, &host));

    if (target.len > TARGET_URI_MAX_BYTES)
        return fail(ERR_URI_TOO_LONG, 0);
    /* A TRACE would show the client what we tell the target about it (RFC 9110 9.3.8). */
    if (str_eq(h->method, STR("CONNECT")) || str_eq(h->method, STR("TRACE")))
        return fail(ERR_NOT_IMPLEMENTED, 0);
    if (target.p[0] == '/') {
        h->path = target;
        return OK;
    }
    if (!str_eq(target, STR("*")))
        return read_absolute(a, target, n->host_count == 1 ? &host : NULL, h);
    if (!str_eq(h->method, STR("OPTIONS")))
        return fail(ERR_BAD_REQUEST, 0);
    h->path = target;
    return OK;
}

/* RFC 9110 7.8: a list of "protocol" or "protocol/version". Other versions of HTTP, and TLS,
 * are not tunnelled: requests inside would reach the target past every check (h2c
 * smuggling). */
static bool may_upgrade(struct str list)
{
    struct str item;
    while (str_next(&list, ',', &item)) {
        struct str name = str_trim(item);
        struct str version = STR("0");
        (void)str_split(name, '/', &name, &version);
        if (!http_syntax_is_token(name) || !http_syntax_is_token(version))
            return false;
        if (str_eq_nocase(name, STR("h2c")) || str_eq_nocase(name, STR("h2")) ||
            str_eq_nocase(name, STR("HTTP")) || str_eq_nocase(name, STR("TLS")))
            return false;
    }
    return true;
}

static struct str read_upgrade(const struct notes *n, const struct http_head *h)
{
    if (!n->says_upgrade || n->upgrade_count != 1 || h->version == HTTP_1_0)
        return STR_NONE;
    return may_upgrade(n->upgrade->value) ? n->upgrade->value : STR_NONE;
}

struct err h1_head_read_request(struct str block, size_t lines, struct arena *a,
                                struct http_head *ret_head, struct h1_facts *ret_facts)
{
    struct h1_request_line line = {.version = HTTP_1_1};
    struct notes n = {0};
    *ret_head = (struct http_head){.version = HTTP_1_1};
    *ret_facts = (struct h1_facts){.framing = H1_FRAMING_NONE};
    TRY(h1_parser_request_line(block, &line, &block));
    ret_head->version = line.version;
    ret_head->method = line.method;
    TRY(h1_parser_fields(block, lines - 1, a, &ret_head->fields));
    TRY(note_fields(&ret_head->fields, &n));
    TRY(read_target(a, line.target, &n, ret_head));
    TRY(read_framing(&n, ret_head));
    ret_facts->keeps_alive = keeps_alive(&n, line.version);
    if (ret_head->body == HTTP_BODY_LENGTH)
        ret_facts->framing = H1_FRAMING_LENGTH;
    else if (ret_head->body == HTTP_BODY_UNKNOWN)
        ret_facts->framing = H1_FRAMING_CHUNKED;
    /* RFC 9110 10.1.1: means nothing from HTTP/1.0, nor without a body. Expectations other than
     * this one are the target's to judge; they travel with the fields. */
    ret_head->expects_continue =
        n.expects_continue && line.version != HTTP_1_0 && ret_head->body != HTTP_BODY_NONE;
    /* RFC 9110 7.8: a server may ignore Upgrade. With a body in between, where the tunnel
     * begins would depend on both sides; nobody asks for that. */
    if (ret_head->body == HTTP_BODY_NONE)
        ret_head->upgrade = read_upgrade(&n, ret_head);
    return OK;
}

/* The first line up to the byte that spoils it, if one does. */
static void glimpse_line(struct str bytes, struct arena *a, struct http_head *h)
{
    struct h1_request_line line = {.version = HTTP_1_1};
    struct str rest;
    struct str good = str_sub(bytes, 0, http_syntax_span(bytes, HTTP_SYNTAX_VALUE));
    struct str text = arena_fmt(a, "%.*s\r\n", STR_ARG(good));
    if (text.p != NULL)
        (void)h1_parser_request_line(text, &line, &rest);
    h->version = line.version;
    h->method = line.method;
    h->path = line.target;
}

/* lines: complete ones, the first is the request line. */
static void glimpse_fields(struct str lines, size_t count, struct arena *a, struct http_head *h)
{
    struct http_authority authority;
    struct str text = arena_dup(a, str_skip(lines, str_index(lines, '\n') + 1));
    count = count - 1 < HEAD_FIELDS_MAX ? count - 1 : HEAD_FIELDS_MAX;
    if (text.p == NULL)
        return;
    (void)h1_parser_fields(text, count, a, &h->fields);
    const struct http_field *host = http_fields_find(&h->fields, HTTP_FIELD_HOST);
    if (host != NULL && failed(set_authority(a, host->value, h, &authority)))
        h->host = host->value;
}

void h1_head_glimpse(struct str bytes, const struct h1_scan *scan, struct arena *a,
                     struct http_head *ret_head)
{
    *ret_head = (struct http_head){.version = HTTP_1_1};
    bytes = str_sub(bytes, 0, scan->at);
    glimpse_line(bytes, a, ret_head);
    if (scan->lines > 1)
        glimpse_fields(bytes, scan->lines, a, ret_head);
}

/* RFC 9112 6.3, but for HEAD. */
static enum h1_framing response_framing(const struct http_head *h)
{
    if (h->status < 200 || h->status == 204 || h->status == 304)
        return H1_FRAMING_NONE;
    if (h->body == HTTP_BODY_LENGTH)
        return H1_FRAMING_LENGTH;
    return h->body == HTTP_BODY_UNKNOWN ? H1_FRAMING_CHUNKED : H1_FRAMING_CLOSE;
}

struct err h1_head_read_response(struct str block, size_t lines, struct arena *a,
                                 struct http_head *ret_head, struct h1_facts *ret_facts)
{
    struct h1_status_line line = {.version = HTTP_1_1};
    struct notes n = {0};
    *ret_head = (struct http_head){.version = HTTP_1_1};
    *ret_facts = (struct h1_facts){.framing = H1_FRAMING_NONE};
    TRY(h1_parser_status_line(block, &line, &block));
    ret_head->version = line.version;
    ret_head->status = line.status;
    TRY(h1_parser_fields(block, lines - 1, a, &ret_head->fields));
    TRY(note_fields(&ret_head->fields, &n));
    TRY(read_framing(&n, ret_head));
    ret_facts->framing = response_framing(ret_head);
    ret_facts->keeps_alive = keeps_alive(&n, line.version);
    /* RFC 9110 8.6, RFC 9112 6.1: these never announce a body. If one does, its sender may well
     * send it: nothing after this head can be trusted. */
    if (line.status < 200 || line.status == 204) {
        if (ret_head->body == HTTP_BODY_UNKNOWN || ret_head->body_bytes > 0)
            ret_facts->keeps_alive = false;
        ret_head->body = HTTP_BODY_NONE;
        ret_head->body_bytes = 0;
    }
    /* In other answers Upgrade only advertises, and what it offers is not ours to offer. */
    if (line.status == 101 || line.status == 426)
        ret_head->upgrade = read_upgrade(&n, ret_head);
    return OK;
}

struct err h1_head_read_trailers(struct str block, size_t lines, struct arena *a,
                                 const struct http_fields **ret_trailers)
{
    *ret_trailers = NULL;
    if (lines == 0)
        return OK;
    struct http_fields *f = arena_one(a, struct http_fields);
    if (f == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(h1_parser_fields(block, lines, a, f));
    size_t kept = 0;
    for (size_t i = 0; i < f->count; i++) {
        if (http_field_is_trailer(&f->items[i]))
            f->items[kept++] = f->items[i];
    }
    f->count = kept;
    if (kept > 0)
        *ret_trailers = f;
    return OK;
}
