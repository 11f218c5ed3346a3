#include "store/data_dir.h"
#include "store/seal.h"
#include "tests/support/temp_store.h"
#include "tests/support/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

AUTO_DEFINE(seal_free, struct seal *)

struct fixture {
    char dir[64];
    int fd;
};

static int set_up(void **state)
{
    static struct fixture f;
    (void)snprintf(f.dir, sizeof(f.dir), "/tmp/gatehouse-test-XXXXXX");
    assert_non_null(mkdtemp(f.dir));
    assert_false(failed(data_dir_open(f.dir, &f.fd)));
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    data_dir_close(f->fd);
    temp_store_remove_dir(f->dir);
    return 0;
}

static struct seal *must_open(const struct fixture *f)
{
    struct seal *s;
    assert_false(failed(seal_open(f->fd, true, &s)));
    return s;
}

static void what_is_sealed_opens_again(void **state)
{
    const struct fixture *f = *state;
    static const struct str plains[] = {STR_LIT("a key"), STR_LIT(""), STR_LIT("\0\1\2")};
    for (size_t i = 0; i < ARRAY_LEN(plains); i++) {
        AUTO(seal_free) struct seal *s = must_open(f);
        struct buf sealed;
        buf_init(&sealed, 4096);
        assert_false(failed(seal_close(s, STR("ctx"), plains[i], &sealed)));
        AUTO(seal_free) struct seal *later = must_open(f); /* from the file */
        struct secret plain;
        assert_false(failed(seal_unseal(later, STR("ctx"), buf_view(&sealed), &plain)));
        assert_true(secret_eq(&plain, plains[i]));
        secret_fini(&plain);
        buf_fini(&sealed);
    }
}

static void the_same_is_never_sealed_alike(void **state)
{
    const struct fixture *f = *state;
    AUTO(seal_free) struct seal *s = must_open(f);
    struct buf a, b;
    buf_init(&a, 4096);
    buf_init(&b, 4096);
    assert_false(failed(seal_close(s, STR("ctx"), STR("a key"), &a)));
    assert_false(failed(seal_close(s, STR("ctx"), STR("a key"), &b)));
    assert_false(str_eq(buf_view(&a), buf_view(&b)));
    assert_null(memmem(buf_view(&a).p, buf_view(&a).len, "a key", 5));
    assert_true(
        str_eq(str_sub(buf_view(&a), SEAL_KEY_ID_AT, SEAL_KEY_ID_BYTES), seal_key_id(s)));
    buf_fini(&a);
    buf_fini(&b);
}

static void any_change_is_noticed(void **state)
{
    const struct fixture *f = *state;
    AUTO(seal_free) struct seal *s = must_open(f);
    struct buf sealed;
    struct secret plain;
    buf_init(&sealed, 4096);
    assert_false(failed(seal_close(s, STR("ctx"), STR("a key"), &sealed)));
    struct str view = buf_view(&sealed);
    assert_true(err_is(seal_unseal(s, STR("other"), view, &plain), ERR_KEY_WRONG));
    assert_true(err_is(seal_unseal(s, STR(""), view, &plain), ERR_KEY_WRONG));
    for (size_t i = 0; i < view.len; i++) {
        char copy[128];
        memcpy(copy, view.p, view.len);
        copy[i] = (char)(copy[i] ^ 1);
        if (!err_is(seal_unseal(s, STR("ctx"), str_make(copy, view.len), &plain),
                    ERR_KEY_WRONG))
            fail_msg("byte %zu may change", i);
        if (!err_is(seal_unseal(s, STR("ctx"), str_sub(view, 0, i), &plain), ERR_KEY_WRONG))
            fail_msg("it may be cut to %zu bytes", i);
    }
    buf_fini(&sealed);
}

static void another_key_opens_nothing(void **state)
{
    const struct fixture *f = *state;
    AUTO(seal_free) struct seal *s = must_open(f);
    struct buf sealed;
    struct secret plain;
    buf_init(&sealed, 4096);
    assert_false(failed(seal_close(s, STR("ctx"), STR("a key"), &sealed)));
    assert_int_equal(unlinkat(f->fd, "master.key", 0), 0);
    AUTO(seal_free) struct seal *other = must_open(f);
    assert_true(
        err_is(seal_unseal(other, STR("ctx"), buf_view(&sealed), &plain), ERR_KEY_WRONG));
    buf_fini(&sealed);
}

static void a_missing_key_is_made_only_if_allowed(void **state)
{
    const struct fixture *f = *state;
    struct seal *s = NULL;
    (void)unlinkat(f->fd, "master.key", 0);
    assert_true(err_is(seal_open(f->fd, false, &s), ERR_KEY_MISSING));
    assert_int_equal(faccessat(f->fd, "master.key", F_OK, 0), -1);
    assert_false(failed(seal_open(f->fd, true, &s)));
    seal_free(s);
}

static void the_file_is_the_owners_whatever_the_umask(void **state)
{
    const struct fixture *f = *state;
    static const mode_t masks[] = {0, 022, 0777};
    for (size_t i = 0; i < ARRAY_LEN(masks); i++) {
        struct stat st;
        (void)unlinkat(f->fd, "master.key", 0);
        mode_t old = umask(masks[i]);
        seal_free(must_open(f));
        (void)umask(old);
        assert_int_equal(fstatat(f->fd, "master.key", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_int_equal(st.st_size, 32);
        assert_int_equal(faccessat(f->fd, "master.key.new", F_OK, 0), -1);
    }
}

static void a_file_that_is_no_key_is_refused(void **state)
{
    const struct fixture *f = *state;
    static const size_t sizes[] = {0, 31, 33, 4096};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct seal *s = NULL;
        seal_free(must_open(f));
        int fd = openat(f->fd, "master.key", O_WRONLY | O_TRUNC);
        assert_int_equal(ftruncate(fd, (off_t)sizes[i]), 0);
        (void)close(fd);
        assert_true(err_is(seal_open(f->fd, true, &s), ERR_KEY_WRONG));
        (void)unlinkat(f->fd, "master.key", 0);
    }
}

static void a_link_is_not_followed(void **state)
{
    const struct fixture *f = *state;
    struct seal *s = NULL;
    (void)unlinkat(f->fd, "master.key", 0);
    assert_int_equal(symlinkat("/etc/hostname", f->fd, "master.key"), 0);
    assert_true(failed(seal_open(f->fd, true, &s)));
    (void)unlinkat(f->fd, "master.key", 0);
}

static void derived_keys_stay_and_differ(void **state)
{
    const struct fixture *f = *state;
    struct secret keys[3];
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        AUTO(seal_free) struct seal *s = must_open(f);
        assert_false(failed(seal_derive(s, i < 2 ? STR("sticky") : STR("other"), &keys[i])));
    }
    assert_int_equal(secret_bytes(&keys[0]).len, 32);
    assert_true(secret_eq(&keys[0], secret_bytes(&keys[1])));
    assert_false(secret_eq(&keys[0], secret_bytes(&keys[2])));
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        secret_fini(&keys[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_sealed_opens_again),
        cmocka_unit_test(the_same_is_never_sealed_alike),
        cmocka_unit_test(any_change_is_noticed),
        cmocka_unit_test(another_key_opens_nothing),
        cmocka_unit_test(a_missing_key_is_made_only_if_allowed),
        cmocka_unit_test(the_file_is_the_owners_whatever_the_umask),
        cmocka_unit_test(a_file_that_is_no_key_is_refused),
        cmocka_unit_test(a_link_is_not_followed),
        cmocka_unit_test(derived_keys_stay_and_differ),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
