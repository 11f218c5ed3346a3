/* token_request.h - what a caller says who wants an API token.
 *
 * Purpose: {"name", "scopes", "expires_at"} read and checked; the shape also documents it.
 * Thread:  any.
 * Owns:    text lives in the caller's arena.
 * Fails:   ERR_INVALID with every reason in inv. */
#pragma once

#include "store/model.h"

struct token_request {
    struct str name;
    struct str_list scope_names;
    struct str expires; /* RFC 3339; empty: never */
    /* from these: */
    unsigned scopes;
    int64_t expires_at; /* 0: never */
};

extern const struct shape token_request_shape[];

struct err token_request_read(const json_t *doc, struct arena *a, struct invalid *inv,
                              struct token_request *ret_request);
