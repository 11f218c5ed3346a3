#include "gateway/stream/stun.h"
#include "tests/support/asserts.h"

static const struct {
    const char *name;
    struct str bytes;
    enum stun_look want;
} rows[] = {
    {"nothing", STR_LIT(""), STUN_LOOK_MORE},
    {"a binding request",
     STR_LIT("\x00\x01\x00\x00\x21\x12\xa4\x42"
             "0123456789ab"),
     STUN_LOOK_YES},
    {"an allocate request", STR_LIT("\x00\x03\x00\x24\x21\x12\xa4\x42"), STUN_LOOK_YES},
    {"a success", STR_LIT("\x01\x01\x00\x0c\x21\x12\xa4\x42"), STUN_LOOK_YES},
    {"the last type", STR_LIT("\x03\xff\xff\xfc\x21\x12\xa4\x42"), STUN_LOOK_YES},
    {"a byte less", STR_LIT("\x00\x01\x00\x00\x21\x12\xa4"), STUN_LOOK_MORE},
    {"a type beyond", STR_LIT("\x04"), STUN_LOOK_NO},
    {"a channel of TURN",
     STR_LIT("\x40\x00\x00\x04"
             "abcd"),
     STUN_LOOK_NO},
    {"a length that is no multiple of four", STR_LIT("\x00\x01\x00\x02"), STUN_LOOK_NO},
    {"another cookie", STR_LIT("\x00\x01\x00\x00\x21\x12\xa4\x43"), STUN_LOOK_NO},
    {"another cookie, at its first byte", STR_LIT("\x00\x01\x00\x00\x20"), STUN_LOOK_NO},
    {"TLS", STR_LIT("\x16\x03\x01\x02\x00"), STUN_LOOK_NO},
    {"a letter", STR_LIT("G"), STUN_LOOK_NO},
    {"a high byte", STR_LIT("\x80"), STUN_LOOK_NO},
    {"a high byte of the length", STR_LIT("\x00\x01\x00\xfc"), STUN_LOOK_MORE},
    {"an odd high byte of the length", STR_LIT("\x00\x01\x00\xff"), STUN_LOOK_NO},
};

static void the_head_tells(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (stun_look(rows[i].bytes) != rows[i].want)
            fail_msg("%s", rows[i].name);
        for (size_t part = 0; part < rows[i].bytes.len; part++) {
            enum stun_look before = stun_look(str_sub(rows[i].bytes, 0, part));
            if (before != STUN_LOOK_MORE && before != rows[i].want)
                fail_msg("%s: %zu bytes tell something else", rows[i].name, part);
        }
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(the_head_tells)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
