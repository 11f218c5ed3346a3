#include "tests/support/loopback_asserts.h"

#include "gateway/base/limits.h"

static struct loopback b;

static int set_up(void **state)
{
    (void)state;
    loopback_start(&b, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    loopback_stop(&b);
    return 0;
}

static void put_route(const char *members, const char *health)
{
    char body[512];
    (void)snprintf(body, sizeof(body),
                   "{'hosts': ['a.example'], 'certificate': 'none'%s, 'upstream': {'targets': "
                   "[{'url': 'http://127.0.0.1:%u'}], 'health': {'healthy_after': 1, "
                   "'unhealthy_after': 1, %s}}}",
                   members, (unsigned)b.target_port, health);
    temp_config_route(&b.store, "a", body);
}

static bool is_down(void)
{
    const struct snapshot *snap = store_snapshot(b.store.store);
    const struct route *r = snapshot_route_find(snap, STR("a"));
    bool is_down = atomic_load(&upstream_targets(&r->upstream)->live->health.is_probe_down);
    snapshot_unref(snap);
    return is_down;
}

static uint64_t count(bool of_probes)
{
    const struct snapshot *snap = store_snapshot(b.store.store);
    const struct route *r = snapshot_route_find(snap, STR("a"));
    struct target_live *live = upstream_targets(&r->upstream)[0].live;
    uint64_t count = atomic_load(of_probes ? &live->probe_failures : &live->failures);
    snapshot_unref(snap);
    return count;
}

/* Answers the next probe, whose head is to hold want. */
static void answer_probe(const char *want, const char *answer)
{
    int fd = loopback_accept(&b);
    const char *head = loopback_hear_head(fd);
    assert_has(head, want);
    assert_has(head, "User-Agent: gatehouse-health-check\r\n");
    loopback_say(fd, answer);
    hear_end(fd); /* the verdict has been given */
    (void)close(fd);
}

static void statuses_decide(void **state)
{
    (void)state;
    put_route("", "'path': '/up?x=1', 'interval': '10s', 'expect': '2xx,404'");
    loopback_pass(&b, PROBE_FIRST_MS + LOOP_TICK_MS);
    answer_probe("GET /up?x=1 HTTP/1.1\r\nHost: a.example\r\n",
                 "HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno");
    assert_true(is_down());
    loopback_pass(&b, 11000 + LOOP_TICK_MS);
    answer_probe("GET /up?x=1 ", "HTTP/1.1 404 Good\r\nContent-Length: 0\r\n\r\n");
    assert_false(is_down());
}

static void silence_is_an_answer(void **state)
{
    (void)state;
    put_route("", "'path': '/', 'interval': '10s', 'timeout': '2s'");
    loopback_pass(&b, PROBE_FIRST_MS + LOOP_TICK_MS);
    int fd = loopback_accept(&b);
    (void)loopback_hear_head(fd);
    loopback_pass(&b, 2000 + LOOP_TICK_MS);
    hear_end(fd);
    assert_true(is_down());
    (void)close(fd);
}

static void connecting_may_be_enough(void **state)
{
    (void)state;
    put_route("", "'tcp': true, 'interval': '10s'");
    loopback_pass(&b, PROBE_FIRST_MS + LOOP_TICK_MS);
    int fd = loopback_accept(&b);
    hear_end(fd); /* nothing was asked */
    assert_false(is_down());
    (void)close(fd);
}

/* What fails here is no request: neither no connection, nor a bad answer. */
static void failures_are_counted_apart(void **state)
{
    (void)state;
    temp_config_route(&b.store, "a",
                      "{'hosts': ['a.example'], 'certificate': 'none', 'upstream': {'targets': "
                      "[{'url': 'unix:/nonexistent'}], 'health': {'tcp': true}}}");
    loopback_pass(&b, PROBE_FIRST_MS + LOOP_TICK_MS);
    assert_int_equal(count(true), 1);
    put_route("", "'path': '/', 'interval': '10s'");
    loopback_pass(&b, PROBE_FIRST_MS + LOOP_TICK_MS);
    answer_probe("GET / ", "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(count(true), 1); /* a target of its own */
    assert_int_equal(count(false), 0);
}

static void edits_are_followed(void **state)
{
    (void)state;
    put_route("", "'path': '/one', 'interval': '10s'");
    loopback_pass(&b, PROBE_FIRST_MS + LOOP_TICK_MS);
    answer_probe("GET /one ", ANSWER);
    put_route(", 'host_header': 'b.example'", "'path': '/two', 'interval': '10s'");
    loopback_pass(&b, 11000 + LOOP_TICK_MS);
    answer_probe("GET /two HTTP/1.1\r\nHost: b.example\r\n", ANSWER);
    put_route("", "'interval': '10s'");
    loopback_pass(&b, 60000);
    assert_true(loopback_is_quiet(&b));
}

static void a_long_answer_is_not_read_to_its_end(void **state)
{
    (void)state;
    bool is_cut;
    static char body[PROBE_BODY_MAX_BYTES + 1];
    put_route("", "'path': '/', 'interval': '10s'");
    loopback_pass(&b, PROBE_FIRST_MS + LOOP_TICK_MS);
    int fd = loopback_accept(&b);
    (void)loopback_hear_head(fd);
    loopback_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
    loopback_say_bytes(fd, str_make(body, sizeof(body)));
    (void)loopback_hear_all(fd, &is_cut);
    assert_false(is_down());
    (void)close(fd);
}

#define WITH_WORKER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WORKER(statuses_decide),
        WITH_WORKER(silence_is_an_answer),
        WITH_WORKER(connecting_may_be_enough),
        WITH_WORKER(failures_are_counted_apart),
        WITH_WORKER(edits_are_followed),
        WITH_WORKER(a_long_answer_is_not_read_to_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
