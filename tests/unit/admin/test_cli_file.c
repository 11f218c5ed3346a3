#include "admin/cli_file.h"
#include "tests/support/asserts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/gatehouse-file-XXXXXX";
static json_t *doc;

static const char *at(const char *name)
{
    static char path[2][PATH_MAX];
    static unsigned turn;
    turn ^= 1;
    (void)snprintf(path[turn], PATH_MAX, "%s/%s", folder, name);
    return path[turn];
}

static void put(const char *name, const char *text, mode_t mode)
{
    FILE *file = fopen(at(name), "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(at(name), mode), 0);
}

static void holds(const char *name, const char *want)
{
    char text[64] = "";
    FILE *file = fopen(at(name), "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    assert_int_equal(fclose(file), 0);
    assert_string_equal(text, want);
}

static mode_t mode_of(const char *name)
{
    struct stat s;
    assert_int_equal(lstat(at(name), &s), 0);
    return s.st_mode;
}

static size_t count_files(void)
{
    size_t count = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    assert_int_equal(closedir(dir), 0);
    return count - 2; /* . and .. */
}

static bool replace(const char *path)
{
    AUTO(arena_free) struct arena *a = arena_new(1024, 65536);
    return cli_file_replace(a, str_from(path), doc);
}

#define TEXT "{\n  \"a\": 1\n}\n"

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/gatehouse-file-XXXXXX");
    doc = json_pack("{s:i}", "a", 1);
    return mkdtemp(folder) == NULL || doc == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    static const char *const names[] = {"new", "old", "link", "pipe"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        (void)unlink(at(names[i]));
    json_decref(doc);
    return rmdir(folder);
}

static void a_new_file_is_as_the_umask_says(void **state)
{
    (void)state;
    mode_t mask = umask(0027);
    assert_true(replace(at("new")));
    (void)umask(mask);
    holds("new", TEXT);
    assert_int_equal(mode_of("new") & 07777, 0640);
    assert_int_equal(count_files(), 1);
}

static void what_was_there_keeps_its_mode(void **state)
{
    (void)state;
    put("old", "something longer than the new text", 0604);
    assert_true(replace(at("old")));
    holds("old", TEXT);
    assert_int_equal(mode_of("old") & 07777, 0604);
}

static void a_link_stays_one(void **state)
{
    (void)state;
    put("old", "x", 0600);
    assert_int_equal(symlink("old", at("link")), 0);
    assert_true(replace(at("link")));
    assert_true(S_ISLNK(mode_of("link")));
    holds("old", TEXT);
}

static void a_pipe_is_written_to(void **state)
{
    (void)state;
    char text[64];
    assert_int_equal(mkfifo(at("pipe"), 0600), 0);
    int fd = open(at("pipe"), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_true(replace(at("pipe")));
    assert_int_equal(read(fd, text, sizeof(text)), sizeof(TEXT) - 1);
    assert_int_equal(close(fd), 0);
    assert_true(S_ISFIFO(mode_of("pipe")));
}

/* A file may have 4 bytes, so that the document does not fit. */
static void a_full_disk_leaves_the_old_file(void **state)
{
    (void)state;
    struct rlimit before, small;
    put("old", "yesterday", 0600);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){.rlim_cur = 4, .rlim_max = before.rlim_max};
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    bool is_done = replace(at("old"));
    int why = errno;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_false(is_done);
    assert_int_equal(why, EFBIG);
    holds("old", "yesterday");
    assert_int_equal(count_files(), 1);
}

static void what_cannot_be_says_why(void **state)
{
    (void)state;
    assert_false(replace(at("missing/new")));
    assert_int_equal(errno, ENOENT);
    assert_false(replace(folder));
    assert_int_equal(errno, EISDIR);
    assert_false(replace(""));
    assert_int_equal(errno, ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_new_file_is_as_the_umask_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_there_keeps_its_mode, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_link_stays_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_pipe_is_written_to, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_disk_leaves_the_old_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_says_why, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
