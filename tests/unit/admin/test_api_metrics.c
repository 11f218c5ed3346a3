#include "tests/support/api_fixture.h"
#include "tests/support/asserts.h"

#include "gateway/base/limits.h"
#include "gateway/base/map.h"

#include <stdio.h>
#include <stdlib.h>

static struct api_fixture fixture;

static int set_up(void **state)
{
    (void)state;
    api_fixture_open(&fixture);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    api_fixture_close(&fixture);
    return 0;
}

/* ---- a strict reader of the format: anything unusual fails the test ---- */

struct reader {
    struct arena *arena;
    struct map *families; /* every name that had a # TYPE */
    struct map *series;   /* every name with labels that had a value */
    struct str family;    /* of the lines now */
    bool is_histogram;
    uint64_t last_bucket; /* of the series now */
};

static bool is_name(struct str s, bool may_have_colon)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
                         (c == ':' && may_have_colon);
        if (!is_letter && (i == 0 || c < '0' || c > '9'))
            return false;
    }
    return s.len > 0;
}

static void remember(struct map *map, struct arena *a, struct str key)
{
    struct str copy = arena_dup(a, key);
    void *before = NULL;
    if (map_find(map, copy) != NULL)
        fail_msg("twice: %.*s", STR_ARG(key));
    assert_ok(map_put(map, copy, map, &before));
}

static void read_comment(struct reader *r, struct str line)
{
    struct str hash, word, name, rest;
    assert_true(str_split(line, ' ', &hash, &line));
    assert_true(str_split(line, ' ', &word, &line));
    assert_true(str_split(line, ' ', &name, &rest));
    assert_true(is_name(name, true) && rest.len > 0);
    if (str_eq(word, STR("HELP"))) {
        r->family = arena_dup(r->arena, name);
        return;
    }
    assert_str(word, "TYPE");
    assert_true(str_eq(name, r->family));
    r->is_histogram = str_eq(rest, STR("histogram"));
    assert_true(r->is_histogram || str_eq(rest, STR("counter")) || str_eq(rest, STR("gauge")));
    bool is_counter = str_eq(rest, STR("counter"));
    assert_true(!is_counter || str_ends(name, STR("_total")));
    remember(r->families, r->arena, name);
}

/* name="value",... with its closing brace; returns what follows. */
static struct str read_labels(struct str s, struct str *ret_le)
{
    for (;;) {
        struct str name, value;
        assert_true(str_split(s, '=', &name, &s));
        assert_true(is_name(name, false) && s.len > 0 && s.p[0] == '"');
        size_t end = 1;
        while (end < s.len && s.p[end] != '"')
            end += s.p[end] == '\\' ? 2 : 1;
        assert_true(end < s.len);
        value = str_sub(s, 1, end - 1);
        if (str_eq(name, STR("le")))
            *ret_le = value;
        s = str_skip(s, end + 1);
        assert_true(s.len > 0 && (s.p[0] == ',' || s.p[0] == '}'));
        bool is_last = s.p[0] == '}';
        s = str_skip(s, 1);
        if (is_last)
            return s;
    }
}

static void read_sample(struct reader *r, struct str line)
{
    struct str le = STR_NONE;
    size_t brace = str_index(line, '{'), blank = str_index(line, ' ');
    struct str name = str_sub(line, 0, brace < blank ? brace : blank);
    struct str rest =
        brace < blank ? read_labels(str_skip(line, brace + 1), &le) : str_skip(line, blank);
    struct str base = name;
    static const struct str suffixes[] = {STR_LIT("_bucket"), STR_LIT("_sum"),
                                          STR_LIT("_count")};
    for (size_t i = 0; r->is_histogram && i < ARRAY_LEN(suffixes); i++) {
        if (str_ends(name, suffixes[i]))
            base.len = name.len - suffixes[i].len;
    }
    if (!str_eq(base, r->family))
        fail_msg("outside of its family: %.*s", STR_ARG(line));
    remember(r->series, r->arena, str_sub(line, 0, line.len - rest.len));
    assert_true(rest.len > 1 && rest.p[0] == ' ');
    struct str number = arena_dup(r->arena, str_skip(rest, 1));
    char *end;
    double value = strtod(number.p, &end);
    assert_true(*end == '\0');
    if (!r->is_histogram || str_ends(name, STR("_sum")))
        return;
    /* Buckets only grow, and the count is the last of them. */
    if (str_eq(le, STR("0.0005")))
        r->last_bucket = 0;
    assert_true((uint64_t)value >= r->last_bucket);
    assert_true(!str_ends(name, STR("_count")) || (uint64_t)value == r->last_bucket);
    r->last_bucket = (uint64_t)value;
}

static void read_strictly(struct str text)
{
    struct reader r = {
        .arena = arena_new(64 * KIB, 256 * MIB), .families = map_new(), .series = map_new()};
    struct str line;
    assert_true(str_ends(text, STR("\n")));
    text.len--;
    while (str_next(&text, '\n', &line)) {
        assert_true(line.len > 0);
        if (line.p[0] == '#')
            read_comment(&r, line);
        else
            read_sample(&r, line);
    }
    map_free(r.families);
    map_free(r.series);
    arena_free(r.arena);
}

/* ---- */

static struct str ask(struct api_answer *a)
{
    *a = api_fixture_ask(&fixture, "GET", "/metrics", NULL, NULL);
    assert_int_equal(a->status, 200);
    struct str text = buf_view(&a->reply.body);
    read_strictly(text);
    return text;
}

static bool has(struct str text, const char *words)
{
    return memmem(text.p, text.len, words, strlen(words)) != NULL;
}

static const struct route *find_route(const struct snapshot *s, const char *id)
{
    const struct route *r = snapshot_route_find(s, str_from(id));
    assert_non_null(r);
    return r;
}

static void serve(const char *id, enum route_class class, enum ended_by by, uint64_t us)
{
    AUTO(snapshot_unref) const struct snapshot *s = store_snapshot(fixture.api.store);
    struct route_live *live = find_route(s, id)->live;
    route_live_begin(live, 0);
    route_live_end(
        live, 0,
        &(struct route_outcome){
            .class = class, .ended_by = by, .in_bytes = 3, .out_bytes = 10, .total_us = us});
}

static void the_process_tells_what_it_is_and_takes(void **state)
{
    (void)state;
    struct api_answer a;
    fixture.api.started_at = 1795456320;
    struct str text = ask(&a);
    static const char *const want[] = {
        "\ngatehouse_build_info{version=\"" GW_VERSION "\",openssl=\"3.",
        "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total ",
        "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds 1795456320\n",
        "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes ",
        "# TYPE process_open_fds gauge\nprocess_open_fds ",
        "# TYPE process_max_fds gauge\nprocess_max_fds ",
    };
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        assert_row(want[i], has(text, want[i]));
    api_answer_fini(&a);
}

static void routes_without_requests_are_left_out(void **state)
{
    (void)state;
    struct api_answer a;
    struct str text = ask(&a);
    assert_true(has(text, "# TYPE gatehouse_connections_total counter\n"));
    assert_true(has(text, "\ngatehouse_routes 0\n"));
    assert_true(has(text, "\ngatehouse_metrics_omitted 0\n"));
    api_answer_fini(&a);
    api_fixture_expect(&fixture, 201, "POST", "/v1/routes", api_fixture_route("a.example"));
    text = ask(&a);
    assert_true(has(text, "\ngatehouse_routes 1\n"));
    assert_false(has(text, "route=\"a.example\""));
    api_answer_fini(&a);
}

static void a_route_tells_classes_times_and_bytes(void **state)
{
    (void)state;
    struct api_answer a;
    api_fixture_expect(&fixture, 201, "PUT", "/v1/routes/a", api_fixture_route("a.example"));
    api_fixture_expect(&fixture, 201, "PUT", "/v1/routes/b", api_fixture_route("b.example"));
    serve("a", ROUTE_CLASS_2XX, ENDED_DONE, 400);
    serve("a", ROUTE_CLASS_2XX, ENDED_BY_CLIENT, 700);
    serve("a", ROUTE_CLASS_5XX, ENDED_BY_TARGET, 5000000);
    serve("a", ROUTE_CLASS_1XX, ENDED_DONE, 90000000);
    serve("b", ROUTE_CLASS_NONE, ENDED_BY_CLIENT, 1);
    struct str text = ask(&a);
    static const char *const want[] = {
        "\ngatehouse_route_requests_total{route=\"a\",class=\"1xx\"} 1\n",
        "\ngatehouse_route_requests_total{route=\"a\",class=\"2xx\"} 2\n",
        "\ngatehouse_route_requests_total{route=\"a\",class=\"5xx\"} 1\n",
        "\ngatehouse_route_requests_total{route=\"b\",class=\"none\"} 1\n",
        "\ngatehouse_route_requests_ended_total{route=\"a\",by=\"client\"} 1\n",
        "\ngatehouse_route_requests_ended_total{route=\"a\",by=\"target\"} 1\n",
        "\ngatehouse_route_request_seconds_bucket{route=\"a\",le=\"0.0005\"} 1\n",
        "\ngatehouse_route_request_seconds_bucket{route=\"a\",le=\"0.001\"} 2\n",
        "\ngatehouse_route_request_seconds_bucket{route=\"a\",le=\"2.5\"} 2\n",
        "\ngatehouse_route_request_seconds_bucket{route=\"a\",le=\"5\"} 3\n",
        "\ngatehouse_route_request_seconds_bucket{route=\"a\",le=\"+Inf\"} 3\n",
        "\ngatehouse_route_request_seconds_sum{route=\"a\"} 5.0011\n",
        "\ngatehouse_route_request_seconds_count{route=\"a\"} 3\n",
        "\ngatehouse_route_requests_open{route=\"a\"} 0\n",
        "\ngatehouse_route_requests_waiting{route=\"a\"} 0\n",
        "\ngatehouse_route_bytes_in_total{route=\"a\"} 12\n",
        "\ngatehouse_route_bytes_out_total{route=\"b\"} 10\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        assert_row(want[i], has(text, want[i]));
    api_answer_fini(&a);

    /* What was counted survives an edit of the route. */
    api_fixture_expect(&fixture, 200, "PATCH", "/v1/routes/a", "{\"max_body\":\"1MiB\"}");
    text = ask(&a);
    assert_true(has(text, want[0]));
    api_answer_fini(&a);
}

static void targets_tell_what_is_known(void **state)
{
    (void)state;
    struct api_answer a;
    api_fixture_expect(&fixture, 201, "PUT", "/v1/routes/a", api_fixture_route("a.example"));
    api_fixture_expect(&fixture, 201, "PUT", "/v1/routes/b", api_fixture_route("b.example"));
    AUTO(snapshot_unref) const struct snapshot *s = store_snapshot(fixture.api.store);
    struct target_live *live = upstream_targets(&find_route(s, "a")->upstream)[0].live;
    atomic_store(&live->requests, 7);
    atomic_store(&live->failures, 2);
    atomic_store(&live->retries, 1);
    atomic_store(&live->ok_at, 1);
    struct str text = ask(&a);
#define OF_A "{route=\"a\",target=\"http://127.0.0.1:3000\"} "
    static const char *const want[] = {"\ngatehouse_target_up" OF_A "1\n",
                                       "\ngatehouse_target_requests_total" OF_A "7\n",
                                       "\ngatehouse_target_failures_total" OF_A "2\n",
                                       "\ngatehouse_target_retries_total" OF_A "1\n",
                                       "\ngatehouse_target_connections" OF_A "0\n"};
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        assert_row(want[i], has(text, want[i]));
    assert_false(has(text, "route=\"b\",target"));
    api_answer_fini(&a);
}

/* Quotes and backslashes of a path. */
static void hostile_urls_stay_in_their_label(void **state)
{
    (void)state;
    struct api_answer a;
    api_fixture_expect(
        &fixture, 201, "PUT", "/v1/routes/r",
        "{\"hosts\":[\"a.example\"],\"certificate\":\"none\",\"upstream\":{\"targets\":["
        "{\"url\":\"unix:/run/a\\\"} 1.sock\"}]}}");
    AUTO(snapshot_unref) const struct snapshot *s = store_snapshot(fixture.api.store);
    atomic_store(&upstream_targets(&find_route(s, "r")->upstream)[0].live->requests, 1);
    struct str text = ask(&a);
    assert_true(has(text, "target=\"unix:/run/a\\\"} 1.sock\"} 1\n"));
    api_answer_fini(&a);
}

static void many_routes_are_cut_with_a_note(void **state)
{
    (void)state;
    AUTO(json_decref) json_t *routes = json_array();
    struct api_answer a;
    for (int i = 0; i < METRICS_ROUTES_MAX + 3; i++) {
        char id[32], host[64];
        (void)snprintf(id, sizeof(id), "r%05d", i);
        (void)snprintf(host, sizeof(host), "h%d.example", i);
        json_t *route = json_pack("{s:s, s:[s], s:s, s:{s:[{s:s}]}}", "id", id, "hosts", host,
                                  "certificate", "none", "upstream", "targets", "url",
                                  "http://127.0.0.1:1");
        assert_int_equal(json_array_append_new(routes, route), 0);
    }
    AUTO(json_decref) json_t *config = json_pack("{s:O}", "routes", routes);
    char *text = json_dumps(config, JSON_COMPACT);
    api_fixture_expect(&fixture, 200, "PUT", "/v1/config", text);
    free(text);
    for (int i = 0; i < METRICS_ROUTES_MAX + 3; i++) {
        char id[32];
        (void)snprintf(id, sizeof(id), "r%05d", i);
        serve(id, ROUTE_CLASS_2XX, ENDED_DONE, 1);
    }
    struct str got = ask(&a);
    assert_true(has(got, "\ngatehouse_metrics_omitted 3\n"));
    assert_true(has(got, "route=\"r00000\""));
    assert_false(has(got, "route=\"r05002\""));
    assert_true(got.len < 16 * MIB);
    api_answer_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_process_tells_what_it_is_and_takes, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(routes_without_requests_are_left_out, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_route_tells_classes_times_and_bytes, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(targets_tell_what_is_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hostile_urls_stay_in_their_label, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_routes_are_cut_with_a_note, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
