/* cli_table.c - in call order: cli_table_print -> fit -> print_row -> cli_table_put. */
#include "admin/cli_table.h"

enum { GAP = 2, NARROWEST = 6 };

static const struct str ellipsis = STR_LIT("\xe2\x80\xa6");

struct cell {
    struct str text;
    enum cli_colour colour;
};

struct row {
    struct row *next;
    size_t cell_count;
    struct cell cells[CLI_TABLE_COLUMNS_MAX];
};

struct cli_table {
    struct arena *arena;
    const struct cli_column *columns;
    size_t column_count;
    struct row *first;
    struct row *last;
};

/* The character at the head of s; *ret_len bytes. Broken UTF-8 is one '?' per byte. */
static uint32_t next_char(struct str s, size_t *ret_len)
{
    unsigned char c = (unsigned char)s.p[0];
    size_t len = c < 0x80                ? 1
                 : c >= 0xc2 && c < 0xe0 ? 2
                 : (c & 0xf0) == 0xe0    ? 3
                 : c >= 0xf0 && c < 0xf5 ? 4
                                         : 0;
    uint32_t code = len <= 1 ? c : c & (0xffu >> (len + 1));
    *ret_len = 1;
    if (len == 0 || len > s.len)
        return '?';
    for (size_t i = 1; i < len; i++) {
        unsigned char next = (unsigned char)s.p[i];
        if ((next & 0xc0) != 0x80)
            return '?';
        code = code << 6 | (next & 0x3f);
    }
    *ret_len = len;
    return code;
}

struct range {
    uint32_t first;
    uint32_t last;
};

static bool is_in(const struct range *ranges, size_t count, uint32_t code)
{
    for (size_t i = 0; i < count; i++) {
        if (code >= ranges[i].first && code <= ranges[i].last)
            return true;
    }
    return false;
}

/* The blocks that occur in names and messages; not the whole of Unicode. */
static unsigned width_of(uint32_t code)
{
    static const struct range nothing[] = {
        {0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd}, {0x064b, 0x065f},
        {0x0e34, 0x0e3a}, {0x0e47, 0x0e4e}, {0x200b, 0x200f}, {0x2060, 0x2065},
        {0x20d0, 0x20f0}, {0xfe00, 0xfe0f}, {0xfeff, 0xfeff},
    };
    static const struct range wide[] = {
        {0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0x33ff},   {0x3400, 0x4dbf},
        {0x4e00, 0x9fff},   {0xa000, 0xa4cf},   {0xac00, 0xd7a3},   {0xf900, 0xfaff},
        {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},   {0x1f300, 0x1f64f},
        {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd},
    };
    if (is_in(nothing, ARRAY_LEN(nothing), code))
        return 0;
    return is_in(wide, ARRAY_LEN(wide), code) ? 2 : 1;
}

/* What could move the cursor or turn the direction of the text. */
static bool is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x202a && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}

size_t cli_table_width(struct str text)
{
    size_t width = 0;
    size_t len;
    for (; text.len > 0; text = str_skip(text, len)) {
        uint32_t code = next_char(text, &len);
        width += is_control(code) ? 1 : width_of(code);
    }
    return width;
}

size_t cli_table_put(FILE *out, struct str text, size_t width)
{
    bool is_cut = width > 0 && cli_table_width(text) > width;
    size_t used = 0;
    size_t len;
    for (; text.len > 0; text = str_skip(text, len)) {
        uint32_t code = next_char(text, &len);
        bool is_shown = !is_control(code) && (code != '?' || text.p[0] == '?');
        unsigned columns = is_shown ? width_of(code) : 1;
        if (is_cut && used + columns > width - 1)
            break;
        (void)fwrite(is_shown ? text.p : "?", 1, is_shown ? len : 1, out);
        used += columns;
    }
    if (is_cut) {
        (void)fwrite(ellipsis.p, 1, ellipsis.len, out);
        used++;
    }
    return used;
}

/* Of the colour at the head of s; 0: there is none. */
static size_t colour_len(struct str s)
{
    size_t end = str_starts(s, STR("\033[")) ? str_index(s, 'm') : s.len;
    return end < s.len ? end + 1 : 0;
}

/* What is at the head of line, a colour or a character: its bytes and columns. */
static size_t next_piece(struct str line, size_t *ret_columns)
{
    size_t len = colour_len(line);
    *ret_columns = 0;
    if (len == 0)
        *ret_columns = width_of(next_char(line, &len));
    return len;
}

static size_t line_width(struct str line)
{
    size_t width = 0, columns;
    for (; line.len > 0; width += columns)
        line = str_skip(line, next_piece(line, &columns));
    return width;
}

void cli_table_put_line(FILE *out, struct str line, size_t width)
{
    bool is_cut = width > 0 && line_width(line) > width, is_coloured = false;
    size_t left = is_cut ? width - 1 : SIZE_MAX, columns;
    for (size_t len; line.len > 0; line = str_skip(line, len)) {
        len = next_piece(line, &columns);
        if (columns > left)
            break;
        (void)fwrite(line.p, 1, len, out);
        left -= columns;
        if (colour_len(line) > 0)
            is_coloured = !str_starts(line, STR(CLI_COLOUR_END));
    }
    if (is_cut)
        (void)fwrite(ellipsis.p, 1, ellipsis.len, out);
    if (is_coloured)
        (void)fputs(CLI_COLOUR_END, out);
}

const char *cli_table_colour(enum cli_colour colour)
{
    switch (colour) {
    case CLI_PLAIN:
        return "";
    case CLI_GOOD:
        return "\033[32m";
    case CLI_WARN:
        return "\033[33m";
    case CLI_BAD:
        return "\033[31m";
    case CLI_DIM:
        return "\033[2m";
    }
    return "";
}

struct cli_table *cli_table_new(struct arena *a, const struct cli_column *columns)
{
    struct cli_table *t = arena_one(a, struct cli_table);
    if (t == NULL)
        return NULL;
    t->arena = a;
    t->columns = columns;
    while (columns[t->column_count].heading != NULL && t->column_count < CLI_TABLE_COLUMNS_MAX)
        t->column_count++;
    return t;
}

void cli_table_row(struct cli_table *t)
{
    struct row *row = t == NULL ? NULL : arena_one(t->arena, struct row);
    if (row == NULL)
        return;
    if (t->first == NULL)
        t->first = row;
    else
        t->last->next = row;
    t->last = row;
}

void cli_table_cell(struct cli_table *t, struct str text, enum cli_colour colour)
{
    struct row *row = t == NULL ? NULL : t->last;
    if (row != NULL && row->cell_count < t->column_count)
        row->cells[row->cell_count++] = (struct cell){.text = text, .colour = colour};
}

/* As wide as needed; a column that is left out has the width 0. */
static void measure(const struct cli_table *t, size_t *widths)
{
    for (size_t i = 0; i < t->column_count; i++)
        widths[i] = cli_table_width(str_from(t->columns[i].heading));
    for (const struct row *row = t->first; row != NULL; row = row->next) {
        for (size_t i = 0; i < t->column_count; i++) {
            size_t need = cli_table_width(row->cells[i].text);
            widths[i] = need > widths[i] ? need : widths[i];
        }
    }
}

static size_t total_of(const struct cli_table *t, const size_t *widths)
{
    size_t total = 0;
    for (size_t i = 0; i < t->column_count; i++)
        total += widths[i] == 0 ? 0 : widths[i] + (total == 0 ? 0 : GAP);
    return total;
}

/* Takes away one column of a cell, or a whole cell that can be done without; false if
 * nothing is left to take. */
static bool narrow(const struct cli_table *t, size_t least, size_t *widths)
{
    size_t widest = t->column_count;
    for (size_t i = 0; i < t->column_count; i++) {
        if (t->columns[i].fit == CLI_SHRINK && widths[i] > least &&
            (widest == t->column_count || widths[i] > widths[widest]))
            widest = i;
    }
    if (widest < t->column_count) {
        widths[widest]--;
        return true;
    }
    for (size_t i = t->column_count; i > 0; i--) {
        if (t->columns[i - 1].fit == CLI_DROP && widths[i - 1] > 0) {
            widths[i - 1] = 0;
            return true;
        }
    }
    return false;
}

/* First down to a readable width, then without some columns, then as far as it goes. */
static void fit(const struct cli_table *t, unsigned width, size_t *widths)
{
    bool is_more = width > 0;
    measure(t, widths);
    while (is_more && total_of(t, widths) > width)
        is_more = narrow(t, CLI_TABLE_SHRUNK_MIN, widths);
    is_more = width > 0;
    while (is_more && total_of(t, widths) > width)
        is_more = narrow(t, NARROWEST, widths);
}

static void print_row(const struct cli_table *t, FILE *out, const struct cell *cells,
                      const size_t *widths, bool is_coloured)
{
    size_t gap = 0; /* spaces owed before the next cell; none at the end of a line */
    for (size_t i = 0; i < t->column_count; i++) {
        const char *colour = is_coloured ? cli_table_colour(cells[i].colour) : "";
        if (widths[i] == 0)
            continue;
        if (str_is_empty(cells[i].text)) {
            gap += GAP + widths[i];
            continue;
        }
        (void)fprintf(out, "%*s%s", (int)gap, "", colour);
        gap = GAP + widths[i] - cli_table_put(out, cells[i].text, widths[i]);
        if (colour[0] != '\0')
            (void)fputs(CLI_COLOUR_END, out);
    }
    (void)fputc('\n', out);
}

void cli_table_print(const struct cli_table *t, FILE *out, unsigned width, bool is_coloured)
{
    size_t widths[CLI_TABLE_COLUMNS_MAX];
    struct cell headings[CLI_TABLE_COLUMNS_MAX];
    if (t == NULL)
        return;
    fit(t, width, widths);
    for (size_t i = 0; i < t->column_count; i++)
        headings[i] = (struct cell){.text = str_from(t->columns[i].heading), .colour = CLI_DIM};
    print_row(t, out, headings, widths, is_coloured);
    for (const struct row *row = t->first; row != NULL; row = row->next)
        print_row(t, out, row->cells, widths, is_coloured);
}
