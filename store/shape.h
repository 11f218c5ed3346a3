/* shape.h - an object's fields as a table: one description for reading, writing and
 * documenting.
 *
 * Purpose: shape_read turns JSON into a struct, with defaults, refusing unknown fields by
 *          name and reporting every error; shape_write turns the struct back into canonical
 *          JSON; shape_schema describes it as JSON Schema for openapi.json.
 * Thread:  tables are constant; calls touch only their arguments.
 * Owns:    what is read lives in the caller's arena.
 * Limits:  list lengths by the row's max; text by SHAPE_TEXT_MAX unless the row says less.
 * Fails:   shape_read: ERR_INVALID with at least one entry in inv, or ERR_MEMORY.
 *
 * A struct described by a shape holds, per kind:
 *   STR struct str · BOOL bool · UINT uint32_t · DURATION uint64_t ms · SIZE uint64_t bytes
 *   · ENUM int (index into names) · STRS struct str_list · PAIRS struct pair_list · OBJECT
 *   the struct itself · OBJECTS struct object_list of item_size structs · SECRET struct str */
#pragma once

#include "store/invalid.h"

#include "gateway/base/arena.h"
#include "gateway/base/json.h"

enum shape_kind {
    SHAPE_STR,
    SHAPE_BOOL,
    SHAPE_UINT,
    SHAPE_DURATION,
    SHAPE_SIZE,
    SHAPE_ENUM,
    SHAPE_STRS,
    SHAPE_PAIRS,
    SHAPE_OBJECT,
    SHAPE_OBJECTS,
    SHAPE_SECRET, /* read like STR, never written: write-only on the outside */
};

struct str_list {
    struct str *items;
    size_t count;
};

struct pair {
    struct str name;
    struct str value;
};

struct pair_list {
    struct pair *items;
    size_t count;
};

struct object_list {
    void *items; /* array of the row's item type */
    size_t count;
};

/* Says what is wrong with a text value, or NULL if nothing is.  May replace *value by its
 * normal form (lower case, A-labels), allocated in the arena. */
typedef const char *shape_check_fn(struct arena *a, struct str *value);

struct shape {
    const char *name; /* JSON member; NULL ends a table */
    enum shape_kind kind;
    size_t offset; /* into the struct */
    bool is_required;
    /* null allowed, read as the zero value; zero written as null.  OBJECT: absent is null, and
     * null is what its first field is never zero in otherwise. */
    bool is_nullable;
    const char *standard;     /* default as JSON text, e.g. "\"preserve\"" or "2"; NULL: zero */
    const char *const *names; /* ENUM: values in order, NULL-terminated */
    shape_check_fn *check;    /* STR, SECRET: the value; STRS: each item; PAIRS: each name;
                               * ENUM: a word that is none of names */
    uint64_t min;             /* UINT, DURATION, SIZE; STRS, OBJECTS: fewest items */
    uint64_t max; /* UINT, DURATION, SIZE; STRS, PAIRS, OBJECTS: most items; STR: most
                               * bytes; 0: no limit of its own */
    const char *unavailable; /* words for any value but the standard: what it asks for is not
                               * available yet; NULL: it is */
    const struct shape *sub; /* OBJECT, OBJECTS */
    size_t item_size;        /* OBJECTS */
    const char *doc;         /* one sentence for openapi.json */
};

enum { SHAPE_TEXT_MAX = 256 * 1024 };

/* Reads obj into the zeroed struct at ret.  path is where obj stands in the whole document. */
struct err shape_read(const struct shape *shape, const json_t *obj, struct arena *a,
                      struct json_path *path, struct invalid *inv, void *ret);

/* New reference with every field present; NULL when out of memory. */
json_t *shape_write(const struct shape *shape, const void *from);

/* JSON Schema (2020-12) of the object; new reference. */
json_t *shape_schema(const struct shape *shape);
