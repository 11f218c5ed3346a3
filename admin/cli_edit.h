/* cli_edit.h - "k=v" words to a JSON merge patch.
 *
 * Purpose: `route set cloud upstream.timeouts.idle=10m hosts=a.example,b.example`: the
 *          object's shape says whether a member is text, a number, a list or a list of
 *          targets, so that nobody has to quote JSON in a shell.
 * Thread:  any.
 * Owns:    the patch is a new reference.
 * Fails:   ERR_SYNTAX with a sentence in ret_words.
 *
 * k is a path of names with dots; the name of a header is the last part and may hold
 * dots. v is text; null removes; @FILE is the text of a file; [..] and {..} are JSON;
 * true, false, numbers where the member is one; lists are separated by commas. */
#pragma once

#include "store/shape.h"

#include "gateway/base/json.h"

/* Gives the text of @FILE; explains itself. */
typedef struct err cli_edit_read_fn(void *arg, struct str path, struct str *ret_text);

struct cli_edit {
    struct arena *arena;
    const struct shape *shape;
    cli_edit_read_fn *read;
    void *arg;
};

struct err cli_edit_patch(const struct cli_edit *edit, const struct str *words, size_t count,
                          struct str *ret_words, json_t **ret_patch);

/* Puts value (reference taken over) at a dotted path, making the objects on the way. */
struct err cli_edit_put(json_t *patch, struct str path, json_t *value);
