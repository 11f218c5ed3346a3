#include "tests/support/asserts.h"

#include "gateway/base/hash.h"

/* From another implementation: CPython 3.11 hashes bytes with SipHash-1-3, and with
 * PYTHONHASHSEED=0 both halves of its key are 0. */
static const struct {
    const char *name;
    struct str text;
    uint64_t want;
} vectors[] = {
    {"one byte", STR_LIT("a"), 0x407448d2b89b1813},
    {"one byte less than a word", STR_LIT("abcdefg"), 0x6db12aae9070f506},
    {"a word", STR_LIT("abcdefgh"), 0x3f7b849c0b8e35ea},
    {"a word and a byte", STR_LIT("abcdefghi"), 0xf89b34a3d11eb6e5},
    {"a zero", STR_LIT("\0"), 0x68a914128e01e473},
    {"two zeros are another text", STR_LIT("\0\0"), 0x558f3fd350ea8cef},
};

static void known_answers_come_out(void **state)
{
    (void)state;
    const struct hash_key key = {0};
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++)
        assert_row_u64(vectors[i].name, hash_str(&key, vectors[i].text), vectors[i].want);
    char bytes[64];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)i;
    assert_row_u64("eight words", hash_str(&key, str_make(bytes, sizeof(bytes))),
                   0x75e05fd5bbc870c6);
}

/* RFC-less, but published with the algorithm: key 00 01 .. 0f, empty text. */
static void both_halves_of_the_key_count(void **state)
{
    (void)state;
    const struct hash_key key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
    const struct hash_key other_half = {0x0706050403020100, 0};
    assert_row_u64("reference key", hash_str(&key, STR_NONE), 0xabac0158050fc4dc);
    assert_true(hash_str(&key, STR("a")) != hash_str(&other_half, STR("a")));
}

static void random_keys_differ(void **state)
{
    (void)state;
    struct hash_key a = hash_key_random(), b = hash_key_random();
    assert_true(a.k0 != b.k0 && a.k1 != b.k1);
    assert_true(hash_str(&a, STR("same")) != hash_str(&b, STR("same")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers_come_out),
        cmocka_unit_test(both_halves_of_the_key_count),
        cmocka_unit_test(random_keys_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
