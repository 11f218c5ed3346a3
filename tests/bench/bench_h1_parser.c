/* bench_h1_parser.c - what a head costs: instructions if the kernel counts them for us, else
 * time.
 *
 * Usage: bench_h1_parser [EXCHANGES]. Reads a browser's request through the server codec, sends
 * it on through the client codec, and the same with a response in the other direction. */
#include "gateway/http/h1_codec.h"

#include "gateway/base/clock.h"
#include "gateway/base/limits.h"

#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct str request = STR_LIT(
    "GET /assets/app.js?v=20260101 HTTP/1.1\r\n"
    "Host: cloud.example.org\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    "Accept-Language: en-US,en;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Referer: https://cloud.example.org/login\r\n"
    "Connection: keep-alive\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; lang=en\r\n"
    "Sec-Fetch-Dest: script\r\n"
    "Sec-Fetch-Mode: no-cors\r\n"
    "Sec-Fetch-Site: same-origin\r\n"
    "\r\n");
static const struct str response = STR_LIT("HTTP/1.1 200 OK\r\n"
                                           "Server: origin/1.2\r\n"
                                           "Date: Mon, 23 Nov 2026 17:52:00 GMT\r\n"
                                           "Content-Type: application/javascript\r\n"
                                           "Content-Length: 12\r\n"
                                           "Last-Modified: Sun, 22 Nov 2026 10:00:00 GMT\r\n"
                                           "ETag: \"6560a1b2-c\"\r\n"
                                           "Cache-Control: max-age=3600\r\n"
                                           "\r\n"
                                           "hello, world");

enum step {
    STEP_READ_REQUEST,
    STEP_STRIP,
    STEP_SEND_REQUEST,
    STEP_READ_RESPONSE,
    STEP_SEND_RESPONSE,
    STEP_COUNT
};

static const char *const step_names[STEP_COUNT] = {
    "read request", "strip hop-by-hop", "send request", "read response", "send response"};

struct bench {
    struct codec *server;
    struct codec *client;
    struct arena *arena;
    struct buf server_out;
    struct buf client_out;
    struct http_head *head;
    struct str body;
    uint32_t id;
    int counter_fd; /* -1: time is counted */
    uint64_t spent[STEP_COUNT];
};

static void must(struct err e, const char *what)
{
    if (failed(e)) {
        fprintf(stderr, "%s: %s\n", what, err_name(e));
        exit(1);
    }
}

static int open_counter(void)
{
    struct perf_event_attr attr = {.type = PERF_TYPE_HARDWARE,
                                   .size = sizeof(attr),
                                   .config = PERF_COUNT_HW_INSTRUCTIONS,
                                   .exclude_kernel = 1,
                                   .exclude_hv = 1};
    return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static uint64_t now(const struct bench *b)
{
    uint64_t value = 0;
    if (b->counter_fd < 0)
        return clock_mono_us() * 1000;
    if (read(b->counter_fd, &value, sizeof(value)) != sizeof(value))
        exit(1);
    return value;
}

static struct arena *on_begin(void *arg, uint32_t id, void **ret_user)
{
    struct bench *b = arg;
    b->id = id;
    *ret_user = (void *)(uintptr_t)id;
    return b->arena;
}

static struct err on_head(void *arg, void *user, struct http_head *head)
{
    (void)user;
    ((struct bench *)arg)->head = head;
    return OK;
}

static struct err on_body(void *arg, void *user, struct str bytes)
{
    (void)user;
    ((struct bench *)arg)->body = bytes;
    return OK;
}

static struct err on_end(void *arg, void *user, const struct http_fields *trailers)
{
    (void)arg;
    (void)user;
    (void)trailers;
    return OK;
}

static const struct codec_events events = {
    .on_begin = on_begin, .on_head = on_head, .on_body = on_body, .on_end = on_end};

static void exchange(struct bench *b)
{
    uint32_t target_id;
    size_t used;
    uint64_t at[STEP_COUNT + 1];
    at[0] = now(b);
    must(codec_feed(b->server, request, &used), step_names[STEP_READ_REQUEST]);
    at[1] = now(b);
    http_fields_strip_hop_by_hop(&b->head->fields);
    at[2] = now(b);
    must(codec_open(b->client, b->arena, NULL, &target_id), "open");
    must(codec_send_head(b->client, target_id, b->head, true), step_names[STEP_SEND_REQUEST]);
    at[3] = now(b);
    must(codec_feed(b->client, response, &used), step_names[STEP_READ_RESPONSE]);
    at[4] = now(b);
    must(codec_send_head(b->server, b->id, b->head, false), step_names[STEP_SEND_RESPONSE]);
    must(codec_send_body(b->server, b->id, b->body), step_names[STEP_SEND_RESPONSE]);
    must(codec_send_end(b->server, b->id, NULL), step_names[STEP_SEND_RESPONSE]);
    at[5] = now(b);
    for (size_t i = 0; i < STEP_COUNT; i++)
        b->spent[i] += at[i + 1] - at[i];
    arena_reset(b->arena);
    buf_clear(&b->server_out);
    buf_clear(&b->client_out);
}

/* What reading the counter costs is in every step. */
static uint64_t overhead(const struct bench *b)
{
    enum { READINGS = 1000 };
    uint64_t first = now(b);
    for (int i = 1; i < READINGS; i++)
        (void)now(b);
    return (now(b) - first) / READINGS;
}

static void open_bench(struct bench *b)
{
    *b = (struct bench){.arena = arena_new(EXCHANGE_ARENA_BYTES, EXCHANGE_ARENA_MAX_BYTES),
                        .counter_fd = open_counter()};
    buf_init(&b->server_out, MIB);
    buf_init(&b->client_out, MIB);
    struct codec_options o = {
        .events = &events, .arg = b, .out = &b->server_out, .max_head_bytes = HEAD_MAX_BYTES};
    must(h1_codec_new_server(&o, &b->server), "server");
    o.out = &b->client_out;
    must(h1_codec_new_client(&o, &b->client), "client");
}

static void close_bench(struct bench *b)
{
    codec_free(b->server);
    codec_free(b->client);
    arena_free(b->arena);
    buf_fini(&b->server_out);
    buf_fini(&b->client_out);
    if (b->counter_fd >= 0)
        close(b->counter_fd);
}

int main(int argc, char **argv)
{
    struct bench b;
    uint64_t count = 100000;
    if (argc > 2 || (argc == 2 && (failed(str_to_u64(str_from(argv[1]), UINT32_MAX, &count)) ||
                                   count == 0))) {
        fprintf(stderr, "usage: bench_h1_parser [EXCHANGES]\n");
        return 2;
    }
    open_bench(&b);
    for (uint64_t i = 0; i < count; i++)
        exchange(&b);
    uint64_t extra = overhead(&b);
    uint64_t total = 0;
    const char *unit = b.counter_fd < 0 ? "ns" : "instructions";
    for (size_t i = 0; i < STEP_COUNT; i++) {
        uint64_t each = b.spent[i] / count;
        each -= each < extra ? each : extra;
        total += each;
        printf("%-18s %6llu %s\n", step_names[i], (unsigned long long)each, unit);
    }
    printf("%-18s %6llu %s; %zu and %zu bytes\n", "together", (unsigned long long)total, unit,
           request.len, response.len);
    close_bench(&b);
    return 0;
}
