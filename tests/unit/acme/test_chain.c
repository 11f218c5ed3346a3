#include "acme/chain.h"
#include "acme/key.h"
#include "tests/support/fake_issuer.h"
#include "tests/support/unit.h"

#include "gateway/base/limits.h"

#define NOW_AT 1790000000
#define DAY    86400

static struct arena *scratch;
static struct fake_issuer ca, stranger;
static EVP_PKEY *key, *other_key;

static int set_up(void **state)
{
    (void)state;
    scratch = arena_new(4096, 8 * MIB);
    fake_issuer_init(&ca, "Test CA");
    fake_issuer_init(&stranger, "Another CA");
    key = EVP_EC_gen("P-256");
    other_key = EVP_EC_gen("P-256");
    return key == NULL || other_key == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    EVP_PKEY_free(key);
    EVP_PKEY_free(other_key);
    fake_issuer_fini(&ca);
    fake_issuer_fini(&stranger);
    arena_free(scratch);
    return 0;
}

static struct err accept(struct str pem, struct str *ret_clean, struct problem *why)
{
    static struct str names[] = {STR_LIT("a.example"), STR_LIT("b.example")};
    static const struct str_list list = {.items = names, .count = 2};
    return chain_accept(scratch, pem,
                        &(struct chain_wanted){.names = &list, .key = key, .now_at = NOW_AT},
                        ret_clean, why);
}

#define GOOD_NAMES "DNS:a.example,DNS:b.example"

/* clang-format off */
static const struct {
    const char *name;
    struct fake_cert cert;
    bool is_for_other_key;
    const char *want; /* part of the words; NULL: accepted */
} leaves[] = {
    {"good",
     {.names = GOOD_NAMES, .not_after_at = NOW_AT + DAY, .usage = "serverAuth"},
     false,
     NULL},
    {"names in another order and case",
     {.names = "DNS:B.example,DNS:a.EXAMPLE",
      .not_after_at = NOW_AT + DAY,
      .usage = "serverAuth"},
     false,
     NULL},
    {"client and server",
     {.names = GOOD_NAMES, .not_after_at = NOW_AT + DAY, .usage = "clientAuth,serverAuth"},
     false,
     NULL},
    {"any usage", {.names = GOOD_NAMES, .not_after_at = NOW_AT + DAY}, false, NULL},
    {"a clock that is a little behind",
     {.names = GOOD_NAMES, .not_before_at = NOW_AT + 600, .not_after_at = NOW_AT + DAY},
     false,
     NULL},
    {"B15: another key",
     {.names = GOOD_NAMES, .not_after_at = NOW_AT + DAY, .usage = "serverAuth"},
     true,
     "another key"},
    {"a name is missing",
     {.names = "DNS:a.example", .not_after_at = NOW_AT + DAY},
     false,
     "other names"},
    {"a name too many",
     {.names = GOOD_NAMES ",DNS:c.example", .not_after_at = NOW_AT + DAY},
     false,
     "other names"},
    {"no names", {.not_after_at = NOW_AT + DAY}, false, "other names"},
    {"a CA",
     {.names = GOOD_NAMES, .not_after_at = NOW_AT + DAY, .is_ca = true},
     false,
     "certificate of a CA"},
    {"for clients only",
     {.names = GOOD_NAMES, .not_after_at = NOW_AT + DAY, .usage = "clientAuth"},
     false,
     "TLS server"},
    {"expired", {.names = GOOD_NAMES, .not_after_at = NOW_AT}, false, "expired"},
    {"from the far future",
     {.names = GOOD_NAMES, .not_before_at = NOW_AT + DAY, .not_after_at = NOW_AT + 2 * DAY},
     false,
     "not valid yet"},
};
/* clang-format on */

static bool has_text(struct str text, const char *part)
{
    return part != NULL && memmem(text.p, text.len, part, strlen(part)) != NULL;
}

static void only_the_certificate_ordered_is_accepted(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(leaves); i++) {
        struct fake_cert wanted = leaves[i].cert;
        wanted.key = leaves[i].is_for_other_key ? other_key : key;
        struct str clean = STR_NONE, pem = fake_issuer_sign(&ca, scratch, &wanted);
        struct problem why = {.status = 0};
        struct err e = accept(pem, &clean, &why);
        if (leaves[i].want == NULL && failed(e))
            fail_msg("%s: %.*s", leaves[i].name, STR_ARG(why.detail));
        if (leaves[i].want != NULL &&
            (!err_is(e, ERR_ACME_CERTIFICATE) || !has_text(why.detail, leaves[i].want)))
            fail_msg("%s: %s %.*s", leaves[i].name, err_name(e), STR_ARG(why.detail));
    }
}

static struct str good_leaf(void)
{
    struct fake_cert wanted = {.names = GOOD_NAMES, .not_after_at = NOW_AT + DAY, .key = key};
    return fake_issuer_sign(&ca, scratch, &wanted);
}

static void the_root_is_left_out(void **state)
{
    (void)state;
    struct str leaf = good_leaf(), root = fake_issuer_root(&ca, scratch), clean;
    struct problem why;
    assert_false(failed(accept(arena_fmt(scratch, "%s%s", leaf.p, root.p), &clean, &why)));
    assert_true(str_eq(clean, leaf));
}

static void text_between_blocks_is_dropped(void **state)
{
    (void)state;
    struct str leaf = good_leaf(), clean;
    struct problem why;
    assert_false(failed(
        accept(arena_fmt(scratch, "your certificate:\n\n%s\nbye\n", leaf.p), &clean, &why)));
    assert_true(str_eq(clean, leaf));
}

static void a_broken_chain_is_refused(void **state)
{
    (void)state;
    struct str leaf = good_leaf(), root = fake_issuer_root(&stranger, scratch), clean;
    struct problem why;
    assert_true(err_is(accept(arena_fmt(scratch, "%s%s", leaf.p, root.p), &clean, &why),
                       ERR_ACME_CERTIFICATE));
    assert_true(has_text(why.detail, "chain from the CA is broken"));
}

/* B4, B28: not PEM, not only certificates, cut off, too much of it. */
static void what_is_no_chain_is_refused(void **state)
{
    (void)state;
    struct str leaf = good_leaf(), clean;
    struct buf huge;
    buf_init(&huge, 4 * MIB);
    for (int i = 0; i < 30; i++)
        assert_false(failed(buf_append(&huge, leaf)));
    const struct str bodies[] = {
        STR(""),
        STR("<html><body>Please log in</body></html>"),
        STR("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        STR("-----BEGIN CERTIFICATE-----\n"),
        str_sub(leaf, 0, leaf.len / 2),
        arena_fmt(scratch, "%s-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                  leaf.p),
        arena_dup(scratch, str_make("\0\0\0\0", 4)),
        buf_view(&huge),
    };
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct problem why;
        if (!err_is(accept(bodies[i], &clean, &why), ERR_ACME_CERTIFICATE))
            fail_msg("body %zu", i);
    }
    buf_fini(&huge);
}

static void facts_of_the_leaf_are_read(void **state)
{
    (void)state;
    struct cert_facts facts;
    assert_false(failed(chain_facts(scratch, good_leaf(), &facts)));
    assert_int_equal(facts.not_after_at, NOW_AT + DAY);
    assert_true(str_eq(facts.issuer, STR("Test CA")));
    assert_true(failed(chain_facts(scratch, STR("x"), &facts)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_certificate_ordered_is_accepted),
        cmocka_unit_test(the_root_is_left_out),
        cmocka_unit_test(text_between_blocks_is_dropped),
        cmocka_unit_test(a_broken_chain_is_refused),
        cmocka_unit_test(what_is_no_chain_is_refused),
        cmocka_unit_test(facts_of_the_leaf_are_read),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
