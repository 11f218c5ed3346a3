/* pulse.c - a steady beat of requests, and how late each answer is.
 *
 * usage: pulse PORT HOST SECONDS RATE CONNECTIONS >beats
 *
 * Sends RATE requests per second on kept-alive connections to 127.0.0.1, one each in turn, at
 * times that were fixed before: an answer that keeps later requests waiting counts for each of
 * them (no coordinated omission). Prints a line per beat: microseconds of the monotonic clock
 * at which it was due, and from then to the last byte of its answer. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 256, BACKLOG_MAX = 4096, ANSWER_MAX = 65536 };

struct connection {
    int fd;
    int64_t due_us[BACKLOG_MAX]; /* beats sent and not answered: pipelined, in order */
    unsigned first, count;
    size_t left;  /* bytes of the answer that is coming */
    size_t bytes; /* of one answer */
};

static int64_t now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static long number(const char *text)
{
    return strtol(text, NULL, 10);
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int connect_to(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0)
        die("connect");
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

/* All answers of a route are of one size: the first one, read at leisure, says which. */
static size_t measure(int fd, const char *request, size_t len)
{
    char answer[ANSWER_MAX];
    ssize_t got, sum = 0;
    if (write(fd, request, len) != (ssize_t)len)
        die("write");
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (poll(&p, 1, sum == 0 ? 5000 : 200) > 0) {
        got = read(fd, answer, sizeof(answer));
        if (got <= 0)
            die("first answer");
        sum += got;
    }
    return (size_t)sum;
}

static void receive(struct connection *c)
{
    char bytes[ANSWER_MAX];
    ssize_t got = recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (got <= 0)
        die("answer");
    int64_t now = now_us();
    for (size_t n = (size_t)got; n > 0 && c->count > 0;) {
        size_t part = n < c->left ? n : c->left;
        n -= part;
        c->left -= part;
        if (c->left > 0)
            return;
        int64_t due = c->due_us[c->first++ % BACKLOG_MAX];
        printf("%lld %lld\n", (long long)due, (long long)(now - due));
        c->count--;
        c->left = c->bytes;
    }
}

static void beat(struct connection *c, int64_t due_us, const char *request, size_t len)
{
    if (c->count == BACKLOG_MAX || write(c->fd, request, len) != (ssize_t)len)
        die("the gateway is too slow for this rate");
    c->due_us[(c->first + c->count++) % BACKLOG_MAX] = due_us;
}

int main(int argc, char **argv)
{
    static struct connection all[CONNECTIONS_MAX];
    static struct pollfd fds[CONNECTIONS_MAX];
    if (argc != 6) {
        (void)fprintf(stderr, "usage: pulse PORT HOST SECONDS RATE CONNECTIONS\n");
        return 2;
    }
    int count = (int)number(argv[5]);
    int64_t gap_us = 1000000 / number(argv[4]), beats = number(argv[3]) * number(argv[4]);
    char request[512];
    int len = snprintf(request, sizeof(request), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", argv[2]);
    if (count < 1 || count > CONNECTIONS_MAX || len >= (int)sizeof(request))
        return 2;
    for (int i = 0; i < count; i++) {
        all[i].fd = connect_to((int)number(argv[1]));
        all[i].bytes = all[i].left = measure(all[i].fd, request, (size_t)len);
        fds[i] = (struct pollfd){.fd = all[i].fd, .events = POLLIN};
    }
    int64_t due_us = now_us() + 1000, sent = 0;
    for (unsigned waiting = 1; sent < beats || waiting > 0;) {
        int64_t wait_us = due_us - now_us();
        struct timespec t = {.tv_nsec = wait_us > 0 ? wait_us * 1000 : 0};
        int ready = ppoll(fds, (nfds_t)count, sent < beats ? &t : NULL, NULL);
        for (int i = 0; ready > 0 && i < count; i++) {
            if (fds[i].revents != 0)
                receive(&all[i]);
        }
        for (; sent < beats && now_us() >= due_us; due_us += gap_us)
            beat(&all[sent++ % count], due_us, request, (size_t)len);
        waiting = 0;
        for (int i = 0; i < count; i++)
            waiting += all[i].count;
    }
    return 0;
}
