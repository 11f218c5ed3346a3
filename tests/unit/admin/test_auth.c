#include "admin/auth.h"
#include "tests/support/api_fixture.h"
#include "tests/support/fake_clock.h"
#include "tests/support/unit.h"

#include "gateway/base/limits.h"

#include <stdio.h>

static struct api_fixture fixture;
static struct fake_clock now;
static char good[128];

static void create(const char *expires)
{
    char body[160];
    (void)snprintf(body, sizeof(body), "{\"name\":\"t\",\"scopes\":[\"write\"]%s}", expires);
    struct api_answer a = api_fixture_ask(&fixture, "POST", "/v1/tokens", body, NULL);
    assert_int_equal(a.status, 201);
    (void)snprintf(good, sizeof(good), "%s",
                   json_string_value(json_object_get(a.doc, "token")));
    api_answer_fini(&a);
}

static int set_up(void **state)
{
    (void)state;
    fake_clock_use(&now, 1800000000);
    api_fixture_open(&fixture);
    create("");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    api_fixture_close(&fixture);
    fake_clock_restore();
    return 0;
}

/* last: the last byte of the source's IPv4 address. */
static struct err check(const char *authorization, unsigned char last, struct caller *ret)
{
    AUTO(arena_free) struct arena *a = arena_new(256, 4096);
    AUTO(snapshot_unref) const struct snapshot *s = store_snapshot(fixture.api.store);
    const struct admin_field field = {STR("Authorization"), str_from(authorization)};
    struct admin_request rq = {
        .arena = a,
        .fields = &field,
        .field_count = authorization == NULL ? 0 : 1,
        .source = {.address = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = last}}};
    return auth_check(fixture.api.auth, s, &rq, ret);
}

static const char *bearer(const char *scheme, const char *token)
{
    static char text[256];
    (void)snprintf(text, sizeof(text), "%s%s", scheme, token);
    return text;
}

static void test_which_tokens_open(void **state)
{
    (void)state;
    struct caller caller;
    assert_false(failed(check(bearer("Bearer ", good), 1, &caller)));
    assert_true(auth_allows(caller.scopes, SCOPE_READ));
    assert_true(auth_allows(caller.scopes, SCOPE_WRITE));
    assert_false(auth_allows(caller.scopes, SCOPE_ADMIN));
    assert_false(failed(check(bearer("bearer  ", good), 1, &caller)));
    assert_true(err_is(check(NULL, 1, &caller), ERR_UNAUTHORIZED));
    assert_true(err_is(check("", 1, &caller), ERR_UNAUTHORIZED));
    assert_true(err_is(check("Bearer ", 1, &caller), ERR_UNAUTHORIZED));
    assert_true(err_is(check(bearer("Basic ", good), 1, &caller), ERR_UNAUTHORIZED));
    assert_true(err_is(check(bearer("", good), 1, &caller), ERR_UNAUTHORIZED));
    char longer[140];
    (void)snprintf(longer, sizeof(longer), "%sx", good);
    assert_true(err_is(check(bearer("Bearer ", longer), 1, &caller), ERR_UNAUTHORIZED));
    good[strlen(good) - 1] ^= 1;
    assert_true(err_is(check(bearer("Bearer ", good), 1, &caller), ERR_UNAUTHORIZED));
}

static void test_expiry(void **state)
{
    (void)state;
    struct caller caller;
    create(",\"expires_at\":\"2027-01-15T08:01:00Z\""); /* a minute after the clock's start */
    assert_false(failed(check(bearer("Bearer ", good), 1, &caller)));
    fake_clock_advance(&now, 61 * 1000);
    assert_true(err_is(check(bearer("Bearer ", good), 1, &caller), ERR_UNAUTHORIZED));
}

static void test_removed_token(void **state)
{
    (void)state;
    struct caller caller;
    struct api_answer a = api_fixture_ask(&fixture, "GET", "/v1/tokens", NULL, NULL);
    const json_t *token = json_array_get(json_object_get(a.doc, "items"), 0);
    char path[128];
    (void)snprintf(path, sizeof(path), "/v1/tokens/%s",
                   json_string_value(json_object_get(token, "id")));
    api_answer_fini(&a);
    api_fixture_expect(&fixture, 204, "DELETE", path, NULL);
    assert_true(err_is(check(bearer("Bearer ", good), 1, &caller), ERR_UNAUTHORIZED));
}

/* Guessing is slowed per source; whoever has a token is let in all the same. */
static void test_many_failures(void **state)
{
    (void)state;
    struct caller caller;
    struct err e = OK;
    for (int i = 0; i < AUTH_FAILURES_MAX; i++) {
        assert_true(err_is(check("Bearer wrong", 1, &caller), ERR_UNAUTHORIZED));
        fake_clock_advance(&now, 100);
    }
    e = check("Bearer wrong", 1, &caller);
    assert_true(err_is(e, ERR_TOO_MANY));
    assert_in_range(e.detail, 1, AUTH_WINDOW_MS / 1000);
    assert_true(err_is(check("Bearer wrong", 2, &caller), ERR_UNAUTHORIZED));
    assert_true(err_is(check(NULL, 1, &caller), ERR_UNAUTHORIZED));
    assert_false(failed(check(bearer("Bearer ", good), 1, &caller)));
    fake_clock_advance(&now, AUTH_WINDOW_MS);
    assert_true(err_is(check("Bearer wrong", 1, &caller), ERR_UNAUTHORIZED));
}

static void test_unix_socket_needs_none(void **state)
{
    (void)state;
    struct caller caller;
    AUTO(snapshot_unref) const struct snapshot *s = store_snapshot(fixture.api.store);
    struct admin_request rq = {.source = {.is_unix = true}};
    assert_false(failed(auth_check(fixture.api.auth, s, &rq, &caller)));
    assert_true(auth_allows(caller.scopes, SCOPE_ADMIN));
    assert_true(str_eq(caller.name, STR("unix")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_which_tokens_open, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_expiry, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_removed_token, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_failures, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unix_socket_needs_none, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
