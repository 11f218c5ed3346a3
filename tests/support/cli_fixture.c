#include "tests/support/cli_fixture.h"

#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>

enum { WORDS_MAX = 64 };

void cli_fixture_open(struct cli_fixture *f)
{
    *f = (struct cli_fixture){.input = NULL};
    api_fixture_open(&f->api);
}

static void forget(struct cli_fixture *f)
{
    free(f->out);
    free(f->err);
    f->out = f->err = NULL;
}

void cli_fixture_close(struct cli_fixture *f)
{
    forget(f);
    api_fixture_close(&f->api);
}

static const char *variable(void *arg, const char *name)
{
    const struct cli_fixture *f = arg;
    for (const char *const *at = f->variables; at != NULL && at[0] != NULL; at += 2) {
        if (strcmp(at[0], name) == 0)
            return at[1];
    }
    return NULL;
}

static bool pause_for(void *arg, unsigned ms)
{
    struct cli_fixture *f = arg;
    (void)ms;
    if (f->next_screen.columns > 0)
        f->screen = f->next_screen;
    return f->pauses > 0 && f->pauses-- > 0;
}

static struct cli_screen look(void *arg)
{
    const struct cli_fixture *f = arg;
    return f->screen;
}

static int run_words(struct cli_fixture *f, int argc, char **argv)
{
    size_t out_len;
    size_t err_len;
    char nothing[1] = "";
    char *input = f->input == NULL ? nothing : (char *)(uintptr_t)f->input;
    struct cli_env env = {.variable = variable,
                          .arg = f,
                          .in = fmemopen(input, f->input == NULL ? 1 : strlen(input), "r"),
                          .out = open_memstream(&f->out, &out_len),
                          .err = open_memstream(&f->err, &err_len),
                          .is_terminal = f->is_terminal,
                          .screen = f->screen,
                          .look = look,
                          .pause = pause_for,
                          .transport = api_fixture_transport,
                          .transport_arg = &f->api};
    int status = cli_main(&env, argc, argv);
    (void)fclose(env.in);
    (void)fclose(env.out);
    (void)fclose(env.err);
    return status;
}

int cli_fixture_run(struct cli_fixture *f, const char *line)
{
    char text[1024];
    char *argv[WORDS_MAX] = {text};
    int argc = 1;
    (void)snprintf(text, sizeof(text), "gatehouse %s", line);
    forget(f);
    for (char *at = text; *at != '\0'; at++) {
        if (*at == ' ') {
            *at = '\0';
            assert_true(argc < WORDS_MAX);
            argv[argc++] = at + 1;
        }
    }
    for (int i = 1; i < argc; i++) {
        for (char *at = argv[i]; *at != '\0'; at++)
            *at = *at == '+' ? ' ' : *at;
    }
    if (argc == 2 && argv[1][0] == '\0')
        argc = 1;
    return run_words(f, argc, argv);
}

void cli_fixture_ok(struct cli_fixture *f, const char *line)
{
    int status = cli_fixture_run(f, line);
    if (status != 0)
        fail_msg("%s: %d\n%s%s", line, status, f->out, f->err);
}

bool cli_fixture_said(const struct cli_fixture *f, const char *words)
{
    return strstr(f->out, words) != NULL;
}

bool cli_fixture_complained(const struct cli_fixture *f, const char *words)
{
    return strstr(f->err, words) != NULL;
}

const char *cli_fixture_file(struct cli_fixture *f, const char *name, struct str text)
{
    static struct temp_path path;
    path = temp_store_path(&f->api.temp, name);
    FILE *file = fopen(path.text, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text.p, 1, text.len, file), text.len);
    assert_int_equal(fclose(file), 0);
    return path.text;
}
