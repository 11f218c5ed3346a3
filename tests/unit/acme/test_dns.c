/* A name server on loopback, of a few lines, that answers by the first label of the name. */
#include "acme/dns.h"
#include "tests/support/asserts.h"

#include "gateway/base/clock.h"

#include <ares.h>
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

struct server {
    int fd;
    pthread_t thread;
    char address[32];
};

/* The end of the question in a message; its name begins at 12. */
static size_t question_end(const unsigned char *m)
{
    size_t at = 12;
    while (m[at] != 0)
        at += 1u + m[at];
    return at + 5;
}

static size_t put_record(unsigned char *m, size_t at, unsigned type, const void *data,
                         size_t len)
{
    const unsigned char head[] = {
        0xc0, 12, (unsigned char)(type >> 8), (unsigned char)type, 0, 1, 0, 0, 0,
        60,   0,  (unsigned char)len};
    memcpy(m + at, head, sizeof(head));
    memcpy(m + at + sizeof(head), data, len);
    m[7]++;
    return at + sizeof(head) + len;
}

static size_t answer(unsigned char *m)
{
    size_t end = question_end(m);
    const char *label = (const char *)m + 13;
    m[2] |= 0x80;
    m[6] = m[7] = m[10] = m[11] = 0; /* records of ours alone, and no EDNS */
    if (strncmp(label, "broken", 6) == 0)
        m[3] = 0x82;
    else if (strncmp(label, "nobody", 6) == 0)
        m[3] = 0x83;
    else if (strncmp(label, "alias", 5) == 0)
        return put_record(m, end, DNS_CNAME, "\1w\4test", 8);
    else if (strncmp(label, "circle", 6) == 0)
        return put_record(m, end, DNS_CNAME, "\6circle\4test", 13);
    else if (m[end - 3] == DNS_A && strncmp(label, "w", 1) == 0)
        return put_record(m, end, DNS_A, "\300\0\2\1", 4);
    else if (strncmp(label, "garbled", 7) == 0)
        return put_record(m, end, DNS_A, "\300\0\2", 3);
    return end;
}

static void *serve(void *arg)
{
    const struct server *s = arg;
    for (;;) {
        unsigned char m[1024];
        struct sockaddr_in from;
        socklen_t from_len = sizeof(from);
        ssize_t len = recvfrom(s->fd, m, sizeof(m) / 2, 0, (struct sockaddr *)&from, &from_len);
        if (len < 17)
            return NULL; /* the test is over */
        if (strncmp((const char *)m + 13, "silent", 6) != 0)
            (void)sendto(s->fd, m, answer(m), 0, (struct sockaddr *)&from, from_len);
    }
}

static int start_server(void **state)
{
    static struct server s;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    s.fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(s.fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(getsockname(s.fd, (struct sockaddr *)&at, &len), 0);
    (void)snprintf(s.address, sizeof(s.address), "127.0.0.1:%u", ntohs(at.sin_port));
    assert_int_equal(pthread_create(&s.thread, NULL, serve, &s), 0);
    *state = &s;
    return ares_library_init(ARES_LIB_INIT_ALL);
}

static int stop_server(void **state)
{
    struct server *s = *state;
    struct sockaddr_in at;
    socklen_t len = sizeof(at);
    (void)getsockname(s->fd, (struct sockaddr *)&at, &len);
    (void)sendto(s->fd, "", 0, 0, (struct sockaddr *)&at, len);
    (void)pthread_join(s->thread, NULL);
    (void)close(s->fd);
    ares_library_cleanup();
    return 0;
}

static const struct {
    const char *name;
    enum dns_type type;
    enum dns_outcome want;
    const char *alias;
} cases[] = {
    {"w.test", DNS_A, DNS_FOUND, ""},
    {"w.test", DNS_AAAA, DNS_NONE, ""},
    {"nobody.test", DNS_A, DNS_NO_NAME, ""},
    {"broken.test", DNS_CAA, DNS_BROKEN, ""},
    {"garbled.test", DNS_A, DNS_GARBLED, ""},
    {"alias.test", DNS_A, DNS_FOUND, "w.test"},
    {"alias.test", DNS_AAAA, DNS_NONE, "w.test"},
    {"silent.test", DNS_A, DNS_SILENT, ""},
};

static void questions_have_outcomes(void **state)
{
    const struct server *s = *state;
    struct arena *a = arena_new(4096, 1 << 20);
    struct dns_question questions[ARRAY_LEN(cases)];
    struct dns_options o = {.resolver = str_from(s->address)};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        questions[i] =
            (struct dns_question){.name = str_from(cases[i].name), .type = cases[i].type};
    assert_ok(dns_ask(&o, a, questions, ARRAY_LEN(cases)));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_row_str(cases[i].name, str_from(dns_outcome_words(questions[i].outcome)),
                       dns_outcome_words(cases[i].want));
        assert_row_str(cases[i].name, questions[i].answer.alias, cases[i].alias);
        assert_row_u64(cases[i].name, questions[i].answer.address_count,
                       cases[i].want == DNS_FOUND ? 1 : 0);
    }
    arena_free(a);
}

static void more_questions_than_go_at_once(void **state)
{
    const struct server *s = *state;
    struct arena *a = arena_new(4096, 1 << 20);
    struct dns_question questions[100];
    struct dns_options o = {.resolver = str_from(s->address)};
    for (size_t i = 0; i < ARRAY_LEN(questions); i++)
        questions[i] = (struct dns_question){.name = STR("w.test"), .type = DNS_A};
    assert_ok(dns_ask(&o, a, questions, ARRAY_LEN(questions)));
    for (size_t i = 0; i < ARRAY_LEN(questions); i++)
        assert_int_equal(questions[i].outcome, DNS_FOUND);
    arena_free(a);
}

static void an_alias_of_itself_ends(void **state)
{
    const struct server *s = *state;
    struct arena *a = arena_new(4096, 1 << 20);
    struct dns_question q = {.name = STR("circle.test"), .type = DNS_A};
    assert_ok(dns_ask(&(struct dns_options){.resolver = str_from(s->address)}, a, &q, 1));
    assert_int_equal(q.outcome, DNS_GARBLED);
    arena_free(a);
}

static void cancelled_calls_end(void **state)
{
    const struct server *s = *state;
    struct arena *a = arena_new(4096, 1 << 20);
    struct dns_question q = {.name = STR("silent.test"), .type = DNS_A};
    atomic_bool is_over = true;
    struct dns_options o = {.resolver = str_from(s->address), .is_cancelled = &is_over};
    assert_err(dns_ask(&o, a, &q, 1), ERR_CANCELLED);
    arena_free(a);
}

static void a_resolver_that_is_none(void **state)
{
    (void)state;
    struct arena *a = arena_new(4096, 1 << 20);
    struct dns_question q = {.name = STR("w.test"), .type = DNS_A};
    assert_err(dns_ask(&(struct dns_options){.resolver = STR("nonsense")}, a, &q, 1), ERR_IO);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(questions_have_outcomes),
        cmocka_unit_test(more_questions_than_go_at_once),
        cmocka_unit_test(an_alias_of_itself_ends),
        cmocka_unit_test(cancelled_calls_end),
        cmocka_unit_test(a_resolver_that_is_none),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
