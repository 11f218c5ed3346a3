#include "gateway/log_writer.h"
#include "tests/support/asserts.h"
#include "tests/support/fake_clock.h"

#include "gateway/base/limits.h"
#include "gateway/base/metrics.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static char text[4 * 1024 * 1024];

static struct log_writer *open_on(int events_fd, int access_fd)
{
    int fds[LOG_CHANNEL_COUNT] = {
        [LOG_CHANNEL_EVENTS] = events_fd, [LOG_CHANNEL_ACCESS] = access_fd};
    struct log_writer *w;
    assert_ok(log_writer_new(fds, &w));
    return w;
}

static int new_file(void)
{
    int file = memfd_create("log", MFD_CLOEXEC);
    assert_true(file >= 0);
    return file;
}

static struct str read_file(int file)
{
    ssize_t len = pread(file, text, sizeof(text), 0);
    assert_true(len >= 0 && (size_t)len < sizeof(text));
    return str_make(text, (size_t)len);
}

/* A number with leading zeros. */
static void put_number(struct log_writer *w, int channel, int width, int n)
{
    char line[128];
    int len = snprintf(line, sizeof(line), "%0*d\n", width, n);
    log_writer_put(w, channel, str_make(line, (size_t)len));
}

static void lines_come_out_in_order_by_channel(void **state)
{
    (void)state;
    int events = new_file(), access = new_file();
    struct log_writer *w = open_on(dup(events), dup(access));
    log_writer_put(w, LOG_CHANNEL_EVENTS, STR("e1\n"));
    log_writer_put(w, LOG_CHANNEL_ACCESS, STR("a1\n"));
    log_writer_put(w, LOG_CHANNEL_EVENTS, STR("e2\n"));
    log_writer_put(w, LOG_CHANNEL_ACCESS, STR("a2\n"));
    log_writer_free(w);
    assert_str(read_file(events), "e1\ne2\n");
    assert_str(read_file(access), "a1\na2\n");
    (void)close(events);
    (void)close(access);
}

static void a_channel_may_be_off(void **state)
{
    (void)state;
    int events = new_file();
    struct log_writer *w = open_on(dup(events), -1);
    log_writer_put(w, LOG_CHANNEL_ACCESS, STR("nowhere\n"));
    log_writer_put(w, LOG_CHANNEL_EVENTS, STR("here\n"));
    log_writer_free(w);
    assert_str(read_file(events), "here\n");
    (void)close(events);
    log_writer_free(NULL);
}

/* A pipe whose reader waits: the writer thread stands still, the ring fills up, and what does
 * not fit is counted instead of waited for. */
static void a_full_ring_loses_lines_and_counts_them(void **state)
{
    (void)state;
    enum { LINES = 3 * LOG_RING_BYTES / 100 };
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    struct log_writer *w = open_on(ends[1], -1);
    int64_t lost_before = metric_read(METRIC_LOG_LINES_LOST);
    for (int i = 0; i < LINES; i++)
        put_number(w, LOG_CHANNEL_EVENTS, 99, i);
    int64_t lost = metric_read(METRIC_LOG_LINES_LOST) - lost_before;
    /* At most a ring, the writer's batch and the pipe can hold something. */
    size_t len = 0;
    int64_t arrived = 0;
    assert_true(lost > 0 && lost < LINES);
    /* Reading lets the writer end, so it must happen before log_writer_free waits for it. */
    while (arrived < LINES - lost) {
        ssize_t n = read(ends[0], text + len, sizeof(text) - len);
        assert_true(n > 0);
        for (size_t i = len; i < len + (size_t)n; i++)
            arrived += text[i] == '\n';
        len += (size_t)n;
    }
    log_writer_free(w);
    assert_int_equal(read(ends[0], text + len, 1), 0);
    (void)close(ends[0]);
    assert_int_equal(arrived, LINES - lost);
    /* No line is torn, and order is kept over the gaps. */
    struct str rest = str_make(text, len), line;
    int last = -1;
    while (str_split(rest, '\n', &line, &rest)) {
        uint64_t n;
        assert_int_equal(line.len, 99);
        assert_ok(str_to_u64(line, LINES, &n));
        assert_true((int)n > last);
        last = (int)n;
    }
}

static void a_line_larger_than_the_ring_is_lost_at_once(void **state)
{
    (void)state;
    int events = new_file();
    struct log_writer *w = open_on(dup(events), -1);
    int64_t lost_before = metric_read(METRIC_LOG_LINES_LOST);
    static char big[LOG_RING_BYTES];
    memset(big, 'x', sizeof(big));
    log_writer_put(w, LOG_CHANNEL_EVENTS, str_make(big, sizeof(big)));
    assert_int_equal(metric_read(METRIC_LOG_LINES_LOST) - lost_before, 1);
    log_writer_put(w, LOG_CHANNEL_EVENTS, STR("small\n"));
    log_writer_free(w);
    assert_str(read_file(events), "small\n");
    (void)close(events);
}

static void a_sink_that_fails_loses_lines_and_counts_them(void **state)
{
    (void)state;
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(full >= 0);
    struct log_writer *w = open_on(full, -1);
    int64_t lost_before = metric_read(METRIC_LOG_LINES_LOST);
    log_writer_put(w, LOG_CHANNEL_EVENTS, STR("x\n"));
    log_writer_free(w);
    assert_int_equal(metric_read(METRIC_LOG_LINES_LOST) - lost_before, 1);
}

/* ---- threads ---- */

enum { THREADS = 8, LINES_EACH = 2000 };

struct talker {
    struct log_writer *writer;
    int id;
    pthread_t thread;
};

static void *talk(void *arg)
{
    const struct talker *me = arg;
    for (int i = 0; i < LINES_EACH; i++)
        put_number(me->writer, LOG_CHANNEL_ACCESS, 1, me->id * LINES_EACH + i);
    return NULL;
}

static void lines_of_many_threads_are_all_there(void **state)
{
    (void)state;
    static struct talker talkers[THREADS];
    static int next[THREADS];
    int access = new_file();
    struct log_writer *w = open_on(-1, dup(access));
    for (int i = 0; i < THREADS; i++) {
        talkers[i] = (struct talker){.writer = w, .id = i};
        assert_int_equal(pthread_create(&talkers[i].thread, NULL, talk, &talkers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(talkers[i].thread, NULL), 0);
    log_writer_free(w);
    struct str rest = read_file(access), line;
    while (str_split(rest, '\n', &line, &rest)) {
        uint64_t n;
        assert_ok(str_to_u64(line, THREADS * LINES_EACH, &n));
        assert_int_equal(n % LINES_EACH, next[n / LINES_EACH]++); /* each thread's in order */
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(next[i], LINES_EACH);
    (void)close(access);
}

static void threads_beyond_the_limit_lose_their_lines(void **state)
{
    (void)state;
    int access = new_file();
    struct log_writer *w = open_on(-1, dup(access));
    int64_t lost_before = metric_read(METRIC_LOG_LINES_LOST);
    for (int i = 0; i < LOG_THREADS_MAX + 1; i++) {
        struct talker t = {.writer = w, .id = 0};
        assert_int_equal(pthread_create(&t.thread, NULL, talk, &t), 0);
        assert_int_equal(pthread_join(t.thread, NULL), 0);
    }
    log_writer_free(w);
    assert_int_equal(metric_read(METRIC_LOG_LINES_LOST) - lost_before, LINES_EACH);
    (void)close(access);
}

/* A writer may come to stand where an older one stood. */
static void a_thread_may_use_one_writer_after_another(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        int events = new_file();
        struct log_writer *w = open_on(dup(events), -1);
        log_writer_put(w, LOG_CHANNEL_EVENTS, STR("x\n"));
        log_writer_free(w);
        assert_str(read_file(events), "x\n");
        (void)close(events);
    }
}

/* ---- files ---- */

static void a_renamed_file_is_opened_again(void **state)
{
    (void)state;
    char dir[] = "/tmp/gatehouse-test-XXXXXX", path[64], old[64];
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/access", dir);
    (void)snprintf(old, sizeof(old), "%s/access.1", dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    int old_reader = open(path, O_RDONLY | O_CLOEXEC);
    struct log_writer *w = open_on(-1, fd);
    assert_int_equal(rename(path, old), 0);
    assert_ok(log_writer_reopen(w, LOG_CHANNEL_ACCESS, path));
    log_writer_put(w, LOG_CHANNEL_ACCESS, STR("after\n"));
    assert_err(log_writer_reopen(w, LOG_CHANNEL_ACCESS, "/nonexistent/access"), ERR_IO);
    log_writer_free(w);
    assert_str(read_file(old_reader), "");
    int reader = open(path, O_RDONLY | O_CLOEXEC);
    assert_str(read_file(reader), "after\n");
    (void)close(reader);
    (void)close(old_reader);
    (void)unlink(path);
    (void)unlink(old);
    (void)rmdir(dir);
}

/* ---- what status shows ---- */

static void warnings_and_errors_are_remembered(void **state)
{
    (void)state;
    struct fake_clock fake;
    int ends[2];
    fake_clock_use(&fake, 1795456320);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    struct log_writer *w = open_on(ends[1], -1);
    log_writer_sink(w, LOG_LEVEL_INFO, STR("info\n"));
    log_writer_sink(w, LOG_LEVEL_DEBUG, STR("debug\n"));
    size_t want_bytes = strlen("info\ndebug\n");
    for (int i = 0; i < LOG_RECENT_MAX + 3; i++) {
        char line[16];
        int len = snprintf(line, sizeof(line), "line %02d\n", i);
        want_bytes += (size_t)len;
        log_writer_sink(w, i % 2 == 0 ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR,
                        str_make(line, (size_t)len));
    }
    /* A line is remembered before it is written: what can be read is remembered. */
    while (want_bytes > 0) {
        ssize_t n = read(ends[0], text, sizeof(text));
        assert_true(n > 0);
        want_bytes -= (size_t)n;
    }
    json_t *list = log_writer_recent(w);
    assert_int_equal(json_array_size(list), LOG_RECENT_MAX);
    for (size_t i = 0; i < LOG_RECENT_MAX; i++) {
        char want[16];
        const json_t *item = json_array_get(list, i);
        (void)snprintf(want, sizeof(want), "line %02zu", i + 3);
        assert_string_equal(json_string_value(json_object_get(item, "line")), want);
        assert_string_equal(json_string_value(json_object_get(item, "at")),
                            "2026-11-23T17:52:00Z");
    }
    json_decref(list);
    log_writer_free(w);
    (void)close(ends[0]);
    fake_clock_restore();
}

static void without_memory_there_is_no_writer(void **state)
{
    (void)state;
    const int fds[LOG_CHANNEL_COUNT] = {-1, -1};
    struct log_writer *w;
    mem_fault_arm(1);
    assert_err(log_writer_new(fds, &w), ERR_MEMORY);
    mem_fault_arm(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_out_in_order_by_channel),
        cmocka_unit_test(a_channel_may_be_off),
        cmocka_unit_test(a_full_ring_loses_lines_and_counts_them),
        cmocka_unit_test(a_line_larger_than_the_ring_is_lost_at_once),
        cmocka_unit_test(a_sink_that_fails_loses_lines_and_counts_them),
        cmocka_unit_test(lines_of_many_threads_are_all_there),
        cmocka_unit_test(threads_beyond_the_limit_lose_their_lines),
        cmocka_unit_test(a_thread_may_use_one_writer_after_another),
        cmocka_unit_test(a_renamed_file_is_opened_again),
        cmocka_unit_test(warnings_and_errors_are_remembered),
        cmocka_unit_test(without_memory_there_is_no_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
