#include "store/cert.h"
#include "store/cert_pem.h"
#include "tests/support/fake_issuer.h"
#include "tests/support/unit.h"

#include <openssl/evp.h>

struct fixture {
    struct arena *arena;
    struct str leaf;
    struct str root;
};

static int set_up(void **state)
{
    static struct fixture f;
    struct fake_issuer ca;
    f.arena = arena_new(65536, 1024 * 1024);
    fake_issuer_init(&ca, "Test Root");
    EVP_PKEY *key = EVP_EC_gen("P-256");
    const struct fake_cert wanted = {.key = key,
                                     .names = "DNS:a.example",
                                     .not_before_at = 1700000000,
                                     .not_after_at = 1900000000,
                                     .usage = "serverAuth"};
    f.leaf = fake_issuer_sign(&ca, f.arena, &wanted);
    f.root = fake_issuer_root(&ca, f.arena);
    EVP_PKEY_free(key);
    fake_issuer_fini(&ca);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    arena_free(f->arena);
    return 0;
}

static struct str join(const struct fixture *f, struct str a, const char *middle, struct str b)
{
    return arena_fmt(f->arena, "%.*s%s%.*s", STR_ARG(a), middle, STR_ARG(b));
}

static int count_of(struct str pem, int max, struct err *ret_e)
{
    STACK_OF(X509) *list = NULL;
    *ret_e = cert_pem_read_list(pem, max, &list);
    int count = failed(*ret_e) ? -1 : sk_X509_num(list);
    cert_pem_free_list(list);
    return count;
}

static void lists_are_read_in_order(void **state)
{
    const struct fixture *f = *state;
    struct err e;
    assert_int_equal(count_of(f->leaf, 5, &e), 1);
    assert_int_equal(count_of(join(f, f->leaf, "", f->root), 5, &e), 2);
    assert_int_equal(count_of(join(f, f->leaf, "subject: a, explained\n\n", f->root), 5, &e),
                     2);
    assert_int_equal(count_of(join(f, f->leaf, "", STR("\r\n# the end")), 5, &e), 1);
}

static void what_is_no_certificate_is_refused(void **state)
{
    const struct fixture *f = *state;
    /* clang-format off */
    static const struct {
        const char *name, *text;
        int block;
    } rows[] = {
        {"nothing", "", 0},
        {"text", "hello", 0},
        {"a page (uacme once stored one)", "<html><body>503</body></html>", 0},
        {"a key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 1},
        {"garbage inside", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", 1},
        {"no base64", "-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n", 1},
        {"no end", "-----BEGIN CERTIFICATE-----\nAAAA\n", 1},
        {"another end", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END X509 CRL-----\n", 1},
    };
    /* clang-format on */
    struct err e;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str text = str_from(rows[i].text);
        if (count_of(text, 5, &e) != -1 || !err_is(e, ERR_CERT_PARSE) ||
            e.detail != rows[i].block)
            fail_msg("%s: %s %d", rows[i].name, err_name(e), (int)e.detail);
        if (rows[i].block == 0)
            continue;
        if (count_of(join(f, f->leaf, "", text), 5, &e) != -1 || e.detail != 2)
            fail_msg("%s, as the second block: %s %d", rows[i].name, err_name(e),
                     (int)e.detail);
    }
}

static void too_many_are_refused(void **state)
{
    const struct fixture *f = *state;
    struct err e;
    struct str two = join(f, f->leaf, "", f->root);
    assert_int_equal(count_of(two, 2, &e), 2);
    assert_int_equal(count_of(two, 1, &e), -1);
    assert_int_equal(e.detail, 2);
}

/* The length given is the end, not a terminator (HAProxy once read on). */
static void every_prefix_is_bounded(void **state)
{
    const struct fixture *f = *state;
    for (size_t len = 0; len < f->leaf.len; len++) {
        char *copy = OPENSSL_malloc(len + 1); /* the sanitizer watches its end */
        memcpy(copy, f->leaf.p, len);
        struct err e;
        int count = count_of(str_make(copy, len), 5, &e);
        bool is_whole = len + 1 >= f->leaf.len; /* the last line end may be missing */
        if (count != (is_whole ? 1 : -1))
            fail_msg("%zu of %zu bytes: %d", len, f->leaf.len, count);
        OPENSSL_free(copy);
    }
}

static void a_zero_byte_does_not_cut_the_rest_off(void **state)
{
    const struct fixture *f = *state;
    char *copy = arena_bytes(f->arena, f->leaf.len + f->root.len + 1);
    memcpy(copy, f->leaf.p, f->leaf.len);
    copy[f->leaf.len] = '\0';
    memcpy(copy + f->leaf.len + 1, f->root.p, f->root.len);
    struct err e;
    assert_int_equal(count_of(str_make(copy, f->leaf.len + 1 + f->root.len), 5, &e), -1);
}

static void the_first_digest_is_the_leafs(void **state)
{
    const struct fixture *f = *state;
    unsigned char digest[32], want[32];
    X509 *leaf;
    STACK_OF(X509) * chain;
    assert_false(failed(cert_read_chain(join(f, f->leaf, "", f->root), &leaf, &chain)));
    assert_int_equal(X509_digest(leaf, EVP_sha256(), want, NULL), 1);
    assert_false(failed(cert_pem_first_digest(join(f, f->leaf, "", f->root), digest)));
    assert_memory_equal(digest, want, sizeof(want));
    assert_true(failed(cert_pem_first_digest(STR("x"), digest)));
    X509_free(leaf);
    cert_pem_free_list(chain);
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_read_in_order),
        cmocka_unit_test(what_is_no_certificate_is_refused),
        cmocka_unit_test(too_many_are_refused),
        cmocka_unit_test(every_prefix_is_bounded),
        cmocka_unit_test(a_zero_byte_does_not_cut_the_rest_off),
        cmocka_unit_test(the_first_digest_is_the_leafs),
    };
    /* clang-format on */
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
