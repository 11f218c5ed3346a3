/* loopback_asserts.h - what tests over a loopback say again and again.
 *
 * Purpose: the common request and answer, and hearing with an expectation.
 * Thread:  the test's.
 * Owns:    nothing. */
#pragma once

#include "tests/support/asserts.h"
#include "tests/support/loopback.h"

#include <stdio.h>
#include <unistd.h>

#define GET    "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static inline bool has(const char *text, const char *what)
{
    return strstr(text, what) != NULL;
}

#define assert_has(text, what)   assert_true(has((text), (what)))
#define assert_lacks(text, what) assert_false(has((text), (what)))

/* The status line of the next head, without its end; the rest is forgotten. */
static inline const char *hear_status(int fd)
{
    static char line[128];
    const char *head = loopback_hear_head(fd);
    (void)snprintf(line, sizeof(line), "%.*s", (int)(strchr(head, '\r') - head), head);
    return line;
}

static inline void hear_text(int fd, const char *want)
{
    assert_str(loopback_hear(fd, strlen(want)), want);
}

/* ANSWER, as the client gets it. */
static inline void hear_ok(int fd)
{
    assert_string_equal(hear_status(fd), "HTTP/1.1 200 OK");
    hear_text(fd, "ok");
}

/* The client asks; the worker has opened a connection, returned, and sent the head there. */
static inline int ask(const struct loopback *b, int client, const char *request)
{
    loopback_say(client, request);
    int target = loopback_accept(b);
    (void)loopback_hear_head(target);
    return target;
}

/* ANSWER, from the target to the client. */
static inline void serve(int target, int client)
{
    loopback_say(target, ANSWER);
    hear_ok(client);
}

/* A proper end, and nothing before it. */
static inline void hear_end(int fd)
{
    bool is_cut;
    assert_str(loopback_hear_all(fd, &is_cut), "");
    assert_false(is_cut);
}
