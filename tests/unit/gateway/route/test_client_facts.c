#include "gateway/route/client_facts.h"
#include "tests/support/asserts.h"
#include "tests/support/temp_config.h"

#include <arpa/inet.h>
#include <stdio.h>

static struct temp_store t;
static struct arena *a;

static int set_up(void **state)
{
    (void)state;
    temp_store_init(&t);
    a = arena_new(64 * 1024, 1024 * 1024);
    temp_config_settings(&t,
                         "{'trusted_proxies': ['10.0.0.0/8', '192.0.2.1', '2001:db8::/32']}");
    return a == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(a);
    temp_store_fini(&t);
    return 0;
}

/* "Name: value\nName: value" to a list. */
static struct http_fields read_fields(const char *text)
{
    struct http_fields f = {0};
    struct str rest = str_from(text), line, name, value;
    while (str_next(&rest, '\n', &line)) {
        if (str_split(line, ':', &name, &value))
            assert_ok(http_fields_add(&f, a, name, str_trim(value)));
    }
    return f;
}

static const struct {
    const char *name, *peer, *fields;
    const char *want_address, *want_host;
    bool want_https;
} facts_rows[] = {
    {"nothing said: the connection's own facts", "198.51.100.7", "", "198.51.100.7",
     "a.example", false},
    {"a stranger is not believed", "198.51.100.7",
     "X-Forwarded-For: 1.2.3.4\nX-Forwarded-Proto: https\nX-Forwarded-Host: evil.example",
     "198.51.100.7", "a.example", false},
    {"a trusted proxy is believed", "10.1.2.3",
     "X-Forwarded-For: 1.2.3.4\nX-Forwarded-Proto: https\nX-Forwarded-Host: b.example:444",
     "1.2.3.4", "b.example:444", true},
    {"a trusted IPv6 proxy", "2001:db8::1", "X-Forwarded-For: 1.2.3.4", "1.2.3.4", "a.example",
     false},
    {"the block next to the trusted one", "11.0.0.0", "X-Forwarded-For: 1.2.3.4", "11.0.0.0",
     "a.example", false},
    {"an address trusted by itself, and its neighbour", "192.0.2.2", "X-Forwarded-For: 1.2.3.4",
     "192.0.2.2", "a.example", false},
    {"the right-most stranger asked, not the left-most", "10.1.2.3",
     "X-Forwarded-For: 6.6.6.6, 1.2.3.4", "1.2.3.4", "a.example", false},
    {"trusted proxies are walked over", "10.1.2.3",
     "X-Forwarded-For: 6.6.6.6, 1.2.3.4, 10.9.9.9, 2001:db8::5", "1.2.3.4", "a.example", false},
    {"only trusted proxies: the first of them", "10.1.2.3",
     "X-Forwarded-For: 10.0.0.1, 10.0.0.2", "10.0.0.1", "a.example", false},
    {"several lines are one list", "10.1.2.3",
     "X-Forwarded-For: 6.6.6.6\nX-Other: x\nX-Forwarded-For: 1.2.3.4", "1.2.3.4", "a.example",
     false},
    {"a trusted last line leads to the line before", "10.1.2.3",
     "X-Forwarded-For: 6.6.6.6, 1.2.3.4\nx-forwarded-for: 10.0.0.2", "1.2.3.4", "a.example",
     false},
    {"ports and brackets are taken off", "10.1.2.3",
     "X-Forwarded-For: 1.2.3.4:5678, [2001:db8::9]:443, [2001:db8::8]", "1.2.3.4", "a.example",
     false},
    {"an IPv6 client", "10.1.2.3", "X-Forwarded-For: [2a00::1]:443", "2a00::1", "a.example",
     false},
    {"an IPv6 client without brackets", "10.1.2.3", "X-Forwarded-For: 2a00::1", "2a00::1",
     "a.example", false},
    {"a trusted address in its mapped form is the same address", "10.1.2.3",
     "X-Forwarded-For: 1.2.3.4, ::ffff:10.0.0.7", "1.2.3.4", "a.example", false},
    {"what is no address ends the search", "10.1.2.3",
     "X-Forwarded-For: 1.2.3.4, unknown, 10.0.0.2", "10.0.0.2", "a.example", false},
    {"an empty element counts for nothing", "10.1.2.3", "X-Forwarded-For: 1.2.3.4, , 10.0.0.2,",
     "1.2.3.4", "a.example", false},
    {"rubbish behind a bracket is no port", "10.1.2.3", "X-Forwarded-For: [2a00::1]x",
     "10.1.2.3", "a.example", false},
    {"rubbish behind an address is no port", "10.1.2.3", "X-Forwarded-For: 1.2.3.4:x",
     "10.1.2.3", "a.example", false},
    {"the scheme of the last line", "10.1.2.3",
     "X-Forwarded-Proto: http\nX-Forwarded-Proto: https", "10.1.2.3", "a.example", true},
    {"a chain of trusted proxies over several lines", "10.1.2.3",
     "X-Forwarded-For: 10.0.0.9, 10.0.0.1\nX-Forwarded-For: 10.0.0.2", "10.0.0.9", "a.example",
     false},

    {"RFC 7239: Forwarded", "10.1.2.3",
     "Forwarded: for=1.2.3.4;proto=https;host=\"b.example:444\"", "1.2.3.4", "b.example:444",
     true},
    {"Forwarded of a stranger", "198.51.100.7", "Forwarded: for=1.2.3.4;proto=https",
     "198.51.100.7", "a.example", false},
    {"Forwarded counts only where there is no X-Forwarded", "10.1.2.3",
     "Forwarded: for=1.2.3.4;proto=https\nX-Forwarded-For: 5.6.7.8", "5.6.7.8", "a.example",
     false},
    {"not even for what X-Forwarded leaves open", "10.1.2.3",
     "Forwarded: for=1.2.3.4\nX-Forwarded-Proto: https", "10.1.2.3", "a.example", true},
    {"Forwarded from the right, each client with its scheme", "10.1.2.3",
     "Forwarded: for=6.6.6.6, for=1.2.3.4;proto=https\nforwarded: "
     "For=\"[2001:db8::5]:80\";proto=http",
     "1.2.3.4", "a.example", true},
    {"the scheme of whom we do not believe is not believed", "10.1.2.3",
     "Forwarded: for=6.6.6.6;proto=https, for=1.2.3.4;proto=http", "1.2.3.4", "a.example",
     false},
    {"a hidden client", "10.1.2.3", "Forwarded: for=1.2.3.4, for=_hidden;proto=https",
     "10.1.2.3", "a.example", true},
    {"an unknown client", "10.1.2.3", "Forwarded: for=unknown", "10.1.2.3", "a.example", false},
    {"malformed anywhere: none of it", "10.1.2.3", "Forwarded: for=\"x, for=1.2.3.4",
     "10.1.2.3", "a.example", false},
    {"an empty line", "10.1.2.3", "X-Forwarded-For: ", "10.1.2.3", "a.example", false},
    {"a bracket without its partner", "10.1.2.3", "X-Forwarded-For: [2a00::1", "10.1.2.3",
     "a.example", false},
    {"an address too long to be one", "10.1.2.3",
     "X-Forwarded-For: 1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb", "10.1.2.3",
     "a.example", false},
    {"an alias of the field is not read", "10.1.2.3",
     "X_Forwarded_For: 1.2.3.4\nX.Forwarded.Proto: https", "10.1.2.3", "a.example", false},
    {"a scheme in another case", "10.1.2.3", "X-Forwarded-Proto: HTTPS", "10.1.2.3",
     "a.example", true},
    {"another scheme", "10.1.2.3", "X-Forwarded-Proto: httpsx", "10.1.2.3", "a.example", false},
    {"an empty host is no host", "10.1.2.3", "X-Forwarded-Host: ", "10.1.2.3", "a.example",
     false},
    {"a list of hosts is no host", "10.1.2.3", "X-Forwarded-Host: b.example, c.example",
     "10.1.2.3", "a.example", false},
    {"a quote would break out of Forwarded", "10.1.2.3",
     "X-Forwarded-Host: b.example\";for=1.2.3.4;x=\"", "10.1.2.3", "a.example", false},
};

static void read_peer(const char *text, unsigned char address[16])
{
    char mapped[64];
    (void)snprintf(mapped, sizeof(mapped), "%s%s", strchr(text, ':') ? "" : "::ffff:", text);
    assert_int_equal(inet_pton(AF_INET6, mapped, address), 1);
}

static void only_trusted_proxies_are_believed(void **state)
{
    (void)state;
    const struct snapshot *snap = store_snapshot(t.store);
    for (size_t i = 0; i < ARRAY_LEN(facts_rows); i++) {
        const char *row = facts_rows[i].name;
        unsigned char peer[16];
        read_peer(facts_rows[i].peer, peer);
        struct http_head request = {.authority = STR("a.example"),
                                    .fields = read_fields(facts_rows[i].fields)};
        struct client_facts facts = {.address = str_from(facts_rows[i].peer)};
        client_facts_read(snapshot_settings(snap), peer, &request, &facts);
        assert_row_str(row, facts.address, facts_rows[i].want_address);
        assert_row_str(row, facts.host, facts_rows[i].want_host);
        assert_row(row, facts.is_https == facts_rows[i].want_https);
    }
    snapshot_unref(snap);
}

static const struct {
    const char *name, *peer, *fields;
    unsigned port;
    const char *public_port, *host_name, *request_id;
} more_rows[] = {
    {"the connection's own", "198.51.100.7", "X-Request-Id: spoofed", 1234, "80", "a.example",
     ""},
    {"another address: its port is not known", "10.1.2.3", "X-Forwarded-For: 1.2.3.4", 0, "80",
     "a.example", ""},
    {"the port a proxy tells", "10.1.2.3", "X-Forwarded-For: 1.2.3.4:5678", 5678, "80",
     "a.example", ""},
    {"... in brackets", "10.1.2.3", "X-Forwarded-For: [2a00::1]:5679", 5679, "80", "a.example",
     ""},
    {"... by Forwarded", "10.1.2.3", "Forwarded: for=\"1.2.3.4:5678\"", 5678, "80", "a.example",
     ""},
    {"a trusted proxy that is the client itself", "10.1.2.3", "", 1234, "80", "a.example", ""},
    {"the scheme says the port", "10.1.2.3", "X-Forwarded-Proto: https", 1234, "443",
     "a.example", ""},
    {"the authority says the port", "10.1.2.3", "X-Forwarded-Host: b.example:81", 1234, "81",
     "b.example", ""},
    {"an IPv6 authority", "10.1.2.3", "X-Forwarded-Host: [::1]", 1234, "80", "[::1]", ""},
    {"... with a port", "10.1.2.3", "X-Forwarded-Host: [::1]:82", 1234, "82", "[::1]", ""},
    {"X-Forwarded-Port beats both", "10.1.2.3", "X-Forwarded-Port: 8443", 1234, "8443",
     "a.example", ""},
    {"a port that is none", "10.1.2.3", "X-Forwarded-Port: 0", 1234, "80", "a.example", ""},
    {"a request id", "10.1.2.3", "X-Request-Id: 0af7-6519:x", 1234, "80", "a.example",
     "0af7-6519:x"},
    {"a request id with a space", "10.1.2.3", "X-Request-Id: a b", 1234, "80", "a.example", ""},
    {"a request id beyond ASCII", "10.1.2.3", "X-Request-Id: \xc3\xa4", 1234, "80", "a.example",
     ""},
    {"two request ids", "10.1.2.3", "X-Request-Id: a\nX-Request-Id: b", 1234, "80", "a.example",
     ""},
    {"no request id", "10.1.2.3", "X-Request-Id:", 1234, "80", "a.example", ""},
};

static void ports_names_and_ids_are_told(void **state)
{
    (void)state;
    const struct snapshot *snap = store_snapshot(t.store);
    for (size_t i = 0; i < ARRAY_LEN(more_rows); i++) {
        const char *row = more_rows[i].name;
        unsigned char peer[16];
        read_peer(more_rows[i].peer, peer);
        struct http_head request = {.authority = STR("a.example"),
                                    .fields = read_fields(more_rows[i].fields)};
        struct client_facts facts = {.address = str_from(more_rows[i].peer), .port = 1234};
        client_facts_read(snapshot_settings(snap), peer, &request, &facts);
        assert_row_u64(row, facts.port, more_rows[i].port);
        assert_row_str(row, client_facts_port(&facts), more_rows[i].public_port);
        assert_row_str(row, client_facts_host_name(&facts), more_rows[i].host_name);
        assert_row_str(row, facts.request_id, more_rows[i].request_id);
    }
    snapshot_unref(snap);
}

static void a_request_id_has_128_characters_at_most(void **state)
{
    (void)state;
    const struct snapshot *snap = store_snapshot(t.store);
    unsigned char peer[16];
    read_peer("10.1.2.3", peer);
    for (size_t len = 128; len <= 129; len++) {
        char line[256];
        (void)snprintf(line, sizeof(line), "X-Request-Id: %0*d", (int)len, 7);
        struct http_head request = {.fields = read_fields(line)};
        struct client_facts facts = {.address = STR("10.1.2.3")};
        client_facts_read(snapshot_settings(snap), peer, &request, &facts);
        assert_int_equal(facts.request_id.len, len == 128 ? 128 : 0);
    }
    snapshot_unref(snap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_trusted_proxies_are_believed),
        cmocka_unit_test(ports_names_and_ids_are_told),
        cmocka_unit_test(a_request_id_has_128_characters_at_most),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
