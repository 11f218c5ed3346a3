/* http_cookie.h - the cookies of a request (RFC 6265 5.4, 4.2.1).
 *
 * Purpose: name=value pairs out of all Cookie fields, and taking some of them away.
 * Thread:  the owner's.
 * Owns:    nothing; views of the fields, new values in the arena.
 * Fails:   ERR_MEMORY. */
#pragma once

#include "gateway/http/http_fields.h"

/* Zeroed: before the first. */
struct http_cookie {
    struct str name;
    struct str value; /* as sent, quotes included */
    struct {
        size_t field;
        struct str rest;
    } priv;
};

/* The next one; false after the last.  What has no '=' is passed over. */
bool http_cookie_next(const struct http_fields *f, struct http_cookie *c);

/* The first of this name; empty if there is none.  Names are compared with case. */
struct str http_cookie_find(const struct http_fields *f, struct str name);

/* Takes away every cookie of this name, and a field that holds nothing else.  The other bytes
 * stay as they are. */
struct err http_cookie_remove(struct http_fields *f, struct arena *a, struct str name);
