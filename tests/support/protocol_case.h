/* protocol_case.h - reads the tables of tests/protocol.
 *
 * Purpose: from text to steps; README.md there tells the format.
 * Thread:  the test's.
 * Owns:    a table owns its cases and their bytes.
 * Fails:   fails the test, with file and line. */
#pragma once

#include "gateway/base/str.h"

enum { CASE_STEPS_MAX = 24, CASE_STATUSES_MAX = 8 };

struct case_step {
    enum case_step_kind {
        CLIENT_SAYS,
        CLIENT_ENDS,
        TARGET_GOT,   /* all of it so far */
        TARGET_ENDED, /* the gateway's direction to the target */
        TARGET_SAYS,
        TARGET_ENDS,
        CLIENT_GOT, /* all of it so far */
        CLIENT_ENDED,
    } kind;
    struct str bytes;
};

struct protocol_case {
    struct str id;
    struct case_step steps[CASE_STEPS_MAX];
    size_t step_count;
    bool is_for_codecs;
    bool is_never_cut; /* other segments would mean something else */
    bool has_answers;  /* of the target, in the steps; else it answers by itself */
    bool may_see_all;  /* no matter what the target sees */
    bool is_never_all; /* the target sees the beginning of a message at most */
    bool is_compared;  /* what the client gets stands in the steps */
    bool ends_in_page; /* ... but for a page of our own behind it */
    unsigned statuses[CASE_STATUSES_MAX];
    size_t status_count;
    enum { END_KEPT, END_CLOSED, END_CUT } end;
    enum { WIRE_ANY, WIRE_REUSED, WIRE_DROPPED } wire;
};

struct case_table {
    struct protocol_case *items;
    size_t count;
    struct arena *arena;
};

void case_table_read(const char *path, struct case_table *ret_table);
void case_table_free(struct case_table *t);
