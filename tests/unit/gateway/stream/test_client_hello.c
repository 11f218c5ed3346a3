#include "gateway/stream/client_hello.h"
#include "tests/support/asserts.h"

#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

/* An allocation of exactly the size, so that the sanitizer sees the first byte too many. */
static struct err read_exactly(struct str bytes, struct client_hello *ret_hello,
                               char room[CLIENT_HELLO_MAX_BYTES])
{
    char *copy = malloc(bytes.len + 1);
    assert_non_null(copy);
    if (bytes.len > 0)
        memcpy(copy + 1, bytes.p, bytes.len);
    struct client_hello hello = {.sni = STR_NONE};
    struct err e = client_hello_read(str_make(copy + 1, bytes.len), room, &hello);
    if (!failed(e)) {
        static char kept[2][CLIENT_HELLO_MAX_BYTES];
        if (hello.sni.len > 0)
            memcpy(kept[0], hello.sni.p, hello.sni.len);
        if (hello.alpn.len > 0)
            memcpy(kept[1], hello.alpn.p, hello.alpn.len);
        ret_hello->sni = str_make(kept[0], hello.sni.len);
        ret_hello->alpn = str_make(kept[1], hello.alpn.len);
    }
    free(copy);
    return e;
}

static char room[CLIENT_HELLO_MAX_BYTES];

/* ---- bytes to read ---- */

struct bytes {
    char text[4 * CLIENT_HELLO_MAX_BYTES];
    size_t len;
};

static void put(struct bytes *b, struct str s)
{
    assert_true(s.len <= sizeof(b->text) - b->len);
    if (s.len > 0)
        memcpy(b->text + b->len, s.p, s.len);
    b->len += s.len;
}

static void put_number(struct bytes *b, size_t width, size_t number)
{
    for (size_t i = width; i > 0; i--)
        put(b, str_make((char[]){(char)(number >> 8 * (i - 1))}, 1));
}

static struct str view(const struct bytes *b)
{
    return str_make(b->text, b->len);
}

static void put_record(struct bytes *b, struct str piece)
{
    put(b, STR("\x16\x03\x01"));
    put_number(b, 2, piece.len);
    put(b, piece);
}

/* The message in records of so many bytes. */
static void put_records(struct bytes *b, struct str message, size_t step)
{
    for (; message.len > 0; message = str_skip(message, step))
        put_record(b, str_sub(message, 0, step));
}

#define RANDOM "0123456789abcdef0123456789abcdef"
#define START  "\x03\x03" RANDOM "\x00"
#define SUITES "\x00\x02\x13\x01"
#define USUAL  START SUITES "\x01\x00"
#define SNI                                                                                    \
    "\x00\x00\x00\x0e\x00\x0c\x00\x00\x09"                                                     \
    "a.example"
#define ALPN    "\x00\x10\x00\x0e\x00\x0c\x02h2\x08http/1.1"
#define GREASE  "\x0a\x0a\x00\x00"
#define GREASE2 "\xfa\xfa\x00\x01\x00"

/* Everything behind the length of the extensions, or without them if NULL. */
static void build(struct str start, const struct str *extensions, struct bytes *message)
{
    message->len = 0;
    put(message, STR("\x01"));
    put_number(message, 3, start.len + (extensions == NULL ? 0 : 2 + extensions->len));
    put(message, start);
    if (extensions == NULL)
        return;
    put_number(message, 2, extensions->len);
    put(message, *extensions);
}

/* ---- what it says ---- */

#define NOTHING ((const char *)NULL)

static const struct {
    const char *name;
    struct str start;
    struct str extensions; /* p NULL: there are none */
    const char *sni;       /* NULL: refused */
    const char *alpn;      /* names with a space behind each */
} messages[] = {
    {"a name and two protocols", STR_LIT(USUAL), STR_LIT(SNI ALPN), "a.example",
     "h2 http/1.1 "},
    {"protocols first", STR_LIT(USUAL), STR_LIT(ALPN SNI), "a.example", "h2 http/1.1 "},
    {"a name alone", STR_LIT(USUAL), STR_LIT(SNI), "a.example", ""},
    {"protocols alone", STR_LIT(USUAL), STR_LIT(ALPN), "", "h2 http/1.1 "},
    {"GREASE around it", STR_LIT(START "\x00\x04\x1a\x1a\x13\x01\x01\x00"),
     STR_LIT(GREASE SNI GREASE ALPN GREASE2), "a.example", "h2 http/1.1 "},
    {"a protocol of GREASE", STR_LIT(USUAL), STR_LIT("\x00\x10\x00\x05\x00\x03\x02\x5a\x5a"),
     "", "ZZ "},
    {"no extensions at all", STR_LIT(USUAL), {.p = NULL}, "", ""},
    {"an empty list of them", STR_LIT(USUAL), STR_LIT(""), "", ""},
    {"a session", STR_LIT("\x03\x03" RANDOM "\x20" RANDOM SUITES "\x01\x00"), STR_LIT(SNI),
     "a.example", ""},
    {"TLS 1.0", STR_LIT("\x03\x01" RANDOM "\x00" SUITES "\x02\x01\x00"), STR_LIT(SNI),
     "a.example", ""},
    {"another version", STR_LIT("\x02\x03" RANDOM "\x00" SUITES "\x01\x00"), STR_LIT(SNI),
     NOTHING, ""},
    {"a session too long", STR_LIT("\x03\x03" RANDOM "\x21" RANDOM "x" SUITES "\x01\x00"),
     STR_LIT(SNI), NOTHING, ""},
    {"no suites", STR_LIT(START "\x00\x00\x01\x00"), STR_LIT(SNI), NOTHING, ""},
    {"half a suite", STR_LIT(START "\x00\x03\x13\x01\x13\x01\x00"), STR_LIT(SNI), NOTHING, ""},
    {"suites beyond the end", STR_LIT(START "\xff\xfe\x13\x01"), {.p = NULL}, NOTHING, ""},
    {"no compression", STR_LIT(START SUITES "\x00"), STR_LIT(SNI), NOTHING, ""},
    {"random cut short", STR_LIT("\x03\x03\x30"), {.p = NULL}, NOTHING, ""},
    {"nothing in it", STR_LIT(""), {.p = NULL}, NOTHING, ""},
    {"bytes behind the extensions", STR_LIT(USUAL "\x00\x00x"), {.p = NULL}, NOTHING, ""},
    {"half a length of extensions", STR_LIT(USUAL "\x00"), {.p = NULL}, NOTHING, ""},
    {"fewer extensions than said", STR_LIT(USUAL "\x00\x09" GREASE), {.p = NULL}, NOTHING, ""},
    {"an extension beyond the end", STR_LIT(USUAL), STR_LIT("\x0a\x0a\x00\x01"), NOTHING, ""},
    {"half an extension", STR_LIT(USUAL), STR_LIT(SNI "\x0a\x0a\x00"), NOTHING, ""},
    /* RFC 6066 3 */
    {"two extensions of names", STR_LIT(USUAL), STR_LIT(SNI SNI), NOTHING, ""},
    {"no list", STR_LIT(USUAL), STR_LIT("\x00\x00\x00\x00"), NOTHING, ""},
    {"an empty list", STR_LIT(USUAL), STR_LIT("\x00\x00\x00\x02\x00\x00"), NOTHING, ""},
    {"an empty name", STR_LIT(USUAL), STR_LIT("\x00\x00\x00\x05\x00\x03\x00\x00\x00"), NOTHING,
     ""},
    {"a name of another type", STR_LIT(USUAL), STR_LIT("\x00\x00\x00\x06\x00\x04\x01\x00\x01z"),
     NOTHING, ""},
    {"two names", STR_LIT(USUAL), STR_LIT("\x00\x00\x00\x0a\x00\x08\x00\x00\x01z\x00\x00\x01y"),
     NOTHING, ""},
    {"a name beyond its list", STR_LIT(USUAL), STR_LIT("\x00\x00\x00\x06\x00\x04\x00\x00\x02z"),
     NOTHING, ""},
    {"a list beyond its extension", STR_LIT(USUAL),
     STR_LIT("\x00\x00\x00\x06\x00\x05\x00\x00\x01z"), NOTHING, ""},
    {"bytes behind the list", STR_LIT(USUAL), STR_LIT("\x00\x00\x00\x07\x00\x04\x00\x00\x01zz"),
     NOTHING, ""},
    {"a zero byte in a name", STR_LIT(USUAL),
     STR_LIT("\x00\x00\x00\x07\x00\x05\x00\x00\x02z\0"), NOTHING, ""},
    {"a space in a name", STR_LIT(USUAL), STR_LIT("\x00\x00\x00\x07\x00\x05\x00\x00\x02z "),
     NOTHING, ""},
    {"a line end in a name", STR_LIT(USUAL), STR_LIT("\x00\x00\x00\x07\x00\x05\x00\x00\x02z\n"),
     NOTHING, ""},
    {"high bytes in a name", STR_LIT(USUAL),
     STR_LIT("\x00\x00\x00\x07\x00\x05\x00\x00\x02\xc3\xa4"), NOTHING, ""},
    /* RFC 7301 3.1 */
    {"two extensions of protocols", STR_LIT(USUAL), STR_LIT(ALPN ALPN), NOTHING, ""},
    {"no list of protocols", STR_LIT(USUAL), STR_LIT("\x00\x10\x00\x00"), NOTHING, ""},
    {"an empty list of protocols", STR_LIT(USUAL), STR_LIT("\x00\x10\x00\x02\x00\x00"), NOTHING,
     ""},
    {"an empty protocol", STR_LIT(USUAL), STR_LIT("\x00\x10\x00\x05\x00\x03\x01z\x00"), NOTHING,
     ""},
    {"a protocol beyond its list", STR_LIT(USUAL), STR_LIT("\x00\x10\x00\x04\x00\x02\x02z"),
     NOTHING, ""},
    {"bytes behind the protocols", STR_LIT(USUAL), STR_LIT("\x00\x10\x00\x05\x00\x02\x01zz"),
     NOTHING, ""},
};

static void check_row(size_t row, struct str bytes, const char *how)
{
    struct client_hello hello = {.sni = STR_NONE};
    struct err e = read_exactly(bytes, &hello, room);
    if (messages[row].sni == NULL) {
        if (!err_is(e, ERR_CLIENT_HELLO))
            fail_msg("%s, %s: not refused", messages[row].name, how);
        return;
    }
    char protocols[256];
    size_t len = 0;
    struct str rest = hello.alpn, protocol;
    while (client_hello_next_protocol(&rest, &protocol))
        len += (size_t)snprintf(protocols + len, sizeof(protocols) - len, "%.*s ",
                                STR_ARG(protocol));
    if (failed(e) || !str_eq(hello.sni, str_from(messages[row].sni)) ||
        !str_eq(str_make(protocols, len), str_from(messages[row].alpn)))
        fail_msg("%s, %s: %s \"%.*s\" \"%.*s\"", messages[row].name, how,
                 failed(e) ? e.kind->name : "read", STR_ARG(hello.sni), (int)len, protocols);
}

/* Before the last byte nothing is known but that it may become one. */
static void check_parts(size_t row, struct str bytes)
{
    struct client_hello hello;
    for (size_t part = 0; part < bytes.len; part++) {
        struct err e = read_exactly(str_sub(bytes, 0, part), &hello, room);
        if (!err_is(e, ERR_AGAIN))
            fail_msg("%s: %zu of %zu bytes are enough", messages[row].name, part, bytes.len);
    }
}

static void a_message_is_read_however_it_comes(void **state)
{
    (void)state;
    static const size_t steps[] = {CLIENT_HELLO_MAX_BYTES, 1, 2, 3, 4, 5, 7, 64};
    static struct bytes message, bytes;
    for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
        bool has_list = messages[i].extensions.p != NULL;
        build(messages[i].start, has_list ? &messages[i].extensions : NULL, &message);
        for (size_t k = 0; k < ARRAY_LEN(steps); k++) {
            bytes.len = 0;
            put_records(&bytes, view(&message), steps[k]);
            check_row(i, view(&bytes), "in records");
            check_parts(i, view(&bytes));
            put(&bytes, STR("\x17\x03\x03\x00\x01x")); /* early data is none of our business */
            check_row(i, view(&bytes), "with early data");
        }
    }
}

static void offers_are_compared_as_a_whole(void **state)
{
    (void)state;
    const struct client_hello hello = {.alpn = STR("\x02h2\x09stun.turn")};
    assert_true(client_hello_offers(&hello, STR("h2")));
    assert_true(client_hello_offers(&hello, STR("stun.turn")));
    assert_false(client_hello_offers(&hello, STR("h")));
    assert_false(client_hello_offers(&hello, STR("H2")));
    assert_false(client_hello_offers(&hello, STR("stun.turn2")));
    assert_false(client_hello_offers(&(struct client_hello){.sni = STR("h2")}, STR("h2")));
}

/* ---- records ---- */

static const struct {
    const char *name;
    struct str bytes;
    enum { AGAIN, NOT_TLS, REFUSED } want;
} beginnings[] = {
    {"nothing", STR_LIT(""), AGAIN},
    {"a handshake, so far", STR_LIT("\x16"), AGAIN},
    {"a version, so far", STR_LIT("\x16\x03"), AGAIN},
    {"half a length", STR_LIT("\x16\x03\x01\x01"), AGAIN},
    {"a head of a record", STR_LIT("\x16\x03\x01\x01\x00"), AGAIN},
    {"HTTP", STR_LIT("GET / HTTP/1.1\r\n"), NOT_TLS},
    {"SSH", STR_LIT("SSH-2.0-x\r\n"), NOT_TLS},
    {"STUN", STR_LIT("\x00\x01\x00\x00\x21\x12\xa4\x42"), NOT_TLS},
    {"an alert", STR_LIT("\x15\x03\x01\x00\x02\x02\x28"), NOT_TLS},
    {"data", STR_LIT("\x17\x03\x03\x00\x01x"), NOT_TLS},
    {"SSL 2", STR_LIT("\x80\x2e\x01\x03\x01"), NOT_TLS},
    {"DTLS", STR_LIT("\x16\xfe\xfd"), NOT_TLS},
    {"another major version", STR_LIT("\x16\x02"), NOT_TLS},
    {"another minor version", STR_LIT("\x16\x03\x05"), NOT_TLS},
    {"an empty record", STR_LIT("\x16\x03\x01\x00\x00"), REFUSED},
    {"a record too long", STR_LIT("\x16\x03\x01\x40\x01"), REFUSED},
    {"the longest record", STR_LIT("\x16\x03\x01\x40\x00"), AGAIN},
    {"another message", STR_LIT("\x16\x03\x01\x00\x05\x02"), REFUSED},
    {"a message too long", STR_LIT("\x16\x03\x01\x20\x00\x01\x00\x40\x00"), REFUSED},
    {"the longest message", STR_LIT("\x16\x03\x01\x20\x00\x01\x00\x3f\xf7"), AGAIN},
    {"a message that ends within its record", STR_LIT("\x16\x03\x01\x00\x2d\x01\x00\x00\x28"),
     REFUSED},
    {"an alert in between", STR_LIT("\x16\x03\x01\x00\x01\x01\x15"), REFUSED},
    {"another version in between", STR_LIT("\x16\x03\x01\x00\x01\x01\x16\x02"), REFUSED},
    {"an empty record in between", STR_LIT("\x16\x03\x01\x00\x01\x01\x16\x03\x01\x00\x00"),
     REFUSED},
    {"a second record", STR_LIT("\x16\x03\x01\x00\x01\x01\x16\x03\x03\x00\x03\x00\x00"), AGAIN},
};

static void what_is_no_client_hello_is_told_soon(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(beginnings); i++) {
        const struct err_kind *const wants[] = {
            [AGAIN] = ERR_AGAIN, [NOT_TLS] = ERR_NOT_TLS, [REFUSED] = ERR_CLIENT_HELLO};
        struct client_hello hello;
        struct err e = read_exactly(beginnings[i].bytes, &hello, room);
        if (e.kind != wants[beginnings[i].want])
            fail_msg("%s: %s", beginnings[i].name, failed(e) ? e.kind->name : "read");
    }
}

/* Of a size on the way, or one beyond, all of it in one record or in many. */
static struct err read_sized(size_t message_bytes, size_t step, size_t *ret_bytes)
{
    static struct bytes message, bytes;
    static char filler[CLIENT_HELLO_MAX_BYTES];
    size_t fixed = 4 + sizeof(USUAL) - 1 + 2 + sizeof(SNI) - 1 + 4;
    struct client_hello hello;
    message.len = bytes.len = 0;
    put(&message, STR("\x01"));
    put_number(&message, 3, message_bytes - 4);
    put(&message, STR(USUAL));
    put_number(&message, 2, message_bytes - (4 + sizeof(USUAL) - 1 + 2));
    put(&message, STR("\x00\x15")); /* padding, RFC 7685 */
    put_number(&message, 2, message_bytes - fixed);
    put(&message, str_make(filler, message_bytes - fixed));
    put(&message, STR(SNI));
    put_records(&bytes, view(&message), step);
    *ret_bytes = bytes.len;
    return read_exactly(view(&bytes), &hello, room);
}

static void the_limit_holds_for_all_bytes(void **state)
{
    (void)state;
    size_t len;
    assert_ok(read_sized(1800, 1, &len)); /* as large as post-quantum ones: 10 KiB of heads */
    assert_ok(read_sized(CLIENT_HELLO_MAX_BYTES - 5, CLIENT_HELLO_MAX_BYTES, &len));
    assert_int_equal(len, CLIENT_HELLO_MAX_BYTES);
    assert_err(read_sized(CLIENT_HELLO_MAX_BYTES - 4, CLIENT_HELLO_MAX_BYTES, &len),
               ERR_CLIENT_HELLO);
    assert_ok(read_sized(CLIENT_HELLO_MAX_BYTES - 10, 8192, &len));
    assert_int_equal(len, CLIENT_HELLO_MAX_BYTES);
    assert_err(read_sized(CLIENT_HELLO_MAX_BYTES - 9, 8192, &len), ERR_CLIENT_HELLO);
    assert_err(read_sized(CLIENT_HELLO_MAX_BYTES / 2, 1, &len), ERR_CLIENT_HELLO);
}

/* ---- a real one ---- */

static void what_openssl_says_is_read(void **state)
{
    (void)state;
    static char bytes[CLIENT_HELLO_MAX_BYTES];
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(ctx);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    assert_true(ssl != NULL && in != NULL && out != NULL);
    SSL_set_bio(ssl, in, out);
    assert_int_equal(SSL_set_tlsext_host_name(ssl, "turn.example.org"), 1);
    assert_int_equal(SSL_set_alpn_protos(ssl, (const unsigned char *)"\x09stun.turn", 10), 0);
    assert_int_equal(SSL_connect(ssl), -1);
    int len = BIO_read(out, bytes, sizeof(bytes));
    struct client_hello hello;
    assert_ok(read_exactly(str_make(bytes, (size_t)len), &hello, room));
    assert_str(hello.sni, "turn.example.org");
    assert_true(client_hello_offers(&hello, STR("stun.turn")));
    SSL_free(ssl);
    SSL_CTX_free(ctx);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_read_however_it_comes),
        cmocka_unit_test(offers_are_compared_as_a_whole),
        cmocka_unit_test(what_is_no_client_hello_is_told_soon),
        cmocka_unit_test(the_limit_holds_for_all_bytes),
        cmocka_unit_test(what_openssl_says_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
