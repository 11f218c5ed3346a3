/* The real transport, as far as it goes without a socket; tests/scenario has the rest. */
#include "acme/fetch.h"
#include "tests/support/unit.h"

#include "gateway/base/limits.h"

static struct err get(struct fetch *f, struct arena *a, struct str url, struct fetch_reply *ret)
{
    return fetch_send(f, a, &(struct fetch_request){.method = FETCH_GET, .url = url}, ret);
}

static void only_https_is_spoken(void **state)
{
    (void)state;
    AUTO(arena_free) struct arena *a = arena_new(4096, 4 * MIB);
    AUTO(fetch_free) struct fetch *f = NULL;
    assert_false(failed(fetch_new("test/1", &f)));
    static const char *const urls[] = {
        "http://127.0.0.1:1/dir", "ftp://127.0.0.1:1/",    "",
        "file:///etc/passwd",     "gopher://127.0.0.1:1/", "https://"};
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        struct fetch_reply reply;
        assert_true(err_is(get(f, a, str_from(urls[i]), &reply), ERR_ACME_NETWORK));
        assert_true(reply.words.len > 0);
        assert_int_equal(reply.status, 0);
    }
}

static void after_cancel_nothing_is_sent(void **state)
{
    (void)state;
    AUTO(arena_free) struct arena *a = arena_new(4096, 4 * MIB);
    AUTO(fetch_free) struct fetch *f = NULL;
    assert_false(failed(fetch_new("test/1", &f)));
    fetch_cancel(f);
    struct fetch_reply reply;
    assert_true(err_is(get(f, a, STR("https://127.0.0.1:1/"), &reply), ERR_CANCELLED));
    assert_true(err_is(fetch_pause(f, 60000), ERR_CANCELLED));
}

static void a_pause_of_nothing_is_none(void **state)
{
    (void)state;
    AUTO(fetch_free) struct fetch *f = NULL;
    assert_false(failed(fetch_new("test/1", &f)));
    assert_false(failed(fetch_pause(f, 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_https_is_spoken),
        cmocka_unit_test(after_cancel_nothing_is_sent),
        cmocka_unit_test(a_pause_of_nothing_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
