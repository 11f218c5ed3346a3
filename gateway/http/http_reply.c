/* http_reply.c - reasons, then pages and problems, then redirects. */
#include "gateway/http/http_reply.h"

enum { FIRST_STATUS = 100 };

/* By status; empty rows are not registered. */
static const struct {
    struct str reason;
    struct str words; /* what a visitor may know */
} statuses[] = {
#define HTTP_STATUS(code, reason_text, words_text)                                             \
    [(code)-FIRST_STATUS] = {.reason = STR_LIT(reason_text), .words = STR_LIT(words_text)},
#include "gateway/http/http_statuses.def"
#undef HTTP_STATUS
};

static bool is_registered(unsigned status)
{
    return status >= FIRST_STATUS && status - FIRST_STATUS < ARRAY_LEN(statuses) &&
           statuses[status - FIRST_STATUS].reason.len > 0;
}

struct str http_reason(unsigned status)
{
    return is_registered(status) ? statuses[status - FIRST_STATUS].reason : STR("Unknown");
}

static struct str words_for(unsigned status)
{
    return is_registered(status) ? statuses[status - FIRST_STATUS].words : STR("");
}

/* RFC 9110 12.4.2: 0 to 1000; malformed weights count as 1000. */
static unsigned read_weight(struct str parameters)
{
    struct str parameter;
    while (str_next(&parameters, ';', &parameter)) {
        parameter = str_trim(parameter);
        if (!str_eq_nocase(str_sub(parameter, 0, 2), STR("q=")))
            continue;
        unsigned weight = 0;
        unsigned unit = 1000;
        for (struct str s = str_skip(parameter, 2); s.len > 0 && unit > 0; s = str_skip(s, 1)) {
            if (s.p[0] == '.')
                continue;
            if (!chr_is_digit(s.p[0]))
                return 1000;
            weight += (unsigned)(s.p[0] - '0') * unit;
            unit /= 10;
        }
        return weight;
    }
    return 1000;
}

/* How much an Accept value wants the type: the weight of the most specific range that matches
 * it; of equal weights the more specific range counts more (JSON by name before HTML by
 * "anything"). */
static unsigned weigh(struct str accept, struct str type)
{
    size_t slash = str_index(type, '/');
    unsigned weight = 0;
    size_t specificity = 0;
    struct str range;
    while (str_next(&accept, ',', &range)) {
        struct str parameters = STR_NONE;
        (void)str_split(range, ';', &range, &parameters);
        range = str_trim(range);
        size_t matched = 0;
        if (str_eq_nocase(range, type))
            matched = 3;
        else if (str_ends(range, STR("/*")) &&
                 str_eq_nocase(str_sub(range, 0, slash + 1), str_sub(type, 0, slash + 1)))
            matched = 2;
        else if (str_eq(range, STR("*/*")))
            matched = 1;
        if (matched > specificity) {
            specificity = matched;
            weight = read_weight(parameters);
        }
    }
    return weight == 0 ? 0 : weight * 4 + (unsigned)specificity;
}

/* Browsers get pages; JSON is for those who want it more. */
static bool prefers_json(const struct http_head *request)
{
    const struct http_field *accept =
        request == NULL ? NULL : http_fields_find(&request->fields, HTTP_FIELD_ACCEPT);
    if (accept == NULL)
        return false;
    unsigned html = weigh(accept->value, STR("text/html"));
    return weigh(accept->value, STR("application/problem+json")) > html ||
           weigh(accept->value, STR("application/json")) > html;
}

/* The id may come from a peer: one with characters that mean something in HTML or JSON is left
 * out. */
static bool is_plain_id(struct str id)
{
    for (size_t i = 0; i < id.len; i++) {
        char c = id.p[i];
        if (!chr_is_alpha(c) && !chr_is_digit(c) &&
            (c == '\0' || strchr("-._:/+=@", c) == NULL))
            return false;
    }
    return id.len > 0;
}

static struct str make_page(struct arena *a, unsigned status, struct str request_id)
{
    struct str reason = http_reason(status);
    struct str words = words_for(status);
    struct str id = STR("");
    if (is_plain_id(request_id))
        id = arena_fmt(a, "<p><small>Request %.*s</small></p>\n", STR_ARG(request_id));
    if (id.p == NULL)
        return STR_NONE;
    return arena_fmt(a,
                     "<!doctype html>\n"
                     "<html lang=\"en\">\n"
                     "<meta charset=\"utf-8\">\n"
                     "<meta name=\"viewport\" content=\"width=device-width\">\n"
                     "<meta name=\"color-scheme\" content=\"light dark\">\n"
                     "<title>%u %.*s</title>\n"
                     "<style>body{font:1.1em/1.5 system-ui,sans-serif;max-width:36em;"
                     "margin:15vh auto;padding:0 1em}small{opacity:.6}</style>\n"
                     "<h1>%u %.*s</h1>\n"
                     "<p>%.*s</p>\n"
                     "%.*s",
                     status, STR_ARG(reason), status, STR_ARG(reason), STR_ARG(words),
                     STR_ARG(id));
}

/* RFC 9457. */
static struct str make_problem(struct arena *a, unsigned status, struct str request_id)
{
    struct str reason = http_reason(status);
    struct str words = words_for(status);
    struct str id = STR("");
    if (is_plain_id(request_id))
        id = arena_fmt(a, ",\"request_id\":\"%.*s\"", STR_ARG(request_id));
    if (id.p == NULL)
        return STR_NONE;
    return arena_fmt(a,
                     "{\"type\":\"about:blank\",\"title\":\"%.*s\",\"status\":%u,"
                     "\"detail\":\"%.*s\"%.*s}\n",
                     STR_ARG(reason), status, STR_ARG(words), STR_ARG(id));
}

struct err http_reply_error(struct arena *a, unsigned status, const struct http_head *request,
                            struct str request_id, struct http_head *ret_head,
                            struct str *ret_body)
{
    bool is_json = prefers_json(request);
    struct str body =
        is_json ? make_problem(a, status, request_id) : make_page(a, status, request_id);
    if (body.p == NULL)
        return fail(ERR_MEMORY, 0);
    struct http_head head = {
        .status = status, .body = HTTP_BODY_LENGTH, .body_bytes = body.len};
    TRY(http_fields_add_id(&head.fields, a, HTTP_FIELD_CONTENT_TYPE,
                           is_json ? STR("application/problem+json")
                                   : STR("text/html; charset=utf-8")));
    TRY(http_fields_add_id(&head.fields, a, HTTP_FIELD_CACHE_CONTROL, STR("no-store")));
    *ret_head = head;
    *ret_body = body;
    return OK;
}

struct err http_reply_redirect(struct arena *a, unsigned status, struct str location,
                               struct http_head *ret_head)
{
    struct http_head head = {.status = status, .body = HTTP_BODY_NONE};
    TRY(http_fields_add_id(&head.fields, a, HTTP_FIELD_LOCATION, location));
    *ret_head = head;
    return OK;
}
