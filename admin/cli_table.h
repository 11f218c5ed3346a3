/* cli_table.h - tables for people.
 *
 * Purpose: columns aligned by what a terminal shows (UTF-8, wide and combining characters),
 *          shrunk to its width with an ellipsis, coloured where that is wanted.
 * Thread:  one.
 * Owns:    nothing; cells are views, the table lives in the caller's arena.
 * Limits:  CLI_TABLE_COLUMNS_MAX columns.
 * Fails:   out of memory drops a row; nothing is worse than that on a terminal. */
#pragma once

#include <stdio.h>

#include "gateway/base/arena.h"

enum { CLI_TABLE_COLUMNS_MAX = 10 };

enum cli_colour { CLI_PLAIN, CLI_GOOD, CLI_WARN, CLI_BAD, CLI_DIM };

struct cli_column {
    const char *heading;
    bool is_fixed; /* never shortened: ids, states, dates */
};

struct cli_cell {
    struct str text;
    enum cli_colour colour;
};

struct cli_table;

/* columns end with a NULL heading. */
struct cli_table *cli_table_new(struct arena *a, const struct cli_column *columns);

/* One cell per column; copied, but not the text. */
void cli_table_add(struct cli_table *t, const struct cli_cell *cells);

/* width 0: as wide as it takes. */
void cli_table_print(const struct cli_table *t, FILE *out, unsigned width, bool is_coloured);

/* Columns that a terminal needs for the text. */
size_t cli_table_width(struct str text);

/* The text as a terminal may see it: control characters become '?', cut to width columns (0: not
 * at all) with an ellipsis.  Written to out; returns the columns used. */
size_t cli_table_put(FILE *out, struct str text, size_t width);

/* The escape sequence that begins a colour; "" for CLI_PLAIN. */
const char *cli_table_colour(enum cli_colour colour);
#define CLI_COLOUR_END "\033[0m"
