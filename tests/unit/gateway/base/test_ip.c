#include "tests/support/asserts.h"

#include "gateway/base/ip.h"

/* want NULL: no address. */
static const struct {
    const char *name;
    struct str in;
    const char *want;
    bool is_v6, is_mapped;
} rows[] = {
    {"IPv4", STR_LIT("192.0.2.1"), "192.0.2.1", false, true},
    {"IPv6", STR_LIT("2001:DB8::1"), "2001:db8::1", true, false},
    {"IPv4 written as IPv6", STR_LIT("::ffff:192.0.2.1"), "192.0.2.1", true, true},
    {"the longest", STR_LIT("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255"),
     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true, false},
    {"nothing", STR_LIT(""), NULL, false, false},
    {"NUL inside", STR_LIT("::1\0"), NULL, false, false},
    {"a leading zero", STR_LIT("192.0.2.01"), NULL, false, false},
    {"brackets", STR_LIT("[::1]"), NULL, false, false},
    {"a zone", STR_LIT("fe80::1%lo"), NULL, false, false},
    {"a name", STR_LIT("a.example"), NULL, false, false},
    {"too long", STR_LIT("0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"), NULL, false,
     false},
};

static void texts_are_read_and_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        unsigned char address[IP_BYTES];
        char text[IP_TEXT_BYTES];
        bool is_v6;
        bool is_address = ip_parse(rows[i].in, address, &is_v6);
        assert_row(rows[i].name, is_address == (rows[i].want != NULL));
        if (!is_address)
            continue;
        assert_row(rows[i].name, is_v6 == rows[i].is_v6);
        assert_row(rows[i].name, ip_is_mapped(address) == rows[i].is_mapped);
        ip_print(address, rows[i].is_mapped, text);
        assert_row_str(rows[i].name, str_from(text), rows[i].want);
    }
}

static void a_mapped_address_may_be_written_as_ipv6(void **state)
{
    (void)state;
    unsigned char address[IP_BYTES];
    char text[IP_TEXT_BYTES];
    ip_map("\xc0\x00\x02\x01", address);
    ip_print(address, false, text);
    assert_string_equal(text, "::ffff:192.0.2.1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_read_and_written),
        cmocka_unit_test(a_mapped_address_may_be_written_as_ipv6),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
