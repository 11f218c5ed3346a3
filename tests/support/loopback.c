#include "tests/support/loopback.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TEXT_MAX = 4 * 1024 * 1024 };

/* ---- life ---- */

static void must(struct err e)
{
    if (failed(e))
        (void)fprintf(stderr, "%s (%d)\n", err_name(e), (int)e.detail);
    assert(!failed(e));
}

static void open_target(struct loopback *b)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof(at);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    b->target = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_open = bind(b->target, (const struct sockaddr *)&at, len) == 0 &&
                   listen(b->target, 64) == 0 &&
                   getsockname(b->target, (struct sockaddr *)&at, &len) == 0;
    assert(is_open);
    b->target_port = ntohs(at.sin_port);
}

static void open_listeners(struct loopback *b, int client_buffer_bytes)
{
    char at[64];
    must(listener_set_new(1, &b->listeners));
    must(listener_set_open(b->listeners, LISTENER_HTTP, STR("127.0.0.1:0"), at));
    must(listener_set_open(b->listeners, LISTENER_HTTPS, STR("127.0.0.1:0"), at));
    /* Accepted sockets inherit it. */
    for (size_t i = 0; client_buffer_bytes > 0 && i < b->listeners->count; i++) {
        int set = setsockopt(b->listeners->items[i].fds[0], SOL_SOCKET, SO_SNDBUF,
                             &client_buffer_bytes, sizeof(client_buffer_bytes));
        assert(set == 0);
    }
}

static void open_log(struct loopback *b)
{
    b->log_file = memfd_create("access", MFD_CLOEXEC);
    int fds[LOG_CHANNEL_COUNT] = {
        [LOG_CHANNEL_EVENTS] = -1, [LOG_CHANNEL_ACCESS] = dup(b->log_file)};
    must(log_writer_new(fds, &b->log_writer));
    b->access_log = access_log_new(b->log_writer, LOG_CHANNEL_ACCESS, ACCESS_JSON);
    assert(b->access_log != NULL);
}

void loopback_start(struct loopback *b, int client_buffer_bytes)
{
    /* A failed assertion says so and ends the program: whoever tidied up behind it would wait
     * for connections that nobody closes. */
    (void)setenv("CMOCKA_TEST_ABORT", "1", 1);
    *b = (struct loopback){.target = -1};
    fake_clock_use(&b->clock, LOOPBACK_NOW_AT);
    temp_store_init(&b->store);
    fake_issuer_init(&b->ca, "Test CA");
    must(ticket_keys_new(&b->keys));
    open_target(b);
    open_listeners(b, client_buffer_bytes);
    open_log(b);
    must(worker_start(&(struct worker_options){.publisher = store_publisher(b->store.store),
                                               .ticket_keys = b->keys,
                                               .listeners = b->listeners,
                                               .access_log = b->access_log},
                      &b->worker));
}

void loopback_drain(struct loopback *b)
{
    if (b->worker == NULL)
        return;
    worker_drain(b->worker);
    worker_join(b->worker);
    b->worker = NULL;
    access_log_free(b->access_log);
    log_writer_free(b->log_writer);
}

void loopback_stop(struct loopback *b)
{
    loopback_drain(b);
    listener_set_free(b->listeners);
    ticket_keys_free(b->keys);
    (void)close(b->log_file);
    (void)close(b->target);
    fake_issuer_fini(&b->ca);
    temp_store_fini(&b->store);
    fake_clock_restore();
    (void)unsetenv("CMOCKA_TEST_ABORT");
}

static void put_route(struct loopback *b, const char *id, const char *host,
                      const char *of_upstream, const char *members)
{
    char body[4096];
    (void)snprintf(body, sizeof(body),
                   "{'hosts': ['%s'], 'certificate': 'none', 'https': 'optional',"
                   " 'upstream': {'targets': [{'url': 'http://127.0.0.1:%u'}]%s}%s}",
                   host, (unsigned)b->target_port, of_upstream, members);
    temp_config_route(&b->store, id, body);
}

void loopback_route(struct loopback *b, const char *id, const char *host, const char *members)
{
    put_route(b, id, host, "", members);
}

void loopback_upstream(struct loopback *b, const char *id, const char *host,
                       const char *members)
{
    put_route(b, id, host, members, "");
}

/* ---- connections ---- */

static void be_patient(int fd)
{
    struct timeval patience = {.tv_sec = LOOPBACK_PATIENCE_S};
    int set = setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    assert(set == 0);
    set = setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    assert(set == 0);
}

static int connect_to(const struct listener_address *address)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(address->port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int is_made = connect(fd, (const struct sockaddr *)&at, sizeof(at));
    assert(is_made == 0);
    be_patient(fd);
    return fd;
}

int loopback_connect(const struct loopback *b)
{
    return connect_to(&b->listeners->items[0]);
}

int loopback_connect_tls(const struct loopback *b)
{
    return connect_to(&b->listeners->items[1]);
}

int loopback_accept(const struct loopback *b)
{
    struct pollfd p = {.fd = b->target, .events = POLLIN};
    int is_there = poll(&p, 1, LOOPBACK_PATIENCE_S * 1000);
    assert(is_there == 1);
    int fd = accept4(b->target, NULL, NULL, SOCK_CLOEXEC);
    assert(fd >= 0);
    be_patient(fd);
    return fd;
}

bool loopback_is_quiet(const struct loopback *b)
{
    struct pollfd p = {.fd = b->target, .events = POLLIN};
    return poll(&p, 1, 0) == 0;
}

/* ---- talking ---- */

void loopback_say_bytes(int fd, struct str bytes)
{
    while (bytes.len > 0) {
        ssize_t n = send(fd, bytes.p, bytes.len, MSG_NOSIGNAL);
        if (n < 0)
            (void)fprintf(stderr, "send: errno %d\n", errno);
        assert(n > 0);
        bytes = str_skip(bytes, (size_t)n);
    }
}

void loopback_say(int fd, const char *text)
{
    loopback_say_bytes(fd, str_from(text));
}

static char text[TEXT_MAX + 1];

/* Gets len bytes and what was received of them, for the failure's message. */
static void need(int fd, char *to, size_t len)
{
    size_t got = 0;
    while (got < len) {
        ssize_t n = recv(fd, to + got, len - got, 0);
        if (n <= 0)
            (void)fprintf(stderr, "%s after \"%.*s\"\n", n == 0 ? "end" : "silence or reset",
                          (int)(to + got - text), text);
        assert(n > 0);
        got += (size_t)n;
    }
}

const char *loopback_hear_head(int fd)
{
    size_t len = 0;
    /* One by one: what stands behind the head stays with the kernel. */
    while (len < 4 || memcmp(text + len - 4, "\r\n\r\n", 4) != 0) {
        assert(len < TEXT_MAX);
        need(fd, text + len, 1);
        len++;
    }
    text[len] = '\0';
    return text;
}

struct str loopback_hear(int fd, size_t len)
{
    assert(len <= TEXT_MAX);
    need(fd, text, len);
    text[len] = '\0';
    return str_make(text, len);
}

struct str loopback_hear_all(int fd, bool *ret_is_cut)
{
    size_t len = 0;
    ssize_t n;
    while ((n = recv(fd, text + len, TEXT_MAX - len, 0)) > 0)
        len += (size_t)n;
    if (n < 0 && errno != ECONNRESET)
        (void)fprintf(stderr, "no end after %zu bytes (errno %d)\n", len, errno);
    assert(n == 0 || errno == ECONNRESET);
    *ret_is_cut = n < 0;
    text[len] = '\0';
    return str_make(text, len);
}

/* ---- time ---- */

/* A request to nobody: its answer is made in a turn that has seen the new time. */
void loopback_pass(struct loopback *b, uint64_t ms)
{
    bool is_cut;
    fake_clock_advance(&b->clock, ms);
    int fd = loopback_connect(b);
    loopback_say(fd, "GET / HTTP/1.1\r\nHost: nobody.invalid\r\nConnection: close\r\n\r\n");
    (void)loopback_hear_all(fd, &is_cut);
    (void)close(fd);
}

struct str loopback_lines(const struct loopback *b)
{
    ssize_t len = pread(b->log_file, text, TEXT_MAX, 0);
    assert(len >= 0);
    return str_make(text, (size_t)len);
}
