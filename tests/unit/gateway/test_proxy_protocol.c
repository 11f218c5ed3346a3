#include "gateway/proxy_protocol.h"
#include "tests/support/asserts.h"

#include "gateway/base/limits.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define IP4       "\xc0\x00\x02\x01\xc6\x33\x64\x02\xc8\x22\x01\xbb"
#define IP6_1     "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
#define IP6_2     "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"
#define IP6       IP6_1 IP6_2 "\xc8\x22\x01\xbb"

/* "source:port destination:port", or "none" without addresses. */
static struct str show(const struct proxy_header *h, char out[160])
{
    char source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN];
    if (!h->has_addresses)
        return STR("none");
    (void)inet_ntop(AF_INET6, h->source.address, source, sizeof(source));
    (void)inet_ntop(AF_INET6, h->destination.address, destination, sizeof(destination));
    (void)snprintf(out, 160, "%s%s %u %s %u", h->is_datagram ? "udp " : "", source,
                   h->source.port, destination, h->destination.port);
    return str_from(out);
}

/* want NULL: refused. Every row is also tried cut short at each byte. */
static const struct {
    const char *name;
    struct str bytes;
    const char *want;
    const char *rest; /* what is left behind the header */
} rows[] = {
    /* 2.1: version 1 */
    {"TCP4", STR_LIT("PROXY TCP4 192.0.2.1 198.51.100.2 51234 443\r\n"),
     "::ffff:192.0.2.1 51234 ::ffff:198.51.100.2 443", ""},
    {"TCP6 with a request behind it",
     STR_LIT("PROXY TCP6 2001:db8::1 2001:DB8::2 1 65535\r\nGET / HTTP/1.1\r\n"),
     "2001:db8::1 1 2001:db8::2 65535", "GET / HTTP/1.1\r\n"},
    {"port zero", STR_LIT("PROXY TCP4 0.0.0.0 255.255.255.255 0 0\r\n"),
     "::ffff:0.0.0.0 0 ::ffff:255.255.255.255 0", ""},
    {"UNKNOWN alone", STR_LIT("PROXY UNKNOWN\r\nx"), "none", "x"},
    {"UNKNOWN with anything behind it", STR_LIT("PROXY UNKNOWN 1 2  three\r\n"), "none", ""},
    {"the longest line",
     STR_LIT("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
             "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
     "none", ""},
    {"one byte longer",
     STR_LIT("PROXY UNKNOWN  ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
             "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
     NULL, NULL},
    {"no line end in 107 bytes",
     STR_LIT(
         "PROXY UNKNOWN xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
         "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
     NULL, NULL},
    {"bare LF", STR_LIT("PROXY TCP4 192.0.2.1 198.51.100.2 51234 443\n"), NULL, NULL},
    {"bare CR", STR_LIT("PROXY TCP4 192.0.2.1 198.51.100.2 51234 443\rG"), NULL, NULL},
    {"LF inside UNKNOWN", STR_LIT("PROXY UNKNOWN\nGET / HTTP/1.1\r\n"), NULL, NULL},
    {"no family", STR_LIT("PROXY \r\n"), NULL, NULL},
    {"another family", STR_LIT("PROXY UDP4 192.0.2.1 198.51.100.2 51234 443\r\n"), NULL, NULL},
    {"lower case", STR_LIT("proxy TCP4 192.0.2.1 198.51.100.2 51234 443\r\n"), NULL, NULL},
    {"family in lower case", STR_LIT("PROXY tcp4 192.0.2.1 198.51.100.2 51234 443\r\n"), NULL,
     NULL},
    {"UNKNOWN with a tail", STR_LIT("PROXY UNKNOWNS\r\n"), NULL, NULL},
    {"two spaces", STR_LIT("PROXY TCP4  192.0.2.1 198.51.100.2 51234 443\r\n"), NULL, NULL},
    {"a space at the end", STR_LIT("PROXY TCP4 192.0.2.1 198.51.100.2 51234 443 \r\n"), NULL,
     NULL},
    {"a tab", STR_LIT("PROXY TCP4\t192.0.2.1 198.51.100.2 51234 443\r\n"), NULL, NULL},
    {"no ports", STR_LIT("PROXY TCP4 192.0.2.1 198.51.100.2\r\n"), NULL, NULL},
    {"one port", STR_LIT("PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n"), NULL, NULL},
    {"port too large", STR_LIT("PROXY TCP4 192.0.2.1 198.51.100.2 65536 443\r\n"), NULL, NULL},
    {"port with a leading zero", STR_LIT("PROXY TCP4 192.0.2.1 198.51.100.2 080 443\r\n"), NULL,
     NULL},
    {"port with a sign", STR_LIT("PROXY TCP4 192.0.2.1 198.51.100.2 +80 443\r\n"), NULL, NULL},
    {"octet with a leading zero", STR_LIT("PROXY TCP4 192.0.02.1 198.51.100.2 1 2\r\n"), NULL,
     NULL},
    {"octet too large", STR_LIT("PROXY TCP4 192.0.2.256 198.51.100.2 1 2\r\n"), NULL, NULL},
    {"three octets", STR_LIT("PROXY TCP4 192.0.2 198.51.100.2 1 2\r\n"), NULL, NULL},
    {"IPv6 in TCP4", STR_LIT("PROXY TCP4 ::1 198.51.100.2 1 2\r\n"), NULL, NULL},
    {"IPv4 in TCP6", STR_LIT("PROXY TCP6 192.0.2.1 ::1 1 2\r\n"), NULL, NULL},
    {"IPv6 with a zone", STR_LIT("PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n"), NULL, NULL},
    {"a NUL", STR_LIT("PROXY TCP4 192.0.2.1\0 198.51.100.2 1 2\r\n"), NULL, NULL},

    /* 2.2: version 2 */
    {"TCP over IPv4", STR_LIT(SIGNATURE "\x21\x11\x00\x0c" IP4 "\x16\x03\x01"),
     "::ffff:192.0.2.1 51234 ::ffff:198.51.100.2 443", "\x16\x03\x01"},
    {"TCP over IPv6", STR_LIT(SIGNATURE "\x21\x21\x00\x24" IP6),
     "2001:db8::1 51234 2001:db8::2 443", ""},
    {"LOCAL", STR_LIT(SIGNATURE "\x20\x00\x00\x00"), "none", ""},
    {"LOCAL with a family and a block to skip", STR_LIT(SIGNATURE "\x20\x11\x00\x0c" IP4),
     "none", ""},
    {"LOCAL ignores even what is wrong", STR_LIT(SIGNATURE "\x20\xff\x00\x02zz"), "none", ""},
    {"UNSPEC", STR_LIT(SIGNATURE "\x21\x00\x00\x00"), "none", ""},
    {"UNSPEC with a block to skip", STR_LIT(SIGNATURE "\x21\x00\x00\x03zzz"), "none", ""},
    {"UDP", STR_LIT(SIGNATURE "\x21\x12\x00\x0c" IP4 "x"),
     "udp ::ffff:192.0.2.1 51234 ::ffff:198.51.100.2 443", "x"},
    {"extensions are skipped",
     STR_LIT(SIGNATURE "\x21\x11\x00\x1a" IP4 "\x01\x00\x08http/1.1\x04\x00\x00"),
     "::ffff:192.0.2.1 51234 ::ffff:198.51.100.2 443", ""},
    {"a right checksum",
     STR_LIT(SIGNATURE "\x21\x11\x00\x13" IP4 "\x03\x00\x04\x85\xc9\x34\x33"),
     "::ffff:192.0.2.1 51234 ::ffff:198.51.100.2 443", ""},
    {"a wrong checksum",
     STR_LIT(SIGNATURE "\x21\x11\x00\x13" IP4 "\x03\x00\x04\x85\xc9\x34\x32"), NULL, NULL},
    {"a checksum of another size",
     STR_LIT(SIGNATURE "\x21\x11\x00\x12" IP4 "\x03\x00\x03\x85\xc9\x34"), NULL, NULL},
    {"an extension longer than the header",
     STR_LIT(SIGNATURE "\x21\x11\x00\x10" IP4 "\x04\x00\x05z"), NULL, NULL},
    {"half the head of an extension", STR_LIT(SIGNATURE "\x21\x11\x00\x0e" IP4 "\x04\x00"),
     NULL, NULL},
    {"no room for the addresses", STR_LIT(SIGNATURE "\x21\x11\x00\x0b" IP4), NULL, NULL},
    {"IPv6 with the length of IPv4", STR_LIT(SIGNATURE "\x21\x21\x00\x0c" IP4), NULL, NULL},
    {"another version", STR_LIT(SIGNATURE "\x11\x11\x00\x0c" IP4), NULL, NULL},
    {"another command", STR_LIT(SIGNATURE "\x22\x11\x00\x0c" IP4), NULL, NULL},
    {"another family", STR_LIT(SIGNATURE "\x21\x41\x00\x0c" IP4), NULL, NULL},
    {"another protocol", STR_LIT(SIGNATURE "\x21\x13\x00\x0c" IP4), NULL, NULL},
    {"too long to wait for", STR_LIT(SIGNATURE "\x21\x11\xff\xff" IP4), NULL, NULL},

    /* neither */
    {"a request", STR_LIT("GET / HTTP/1.1\r\n"), NULL, NULL},
    {"a ClientHello", STR_LIT("\x16\x03\x01\x02\x00"), NULL, NULL},
    {"a POST shares one letter", STR_LIT("POST / HTTP/1.1\r\n"), NULL, NULL},
    {"an empty line shares four", STR_LIT("\r\n\r\nGET / HTTP/1.1\r\n"), NULL, NULL},
};

static void headers_say_whose_a_connection_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char shown[160];
        struct proxy_header h;
        size_t len;
        struct err e = proxy_protocol_read(rows[i].bytes, &h, &len);
        assert_row_err(rows[i].name, e, rows[i].want == NULL ? ERR_PROXY_HEADER : NULL);
        if (rows[i].want == NULL)
            continue;
        assert_row_str(rows[i].name, show(&h, shown), rows[i].want);
        assert_row_str(rows[i].name, str_skip(rows[i].bytes, len), rows[i].rest);
    }
}

/* Byte by byte: more is waited for as long as it may become a header, and not a byte longer
 * than it takes. */
static void headers_may_come_in_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct proxy_header h;
        size_t len, arrived = 0;
        struct err e = fail(ERR_AGAIN, 0);
        /* A copy of exactly that size, so that reading beyond it is seen. */
        for (; err_is(e, ERR_AGAIN) && arrived <= rows[i].bytes.len; arrived++) {
            char *copy = malloc(arrived);
            memcpy(copy, rows[i].bytes.p, arrived);
            e = proxy_protocol_read(str_make(copy, arrived), &h, &len);
            free(copy);
        }
        assert_row_err(rows[i].name, e, rows[i].want == NULL ? ERR_PROXY_HEADER : NULL);
        if (rows[i].want != NULL)
            assert_row_u64(rows[i].name, arrived - 1, len);
    }
}

static void a_socket_of_unix_is_not_an_address(void **state)
{
    (void)state;
    char bytes[16 + 216] = SIGNATURE "\x21\x31\x00\xd8/run/client.sock";
    struct proxy_header h;
    size_t len;
    assert_ok(proxy_protocol_read(str_make(bytes, sizeof(bytes)), &h, &len));
    assert_false(h.has_addresses);
    assert_int_equal(len, sizeof(bytes));
    assert_err(proxy_protocol_read(str_make(bytes, sizeof(bytes) - 1), &h, &len), ERR_AGAIN);
}

static void the_longest_header_is_taken(void **state)
{
    (void)state;
    static char bytes[PROXY_HEADER_MAX_BYTES] = SIGNATURE "\x21\x11\x0f\xf0" IP4 "\x04\x0f\xe1";
    struct proxy_header h;
    size_t len;
    assert_ok(proxy_protocol_read(str_make(bytes, sizeof(bytes)), &h, &len));
    assert_int_equal(len, sizeof(bytes));
    bytes[15] = (char)0xf1;
    assert_err(proxy_protocol_read(str_make(bytes, sizeof(bytes)), &h, &len), ERR_PROXY_HEADER);
}

/* ---- towards a target ---- */

static const struct {
    const char *name, *v1; /* v1: read to get the addresses, and written again */
    struct str v2;
} written[] = {
    {"IPv4", "PROXY TCP4 192.0.2.1 198.51.100.2 51234 443\r\n",
     STR_LIT(SIGNATURE "\x21\x11\0\x0c" IP4)},
    {"IPv6", "PROXY TCP6 2001:db8::1 2001:db8::2 51234 443\r\n",
     STR_LIT(SIGNATURE "\x21\x21\0\x24" IP6)},
    {"nobody", "PROXY UNKNOWN\r\n", STR_LIT(SIGNATURE "\x20\0\0\0")},
    {"the longest",
     "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
     {.p = NULL}},
};

static void what_is_written_is_what_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(written); i++) {
        char text[PROXY_HEADER_WRITE_MAX_BYTES], before[160], after[160];
        struct proxy_header h, again;
        size_t len;
        assert_ok(proxy_protocol_read(str_from(written[i].v1), &h, &len));
        assert_row_str(written[i].name, proxy_protocol_write_v1(&h, text), written[i].v1);
        struct str v2 = proxy_protocol_write_v2(&h, text);
        if (written[i].v2.p != NULL)
            assert_true(str_eq(v2, written[i].v2));
        assert_ok(proxy_protocol_read(v2, &again, &len));
        assert_int_equal(len, v2.len);
        assert_true(str_eq(show(&h, before), show(&again, after)));
    }
}

/* Version 1 has no word for it. */
static void datagrams_have_a_version_2_alone(void **state)
{
    (void)state;
    static const struct str headers[] = {STR_LIT(SIGNATURE "\x21\x12\0\x0c" IP4),
                                         STR_LIT(SIGNATURE "\x21\x22\0\x24" IP6)};
    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        char text[PROXY_HEADER_WRITE_MAX_BYTES];
        struct proxy_header h;
        size_t len;
        assert_ok(proxy_protocol_read(headers[i], &h, &len));
        assert_true(h.has_addresses && h.is_datagram);
        assert_true(str_eq(proxy_protocol_write_v2(&h, text), headers[i]));
        assert_str(proxy_protocol_write_v1(&h, text), "PROXY UNKNOWN\r\n");
    }
}

/* One side IPv4, the other IPv6: both as IPv6, which holds either. */
static void families_are_not_mixed(void **state)
{
    (void)state;
    char text[PROXY_HEADER_WRITE_MAX_BYTES];
    struct proxy_header h, six;
    size_t len;
    assert_ok(proxy_protocol_read(STR("PROXY TCP4 192.0.2.1 198.51.100.2 1 2\r\n"), &h, &len));
    assert_ok(proxy_protocol_read(STR("PROXY TCP6 ::1 2001:db8::2 3 4\r\n"), &six, &len));
    h.destination = six.destination;
    assert_str(proxy_protocol_write_v1(&h, text),
               "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 1 4\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_say_whose_a_connection_is),
        cmocka_unit_test(headers_may_come_in_pieces),
        cmocka_unit_test(a_socket_of_unix_is_not_an_address),
        cmocka_unit_test(the_longest_header_is_taken),
        cmocka_unit_test(what_is_written_is_what_is_read),
        cmocka_unit_test(datagrams_have_a_version_2_alone),
        cmocka_unit_test(families_are_not_mixed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
