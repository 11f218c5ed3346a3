/* The daemon itself, over a unix socket in the test's own folder: the one unit test with
 * a socket, because what is tested is the seam to libmicrohttpd and, on the other side,
 * to libcurl. */
#include "admin/admin.h"
#include "admin/cli_client.h"
#include "tests/support/temp_store.h"
#include "tests/support/unit.h"

#include "gateway/base/limits.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct temp_store temp;
static struct admin *admin;

static int listen_unix(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/admin.sock", temp.dir);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 16), 0);
    return fd;
}

static int set_up(void **state)
{
    (void)state;
    const struct admin_ports ports = {.arg = NULL};
    temp_store_init(&temp);
    struct err e = admin_start(temp.store, &(struct admin_options){.unix_fd = listen_unix()},
                               &ports, &admin);
    return failed(e) ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    admin_stop(admin);
    admin = NULL;
    temp_store_fini(&temp);
    return 0;
}

/* The status; 0 when there was no answer. */
static unsigned ask(const char *method, const char *path, struct str body)
{
    AUTO(arena_free) struct arena *a = arena_new(4096, 1024 * 1024);
    struct cli_answer answer = {.status = 0};
    const struct cli_server server = {.data_dir = str_from(temp.dir)};
    const struct cli_request request = {method, str_from(path), body};
    buf_init(&answer.body, 16 * MIB);
    struct err e = cli_client_transport(NULL, a, &server, &request, &answer);
    buf_fini(&answer.body);
    assert_int_equal(failed(e), answer.words.len > 0);
    return failed(e) ? 0 : answer.status;
}

static void test_requests(void **state)
{
    (void)state;
    assert_int_equal(ask("GET", "/healthz", STR_NONE), 200);
    assert_int_equal(ask("GET", "/v1/routes/%2e%2e%2Fsettings", STR_NONE), 404);
    assert_int_equal(ask("PUT", "/v1/config?dry_run=true", STR("{}")), 200);
    assert_int_equal(ask("PUT", "/v1/config?dry%5frun=true", STR("{}")), 200);
    assert_int_equal(ask("PUT", "/v1/config?dry_run", STR("{}")), 400);
    assert_int_equal(ask("DELETE", "/v1/routes/x", STR_NONE), 404);
    assert_int_equal(ask("OPTIONS", "/v1/routes", STR_NONE), 204);
}

/* What is too long to be read is refused all the same with an answer. */
static void test_large_bodies(void **state)
{
    (void)state;
    static char large[4 * MIB];
    memset(large, ' ', sizeof(large));
    assert_int_equal(ask("PUT", "/v1/settings", str_make(large, ADMIN_BODY_MAX_BYTES + 1)),
                     413);
    assert_int_equal(ask("PUT", "/v1/settings", str_make(large, sizeof(large))), 413);
    assert_int_equal(ask("PUT", "/v1/settings", str_make(large, ADMIN_BODY_MAX_BYTES)), 400);
    assert_int_equal(ask("PUT", "/v1/config", str_make(large, sizeof(large))), 400);
    large[0] = '{';
    large[sizeof(large) - 1] = '}';
    assert_int_equal(ask("PUT", "/v1/config", str_make(large, sizeof(large))), 200);
}

static void *write_settings(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        if (ask("PATCH", "/v1/settings", STR("{\"drain_timeout\":\"5s\"}")) != 200)
            return &temp;
        if (ask("GET", "/v1/status", STR_NONE) != 200)
            return &temp;
    }
    return NULL;
}

static void test_several_at_once(void **state)
{
    (void)state;
    pthread_t threads[4];
    void *result;
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_settings, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
    }
}

static void test_nobody_there(void **state)
{
    (void)state;
    admin_stop(admin);
    admin = NULL;
    assert_int_equal(ask("GET", "/healthz", STR_NONE), 0);
}

static void test_first_token(void **state)
{
    (void)state;
    struct secret token = {0};
    bool is_created = false;
    assert_false(failed(admin_first_token(temp.store, &token, &is_created)));
    assert_true(is_created);
    assert_true(str_starts(secret_bytes(&token), STR("gh_")));
    secret_fini(&token);
    assert_false(failed(admin_first_token(temp.store, &token, &is_created)));
    assert_false(is_created);
    assert_true(secret_is_empty(&token));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_requests, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_large_bodies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_several_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nobody_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_first_token, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
