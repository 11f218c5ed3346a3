/* http_fields.h - the field list of a head or a trailer section.
 *
 * Purpose: fields in order of arrival, names compared without case, well-known names by number.
 * Thread:  the owner's.
 * Owns:    nothing; the array, names and values live in the arena given to each call.
 * Limits:  HEAD_FIELDS_MAX.
 * Fails:   ERR_MEMORY when the arena is full, ERR_HEAD_TOO_LARGE when there are too many. */
#pragma once

#include "gateway/base/arena.h"

enum http_field_id {
    HTTP_FIELD_OTHER,
#define HTTP_FIELD(id, name, flags) HTTP_FIELD_##id,
#define HTTP_FIELD_LENGTH(bytes, first, last)
#include "gateway/http/http_field_names.def"
#undef HTTP_FIELD_LENGTH
#undef HTTP_FIELD
    HTTP_FIELD_COUNT
};

enum { HTTP_FIELDS_SPARE = 12 }; /* room in a new table for what the exchange will add */

struct http_field {
    struct str name;  /* as received, or in its usual spelling when we made it */
    struct str value; /* without leading and trailing OWS */
    enum http_field_id id;
};

struct http_fields {
    struct http_field *items;
    size_t count;
    size_t room;
};

/* HTTP_FIELD_OTHER if the name is not in http_field_names.def. */
enum http_field_id http_field_id_of(struct str name);

/* Hop-by-hop by its own nature: Connection, Keep-Alive, TE, Transfer-Encoding, Upgrade, ... */
bool http_field_is_hop_by_hop(enum http_field_id id);

/* One of the fields by which proxies tell who the client is (X-Forwarded-*, Forwarded,
 * X-Real-IP), also under an alias that a sloppy backend takes for it: '_' or '.' in place of
 * '-'. */
bool http_field_is_forwarding(struct str name);

/* Written by the codec from the rest of struct http_head: Host, Content-Length,
 * Transfer-Encoding, Connection, Upgrade.  In a list to send it is passed over. */
bool http_field_is_framing(enum http_field_id id);

/* False for what means something in a head only: framing, routing, conditions, credentials,
 * caching, how to read the body (RFC 9110 6.5.1). */
bool http_field_is_trailer(const struct http_field *field);

/* Views are kept as they are, not copied. */
struct err http_fields_add(struct http_fields *f, struct arena *a, struct str name,
                           struct str value);
struct err http_fields_add_id(struct http_fields *f, struct arena *a, enum http_field_id id,
                              struct str value);

/* The first with this id or name; NULL if none. */
const struct http_field *http_fields_find(const struct http_fields *f, enum http_field_id id);
const struct http_field *http_fields_find_name(const struct http_fields *f, struct str name);

size_t http_fields_count(const struct http_fields *f, enum http_field_id id);

/* Removes every one; returns how many. Order of the rest is kept. */
size_t http_fields_remove(struct http_fields *f, enum http_field_id id);
size_t http_fields_remove_name(struct http_fields *f, struct str name);

/* Replaces the table by one with room, of the fields that go further than the next hop: without
 * hop-by-hop fields and those that Connection names (RFC 9110 7.6.1).  A field we know to be
 * end-to-end (Host, Content-Length, Cookie, Authorization, forwarding fields and their aliases,
 * every other row of http_field_names.def) does not go away by a peer's say-so.  What the old
 * table holds does not change.  Of a request: "TE: trailers" is kept, for a codec of HTTP/2. */
struct err http_fields_end_to_end(struct arena *a, struct http_fields *f);

/* The same, in place, of a response. */
void http_fields_strip_hop_by_hop(struct http_fields *f);
