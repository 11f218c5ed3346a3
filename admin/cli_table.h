/* cli_table.h - tables for people.
 *
 * Purpose: columns aligned by what a terminal shows (UTF-8, wide and combining characters),
 *          shrunk to its width with an ellipsis or without the columns that can be done
 *          without, coloured where that is wanted.
 * Thread:  one.
 * Owns:    nothing; cells are views, the table lives in the caller's arena.
 * Limits:  CLI_TABLE_COLUMNS_MAX columns.
 * Fails:   out of memory drops rows; functions accept a NULL table. */
#pragma once

#include "gateway/base/arena.h"

#include <stdio.h>

enum { CLI_TABLE_COLUMNS_MAX = 10, CLI_TABLE_SHRUNK_MIN = 20 };

enum cli_colour { CLI_PLAIN, CLI_GOOD, CLI_WARN, CLI_BAD, CLI_DIM };

/* What happens to a column when the terminal is too narrow. */
enum cli_fit {
    CLI_KEEP,   /* shown whole: ids, states, dates */
    CLI_SHRINK, /* shortened, but to no less than CLI_TABLE_SHRUNK_MIN */
    CLI_DROP,   /* left out before another shrinks further; the rightmost goes first */
};

struct cli_column {
    const char *heading; /* NULL ends a table */
    enum cli_fit fit;
};

struct cli_table;

/* columns end with a NULL heading. */
struct cli_table *cli_table_new(struct arena *a, const struct cli_column *columns);

/* Begins a row; its cells follow, one per column.  Texts are not copied. */
void cli_table_row(struct cli_table *t);
void cli_table_cell(struct cli_table *t, struct str text, enum cli_colour colour);

/* width 0: as wide as it takes. */
void cli_table_print(const struct cli_table *t, FILE *out, unsigned width, bool is_coloured);

/* Columns that a terminal needs for the text. */
size_t cli_table_width(struct str text);

/* The text as a terminal may see it: control characters become '?', cut to width columns
 * (0: not at all) with an ellipsis.  Written to out; returns the columns used. */
size_t cli_table_put(FILE *out, struct str text, size_t width);

/* A line that such functions have made, cut likewise; its colours take no room. */
void cli_table_put_line(FILE *out, struct str line, size_t width);

/* The escape sequence that begins a colour; "" for CLI_PLAIN. */
const char *cli_table_colour(enum cli_colour colour);
#define CLI_COLOUR_END "\033[0m"
