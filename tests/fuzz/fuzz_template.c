/* Targets: template_parse template_check_redirect variables_gather variables_expand
 *          variables_expand_location forwarded_read client_facts_read */
#include "gateway/http/http_syntax.h"
#include "gateway/route/variables.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A line of the input, as far as it could have come through the codec. */
static struct str next_line(struct str *rest, unsigned class)
{
    struct str line = STR("");
    (void)str_next(rest, '\n', &line);
    return str_sub(line, 0, http_syntax_span(line, class));
}

/* What a browser would take for another host than the one in the template. */
static void check_location(const struct template *to, struct str location)
{
    bool is_path = str_starts(location, STR("/"));
    bool begins_as_path = to->parts[0].variable == TEMPLATE_PATH ||
                          to->parts[0].variable == TEMPLATE_URI ||
                          str_starts(to->parts[0].text, STR("/"));
    if (is_path != begins_as_path || str_starts(location, STR("//")))
        abort();
    for (size_t i = 0; i < location.len; i++) {
        if (location.p[i] <= 0x20 || location.p[i] >= 0x7f || location.p[i] == '\\')
            abort();
    }
}

static void check_value(struct str value)
{
    if (http_syntax_span(value, HTTP_SYNTAX_VALUE) != value.len)
        abort();
}

static void expand(struct arena *a, const struct template *t,
                   const struct variables_source *from)
{
    const struct variables *v;
    struct str text;
    if (failed(variables_gather(a, from, &v)) || failed(variables_expand(a, t, v, &text)))
        return;
    for (size_t i = 0; i < TEMPLATE_VARIABLE_COUNT; i++)
        check_value(v->values[i]);
    if (template_check_redirect(t) == NULL) {
        if (!failed(variables_expand_location(a, t, v, &text)))
            check_location(t, text);
    }
}

/* Lines: template, path, host, TLS name, then values of Forwarded and X-Forwarded-For. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = str_make(data, size), line = STR(""), words;
    struct arena *a = arena_new(4096, 1024 * 1024);
    struct cidr everybody = {.bits = 0};
    struct str block = STR("::/0");
    struct settings settings = {.trusted_proxies = {.items = &block, .count = 1},
                                .trusted_cidrs = &everybody};
    static const unsigned char peer[16] = {[15] = 1};
    struct template t;
    if (a == NULL)
        return 0;
    (void)str_next(&rest, '\n', &line);
    struct err e = template_parse(a, line, &t, &words);
    if (!failed(e)) {
        struct str path = next_line(&rest, HTTP_SYNTAX_TARGET);
        struct str host = next_line(&rest, HTTP_SYNTAX_HOST);
        struct http_head request = {.method = STR("GET"), .authority = host};
        request.path = arena_fmt(a, "/%.*s", STR_ARG(path));
        struct str name = STR("");
        (void)str_next(&rest, '\n', &name);
        struct str forwarded = next_line(&rest, HTTP_SYNTAX_VALUE);
        struct str addresses = next_line(&rest, HTTP_SYNTAX_VALUE);
        (void)http_fields_add_id(&request.fields, a, HTTP_FIELD_FORWARDED, forwarded);
        if (addresses.len > 0)
            (void)http_fields_add_id(&request.fields, a, HTTP_FIELD_X_FORWARDED_FOR, addresses);
        struct client_facts facts = {.address = STR("::1")};
        client_facts_read(&settings, peer, &request, &facts);
        struct route route = {.variables = t.variables};
        expand(a, &t,
               &(struct variables_source){.route = &route,
                                          .request = &request,
                                          .facts = &facts,
                                          .request_id = facts.request_id,
                                          .sni = name});
    }
    arena_free(a);
    return 0;
}
