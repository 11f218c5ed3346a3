/* invalid.h - everything that is wrong with an input, with JSON pointers.
 *
 * Purpose: validation reports all errors at once; an API problem document lists them as
 *          `errors`.
 * Thread:  the owner's.
 * Owns:    copies of what is added; invalid_fini frees them.
 * Limits:  INVALID_MAX entries; further ones are only counted, so that a huge bad document
 *          cannot make a huge answer.
 * Fails:   adding never fails visibly: out of memory still leaves count > 0. */
#pragma once

#include "gateway/base/arena.h"
#include "gateway/base/json.h"

enum { INVALID_MAX = 100, INVALID_PATH_MAX_BYTES = 512 };

struct invalid_entry {
    struct str field;   /* RFC 6901 pointer, "" for the whole document */
    struct str message; /* what is wrong and what would be right */
};

struct invalid {
    struct arena *arena; /* made with the first entry */
    struct invalid_entry *entries;
    size_t kept_count;
    size_t count; /* all, also those not kept */
};

void invalid_init(struct invalid *inv);
void invalid_fini(struct invalid *inv);

void invalid_add(struct invalid *inv, struct str field, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The beginning of a foreign value, short enough to be quoted in a message. */
struct str invalid_excerpt(struct str value);

static inline bool invalid_is_empty(const struct invalid *inv)
{
    return inv->count == 0;
}

/* [{"field": "/hosts/0", "message": "..."}]; new reference, NULL when out of memory. */
json_t *invalid_to_json(const struct invalid *inv);

/* A pointer under construction while a document is walked; cut silently when too deep. */
struct json_path {
    char text[INVALID_PATH_MAX_BYTES];
    size_t len;
};

/* Appends "/key" (escaped as RFC 6901 says) or "/index"; returns the old length, for
 * path_pop. */
size_t json_path_push(struct json_path *path, struct str key);
size_t json_path_push_index(struct json_path *path, size_t index);
void json_path_pop(struct json_path *path, size_t old_len);

static inline struct str json_path_view(const struct json_path *path)
{
    return str_make(path->text, path->len);
}
