/* template.c - names of variables, then taking apart, then what a redirect may be. */
#include "store/template.h"

#include "gateway/base/limits.h"

static const struct str names[TEMPLATE_VARIABLE_COUNT] = {
#define TEMPLATE_VARIABLE(id, name, meaning) [TEMPLATE_##id] = STR_LIT(name),
#include "store/template_variables.def"
#undef TEMPLATE_VARIABLE
};
_Static_assert(TEMPLATE_VARIABLE_COUNT <= 32, "a set of variables is one uint32_t");

/* ---- taking apart ---- */

/* What "{name}" at the start of s names, without braces; empty: it is no variable. */
static struct str read_name(struct str s)
{
    size_t end = 1;
    while (end < s.len && ((s.p[end] >= 'a' && s.p[end] <= 'z') || s.p[end] == '_'))
        end++;
    return end < s.len && s.p[end] == '}' ? str_sub(s, 1, end - 1) : STR_NONE;
}

/* TEMPLATE_TEXT: there is none of this name. */
static enum template_variable find_variable(struct str name)
{
    enum template_variable v = TEMPLATE_VARIABLE_COUNT - 1;
    while (v != TEMPLATE_TEXT && !str_eq(names[v], name))
        v--;
    return v;
}

/* Parts under construction; text is where the bytes of the next literal go. */
struct draft {
    struct template_part *parts;
    size_t count;
    uint32_t variables;
    size_t variable_count;
    char *text;
};

static void add_byte(struct draft *d, char byte)
{
    struct template_part *last = d->count == 0 ? NULL : &d->parts[d->count - 1];
    if (last == NULL || last->variable != TEMPLATE_TEXT) {
        last = &d->parts[d->count++];
        *last = (struct template_part){.variable = TEMPLATE_TEXT, .text = {d->text, 0}};
    }
    *d->text++ = byte;
    last->text.len++;
}

static void add_variable(struct draft *d, enum template_variable v)
{
    d->parts[d->count++] = (struct template_part){.variable = v};
    d->variables |= 1u << v;
    d->variable_count++;
}

/* Between any two of the "{" that begin variables there is at most one literal. */
static size_t count_parts(struct str text)
{
    size_t count = 1;
    for (size_t i = 0; i < text.len; i++)
        count += text.p[i] == '{' ? 2 : 0;
    return count;
}

static struct err refuse(struct str words, struct str *ret_words)
{
    *ret_words = words;
    return fail(words.p == NULL ? ERR_MEMORY : ERR_SYNTAX, 0);
}

struct err template_parse(struct arena *a, struct str text, struct template *ret_template,
                          struct str *ret_words)
{
    struct draft d = {.parts = arena_array(a, struct template_part, count_parts(text)),
                      .text = arena_bytes(a, text.len)};
    if (d.parts == NULL || d.text == NULL)
        return fail(ERR_MEMORY, 0);
    for (size_t i = 0; i < text.len; i++) {
        struct str name = text.p[i] == '{' ? read_name(str_skip(text, i)) : STR_NONE;
        if (name.len == 0) {
            add_byte(&d, text.p[i]);
            i += str_starts(str_skip(text, i), STR("{{")) ? 1 : 0;
            continue;
        }
        enum template_variable v = find_variable(name);
        if (v == TEMPLATE_TEXT) {
            struct str shown = str_sub(name, 0, 64);
            return refuse(arena_fmt(a,
                                    "there is no variable {%.*s}; write {{ for a brace that "
                                    "is meant as one",
                                    STR_ARG(shown)),
                          ret_words);
        }
        add_variable(&d, v);
        i += name.len + 1;
    }
    if (d.variable_count > TEMPLATE_VARIABLES_MAX)
        return refuse(
            arena_fmt(a, "must not hold more than %d variables", TEMPLATE_VARIABLES_MAX),
            ret_words);
    *ret_template =
        (struct template){.parts = d.parts, .count = d.count, .variables = d.variables};
    return OK;
}

/* ---- redirects ---- */

static const char bad_start[] =
    "must begin with \"https://\" or \"http://\" and a host, with \"{scheme}://\", or with "
    "\"/\", {path} or {uri}";

/* RFC 3986 2: what may stand in a URI; braces, for one, may not. */
static bool is_uri(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] <= 0x20 || s.p[i] >= 0x7f || strchr("\"<>\\^`{|}", s.p[i]) != NULL)
            return false;
    }
    return true;
}

/* Up to the byte that ends an authority, or all of it. */
static struct str until_path(struct str s)
{
    size_t end = 0;
    while (end < s.len && strchr("/?#", s.p[end]) == NULL)
        end++;
    return str_sub(s, 0, end);
}

static bool is_host_text(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        if (!chr_is_alpha(c) && !chr_is_digit(c) && (c == '\0' || strchr("-._:[]", c) == NULL))
            return false;
    }
    return true;
}

/* rest: the text behind "://"; the parts from `next` on follow it. */
static const char *check_authority(const struct template *to, struct str rest, size_t next)
{
    struct str literal = until_path(rest);
    bool is_empty = literal.len == 0, is_over = literal.len < rest.len;
    bool is_safe = is_host_text(literal);
    for (; is_safe && !is_over && next < to->count; next++) {
        const struct template_part *part = &to->parts[next];
        switch ((unsigned)part->variable) {
        case TEMPLATE_TEXT:
            literal = until_path(part->text);
            is_safe = is_host_text(literal);
            is_over = literal.len < part->text.len;
            break;
        case TEMPLATE_PATH: /* begin with "/" whatever the client asked for */
        case TEMPLATE_URI:
            is_over = true;
            continue;
        case TEMPLATE_HOST:
        case TEMPLATE_PORT:
            break;
        default:
            is_safe = false;
        }
        is_empty = false;
    }
    if (!is_safe)
        return "must have a host of letters, digits, \"-\", \".\", \":\", {host} and {port} "
               "alone, or a client could choose where it leads";
    return is_empty ? bad_start : NULL;
}

const char *template_check_redirect(const struct template *to)
{
    static const struct str starts[] = {STR_LIT("https://"), STR_LIT("http://")};
    for (size_t i = 0; i < to->count; i++) {
        if (!is_uri(to->parts[i].text))
            return "has a character that a URL cannot hold; write it as %XX";
    }
    const struct template_part *first = to->count == 0 ? NULL : &to->parts[0];
    if (first == NULL)
        return bad_start;
    if (first->variable == TEMPLATE_PATH || first->variable == TEMPLATE_URI)
        return NULL;
    if (first->variable == TEMPLATE_SCHEME && to->count > 1 &&
        str_starts(to->parts[1].text, STR("://")))
        return check_authority(to, str_skip(to->parts[1].text, 3), 2);
    for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
        if (str_starts(first->text, starts[i]))
            return check_authority(to, str_skip(first->text, starts[i].len), 1);
    }
    /* "//host" is a host, too (RFC 3986 4.2). */
    bool is_path = str_starts(first->text, STR("/")) && !str_starts(first->text, STR("//"));
    return is_path ? NULL : bad_start;
}
