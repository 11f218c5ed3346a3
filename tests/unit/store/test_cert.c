#include "store/cert.h"
#include "store/cert_new.h"
#include "store/cert_pem.h"
#include "store/stand_in.h"
#include "tests/support/fake_issuer.h"
#include "tests/support/unit.h"

#include <openssl/pem.h>
#include <pthread.h>
#include <stdlib.h>

AUTO_DEFINE(BIO_free_all, BIO *)

struct fixture {
    struct arena *arena;
    struct fake_issuer ca;
    EVP_PKEY *key;
    struct str leaf;
    struct str chain;
};

static struct str sign(struct fixture *f, const char *names)
{
    const struct fake_cert wanted = {.key = f->key,
                                     .names = names,
                                     .not_before_at = 1700000000,
                                     .not_after_at = 1900000000,
                                     .usage = "serverAuth"};
    return fake_issuer_sign(&f->ca, f->arena, &wanted);
}

static int set_up(void **state)
{
    static struct fixture f;
    f.arena = arena_new(65536, 1024 * 1024);
    fake_issuer_init(&f.ca, "Test Root");
    f.key = EVP_EC_gen("P-256");
    f.leaf = sign(&f, "DNS:A.Example,DNS:*.b.example,IP:192.0.2.1,IP:2001:db8::1");
    struct str root = fake_issuer_root(&f.ca, f.arena);
    f.chain = arena_fmt(f.arena, "%.*s%.*s", STR_ARG(f.leaf), STR_ARG(root));
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    EVP_PKEY_free(f->key);
    fake_issuer_fini(&f->ca);
    arena_free(f->arena);
    return 0;
}

static struct cert *new_cert(const struct fixture *f, const EVP_PKEY *key)
{
    AUTO(X509_free) X509 *leaf = NULL;
    AUTO(cert_pem_free_list) STACK_OF(X509) *chain = NULL;
    struct cert *c;
    assert_false(failed(cert_read_chain(f->chain, &leaf, &chain)));
    assert_false(failed(cert_new(&c)));
    assert_false(failed(cert_new_set_chain(c, f->chain, leaf)));
    assert_false(failed(cert_new_set_key(c, key)));
    c->object.id = STR("x");
    c->state = CERT_ACTIVE;
    return c;
}

static void a_leaf_tells_its_facts(void **state)
{
    const struct fixture *f = *state;
    struct cert *c = new_cert(f, f->key);
    const struct cert_facts *facts = &c->facts;
    static const char *const names[] = {"a.example", "*.b.example", "192.0.2.1", "2001:db8::1"};
    assert_int_equal(facts->names.count, ARRAY_LEN(names));
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_true(str_eq(facts->names.items[i], str_from(names[i])));
    assert_true(str_eq(facts->issuer, STR("Test Root")));
    assert_true(str_eq(facts->key_type, STR("ecdsa-p256")));
    assert_int_equal(facts->fingerprint_sha256.len, 64);
    assert_true(facts->serial.len > 0 && facts->serial.len % 2 == 0);
    assert_int_equal(facts->not_before_at, 1700000000);
    assert_int_equal(facts->not_after_at, 1900000000);
    cert_unref(c);
}

static void material_is_parsed_on_first_use(void **state)
{
    const struct fixture *f = *state;
    struct cert *c = new_cert(f, f->key);
    const struct cert_material *m, *again;
    assert_null(atomic_load(&c->material));
    assert_false(failed(cert_material(c, &m)));
    assert_int_equal(sk_X509_num(m->chain), 1);
    assert_int_equal(X509_check_private_key(m->leaf, m->key), 1);
    assert_false(failed(cert_material(c, &again)));
    assert_ptr_equal(m, again);
    cert_unref(c);
}

static void another_key_does_not_fit(void **state)
{
    const struct fixture *f = *state;
    EVP_PKEY *other = EVP_EC_gen("P-256");
    struct cert *c = new_cert(f, other);
    const struct cert_material *m;
    assert_true(err_is(cert_material(c, &m), ERR_CERT_MISMATCH));
    assert_true(err_is(cert_material(c, &m), ERR_CERT_MISMATCH));
    cert_unref(c);
    EVP_PKEY_free(other);
}

static void what_has_no_material_says_so(void **state)
{
    (void)state;
    struct cert *c;
    const struct cert_material *m;
    assert_false(failed(cert_new(&c)));
    assert_true(err_is(cert_material(c, &m), ERR_NOT_FOUND));
    cert_unref(c);
}

static void *use_material(void *arg)
{
    const struct cert_material *m = NULL;
    struct err e = cert_material(arg, &m);
    return failed(e) ? NULL : m->leaf;
}

static void threads_agree_on_one_material(void **state)
{
    const struct fixture *f = *state;
    for (int round = 0; round < 20; round++) {
        struct cert *c = new_cert(f, f->key);
        pthread_t threads[4];
        void *leaf, *first = NULL;
        for (size_t i = 0; i < ARRAY_LEN(threads); i++)
            assert_int_equal(pthread_create(&threads[i], NULL, use_material, c), 0);
        for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
            assert_int_equal(pthread_join(threads[i], &leaf), 0);
            assert_non_null(leaf);
            assert_true(first == NULL || first == leaf);
            first = leaf;
        }
        cert_unref(c);
    }
}

static struct str pem_of_key(struct arena *a, EVP_PKEY *key, const EVP_CIPHER *cipher)
{
    AUTO(BIO_free_all) BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, cipher ? "pass" : NULL,
                                                   cipher ? 4 : 0, NULL, NULL),
                     1);
    size_t len = (size_t)BIO_get_mem_data(bio, &text);
    return arena_dup(a, str_make(text, len));
}

static bool is_key_accepted(struct str pem)
{
    EVP_PKEY *key = NULL;
    struct err e = cert_read_key(pem, &key);
    assert_true(!failed(e) || err_is(e, ERR_CERT_KEY));
    EVP_PKEY_free(key);
    return !failed(e);
}

static const struct {
    const char *name, *group; /* NULL: RSA */
    unsigned bits;
    const char *type;
    bool is_good;
} key_types[] = {
    {"P-256", "P-256", 0, "ecdsa-p256", true},
    {"P-384", "P-384", 0, "ecdsa-p384", true},
    {"P-521", "P-521", 0, "unknown", false},
    {"RSA of 2048 bits", NULL, 2048, "rsa-2048", true},
    {"RSA of 1024 bits", NULL, 1024, "rsa", false},
};

static void keys_of_the_usual_types_are_accepted(void **state)
{
    const struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(key_types); i++) {
        const char *group = key_types[i].group;
        AUTO(EVP_PKEY_free)
        EVP_PKEY *key = group != NULL ? EVP_EC_gen(group) : EVP_RSA_gen(key_types[i].bits);
        if (is_key_accepted(pem_of_key(f->arena, key, NULL)) != key_types[i].is_good)
            fail_msg("%s", key_types[i].name);
        assert_string_equal(cert_key_type_name(key), key_types[i].type);
    }
    AUTO(EVP_PKEY_free) EVP_PKEY *edwards = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    assert_false(is_key_accepted(pem_of_key(f->arena, edwards, NULL)));
    assert_string_equal(cert_key_type_name(edwards), "unknown");
}

static void other_keys_are_refused(void **state)
{
    const struct fixture *f = *state;
    struct str key = pem_of_key(f->arena, f->key, NULL);
    assert_true(is_key_accepted(key));
    assert_false(is_key_accepted(pem_of_key(f->arena, f->key, EVP_aes_128_cbc())));
    assert_false(is_key_accepted(f->leaf));
    assert_false(is_key_accepted(STR("")));
    assert_false(is_key_accepted(STR("x")));
    for (size_t len = 0; len + 1 < key.len; len += 7) {
        char *copy = OPENSSL_malloc(len + 1);
        memcpy(copy, key.p, len);
        assert_false(is_key_accepted(str_make(copy, len)));
        OPENSSL_free(copy);
    }
}

static void malformed_names_are_refused(void **state)
{
    struct fixture *f = *state;
    AUTO(X509_free) X509 *leaf = NULL;
    AUTO(cert_pem_free_list) STACK_OF(X509) *chain = NULL;
    struct cert_facts facts;
    struct str pem = sign(f, "DNS:a b.example");
    assert_false(failed(cert_read_chain(pem, &leaf, &chain)));
    assert_true(err_is(cert_read_facts(f->arena, leaf, &facts), ERR_CERT_PARSE));
}

static const struct {
    const char *name, *host;
    bool is_covered;
} covers[] = {
    {"exact", "a.example", true},
    {"another", "b.example", false},
    {"one label", "x.b.example", true},
    {"two labels", "x.y.b.example", false},
    {"the parent itself", "b.example", false},
    {"empty label", ".b.example", false},
    {"empty", "", false},
    {"address", "192.0.2.1", true},
};

static void wildcards_cover_one_label(void **state)
{
    const struct fixture *f = *state;
    struct cert *c = new_cert(f, f->key);
    for (size_t i = 0; i < ARRAY_LEN(covers); i++) {
        if (cert_names_cover(&c->facts.names, str_from(covers[i].host)) != covers[i].is_covered)
            fail_msg("%s", covers[i].name);
    }
    cert_unref(c);
}

static void the_clock_expires_it(void **state)
{
    const struct fixture *f = *state;
    struct cert *c = new_cert(f, f->key);
    assert_int_equal(cert_state_now(c, 1899999999), CERT_ACTIVE);
    assert_int_equal(cert_state_now(c, 1900000000), CERT_EXPIRED);
    c->has_material = false;
    c->state = CERT_PENDING;
    assert_int_equal(cert_state_now(c, 1900000000), CERT_PENDING);
    cert_unref(c);
}

static void json_never_holds_the_key(void **state)
{
    const struct fixture *f = *state;
    struct cert *c = new_cert(f, f->key);
    c->last_error = STR("{\"title\":\"no\"}");
    AUTO(json_decref) json_t *json = cert_to_json(c, 1800000000);
    char *text = json_dumps(json, 0);
    assert_null(strstr(text, "PRIVATE"));
    assert_null(strstr(text, "key_der"));
    assert_string_equal(json_string_value(json_object_get(json, "state")), "active");
    assert_string_equal(json_string_value(json_object_get(json, "not_after")),
                        "2030-03-17T17:46:40Z");
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(json, "last_error"), "title")), "no");
    free(text);
    cert_unref(c);
}

static void a_copy_is_equal_and_independent(void **state)
{
    const struct fixture *f = *state;
    struct cert *c = new_cert(f, f->key), *copy;
    assert_false(failed(cert_new_copy(c, &copy)));
    AUTO(json_decref) json_t *a = cert_to_json(c, 0);
    cert_unref(c);
    AUTO(json_decref) json_t *b = cert_to_json(copy, 0);
    assert_true(json_equal(a, b));
    const struct cert_material *m;
    assert_false(failed(cert_material(copy, &m)));
    cert_unref(copy);
}

static void the_stand_in_names_nobody(void **state)
{
    (void)state;
    const struct cert *c;
    const struct cert_material *m;
    assert_false(failed(stand_in_new(&c)));
    assert_false(failed(cert_material(c, &m)));
    assert_int_equal(X509_self_signed(m->leaf, 1), 1);
    assert_int_equal(c->source, CERT_SELF_SIGNED);
    assert_false(cert_names_cover(&c->facts.names, STR("a.example")));
    assert_true(c->facts.not_after_at > c->facts.not_before_at + 9ll * 365 * 86400);
    cert_unref(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leaf_tells_its_facts),
        cmocka_unit_test(material_is_parsed_on_first_use),
        cmocka_unit_test(another_key_does_not_fit),
        cmocka_unit_test(what_has_no_material_says_so),
        cmocka_unit_test(threads_agree_on_one_material),
        cmocka_unit_test(keys_of_the_usual_types_are_accepted),
        cmocka_unit_test(other_keys_are_refused),
        cmocka_unit_test(malformed_names_are_refused),
        cmocka_unit_test(wildcards_cover_one_label),
        cmocka_unit_test(the_clock_expires_it),
        cmocka_unit_test(json_never_holds_the_key),
        cmocka_unit_test(a_copy_is_equal_and_independent),
        cmocka_unit_test(the_stand_in_names_nobody),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
