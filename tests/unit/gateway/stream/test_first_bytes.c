#include "gateway/stream/first_bytes.h"
#include "tests/support/asserts.h"

#define LETTERS_32 "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF"

static const struct {
    const char *name;
    struct str bytes;
    size_t needed; /* bytes that tell it */
    enum first_bytes want;
} rows[] = {
    {"a ClientHello", STR_LIT("\x16\x03\x01\x02\x00\x01"), 3, FIRST_BYTES_TLS},
    {"TLS of a higher version", STR_LIT("\x16\x03\x04\x02\x00\x01"), 3, FIRST_BYTES_TLS},
    {"no version of TLS", STR_LIT("\x16\x03\x05\x02\x00\x01"), 3, FIRST_BYTES_UNKNOWN},
    {"DTLS", STR_LIT("\x16\xfe\xfd"), 2, FIRST_BYTES_UNKNOWN},
    {"an alert of TLS", STR_LIT("\x15\x03\x03"), 1, FIRST_BYTES_UNKNOWN},
    {"OpenSSH", STR_LIT("SSH-2.0-OpenSSH_9.2p1\r\n"), 4, FIRST_BYTES_SSH},
    {"an old SSH", STR_LIT("SSH-1.99-x\r\n"), 4, FIRST_BYTES_SSH},
    {"nearly SSH", STR_LIT("SSL-2.0"), 5, FIRST_BYTES_UNKNOWN},
    {"SSH in small letters", STR_LIT("ssh-2.0"), 1, FIRST_BYTES_UNKNOWN},
    {"a method like SSH", STR_LIT("SSH / HTTP/1.1\r\n"), 4, FIRST_BYTES_HTTP},
    {"SEARCH", STR_LIT("SEARCH / HTTP/1.1\r\n"), 7, FIRST_BYTES_HTTP},
    {"GET", STR_LIT("GET / HTTP/1.1\r\n"), 4, FIRST_BYTES_HTTP},
    {"the preface of HTTP/2", STR_LIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 4, FIRST_BYTES_HTTP},
    {"VERSION-CONTROL", STR_LIT("VERSION-CONTROL /x HTTP/1.1\r\n"), 16, FIRST_BYTES_HTTP},
    {"the longest method", STR_LIT(LETTERS_32 " /"), 33, FIRST_BYTES_HTTP},
    {"one longer", STR_LIT(LETTERS_32 "G /"), 33, FIRST_BYTES_UNKNOWN},
    {"a space first", STR_LIT(" GET /"), 1, FIRST_BYTES_UNKNOWN},
    {"a line end first", STR_LIT("\r\nGET /"), 1, FIRST_BYTES_UNKNOWN},
    {"a command without a space", STR_LIT("QUIT\r\n"), 5, FIRST_BYTES_UNKNOWN},
    {"XMPP", STR_LIT("<?xml version='1.0'?>"), 1, FIRST_BYTES_UNKNOWN},
    {"a binding request", STR_LIT("\x00\x01\x00\x00\x21\x12\xa4\x42"), 8, FIRST_BYTES_STUN},
    {"nearly STUN", STR_LIT("\x00\x01\x00\x00\x21\x12\xa4\x43"), 8, FIRST_BYTES_UNKNOWN},
    {"a channel of TURN",
     STR_LIT("\x40\x00\x00\x04"
             "abcd"),
     1, FIRST_BYTES_UNKNOWN},
    {"MQTT", STR_LIT("\x10\x0c\x00\x04MQTT"), 1, FIRST_BYTES_UNKNOWN},
};

static void a_client_is_told_by_its_first_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t part = 0; part <= rows[i].bytes.len; part++) {
            enum first_bytes got = first_bytes_tell(str_sub(rows[i].bytes, 0, part));
            if (got != (part < rows[i].needed ? FIRST_BYTES_MORE : rows[i].want))
                fail_msg("%s: %zu bytes tell %d", rows[i].name, part, (int)got);
        }
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_is_told_by_its_first_bytes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
