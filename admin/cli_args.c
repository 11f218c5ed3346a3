#include "admin/cli_args.h"

static const struct cli_flag *find_in(const struct cli_flag *table, struct str name)
{
    for (; table != NULL && table->name != NULL; table++) {
        if (str_eq(name, str_from(table->name)))
            return table;
    }
    return NULL;
}

static const struct cli_flag *find_flag(const struct cli_args *args, struct str name)
{
    const struct cli_flag *flag = find_in(args->own, name);
    return flag != NULL ? flag : find_in(args->common, name);
}

static bool is_true(struct str value)
{
    return str_eq(value, STR("1")) || str_eq_nocase(value, STR("true")) ||
           str_eq_nocase(value, STR("yes")) || str_eq_nocase(value, STR("on"));
}

/* text: "name" or "name=value", after the dashes. *next is the following word, or NULL;
 * *ret_used tells whether it was taken. */
static struct err take_flag(struct cli_args *args, struct str text, const char *next,
                            bool *ret_used, struct str *ret_words)
{
    struct str name = text;
    struct str value = STR_NONE;
    bool has_value = str_split(text, '=', &name, &value);
    const struct cli_flag *flag = find_flag(args, name);
    *ret_used = false;
    if (flag == NULL) {
        *ret_words = arena_fmt(args->arena, "unknown flag --%.*s", STR_ARG(name));
        return fail(ERR_USAGE, 0);
    }
    if (flag->operand == NULL && !has_value)
        value = STR("true");
    if (flag->operand != NULL && !has_value) {
        if (next == NULL) {
            *ret_words = arena_fmt(args->arena, "--%s needs a value: --%s %s", flag->name,
                                   flag->name, flag->operand);
            return fail(ERR_USAGE, 0);
        }
        value = str_from(next);
        *ret_used = true;
    }
    args->given[args->given_count++] = (struct cli_given){.flag = flag, .value = value};
    return OK;
}

struct err cli_args_parse(struct cli_args *args, int argc, char *const *argv,
                          struct str *ret_words)
{
    bool is_flags = true;
    args->arguments = arena_array(args->arena, struct str, (size_t)argc + 1);
    args->given = arena_array(args->arena, struct cli_given, (size_t)argc + 1);
    if (args->arguments == NULL || args->given == NULL)
        return fail(ERR_MEMORY, 0);
    for (int i = 0; i < argc; i++) {
        struct str word = str_from(argv[i]);
        if (is_flags && str_eq(word, STR("--"))) {
            is_flags = false;
        } else if (is_flags && (str_eq(word, STR("-h")) || str_eq(word, STR("--help")))) {
            args->wants_help = true;
        } else if (is_flags && str_starts(word, STR("--"))) {
            bool is_used;
            TRY(take_flag(args, str_skip(word, 2), i + 1 < argc ? argv[i + 1] : NULL, &is_used,
                          ret_words));
            i += is_used ? 1 : 0;
        } else if (is_flags && word.len > 1 && word.p[0] == '-') {
            *ret_words = arena_fmt(args->arena, "unknown flag %.*s", STR_ARG(word));
            return fail(ERR_USAGE, 0);
        } else {
            args->arguments[args->argument_count++] = word;
        }
    }
    return OK;
}

struct str cli_args_twin(const struct cli_args *args, const struct cli_flag *flag)
{
    bool is_own = find_in(args->own, str_from(flag->name)) == flag;
    struct str twin = arena_fmt(args->arena, "GATEHOUSE_%s%s%s", is_own ? args->group : "",
                                is_own ? "_" : "", flag->name);
    char *name = twin.p == NULL ? NULL : arena_bytes(args->arena, twin.len + 1);
    if (name == NULL)
        return STR_NONE;
    for (size_t i = 0; i < twin.len; i++) {
        char c = twin.p[i];
        name[i] = c == '-' ? '_' : c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
    }
    name[twin.len] = '\0';
    return str_make(name, twin.len);
}

static struct str ask_environment(const struct cli_args *args, const struct cli_flag *flag)
{
    struct str twin = cli_args_twin(args, flag);
    const char *value = NULL;
    if (twin.p != NULL && args->variables.variable != NULL)
        value = args->variables.variable(args->variables.arg, twin.p);
    return value == NULL || value[0] == '\0' ? STR_NONE : str_from(value);
}

struct str cli_args_value(const struct cli_args *args, const char *flag)
{
    const struct cli_flag *row = find_flag(args, str_from(flag));
    for (size_t i = args->given_count; i > 0; i--) {
        if (args->given[i - 1].flag == row)
            return args->given[i - 1].value;
    }
    return row == NULL ? STR_NONE : ask_environment(args, row);
}

bool cli_args_is_given(const struct cli_args *args, const char *flag)
{
    for (size_t i = 0; i < args->given_count; i++) {
        if (str_eq(str_from(args->given[i].flag->name), str_from(flag)))
            return true;
    }
    return false;
}

bool cli_args_is_on(const struct cli_args *args, const char *flag)
{
    return is_true(cli_args_value(args, flag));
}

struct str cli_args_nth(const struct cli_args *args, const char *flag, size_t n)
{
    if (!cli_args_is_given(args, flag))
        return n == 0 ? cli_args_value(args, flag) : STR_NONE;
    for (size_t i = 0; i < args->given_count; i++) {
        if (str_eq(str_from(args->given[i].flag->name), str_from(flag)) && n-- == 0)
            return args->given[i].value;
    }
    return STR_NONE;
}
