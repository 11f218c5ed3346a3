#include "gateway/stream/share.h"
#include "tests/support/asserts.h"

#include <stdio.h>

/* ---- a port and its shares ---- */

static const struct str turn_name[] = {STR_LIT("turn.example.org")};
static const struct str inner_names[] = {STR_LIT("mail.example.org"),
                                         STR_LIT("xmpp.example.org")};
static const struct str wild_name[] = {STR_LIT("*.example.org")};
static const struct str turn_protocols[] = {STR_LIT("stun.turn"),
                                            STR_LIT("stun.nat-discovery")};
static const struct str imap_protocol[] = {STR_LIT("imap")};

enum { INNER, TURN, IMAP, WILD, SSH, STUN, SHARE_COUNT };

static const char *const names[] = {"inner", "turn", "imap", "wild", "ssh", "stun"};

static const struct share shares[SHARE_COUNT] = {
    [INNER] = {.names = inner_names, .name_count = 2},
    [TURN] = {.protocols = turn_protocols,
              .protocol_count = 2,
              .first_bytes = FIRST_BYTES_STUN,
              .is_terminated = true},
    [IMAP] = {.names = turn_name,
              .name_count = 1,
              .protocols = imap_protocol,
              .protocol_count = 1,
              .is_terminated = true},
    [WILD] = {.names = wild_name, .name_count = 1},
    [SSH] = {.first_bytes = FIRST_BYTES_SSH},
    [STUN] = {.first_bytes = FIRST_BYTES_STUN},
};

/* Routes: cloud.example.org and *.example.net. */
static enum share_rank rank_route(void *arg, struct str host)
{
    (void)arg;
    if (str_eq(host, STR("cloud.example.org")))
        return SHARE_RANK_EXACT;
    return str_ends(host, STR(".example.net")) ? SHARE_RANK_WILDCARD : SHARE_RANK_NONE;
}

static const struct share_set set = {
    .items = shares, .count = SHARE_COUNT, .rank_route = rank_route};

static const char *name_of(const struct share *s)
{
    return s == NULL ? "HTTP" : names[s - shares];
}

/* ---- ClientHellos ---- */

static size_t put_extension(char *at, unsigned type, unsigned list_head, const char *body,
                            size_t len)
{
    size_t all = list_head + len;
    char head[] = {(char)(type >> 8), (char)type, (char)(all >> 8), (char)all};
    memcpy(at, head, 4);
    memcpy(at + 4 + list_head, body, len);
    return 4 + all;
}

/* alpn: names with a space behind each. */
static struct str make_hello(const char *sni, const char *alpn, char text[1024])
{
    char list[256], *at = text + 9 + 34;
    size_t sni_len = strlen(sni), len = 0;
    struct str rest = str_from(alpn), name;
    memset(text, 0, 1024);
    memcpy(at, "\0\0\2\x13\1\1\0", 7);
    char *start = at + 7 + 2, *end = start;
    if (sni_len > 0) {
        end += put_extension(end, 0, 5, sni, sni_len);
        end[-(ptrdiff_t)sni_len - 4] = (char)(sni_len + 3);
        end[-(ptrdiff_t)sni_len - 1] = (char)sni_len;
    }
    while (rest.len > 0 && str_split(rest, ' ', &name, &rest)) {
        list[len++] = (char)name.len;
        memcpy(list + len, name.p, name.len);
        len += name.len;
    }
    if (len > 0) {
        end += put_extension(end, 16, 2, list, len);
        end[-(ptrdiff_t)len - 1] = (char)len;
    }
    size_t size = (size_t)(end - text);
    start[-2] = (char)((size_t)(end - start) >> 8);
    start[-1] = (char)(end - start);
    memcpy(text, "\x16\3\1", 3);
    text[3] = (char)((size - 5) >> 8);
    text[4] = (char)(size - 5);
    text[5] = 1;
    text[7] = (char)((size - 9) >> 8);
    text[8] = (char)(size - 9);
    text[9] = text[10] = 3;
    return str_make(text, size);
}

static const struct {
    const char *name, *sni, *alpn, *want;
} hellos[] = {
    {"a name of one's own", "mail.example.org", "", "inner"},
    {"in capitals, with a dot", "Mail.Example.ORG.", "", "inner"},
    {"the second name", "xmpp.example.org", "", "inner"},
    {"whatever it offers", "mail.example.org", "h2 http/1.1 ", "inner"},
    {"a name beats a protocol", "mail.example.org", "stun.turn ", "inner"},
    {"a wildcard", "other.example.org", "", "wild"},
    {"... of one label", "a.b.example.org", "", "HTTP"},
    {"... and not of none", "example.org", "", "HTTP"},
    {"a route is more exact than a wildcard", "cloud.example.org", "h2 ", "HTTP"},
    {"a protocol says more than a route", "cloud.example.org", "stun.turn ", "turn"},
    {"a protocol under a route's wildcard", "x.example.net", "h2 stun.nat-discovery ", "turn"},
    {"a wildcard beats a protocol without a name", "x.example.org", "stun.turn ", "wild"},
    {"a protocol at its name", "turn.example.org", "imap ", "imap"},
    {"a protocol at another name", "x.example.net", "imap ", "HTTP"},
    {"its name without its protocol", "turn.example.org", "h2 ", "wild"},
    {"nobody's name", "x.example.net", "h2 http/1.1 ", "HTTP"},
    {"nothing said: inside it may be told", "x.example.net", "", "HTTP"},
    {"no name, a protocol", "", "stun.turn ", "turn"},
    {"no name, no protocol", "", "", "HTTP"},
};

static char room[CLIENT_HELLO_MAX_BYTES];

static void a_client_hello_decides(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(hellos); i++) {
        char text[1024];
        const struct share *got = NULL;
        struct str hello = make_hello(hellos[i].sni, hellos[i].alpn, text);
        assert_ok(share_choose(&set, hello, room, &got));
        assert_row_str(hellos[i].name, str_from(name_of(got)), hellos[i].want);
        assert_err(share_choose(&set, str_sub(hello, 0, hello.len - 1), room, &got), ERR_AGAIN);
    }
}

static void what_is_no_tls_is_told_by_its_kind(void **state)
{
    (void)state;
    static const struct {
        struct str bytes;
        const char *want;
    } rows[] = {
        {STR_LIT("SSH-2.0-x"), "ssh"},
        {STR_LIT("\x00\x01\x00\x00\x21\x12\xa4\x42"), "stun"},
        {STR_LIT("GET / HTTP/1.1"), "HTTP"},
        {STR_LIT("\x01\x01\x01\x01"), "HTTP"},
        {STR_LIT("hello"), "HTTP"},
    };
    const struct share *got = NULL;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_ok(share_choose(&set, rows[i].bytes, room, &got));
        assert_string_equal(name_of(got), rows[i].want);
    }
    assert_err(share_choose(&set, STR("S"), room, &got), ERR_AGAIN);
    assert_err(share_choose(&set, STR(""), room, &got), ERR_AGAIN);
    assert_err(share_choose(&set, STR("\x16\x03\x01\x00\x00"), room, &got), ERR_CLIENT_HELLO);
    assert_string_equal(name_of(share_choose_silent(&set)), "ssh");
    static const struct share_set without = {
        .items = shares, .count = SSH, .rank_route = rank_route};
    assert_string_equal(name_of(share_choose_silent(&without)), "HTTP");
    assert_ok(share_choose(&without, STR("SSH-2.0-x"), room, &got));
    assert_string_equal(name_of(got), "HTTP");
}

static void inside_the_first_bytes_tell(void **state)
{
    (void)state;
    static const struct str stun = STR_LIT("\x00\x01\x00\x00\x21\x12\xa4\x42");
    const struct share *got = NULL;
    assert_ok(share_choose_inside(&set, STR("cloud.example.org"), stun, &got));
    assert_string_equal(name_of(got), "turn");
    assert_ok(share_choose_inside(&set, STR(""), stun, &got));
    assert_string_equal(name_of(got), "turn");
    assert_ok(share_choose_inside(&set, STR(""), STR("SSH-2.0"), &got)); /* not terminated */
    assert_string_equal(name_of(got), "HTTP");
    assert_ok(share_choose_inside(&set, STR(""), STR("GET / HTTP/1.1"), &got));
    assert_string_equal(name_of(got), "HTTP");
    assert_err(share_choose_inside(&set, STR(""), STR("\0"), &got), ERR_AGAIN);
    /* Names restrict here too. */
    static const struct share named = {.names = turn_name,
                                       .name_count = 1,
                                       .first_bytes = FIRST_BYTES_STUN,
                                       .is_terminated = true};
    static const struct share_set only = {
        .items = &named, .count = 1, .rank_route = rank_route};
    assert_ok(share_choose_inside(&only, STR("TURN.example.org"), stun, &got));
    assert_ptr_equal(got, &named);
    assert_ok(share_choose_inside(&only, STR("cloud.example.org"), stun, &got));
    assert_null(got);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_hello_decides),
        cmocka_unit_test(what_is_no_tls_is_told_by_its_kind),
        cmocka_unit_test(inside_the_first_bytes_tell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
