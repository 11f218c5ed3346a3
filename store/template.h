/* template.h - text with variables, taken apart once, when a route is built.
 *
 * Purpose: "https://new.example{uri}" becomes the parts "https://new.example" and URI, so that
 *          nothing is parsed per request.  "{name}" is a variable if name is letters a-z and
 *          '_'; "{{" is one '{'; any other brace stands for itself.
 * Thread:  any; constant once parsed.
 * Owns:    parts and their text live in the caller's arena.
 * Limits:  TEMPLATE_VARIABLES_MAX variables in one text.
 * Fails:   ERR_SYNTAX with words, ERR_MEMORY. */
#pragma once

#include "gateway/base/arena.h"

enum template_variable {
    TEMPLATE_TEXT, /* no variable */
#define TEMPLATE_VARIABLE(id, name, meaning) TEMPLATE_##id,
#include "store/template_variables.def"
#undef TEMPLATE_VARIABLE
    TEMPLATE_VARIABLE_COUNT
};

struct template_part {
    enum template_variable variable;
    struct str text; /* TEMPLATE_TEXT: never empty */
};

struct template
{
    const struct template_part *parts; /* no two texts in a row */
    size_t count;
    uint32_t variables; /* set of 1u << enum template_variable; 0: plain text */
};

/* *ret_words: what is wrong, in the arena, with ERR_SYNTAX. */
struct err template_parse(struct arena *a, struct str text, struct template *ret_template,
                          struct str *ret_words);

/* Says what is wrong with the address of a redirect, or NULL.  It must not be possible for what
 * a client sends to become the host: that is literal, or {host} and {port}. */
const char *template_check_redirect(const struct template *to);
