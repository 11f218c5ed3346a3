#include "store/data_dir.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char top[64];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(top, sizeof(top), "/tmp/gatehouse-test-XXXXXX");
    return mkdtemp(top) == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    return rmdir(top);
}

struct path {
    char text[128];
};

static struct path below(const char *name)
{
    struct path p;
    (void)snprintf(p.text, sizeof(p.text), "%s/%s", top, name);
    return p;
}

static unsigned mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

static void folders_are_made_for_the_owner_alone(void **state)
{
    (void)state;
    static const mode_t masks[] = {0, 0777};
    for (size_t i = 0; i < ARRAY_LEN(masks); i++) {
        int fd, file;
        mode_t old = umask(masks[i]);
        struct err e = data_dir_open(below("a//b/").text, &fd);
        struct err e_file = data_dir_create_file(fd, "file", &file);
        (void)umask(old);
        assert_false(failed(e) || failed(e_file));
        assert_int_equal(mode_of(below("a").text), 0700);
        assert_int_equal(mode_of(below("a/b").text), 0700);
        assert_int_equal(mode_of(below("a/b/file").text), 0600);
        (void)close(file);
        assert_true(err_is(data_dir_create_file(fd, "file", &file), ERR_IO));
        assert_false(failed(data_dir_ensure_file(fd, "file")));
        data_dir_close(fd);
        assert_int_equal(unlink(below("a/b/file").text), 0);
        assert_int_equal(rmdir(below("a/b").text), 0);
        assert_int_equal(rmdir(below("a").text), 0);
    }
}

static void an_existing_folder_keeps_its_mode(void **state)
{
    (void)state;
    int fd;
    assert_int_equal(mkdir(below("x").text, 0755), 0);
    assert_int_equal(chmod(below("x").text, 0755), 0);
    assert_false(failed(data_dir_open(below("x").text, &fd)));
    assert_int_equal(mode_of(below("x").text), 0755);
    data_dir_close(fd);
    assert_int_equal(rmdir(below("x").text), 0);
}

static void the_second_one_is_locked_out(void **state)
{
    (void)state;
    int fd, other;
    assert_false(failed(data_dir_open(top, &fd)));
    assert_true(err_is(data_dir_open(top, &other), ERR_DATA_LOCKED));
    data_dir_close(fd);
    assert_false(failed(data_dir_open(top, &fd)));
    data_dir_close(fd);
}

/* The kernel drops the lock however the process ends. */
static void the_lock_dies_with_its_process(void **state)
{
    (void)state;
    int ready[2], fd;
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        struct err e = data_dir_open(top, &fd);
        ssize_t ignored = write(ready[1], failed(e) ? "n" : "y", 1);
        (void)ignored;
        for (;;)
            (void)pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    assert_true(err_is(data_dir_open(top, &fd), ERR_DATA_LOCKED));
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_false(failed(data_dir_open(top, &fd)));
    data_dir_close(fd);
    (void)close(ready[0]);
    (void)close(ready[1]);
}

static void what_is_no_folder_is_refused(void **state)
{
    (void)state;
    int fd;
    struct err e = data_dir_open("/dev/null", &fd);
    assert_true(err_is(e, ERR_DATA_DIR) && e.detail == ENOTDIR);
    e = data_dir_open("", &fd);
    assert_true(err_is(e, ERR_DATA_DIR) && e.detail == ENOENT);
    e = data_dir_open("/proc/nothing/here", &fd);
    assert_true(err_is(e, ERR_DATA_DIR));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folders_are_made_for_the_owner_alone),
        cmocka_unit_test(an_existing_folder_keeps_its_mode),
        cmocka_unit_test(the_second_one_is_locked_out),
        cmocka_unit_test(the_lock_dies_with_its_process),
        cmocka_unit_test(what_is_no_folder_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
