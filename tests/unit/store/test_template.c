#include "store/template.h"
#include "tests/support/asserts.h"

static struct arena *a;

static int set_up(void **state)
{
    (void)state;
    a = arena_new(4096, 1024 * 1024);
    return a == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(a);
    return 0;
}

/* "text|{URI}|text", or "! words" */
static struct str show(const char *text)
{
    struct template t;
    struct str words, out = STR("");
    struct err e = template_parse(a, str_from(text), &t, &words);
    if (failed(e))
        return arena_fmt(a, "! %.*s", STR_ARG(words));
    for (size_t i = 0; i < t.count; i++) {
        const struct template_part *p = &t.parts[i];
        bool is_text = p->variable == TEMPLATE_TEXT;
        assert_true(is_text == (p->text.len > 0));
        assert_true(is_text || (t.variables & 1u << p->variable) != 0);
        out = is_text ? arena_fmt(a, "%.*s%s%.*s", STR_ARG(out), i == 0 ? "" : "|",
                                  STR_ARG(p->text))
                      : arena_fmt(a, "%.*s%s<%u>", STR_ARG(out), i == 0 ? "" : "|",
                                  (unsigned)p->variable);
    }
    return out;
}

static const struct {
    const char *name, *text, *want;
} rows[] = {
    {"plain text", "a value", "a value"},
    {"nothing", "", ""},
    {"a variable", "{client_ip}", "<1>"},
    {"text and variables", "for={client_ip}:{client_port};by={host}",
     "for=|<1>|:|<2>|;by=|<3>"},
    {"two in a row", "{path}{query}", "<5>|<6>"},
    {"a doubled brace is one", "{{", "{"},
    {"... before a name", "{{host}", "{host}"},
    {"... twice", "{{{{", "{{"},
    {"... and then a variable", "{{{host}", "{|<3>"},
    {"... in JSON", "{{\"a\": {{}}", "{\"a\": {}}"},
    {"a closing brace", "a}b", "a}b"},
    {"an open brace at the end", "a{", "a{"},
    {"a name that does not end", "{host", "{host"},
    {"no name", "{}", "{}"},
    {"not a name", "{Host}{a b}{1}{-}", "{Host}{a b}{1}{-}"},
    {"a brace inside a name", "{ho{host}", "{ho|<3>"},
    {"unknown", "a {nobody} b",
     "! there is no variable {nobody}; write {{ for a brace that is meant as one"},
    {"a prefix of a name", "{client}",
     "! there is no variable {client}; write {{ for a brace that is meant as one"},
    {"sixteen",
     "{uri}{uri}{uri}{uri}{uri}{uri}{uri}{uri}{uri}{uri}{uri}{uri}{uri}{uri}{uri}{uri}",
     "<7>|<7>|<7>|<7>|<7>|<7>|<7>|<7>|<7>|<7>|<7>|<7>|<7>|<7>|<7>|<7>"},
    {"seventeen",
     "{uri}{uri}{uri}{uri}{uri}{uri}{uri}{uri}{uri}{uri}{uri}{uri}{uri}{uri}{uri}{uri}{uri}",
     "! must not hold more than 16 variables"},
};

static void text_is_taken_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_row_str(rows[i].name, show(rows[i].text), rows[i].want);
}

static void each_variable_has_its_name(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum template_variable variable;
    } all[] = {
#define TEMPLATE_VARIABLE(id, name, meaning) {"{" name "}", TEMPLATE_##id},
#include "store/template_variables.def"
#undef TEMPLATE_VARIABLE
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct template t;
        struct str words;
        assert_ok(template_parse(a, str_from(all[i].text), &t, &words));
        assert_int_equal(t.count, 1);
        assert_int_equal(t.parts[0].variable, all[i].variable);
    }
}

/* words NULL: good */
static const struct {
    const char *to, *words;
} redirects[] = {
    {"https://new.example", NULL},
    {"https://new.example{uri}", NULL},
    {"http://new.example:8080/a{path}?q={query}#top", NULL},
    {"https://[2001:db8::1]:443{path}", NULL},
    {"https://{host}{uri}", NULL},
    {"https://{host}:{port}{uri}", NULL},
    {"https://www.{host}{uri}", NULL},
    {"https://{host}.example{uri}", NULL},
    {"{scheme}://{host}:8443{uri}", NULL},
    {"{scheme}://new.example", NULL},
    {"https://new.example?from={client_ip}", NULL},
    {"https://new.example#{query}", NULL},
    {"/login?to={uri}", NULL},
    {"/{query}", NULL},
    {"{path}", NULL},
    {"{uri}", NULL},
    {"{path}index.html", NULL},
    {"", "must begin"},
    {"new.example", "must begin"},
    {"?a", "must begin"},
    {"//new.example", "must begin"},
    {"//{host}/", "must begin"},
    {"ftp://new.example/", "must begin"},
    {"javascript:alert(1)", "must begin"},
    {"{query}", "must begin"},
    {"{host}/", "must begin"},
    {"{scheme}:/{uri}", "must begin"},
    {"{scheme}", "must begin"},
    {"https:{uri}", "must begin"},
    {"https:/{uri}", "must begin"},
    {"https://", "must begin"},
    {"https://{uri}", "must begin"},
    {"https:///x", "must begin"},
    {"{scheme}://{path}", "must begin"},
    {"https://new.example{query}", "could choose"},
    {"https://{query}.example", "could choose"},
    {"https://{sni}{uri}", "could choose"},
    {"https://new.example{method}/", "could choose"},
    {"https://new.example:{client_port}/", "could choose"},
    {"https://user@new.example/", "could choose"},
    {"https://{host}@new.example/", "could choose"},
    {"https://new.example%2f{uri}", "could choose"},
    {"https://new.example\\{uri}", "cannot hold"},
    {"/a b", "cannot hold"},
    {"/a\r\nb", "cannot hold"},
    {"/\\new.example", "cannot hold"},
    {"/\xc3\xa4", "cannot hold"},
    {"/{{x}", "cannot hold"},
};

static void a_client_cannot_choose_where_a_redirect_leads(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(redirects); i++) {
        struct template t;
        struct str none;
        assert_ok(template_parse(a, str_from(redirects[i].to), &t, &none));
        const char *words = template_check_redirect(&t);
        if (redirects[i].words == NULL
                ? words != NULL
                : words == NULL || strstr(words, redirects[i].words) == NULL)
            fail_msg("\"%s\": %s", redirects[i].to, words == NULL ? "is accepted" : words);
    }
}

static void memory_may_run_out(void **state)
{
    (void)state;
    for_each_fault(n)
    {
        struct template t;
        struct str words;
        struct arena *small = arena_new(16, 64 * 1024);
        if (small != NULL) {
            struct err e = template_parse(small, STR("a{host}b{nobody}"), &t, &words);
            assert_true(err_is(e, mem_fault_fired() ? ERR_MEMORY : ERR_SYNTAX));
        }
        arena_free(small);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_taken_apart),
        cmocka_unit_test(each_variable_has_its_name),
        cmocka_unit_test(a_client_cannot_choose_where_a_redirect_leads),
        cmocka_unit_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
