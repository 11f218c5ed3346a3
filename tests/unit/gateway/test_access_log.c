#include "gateway/access_log.h"
#include "tests/support/asserts.h"
#include "tests/support/fake_clock.h"

#include "gateway/base/json.h"

#include <sys/mman.h>
#include <unistd.h>

static struct fake_clock fake;
static char text[256 * 1024];

static int set_up(void **state)
{
    (void)state;
    fake_clock_use(&fake, 1795456320);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_clock_restore();
    return 0;
}

/* What count lines become on the access channel. */
static struct str write_lines(enum access_format format, const struct access_line *lines,
                              size_t count)
{
    int file = memfd_create("access", MFD_CLOEXEC);
    int fds[LOG_CHANNEL_COUNT] = {[LOG_CHANNEL_EVENTS] = -1, [LOG_CHANNEL_ACCESS] = dup(file)};
    struct log_writer *writer;
    assert_ok(log_writer_new(fds, &writer));
    struct access_log *log = access_log_new(writer, LOG_CHANNEL_ACCESS, format);
    assert_true(access_log_is_on(log));
    for (size_t i = 0; i < count; i++)
        access_log_write(log, &lines[i]);
    access_log_free(log);
    log_writer_free(writer);
    ssize_t len = pread(file, text, sizeof(text), 0);
    assert_true(len >= 0);
    (void)close(file);
    return str_make(text, (size_t)len);
}

static const struct access_line full = {
    .client = STR_LIT("192.0.2.1"),
    .method = STR_LIT("GET"),
    .host = STR_LIT("cloud.example.org"),
    .path = STR_LIT("/x?y"),
    .version = "1.1",
    .is_https = true,
    .tls = "TLSv1.3",
    .referer = STR_LIT("https://example.org/from"),
    .user_agent = STR_LIT("curl/8.5.0"),
    .status = 200,
    .in_bytes = 1,
    .out_bytes = UINT64_MAX,
    .total_us = 800,
    .wait_us = 50,
    .connect_us = 250,
    .first_byte_us = 400,
    .route = STR_LIT("cloud"),
    .target = STR_LIT("http://127.0.0.1:80"),
    .is_asked = true,
    .retries = 1,
    .ended_by = ENDED_DONE,
    .request_id = STR_LIT("0123456789abcdef"),
};

static void a_json_line_tells_all(void **state)
{
    (void)state;
    assert_str(write_lines(ACCESS_JSON, &full, 1),
               "{\"time\":\"2026-11-23T17:52:00.000Z\",\"client\":\"192.0.2.1\","
               "\"scheme\":\"https\",\"tls\":\"TLSv1.3\",\"method\":\"GET\","
               "\"host\":\"cloud.example.org\",\"path\":\"/x?y\",\"version\":\"1.1\","
               "\"status\":200,\"in_bytes\":1,\"out_bytes\":18446744073709551615,"
               "\"total_us\":800,\"wait_us\":50,\"connect_us\":250,\"first_byte_us\":400,"
               "\"retries\":1,\"route\":\"cloud\",\"target\":\"http://127.0.0.1:80\","
               "\"request_id\":\"0123456789abcdef\"}\n");
}

static void people_get_a_short_line(void **state)
{
    (void)state;
    struct access_line line = full;
    line.out_bytes = 1234;
    assert_str(write_lines(ACCESS_HUMAN, &line, 1),
               "17:52:00.000 192.0.2.1 GET https://cloud.example.org/x?y 200 1234 B 0.8 ms"
               " -> http://127.0.0.1:80\n");
}

static void analysers_get_the_combined_form(void **state)
{
    (void)state;
    struct access_line line = full;
    line.out_bytes = 1234;
    assert_str(write_lines(ACCESS_COMBINED, &line, 1),
               "192.0.2.1 - - [23/Nov/2026:17:52:00 +0000] \"GET /x?y HTTP/1.1\" 200 1234 "
               "\"https://example.org/from\" \"curl/8.5.0\"\n");
}

/* A request whose head could not be read, and where a known one broke off. */
static const struct {
    const char *name;
    struct access_line line;
    const char *json, *human, *combined;
} endings[] = {
    {"an unreadable request",
     {.client = STR_LIT("192.0.2.1"),
      .is_https = true,
      .tls = "TLSv1.2",
      .status = 400,
      .out_bytes = 300,
      .error = {.kind = ERR_BAD_REQUEST},
      .ended_by = ENDED_BY_CLIENT,
      .ended_in = ENDED_IN_HEAD,
      .request_id = STR_LIT("1")},
     "\"client\":\"192.0.2.1\",\"scheme\":\"https\",\"tls\":\"TLSv1.2\",\"status\":400,"
     "\"in_bytes\":0,\"out_bytes\":300,\"total_us\":0,\"ended_by\":\"client\","
     "\"ended_in\":\"head\",\"error\":\"bad_request\",\"request_id\":\"1\"}\n",
     "17:52:00.000 192.0.2.1 - https 400 300 B 0.0 ms !bad_request by client in head\n",
     "192.0.2.1 - - [23/Nov/2026:17:52:00 +0000] \"-\" 400 300 \"-\" \"-\"\n"},
    {"a refused head",
     {.client = STR_LIT("192.0.2.1"),
      .method = STR_LIT("CONNECT"),
      .host = STR_LIT("<a>\x80"),
      .path = STR_LIT("b:443"),
      .version = "1.1",
      .status = 501,
      .error = {.kind = ERR_NOT_IMPLEMENTED},
      .ended_by = ENDED_BY_CLIENT,
      .ended_in = ENDED_IN_HEAD,
      .request_id = STR_LIT("1")},
     "\"client\":\"192.0.2.1\",\"scheme\":\"http\",\"method\":\"CONNECT\","
     "\"host\":\"<a>\\u0080\",\"path\":\"b:443\",\"version\":\"1.1\",\"status\":501,"
     "\"in_bytes\":0,\"out_bytes\":0,\"total_us\":0,\"ended_by\":\"client\","
     "\"ended_in\":\"head\",\"error\":\"not_implemented\",\"request_id\":\"1\"}\n",
     "17:52:00.000 192.0.2.1 CONNECT http://<a>\\u0080 b:443 501 0 B 0.0 ms "
     "!not_implemented by client in head\n",
     "192.0.2.1 - - [23/Nov/2026:17:52:00 +0000] \"CONNECT b:443 HTTP/1.1\" 501 0 \"-\" "
     "\"-\"\n"},
    {"a wait that came to nothing",
     {.client = STR_LIT("192.0.2.1"),
      .method = STR_LIT("GET"),
      .host = STR_LIT("a.example"),
      .path = STR_LIT("/"),
      .version = "1.1",
      .status = 503,
      .total_us = 900,
      .wait_us = 900,
      .error = {.kind = ERR_QUEUE_TIMEOUT},
      .ended_by = ENDED_BY_GATEWAY,
      .ended_in = ENDED_IN_QUEUE,
      .request_id = STR_LIT("2")},
     "\"client\":\"192.0.2.1\",\"scheme\":\"http\",\"method\":\"GET\","
     "\"host\":\"a.example\",\"path\":\"/\",\"version\":\"1.1\",\"status\":503,"
     "\"in_bytes\":0,\"out_bytes\":0,\"total_us\":900,\"wait_us\":900,"
     "\"ended_by\":\"gateway\",\"ended_in\":\"queue\",\"error\":\"queue_timeout\","
     "\"request_id\":\"2\"}\n",
     "17:52:00.000 192.0.2.1 GET http://a.example/ 503 0 B 0.9 ms !queue_timeout by gateway in"
     " queue\n",
     "192.0.2.1 - - [23/Nov/2026:17:52:00 +0000] \"GET / HTTP/1.1\" 503 0 \"-\" \"-\"\n"},
    {"a client that left before the answer",
     {.client = STR_LIT("192.0.2.1"),
      .method = STR_LIT("GET"),
      .host = STR_LIT("a.example"),
      .path = STR_LIT("/"),
      .version = "1.0",
      .total_us = 900,
      .connect_us = 100,
      .target = STR_LIT("http://[::1]:80"),
      .is_asked = true,
      .error = {.kind = ERR_CLIENT_GONE},
      .ended_by = ENDED_BY_CLIENT,
      .ended_in = ENDED_IN_WAIT},
     "\"client\":\"192.0.2.1\",\"scheme\":\"http\",\"method\":\"GET\",\"host\":\"a.example\","
     "\"path\":\"/\",\"version\":\"1.0\",\"status\":0,\"in_bytes\":0,\"out_bytes\":0,"
     "\"total_us\":900,\"wait_us\":0,\"connect_us\":100,\"retries\":0,"
     "\"target\":\"http://[::1]:80\",\"ended_by\":\"client\",\"ended_in\":\"wait\","
     "\"error\":\"client_gone\"}\n",
     "17:52:00.000 192.0.2.1 GET http://a.example/ 0 0 B 0.9 ms -> http://[::1]:80 "
     "!client_gone by client in wait\n",
     "192.0.2.1 - - [23/Nov/2026:17:52:00 +0000] \"GET / HTTP/1.0\" 499 0 \"-\" \"-\"\n"},
    {"the gateway ends before the answer",
     {.client = STR_LIT("192.0.2.1"),
      .method = STR_LIT("GET"),
      .path = STR_LIT("/"),
      .version = "1.1",
      .error = {.kind = ERR_SHUTTING_DOWN},
      .ended_by = ENDED_BY_GATEWAY,
      .ended_in = ENDED_IN_QUEUE},
     "\"client\":\"192.0.2.1\",\"scheme\":\"http\",\"method\":\"GET\",\"path\":\"/\","
     "\"version\":\"1.1\",\"status\":0,\"in_bytes\":0,\"out_bytes\":0,\"total_us\":0,"
     "\"ended_by\":\"gateway\",\"ended_in\":\"queue\",\"error\":\"shutting_down\"}\n",
     "17:52:00.000 192.0.2.1 GET http:/// 0 0 B 0.0 ms !shutting_down by gateway in queue\n",
     "192.0.2.1 - - [23/Nov/2026:17:52:00 +0000] \"GET / HTTP/1.1\" 000 0 \"-\" \"-\"\n"},
};

static void what_is_not_known_is_left_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
        char json[1024];
        (void)snprintf(json, sizeof(json), "{\"time\":\"2026-11-23T17:52:00.000Z\",%s",
                       endings[i].json);
        assert_row_str(endings[i].name, write_lines(ACCESS_JSON, &endings[i].line, 1), json);
        assert_row_str(endings[i].name, write_lines(ACCESS_HUMAN, &endings[i].line, 1),
                       endings[i].human);
        assert_row_str(endings[i].name, write_lines(ACCESS_COMBINED, &endings[i].line, 1),
                       endings[i].combined);
    }
}

static const struct {
    const char *name;
    struct str text;
    const char *want, *want_combined;
} escapes[] = {
    {"a quote ends no string", STR_LIT("/\",\"status\":200,\"x\":\""),
     "/\\u0022,\\u0022status\\u0022:200,\\u0022x\\u0022:\\u0022",
     "/\\x22,\\x22status\\x22:200,\\x22x\\x22:\\x22"},
    {"a backslash", STR_LIT("/\\n"), "/\\u005cn", "/\\x5cn"},
    {"an escape that is none of ours", STR_LIT("/\\x22"), "/\\u005cx22", "/\\x5cx22"},
    {"a line break ends no line", STR_LIT("/\r\n{}\n"), "/\\u000d\\u000a{}\\u000a",
     "/\\x0d\\x0a{}\\x0a"},
    {"an escape of a terminal", STR_LIT("/\033[31m\x7f"), "/\\u001b[31m\\u007f",
     "/\\x1b[31m\\x7f"},
    {"bytes beyond ASCII", STR_LIT("/\xff\xc3\xa9"), "/\\u00ff\\u00c3\\u00a9",
     "/\\xff\\xc3\\xa9"},
    {"a NUL", STR_LIT("/\0x"), "/\\u0000x", "/\\x00x"},
    {"a whole line", STR_LIT("/ HTTP/1.1\" 200 1 \"-\" \"-\"\n10.0.0.1 - - ["),
     "/ HTTP/1.1\\u0022 200 1 \\u0022-\\u0022 \\u0022-\\u0022\\u000a10.0.0.1 - - [",
     "/ HTTP/1.1\\x22 200 1 \\x22-\\x22 \\x22-\\x22\\x0a10.0.0.1 - - ["},
};

static void foreign_bytes_are_escaped_in_all_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(escapes); i++) {
        struct access_line line = full;
        line.path = line.user_agent = line.referer = escapes[i].text;
        for (int format = ACCESS_HUMAN; format <= ACCESS_COMBINED; format++) {
            const char *want =
                format == ACCESS_COMBINED ? escapes[i].want_combined : escapes[i].want;
            struct str got = write_lines((enum access_format)format, &line, 1);
            unsigned found = 0;
            for (const char *at = got.p;
                 (at = memmem(at, got.len - (size_t)(at - got.p), want, strlen(want))) != NULL;
                 at++)
                found++;
            if (found != (format == ACCESS_COMBINED ? 3 : 1))
                assert_row_str(escapes[i].name, got, want);
            assert_row(escapes[i].name, str_index(got, '\n') == got.len - 1);
        }
    }
}

/* Every text as long as it can be, of bytes that grow when escaped: the line is cut, and still
 * one JSON document on one line. */
static void the_longest_line_is_still_one_document(void **state)
{
    (void)state;
    static char big[64 * 1024];
    static const char fillers[] = {'a', '"', '\n', '\xff'};
    for (size_t f = 0; f < ARRAY_LEN(fillers); f++) {
        memset(big, fillers[f], sizeof(big));
        struct str huge = str_make(big, sizeof(big));
        struct access_line line = full;
        line.client = line.method = line.host = line.path = line.route = line.target =
            line.request_id = huge;
        line.status = 4294967295u;
        line.out_bytes = line.in_bytes = line.total_us = INT64_MAX; /* the most of jansson */
        line.wait_us = line.connect_us = line.first_byte_us = INT64_MAX;
        line.ended_by = ENDED_BY_GATEWAY;
        line.ended_in = ENDED_IN_CONNECT;
        line.referer = line.user_agent = huge;
        line.error = fail(ERR_TARGET_CONNECT_TIMEOUT, 0);
        struct access_line both[2] = {line, line};
        struct str rest = write_lines(ACCESS_JSON, both, 2), one;
        for (size_t i = 0; i < 2; i++) {
            AUTO(json_decref) json_t *doc = NULL;
            assert_true(str_split(rest, '\n', &one, &rest));
            assert_ok(json_read(one, &doc));
            assert_str(json_str(json_object_get(doc, "error")), "target_connect_timeout");
        }
        assert_true(str_is_empty(rest));
        static const enum access_format texts[] = {ACCESS_HUMAN, ACCESS_COMBINED};
        for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
            rest = write_lines(texts[i], both, 2);
            assert_true(str_split(rest, '\n', &one, &rest));
            assert_int_equal(rest.len, one.len + 1);
        }
    }
}

static void without_a_writer_the_log_is_off(void **state)
{
    (void)state;
    struct access_log *log = access_log_new(NULL, 0, ACCESS_JSON);
    assert_false(access_log_is_on(log));
    access_log_free(log);
    mem_fault_arm(1);
    assert_null(access_log_new(NULL, 0, ACCESS_JSON));
    mem_fault_arm(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_json_line_tells_all),
        cmocka_unit_test(people_get_a_short_line),
        cmocka_unit_test(analysers_get_the_combined_form),
        cmocka_unit_test(what_is_not_known_is_left_out),
        cmocka_unit_test(foreign_bytes_are_escaped_in_all_forms),
        cmocka_unit_test(the_longest_line_is_still_one_document),
        cmocka_unit_test(without_a_writer_the_log_is_off),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
