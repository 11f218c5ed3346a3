#include "store/model_check.h"
#include "tests/support/unit.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define COLONS                                                                                 \
    "01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:"  \
    "AB:CD:EF"

/* clang-format off */
static const struct {
    const char *name;
    shape_check_fn *check;
    const char *in;
    const char *want;  /* normal form; NULL: refused */
    const char *words; /* part of the complaint */
} rows[] = {
    {"plain id", model_check_id, "cloud-1.example_org", "cloud-1.example_org", NULL},
    {"empty id", model_check_id, "", NULL, "empty"},
    {"id in capitals", model_check_id, "Cloud", NULL, "lower-case"},
    {"id that begins with a dot", model_check_id, ".cloud", NULL, "no id"},
    {"id with a slash", model_check_id, "a/b", NULL, "no id"},
    {"id of 65", model_check_id, HEX64 "a", NULL, "64"},
    {"id of 64", model_check_id, HEX64, HEX64, NULL},

    {"root", model_check_path, "/", "/", NULL},
    {"slash at the end goes", model_check_path, "/api/", "/api", NULL},
    {"escape", model_check_path, "/a%2Fb", "/a%2Fb", NULL},
    {"dots that are no dot segments", model_check_path, "/...", "/...", NULL},
    {"a file", model_check_path, "/.well-known/x", "/.well-known/x", NULL},
    {"relative", model_check_path, "api", NULL, "begin"},
    {"empty path", model_check_path, "", NULL, "begin"},
    {"query", model_check_path, "/a?b", NULL, "?"},
    {"fragment", model_check_path, "/a#b", NULL, "#"},
    {"space", model_check_path, "/a b", NULL, "%XX"},
    {"not ASCII", model_check_path, "/\xc3\xa4", NULL, "%XX"},
    {"backslash", model_check_path, "/a\\b", NULL, "%XX"},
    {"line end", model_check_path, "/a\r\nb", NULL, "%XX"},
    {"dot segment", model_check_path, "/a/./b", NULL, "segments"},
    {"two dots", model_check_path, "/a/..", NULL, "segments"},
    {"hidden dots", model_check_path, "/a/%2e%2E/b", NULL, "segments"},
    {"half hidden dots", model_check_path, "/a/.%2e", NULL, "segments"},
    {"two slashes", model_check_path, "//", NULL, "//"},
    {"two slashes inside", model_check_path, "/a//b", NULL, "//"},
    {"broken escape", model_check_path, "/a%2", NULL, "hexadecimal"},
    {"escape of letters", model_check_path, "/a%zz", NULL, "hexadecimal"},

    {"prefix to add", model_check_add_prefix, "/app/", "/app", NULL},
    {"the root is no prefix", model_check_add_prefix, "/", "", NULL},
    {"prefix without a slash", model_check_add_prefix, "app", NULL, "begin"},

    {"listener of all addresses", model_check_listener, ":443", ":443", NULL},
    {"listener of one", model_check_listener, "127.0.0.1:08443", "127.0.0.1:8443", NULL},
    {"listener of IPv6", model_check_listener, "[2001:DB8:0::1]:443", "[2001:db8::1]:443",
     NULL},
    {"listener without brackets", model_check_listener, "::1:443", NULL, "no listener"},
    {"listener without a port", model_check_listener, "[::1]", NULL, "no listener"},
    {"listener on port zero", model_check_listener, ":0", NULL, "no listener"},
    {"listener by name", model_check_listener, "localhost:443", NULL, "no listener"},
    {"no listener at all", model_check_listener, "", NULL, "no listener"},
    {"empty brackets", model_check_listener, "[]:443", NULL, "no listener"},

    {"media type", model_check_media_type, "text/plain", "text/plain", NULL},
    {"parameters", model_check_media_type, "text/html; charset=utf-8;a=\"b c\"",
     "text/html; charset=utf-8;a=\"b c\"", NULL},
    {"suffix", model_check_media_type, "application/problem+json", "application/problem+json",
     NULL},
    {"no subtype", model_check_media_type, "text", NULL, "media type"},
    {"empty subtype", model_check_media_type, "text/", NULL, "media type"},
    {"nothing", model_check_media_type, "", NULL, "media type"},
    {"a list", model_check_media_type, "text/plain, text/html", NULL, "media type"},
    {"parameter without a value", model_check_media_type, "text/plain; charset", NULL,
     "media type"},
    {"semicolon at the end", model_check_media_type, "text/plain;", NULL, "media type"},
    {"line end in quotes", model_check_media_type, "text/plain; a=\"\r\nX: y\"", NULL,
     "media type"},
    {"quote in quotes", model_check_media_type, "text/plain; a=\"\"\"", NULL, "media type"},

    {"header", model_check_header_name, "X-Frame-Options", "X-Frame-Options", NULL},
    {"empty header", model_check_header_name, "", NULL, "no header"},
    {"header with a colon", model_check_header_name, "X:", NULL, "no header"},
    {"header with a line end", model_check_header_name, "X\r\nY", NULL, "no header"},
    {"connection", model_check_header_name, "connection", NULL, "gateway alone"},
    {"length", model_check_header_name, "Content-LENGTH", NULL, "gateway alone"},
    {"coding", model_check_header_name, "Transfer-Encoding", NULL, "gateway alone"},
    {"upgrade", model_check_header_name, "Upgrade", NULL, "gateway alone"},
    {"te", model_check_header_name, "TE", NULL, "gateway alone"},
    {"host", model_check_header_name, "Host", NULL, "host_header"},

    {"preserve", model_check_host_header, "preserve", "preserve", NULL},
    {"host and port", model_check_host_header, "a.org:8080", "a.org:8080", NULL},
    {"address", model_check_host_header, "[::1]:80", "[::1]:80", NULL},
    {"injected header", model_check_host_header, "a\r\nX: y", NULL, "host name"},
    {"empty host", model_check_host_header, "", NULL, "must be"},

    {"server name", model_check_server_name, "App.Internal", "app.internal", NULL},
    {"server name that is an address", model_check_server_name, "192.0.2.1", NULL, "name"},
    {"server name that is a pattern", model_check_server_name, "*.org", NULL, "*"},

    {"pin in hex", model_check_pin, HEX64, HEX64, NULL},
    {"pin with colons", model_check_pin, COLONS, HEX64, NULL},
    {"pin in base64", model_check_pin, "ASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4mrze8=", HEX64,
     NULL},
    {"pin as curl writes it", model_check_pin,
     "sha256/ASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4mrze8=", HEX64, NULL},
    {"short pin", model_check_pin, "0123", NULL, "SHA-256"},
    {"pin with one digit more", model_check_pin, HEX64 "0", NULL, "SHA-256"},
    {"pin of 33 bytes", model_check_pin, HEX64 "00", NULL, "SHA-256"},
    {"empty pin", model_check_pin, "", NULL, "SHA-256"},
    {"huge pin", model_check_pin, HEX64 HEX64 HEX64 HEX64, NULL, "SHA-256"},

    {"balance", model_check_balance, "least_conn", "least_conn", NULL},
    {"balance by cookie", model_check_balance, "hash_cookie:SID", "hash_cookie:SID", NULL},
    {"balance by no cookie", model_check_balance, "hash_cookie:", NULL, "cookie"},
    {"balance by two cookies", model_check_balance, "hash_cookie:a;b", NULL, "cookie"},
    {"balance with a parameter", model_check_balance, "hash_ip:x", NULL, "must be"},
    {"unknown balance", model_check_balance, "best", NULL, "must be"},
    {"empty balance", model_check_balance, "", NULL, "must be"},
    {"cookie", model_check_cookie_name, "SID.a-1", "SID.a-1", NULL},
    {"cookie with a space", model_check_cookie_name, "a b", NULL, "cookie"},
    {"cookie with =", model_check_cookie_name, "a=b", NULL, "cookie"},
    {"empty cookie", model_check_cookie_name, "", NULL, "cookie"},
    {"probe", model_check_probe_path, "/up?x=1&y", "/up?x=1&y", NULL},
    {"relative probe", model_check_probe_path, "up", NULL, "begin"},
    {"probe with a space", model_check_probe_path, "/a b", NULL, "character"},
    {"probe with a line end", model_check_probe_path, "/a\r\nX: y", NULL, "character"},
    {"probe with a fragment", model_check_probe_path, "/#a", NULL, "character"},

    {"directory", model_check_directory, "https://ca.example/dir?x=1",
     "https://ca.example/dir?x=1", NULL},
    {"directory in the clear", model_check_directory, "http://ca.example/dir", NULL, "https"},
    {"no directory", model_check_directory, "https://", NULL, "https"},
    {"directory with a space", model_check_directory, "https://a b", NULL, "character"},

    {"contact", model_check_contact, "mailto:a@Example.org", "mailto:a@example.org", NULL},
    {"bare contact", model_check_contact, "a@example.org", "mailto:a@example.org", NULL},
    {"contact without domain", model_check_contact, "mailto:a", NULL, "e-mail"},
    {"contact with header fields", model_check_contact, "mailto:a@b.org?bcc=c", NULL, "e-mail"},
    {"two contacts in one", model_check_contact, "a@b.org,c@d.org", NULL, "e-mail"},
    {"contact with a bad domain", model_check_contact, "a@b..org", NULL, "domain"},
    {"telephone", model_check_contact, "tel:+1", NULL, "e-mail"},

    {"base64url", model_check_base64, "ASNF-_8", "ASNF-_8", NULL},
    {"base64", model_check_base64, "ASNF+/8=", "ASNF+/8=", NULL},
    {"no base64", model_check_base64, "a b", NULL, "base64"},
    {"empty base64", model_check_base64, "====", NULL, "base64"},

    {"block", model_check_cidr, "10.0.0.0/8", "10.0.0.0/8", NULL},
    {"no block", model_check_cidr, "10.0.0.0/33", NULL, "block"},
};
/* clang-format on */

static void fields_get_their_normal_form_or_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(arena_free) struct arena *a = arena_new(4096, 65536);
        struct str value = str_from(rows[i].in);
        const char *words = rows[i].check(a, &value);
        if (rows[i].want != NULL && (words != NULL || !str_eq(value, str_from(rows[i].want))))
            fail_msg("%s: %s, %.*s", rows[i].name, words ? words : "fine", STR_ARG(value));
        if (rows[i].want == NULL && (words == NULL || strstr(words, rows[i].words) == NULL))
            fail_msg("%s: %s", rows[i].name, words ? words : "is accepted");
    }
}

static void header_values_cannot_begin_a_new_line(void **state)
{
    (void)state;
    assert_null(model_check_header_value(STR("a\tb, \"c\" \xc3\xa4")));
    assert_null(model_check_header_value(STR("")));
    assert_non_null(model_check_header_value(STR("a\rb")));
    assert_non_null(model_check_header_value(STR("a\nb")));
    assert_non_null(model_check_header_value(STR("a\0b")));
    assert_non_null(model_check_header_value(STR("a\x7f")));
    static char text[8193];
    memset(text, 'a', sizeof(text));
    assert_null(model_check_header_value(str_make(text, 8192)));
    assert_non_null(model_check_header_value(str_make(text, 8193)));
}

static void a_zero_byte_is_no_end(void **state)
{
    (void)state;
    static shape_check_fn *const checks[] = {
        model_check_id,          model_check_path, model_check_host_header,
        model_check_header_name, model_check_pin,  model_check_server_name,
        model_check_directory,   model_check_cidr, model_check_contact,
    };
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        AUTO(arena_free) struct arena *a = arena_new(4096, 65536);
        struct str value = STR("/a\0b");
        assert_non_null(checks[i](a, &value));
        value = STR("a\0b");
        assert_non_null(checks[i](a, &value));
    }
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_get_their_normal_form_or_are_refused),
        cmocka_unit_test(header_values_cannot_begin_a_new_line),
        cmocka_unit_test(a_zero_byte_is_no_end),
    };
    /* clang-format on */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
