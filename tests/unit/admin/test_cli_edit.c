#include "admin/cli_edit.h"
#include "store/model.h"
#include "tests/support/unit.h"

static struct err read_file(void *arg, struct str path, struct str *ret_text)
{
    (void)arg;
    if (!str_eq(path, STR("ca.pem")))
        return fail(ERR_IO, 0);
    *ret_text = STR("-----BEGIN\n");
    return OK;
}

/* clang-format off */
static const struct {
    const char *words, *want; /* words are separated by '|'; want NULL: refused */
} cases[] = {
    {"https=only", "{\"https\":\"only\"}"},
    {"enabled=false", "{\"enabled\":false}"},
    {"upstream.timeouts.idle=10m", "{\"upstream\":{\"timeouts\":{\"idle\":\"10m\"}}}"},
    {"upstream.retries=3", "{\"upstream\":{\"retries\":3}}"},
    {"hosts=a.example, b.example", "{\"hosts\":[\"a.example\",\"b.example\"]}"},
    {"hosts=[\"a.example\"]", "{\"hosts\":[\"a.example\"]}"},
    {"certificate=123", "{\"certificate\":\"123\"}"},
    {"path=null", "{\"path\":null}"},
    {"host_header=[x]", "{\"host_header\":\"[x]\"}"},
    {"max_body=10GiB", "{\"max_body\":\"10GiB\"}"},
    {"upstream.targets=8080,[::1]:9000",
     "{\"upstream\":{\"targets\":[{\"url\":\"http://127.0.0.1:8080\"},"
     "{\"url\":\"http://[::1]:9000\"}]}}"},
    {"upstream.targets=[::1]:9000",
     "{\"upstream\":{\"targets\":[{\"url\":\"http://[::1]:9000\"}]}}"},
    {"upstream.targets=[{\"url\":\"http://a\",\"weight\":2}]",
     "{\"upstream\":{\"targets\":[{\"url\":\"http://a\",\"weight\":2}]}}"},
    {"upstream.tls.verify=ca|upstream.tls.ca=@ca.pem",
     "{\"upstream\":{\"tls\":{\"verify\":\"ca\",\"ca\":\"-----BEGIN\\n\"}}}"},
    {"request_headers.set.X-Tenant=blue",
     "{\"request_headers\":{\"set\":{\"X-Tenant\":\"blue\"}}}"},
    {"request_headers.set.X.Dotted=true",
     "{\"request_headers\":{\"set\":{\"X.Dotted\":\"true\"}}}"},
    {"request_headers.set.X-Gone=null", "{\"request_headers\":{\"set\":{\"X-Gone\":null}}}"},
    {"request_headers.remove=A,B", "{\"request_headers\":{\"remove\":[\"A\",\"B\"]}}"},
    {"path=/a=b", "{\"path\":\"/a=b\"}"},
    {"unknown=5", "{\"unknown\":5}"},
    {"unknown.deep=x", "{\"unknown\":{\"deep\":\"x\"}}"},
    {"https", NULL},
    {"=x", NULL},
    {"hosts=[\"a", NULL},
    {"upstream.targets=::1", NULL},
    {"upstream.tls.ca=@missing.pem", NULL},
};
/* clang-format on */

static void test_patches(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(arena_free) struct arena *a = arena_new(1024, 64 * 1024);
        AUTO(json_decref) json_t *got = NULL;
        struct str words[4];
        struct str rest = str_from(cases[i].words);
        struct str why = STR_NONE;
        size_t count = 0;
        while (str_next(&rest, '|', &words[count]))
            count++;
        const struct cli_edit edit = {.arena = a, .shape = route_shape, .read = read_file};
        struct err e = cli_edit_patch(&edit, words, count, &why, &got);
        if (cases[i].want == NULL) {
            assert_true(failed(e));
            continue;
        }
        AUTO(json_decref) json_t *want = json_loads(cases[i].want, 0, NULL);
        assert_non_null(want);
        if (failed(e) || !json_equal(got, want))
            fail_msg("%s is not %s", cases[i].words, cases[i].want);
    }
}

static void test_put(void **state)
{
    (void)state;
    AUTO(json_decref) json_t *doc = json_object();
    assert_false(failed(cli_edit_put(doc, STR("a.b.c"), json_true())));
    assert_false(failed(cli_edit_put(doc, STR("a.d"), json_integer(1))));
    AUTO(json_decref)
    json_t *want = json_loads("{\"a\":{\"b\":{\"c\":true},\"d\":1}}", 0, NULL);
    assert_true(json_equal(doc, want));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patches),
        cmocka_unit_test(test_put),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
