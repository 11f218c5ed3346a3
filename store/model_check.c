#include "store/model_check.h"

#include "store/counted.h"
#include "store/host_name.h"
#include "store/status_set.h"
#include "store/target_url.h"

#include "gateway/base/limits.h"
#include "gateway/base/text.h"

#include <arpa/inet.h>
#include <stdio.h>

static const char out_of_memory[] = "cannot be checked: there is not enough memory";

/* True if every byte is one of the letters, digits, or extra. */
static bool holds_only(struct str s, const char *extra)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        if (!chr_is_alpha(c) && !chr_is_digit(c) && (c == '\0' || strchr(extra, c) == NULL))
            return false;
    }
    return true;
}

/* True if some byte is a control character or one of unwanted. */
static bool holds_any(struct str s, const char *unwanted)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 || c == 0x7f || strchr(unwanted, c) != NULL)
            return true;
    }
    return false;
}

/* ---- ids and words ---- */

const char *model_check_id(struct arena *a, struct str *value)
{
    (void)a;
    struct str id = *value;
    if (str_is_empty(id))
        return "must not be empty";
    if (id.len > ID_MAX_BYTES)
        return "must not be longer than 64 bytes";
    for (size_t i = 0; i < id.len; i++) {
        char c = id.p[i];
        bool is_plain = (c >= 'a' && c <= 'z') || chr_is_digit(c);
        if (!is_plain && (i == 0 || (c != '-' && c != '.' && c != '_')))
            return "is no id: lower-case letters, digits, '-', '.' and '_', beginning with a "
                   "letter or digit";
    }
    return NULL;
}

const char *model_check_balance(struct arena *a, struct str *value)
{
    static const struct str names[] = {STR_LIT("round_robin"), STR_LIT("least_conn"),
                                       STR_LIT("random_two"), STR_LIT("hash_ip"),
                                       STR_LIT("hash_uri")};
    static const struct str by_cookie = STR_LIT("hash_cookie:");
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_eq(*value, names[i]))
            return NULL;
    }
    if (str_starts(*value, by_cookie)) {
        struct str name = str_skip(*value, by_cookie.len);
        return model_check_cookie_name(a, &name);
    }
    return "must be \"round_robin\", \"least_conn\", \"random_two\", \"hash_ip\", "
           "\"hash_uri\" or \"hash_cookie:NAME\"";
}

const char *model_check_token_text(struct arena *a, struct str *value)
{
    (void)a;
    for (size_t i = 0; i < value->len; i++) {
        if ((unsigned char)value->p[i] <= 0x20 || (unsigned char)value->p[i] >= 0x7f)
            return "must be printable characters without spaces";
    }
    return NULL;
}

const char *model_check_base64(struct arena *a, struct str *value)
{
    (void)a;
    struct buf bytes;
    buf_init(&bytes, SHAPE_TEXT_MAX);
    struct err e = text_unbase64(&bytes, *value);
    bool is_empty = buf_len(&bytes) == 0;
    if (!is_empty)
        secret_wipe(COUNTED_MUTABLE(char, buf_view(&bytes).p), buf_len(&bytes));
    buf_fini(&bytes);
    if (err_is(e, ERR_MEMORY))
        return out_of_memory;
    return failed(e) || is_empty ? "must be base64 or base64url text" : NULL;
}

/* ---- hosts and headers ---- */

static bool is_token(struct str s)
{
    return !str_is_empty(s) && s.len <= 256 && holds_only(s, "!#$%&'*+-.^_`|~");
}

const char *model_check_server_name(struct arena *a, struct str *value)
{
    const char *words = host_name_check_target(a, value);
    if (words == NULL && host_name_kind(*value) != HOST_NAME)
        words = "must be a name: TLS server names cannot be addresses";
    return words;
}

const char *model_check_host_header(struct arena *a, struct str *value)
{
    (void)a;
    if (str_is_empty(*value) || value->len > HOST_NAME_MAX_BYTES + sizeof(":65535") - 1)
        return "must be \"preserve\", \"target\", or a host name of at most 253 bytes";
    if (!holds_only(*value, "-._:[]"))
        return "must be \"preserve\", \"target\", or a host name with an optional port";
    return NULL;
}

/* Fields that describe one connection or frame the message: the gateway alone writes them
 * (RFC 9110 7.6.1, RFC 9112 6). */
static const char *check_own_field(struct str name)
{
    static const struct str fields[] = {
        STR_LIT("connection"),
        STR_LIT("transfer-encoding"),
        STR_LIT("content-length"),
        STR_LIT("upgrade"),
        STR_LIT("te"),
        STR_LIT("trailer"),
        STR_LIT("keep-alive"),
        STR_LIT("proxy-connection"),
    };
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (str_eq_nocase(name, fields[i]))
            return "belongs to the connection and is written by the gateway alone";
    }
    return str_eq_nocase(name, STR("host")) ? "is set with \"host_header\"" : NULL;
}

const char *model_check_header_name(struct arena *a, struct str *value)
{
    (void)a;
    if (!is_token(*value))
        return "is no header name (RFC 9110 5.1)";
    return check_own_field(*value);
}

const char *model_check_cookie_name(struct arena *a, struct str *value)
{
    (void)a;
    return is_token(*value) ? NULL
                            : "does not name a cookie: letters, digits and !#$%&'*+-.^_`|~ "
                              "alone (RFC 6265 4.1.1)";
}

const char *model_check_header_value(struct str value)
{
    if (value.len > 8 * KIB)
        return "must not be longer than 8192 bytes";
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.p[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return "must not hold line ends or other control characters";
    }
    return NULL;
}

/* ---- paths ---- */

/* A dot segment, its dots written plainly or as %2e: clients and servers resolve these, so a
 * prefix that holds one matches nothing that arrives (RFC 3986 5.2.4, 6.2.2.2). */
static bool is_dot_segment(struct str segment)
{
    size_t dots = 0;
    while (segment.len > 0) {
        if (segment.p[0] == '.')
            segment = str_skip(segment, 1);
        else if (str_eq_nocase(str_sub(segment, 0, 3), STR("%2e")))
            segment = str_skip(segment, 3);
        else
            return false;
        dots++;
    }
    return dots == 1 || dots == 2;
}

static const char *check_path_bytes(struct str path)
{
    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = (unsigned char)path.p[i];
        if (c == '?' || c == '#')
            return "must be a path alone, without \"?\" or \"#\"";
        if (c <= 0x20 || c >= 0x7f || strchr("\"<>\\^`{|}", c) != NULL)
            return "has a character that a URL path cannot hold; write it as %XX";
        if (c == '%' &&
            (i + 2 >= path.len || chr_hex(path.p[i + 1]) < 0 || chr_hex(path.p[i + 2]) < 0))
            return "has a \"%\" without two hexadecimal digits after it";
    }
    return NULL;
}

const char *model_check_path(struct arena *a, struct str *value)
{
    (void)a;
    struct str path = *value;
    if (path.len == 0 || path.p[0] != '/')
        return "must begin with \"/\"";
    if (path.len > 4 * KIB)
        return "must not be longer than 4096 bytes";
    const char *words = check_path_bytes(path);
    if (words != NULL)
        return words;
    bool has_end_slash = path.len > 1 && path.p[path.len - 1] == '/';
    if (has_end_slash)
        path.len--;
    struct str rest = str_skip(path, 1), segment;
    while ((path.len > 1 || has_end_slash) && str_next(&rest, '/', &segment)) {
        if (str_is_empty(segment))
            return "must not hold \"//\"";
        if (is_dot_segment(segment))
            return "must not hold \".\" or \"..\" segments";
    }
    *value = path;
    return NULL;
}

/* Sent as it is, so that only what a request target can hold is taken (RFC 9112 3.2.1). */
const char *model_check_probe_path(struct arena *a, struct str *value)
{
    (void)a;
    if (value->len == 0 || value->p[0] != '/')
        return "must begin with \"/\"";
    for (size_t i = 0; i < value->len; i++) {
        unsigned char c = (unsigned char)value->p[i];
        if (c <= 0x20 || c >= 0x7f || strchr("\"#<>\\^`{|}", c) != NULL)
            return "has a character that a request cannot hold; write it as %XX";
    }
    return NULL;
}

const char *model_check_statuses(struct arena *a, struct str *value)
{
    (void)a;
    struct status_set s;
    return status_set_parse(*value, &s);
}

const char *model_check_add_prefix(struct arena *a, struct str *value)
{
    const char *words = model_check_path(a, value);
    if (words == NULL && str_eq(*value, STR("/")))
        *value = STR("");
    return words;
}

/* ---- media types ---- */

/* name=token, or name="text"; without escapes, which nothing here needs. */
static bool is_parameter(struct str s)
{
    struct str name, value;
    if (!str_split(s, '=', &name, &value) || !is_token(name))
        return false;
    bool is_quoted =
        value.len >= 2 && str_starts(value, STR("\"")) && str_ends(value, STR("\""));
    return is_quoted ? !holds_any(str_sub(value, 1, value.len - 2), "\"\\") : is_token(value);
}

const char *model_check_media_type(struct arena *a, struct str *value)
{
    (void)a;
    struct str type, subtype, rest = *value, item;
    bool is_good = str_next(&rest, ';', &item) && str_split(item, '/', &type, &subtype) &&
                   is_token(type) && is_token(str_trim(subtype)) && !str_ends(*value, STR(";"));
    while (is_good && str_next(&rest, ';', &item))
        is_good = is_parameter(str_trim(item));
    return is_good ? NULL
                   : "is no media type such as \"text/html; charset=utf-8\" (RFC 9110 8.3.1)";
}

/* ---- targets ---- */

const char *model_check_target_url(struct arena *a, struct str *value)
{
    struct target t = {.weight = 0};
    const char *words = target_url_parse(a, *value, &t);
    if (words == NULL)
        *value = t.url;
    return words;
}

/* 32 bytes as hexadecimal or base64 text, to lower-case hexadecimal. */
const char *model_check_pin(struct arena *a, struct str *value)
{
    static const struct str prefix = STR_LIT("sha256/");
    struct str text = str_starts(*value, prefix) ? str_skip(*value, prefix.len) : *value;
    struct buf bytes, hex;
    buf_init(&bytes, 1024);
    buf_init(&hex, 64);
    struct err e = text_unhex(&bytes, text);
    if (failed(e) || buf_len(&bytes) != 32) {
        buf_clear(&bytes);
        e = text_unbase64(&bytes, text);
    }
    bool is_digest = !failed(e) && buf_len(&bytes) == 32;
    struct str copy = STR_NONE;
    if (is_digest && !failed(text_hex(&hex, buf_view(&bytes))))
        copy = arena_dup(a, buf_view(&hex));
    buf_fini(&bytes);
    buf_fini(&hex);
    if (!is_digest && !err_is(e, ERR_MEMORY))
        return "is no SHA-256: 64 hexadecimal digits, or base64 of 32 bytes";
    if (copy.p == NULL)
        return out_of_memory;
    *value = copy;
    return NULL;
}

/* ---- settings ---- */

const char *model_check_cidr(struct arena *a, struct str *value)
{
    (void)a;
    struct cidr c;
    return failed(cidr_parse(*value, &c))
               ? "is no address block such as \"192.0.2.0/24\", \"2001:db8::/32\" or \"::1\""
               : NULL;
}

/* "" stays ""; false if it is no address. */
static bool normal_address(struct str host, char out[INET6_ADDRSTRLEN + 2])
{
    char text[INET6_ADDRSTRLEN];
    unsigned char address[16];
    bool is_v6 = host.len >= 2 && host.p[0] == '[' && host.p[host.len - 1] == ']';
    if (is_v6)
        host = str_sub(host, 1, host.len - 2);
    if (host.len >= sizeof(text) || (is_v6 && host.len == 0))
        return false;
    memcpy(text, host.p, host.len);
    text[host.len] = '\0';
    int family = is_v6 ? AF_INET6 : AF_INET;
    if (host.len > 0 && inet_pton(family, text, address) != 1)
        return false;
    if (host.len > 0)
        (void)inet_ntop(family, address, text, sizeof(text));
    (void)snprintf(out, INET6_ADDRSTRLEN + 2, is_v6 ? "[%s]" : "%s", text);
    return true;
}

const char *model_check_listener(struct arena *a, struct str *value)
{
    char host[INET6_ADDRSTRLEN + 2];
    uint64_t port;
    size_t colon = value->len;
    while (colon > 0 && value->p[colon - 1] != ':')
        colon--;
    if (colon == 0 || failed(str_to_u64(str_skip(*value, colon), 65535, &port)) || port == 0 ||
        !normal_address(str_sub(*value, 0, colon - 1), host))
        return "is no listener such as \"127.0.0.1:8443\", \"[::1]:8443\" or \":443\"";
    *value = arena_fmt(a, "%s:%u", host, (unsigned)port);
    return value->p == NULL ? out_of_memory : NULL;
}

const char *model_check_resolver(struct arena *a, struct str *value)
{
    const char *words = model_check_listener(a, value);
    if (words == out_of_memory)
        return words;
    return words == NULL && !str_starts(*value, STR(":"))
               ? NULL
               : "is no resolver such as \"192.0.2.53:53\" or \"[2001:db8::53]:53\"";
}

const char *model_check_directory(struct arena *a, struct str *value)
{
    (void)a;
    static const struct str https = STR_LIT("https://");
    if (!str_eq_nocase(str_sub(*value, 0, https.len), https) || value->len == https.len)
        return "must be an https:// URL: the directory of an ACME server";
    if (value->len > 2 * KIB)
        return "must not be longer than 2048 bytes";
    if (!holds_only(*value, "-._~:/?#[]@!$&'()*+,;=%"))
        return "has a character that a URL cannot hold";
    return NULL;
}

const char *model_check_contact(struct arena *a, struct str *value)
{
    static const struct str mailto = STR_LIT("mailto:");
    struct str address = *value;
    if (str_eq_nocase(str_sub(address, 0, mailto.len), mailto))
        address = str_skip(address, mailto.len);
    struct str user, domain;
    if (!str_split(address, '@', &user, &domain) || str_is_empty(user) || address.len > 320 ||
        holds_any(address, " ,;<>?"))
        return "must be one e-mail address, such as \"mailto:admin@example.org\"";
    const char *words = model_check_server_name(a, &domain);
    if (words != NULL)
        return "has no valid domain after its \"@\"";
    *value = arena_fmt(a, "mailto:%.*s@%.*s", STR_ARG(user), STR_ARG(domain));
    return value->p == NULL ? out_of_memory : NULL;
}
