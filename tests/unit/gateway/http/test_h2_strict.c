#include "gateway/http/h2_strict.h"
#include "tests/support/asserts.h"

#define MAGIC "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

static const struct {
    const char *name;
    struct str bytes;
    size_t frames;
    uint8_t last_type;
    int32_t last_id, last_depends_on;
} walks[] = {
    {"nothing but the preface", STR_LIT(MAGIC), 0, 0, 0, 0},
    {"an empty frame", STR_LIT(MAGIC "\0\0\0\x4\0\0\0\0\0"), 1, 4, 0, 0},
    {"payload is passed over",
     STR_LIT(MAGIC "\0\0\x3\0\0\0\0\0\x1"
                   "abc"
                   "\0\0\0\x1\0\0\0\0\x3"),
     2, 1, 3, 0},
    {"the reserved bit is none of the number", STR_LIT(MAGIC "\0\0\0\0\0\x80\0\0\x5"), 1, 0, 5,
     0},
    {"PRIORITY tells what it depends on", STR_LIT(MAGIC "\0\0\x5\x2\0\0\0\0\x7\x80\0\0\x9\x10"),
     1, 2, 7, 9},
    {"PRIORITY of another length does not", STR_LIT(MAGIC "\0\0\x4\x2\0\0\0\0\x7\0\0\0\x9"), 1,
     2, 7, 0},
    {"behind PRIORITY", STR_LIT(MAGIC "\0\0\x5\x2\0\0\0\0\x7\0\0\0\x9\x10\0\0\0\x6\0\0\0\0\0"),
     2, 6, 0, 0},
};

/* The same frames are seen, however the bytes come. */
static void frames_are_seen_in_pieces_of_any_size(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(walks); i++) {
        for (size_t piece = 1; piece <= walks[i].bytes.len; piece++) {
            struct h2_walk w = {0};
            struct str rest = walks[i].bytes;
            size_t frames = 0;
            while (rest.len > 0) {
                struct str part = str_sub(rest, 0, piece < rest.len ? piece : rest.len);
                size_t n = h2_walk_feed(&w, part);
                assert_row(walks[i].name, n > 0 && n <= part.len);
                assert_row(walks[i].name, w.has_frame || n == part.len);
                frames += w.has_frame;
                rest = str_skip(rest, n);
            }
            assert_row_u64(walks[i].name, frames, walks[i].frames);
            assert_row_u64(walks[i].name, w.type, walks[i].last_type);
            assert_row_u64(walks[i].name, (uint64_t)w.id, (uint64_t)walks[i].last_id);
            assert_row_u64(walks[i].name, (uint64_t)w.depends_on,
                           (uint64_t)walks[i].last_depends_on);
        }
    }
}

static void who_cannot_know_is_not_blamed(void **state)
{
    (void)state;
    struct h2_amnesty a = {0};
    assert_false(h2_amnesty_has(&a, 1));
    h2_amnesty_add(&a, 5);
    assert_true(h2_amnesty_has(&a, 5));
    assert_false(h2_amnesty_has(&a, 3));
    assert_false(h2_amnesty_has(&a, 7));
    for (int32_t id = 101; id < 101 + 2 * (int32_t)ARRAY_LEN(a.ids); id += 2)
        h2_amnesty_add(&a, id);
    assert_true(h2_amnesty_has(&a, 5)); /* it has left the ring: nobody up to it is blamed */
    assert_true(h2_amnesty_has(&a, 3));
    assert_false(h2_amnesty_has(&a, 7));
    assert_true(h2_amnesty_has(&a, 101));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_seen_in_pieces_of_any_size),
        cmocka_unit_test(who_cannot_know_is_not_blamed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
