#include "store/host_name.h"

#include "gateway/base/limits.h"

#include <arpa/inet.h>
#include <idn2.h>

static const char out_of_memory[] = "there is not enough memory to check it";

static bool has_byte_outside_ascii(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.p[i] >= 0x80)
            return true;
    }
    return false;
}

static bool is_idn_label(struct str label)
{
    return str_starts(label, STR("xn--"));
}

static bool has_idn_label(struct str host)
{
    struct str label;
    while (str_next(&host, '.', &label)) {
        if (is_idn_label(label))
            return true;
    }
    return false;
}

/* libidn2 wants a terminated string; arena_dup makes one. */
static struct str to_ascii(struct arena *a, struct str host, int *ret_code)
{
    struct str copy = arena_dup(a, host);
    uint8_t *ascii = NULL;
    if (copy.p == NULL) {
        *ret_code = IDN2_MALLOC;
        return STR_NONE;
    }
    *ret_code =
        idn2_lookup_u8((const uint8_t *)copy.p, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (*ret_code != IDN2_OK)
        return STR_NONE;
    struct str result = arena_dup(a, str_from((const char *)ascii));
    idn2_free(ascii);
    if (result.p == NULL)
        *ret_code = IDN2_MALLOC;
    return result;
}

struct str host_name_to_unicode(struct arena *a, struct str host)
{
    if (!has_idn_label(host))
        return host;
    bool is_wildcard = str_starts(host, STR("*."));
    struct str copy = arena_dup(a, is_wildcard ? str_skip(host, 2) : host);
    char *text = NULL;
    if (copy.p == NULL || idn2_to_unicode_8z8z(copy.p, &text, IDN2_NONTRANSITIONAL) != IDN2_OK)
        return copy.p == NULL ? STR_NONE : host;
    struct str result = arena_fmt(a, "%s%s", is_wildcard ? "*." : "", text);
    idn2_free(text);
    return result;
}

/* An A-label must be what its own Unicode form encodes to, or two spellings would mean one
 * name. */
static const char *check_a_labels(struct arena *a, struct str host)
{
    static const char words[] = "has an \"xn--\" label that is not a valid international name";
    struct str copy = arena_dup(a, host);
    char *text = NULL;
    if (copy.p == NULL)
        return out_of_memory;
    if (idn2_to_unicode_8z8z(copy.p, &text, IDN2_NONTRANSITIONAL) != IDN2_OK)
        return words;
    int code;
    struct str back = to_ascii(a, str_from(text), &code);
    idn2_free(text);
    return code == IDN2_OK && str_eq(back, host) ? NULL : words;
}

static const char *check_label(struct str label)
{
    if (str_is_empty(label))
        return "has an empty label (two dots in a row, or a dot at the beginning)";
    if (label.len > HOST_LABEL_MAX_BYTES)
        return "has a label longer than 63 bytes";
    if (label.p[0] == '-' || label.p[label.len - 1] == '-')
        return "has a label that begins or ends with a hyphen";
    for (size_t i = 0; i < label.len; i++) {
        char c = label.p[i];
        if (!chr_is_alpha(c) && !chr_is_digit(c) && c != '-' && c != '_')
            return "may hold only letters, digits, hyphens and dots";
    }
    return NULL;
}

static const char *check_labels(struct str name)
{
    struct str rest = name, label = STR_NONE;
    while (str_next(&rest, '.', &label)) {
        const char *words = check_label(label);
        if (words != NULL)
            return words;
    }
    for (size_t i = 0; i < label.len; i++) {
        if (!chr_is_digit(label.p[i]))
            return NULL;
    }
    return "looks like an IPv4 address, but is none";
}

/* What people paste instead of a host name deserves better words than "bad character". */
static const char *check_misunderstanding(struct str host)
{
    if (str_is_empty(host))
        return "must not be empty";
    if (memchr(host.p, '\0', host.len) != NULL)
        return "holds a zero byte";
    if (memmem(host.p, host.len, "://", 3) != NULL)
        return "must be a name alone, without a scheme such as http://";
    if (memchr(host.p, '/', host.len) != NULL)
        return "must be a name alone; a path belongs into \"path\"";
    if (memchr(host.p, ':', host.len) != NULL)
        return "must be a name alone, without a port";
    if (host.p[host.len - 1] == '.')
        return "must not end with a dot";
    if (memchr(host.p, '*', host.len) != NULL)
        return "may have a \"*\" only as its whole first label, such as \"*.example.org\"";
    return NULL;
}

static const char *check_name(struct arena *a, struct str *name)
{
    const char *words = check_misunderstanding(*name);
    if (words != NULL)
        return words;
    if (name->len > 4 * HOST_NAME_MAX_BYTES)
        return "is longer than 253 bytes";
    if (has_byte_outside_ascii(*name)) {
        int code;
        struct str ascii = to_ascii(a, *name, &code);
        if (code == IDN2_MALLOC)
            return out_of_memory;
        if (code != IDN2_OK)
            return "is not a valid international name";
        *name = ascii;
    }
    char *lower = arena_bytes(a, name->len);
    if (lower == NULL)
        return out_of_memory;
    for (size_t i = 0; i < name->len; i++)
        lower[i] = chr_lower(name->p[i]);
    *name = str_make(lower, name->len);
    words = check_labels(*name);
    if (words != NULL)
        return words;
    if (name->len > HOST_NAME_MAX_BYTES)
        return "is longer than 253 bytes";
    return has_idn_label(*name) ? check_a_labels(a, *name) : NULL;
}

/* True if host is an address; then *host is its normal form, or empty if there was no room. */
static bool normalise_address(struct arena *a, struct str *host)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char bytes[16];
    struct str inner = *host;
    if (inner.len >= 2 && inner.p[0] == '[' && inner.p[inner.len - 1] == ']')
        inner = str_sub(inner, 1, inner.len - 2);
    if (inner.len == 0 || inner.len >= sizeof(text) || memchr(inner.p, '\0', inner.len) != NULL)
        return false;
    memcpy(text, inner.p, inner.len);
    text[inner.len] = '\0';
    int family = memchr(inner.p, ':', inner.len) != NULL ? AF_INET6 : AF_INET;
    if (inner.len != host->len && family != AF_INET6)
        return false;
    if (inet_pton(family, text, bytes) != 1)
        return false;
    (void)inet_ntop(family, bytes, text, sizeof(text));
    *host = arena_dup(a, str_from(text));
    return true;
}

const char *host_name_check_target(struct arena *a, struct str *host)
{
    if (normalise_address(a, host))
        return host->p == NULL ? out_of_memory : NULL;
    return check_name(a, host);
}

const char *host_name_check_host(struct arena *a, struct str *host)
{
    if (str_eq(*host, STR("*")))
        return NULL;
    if (!str_starts(*host, STR("*.")))
        return host_name_check_target(a, host);
    struct str rest = str_skip(*host, 2);
    const char *words = check_name(a, &rest);
    if (words != NULL)
        return words;
    if (rest.len + 2 > HOST_NAME_MAX_BYTES)
        return "is longer than 253 bytes";
    *host = arena_fmt(a, "*.%.*s", STR_ARG(rest));
    return host->p == NULL ? out_of_memory : NULL;
}

enum host_kind host_name_kind(struct str host)
{
    if (str_eq(host, STR("*")))
        return HOST_ANY;
    if (str_starts(host, STR("*.")))
        return HOST_WILDCARD;
    if (memchr(host.p, ':', host.len) != NULL)
        return HOST_IPV6;
    /* A name never ends in a label of digits alone: check_labels refuses it. */
    size_t digits = 0;
    while (digits < host.len && chr_is_digit(host.p[host.len - 1 - digits]))
        digits++;
    bool is_address = digits > 0 && digits < host.len && host.p[host.len - 1 - digits] == '.';
    return is_address ? HOST_IPV4 : HOST_NAME;
}

bool host_name_has_underscore(struct str host)
{
    return memchr(host.p, '_', host.len) != NULL;
}

bool host_name_is_provable(struct str host)
{
    return host_name_kind(host) == HOST_NAME && !host_name_has_underscore(host);
}
