#include "acme/dns_message.h"
#include "tests/support/asserts.h"

#define HEAD(flags, count) "\x12\x34" flags "\0\x01\0" count "\0\0\0\0"
#define ANSWER             "\x81\x80"
#define NAME               "\1a\4test\0"
#define ASKED(type)        NAME "\0" type "\0\1"
#define ASKED_CAA          NAME "\1\1\0\1"
#define SELF               "\xc0\x0c" /* points at the question's name */
#define IN(type)           "\0" type "\0\1\0\0\0\x3c\0"
#define CAA_IN             "\1\1\0\1\0\0\0\x3c\0"
#define A_RECORD           SELF IN("\1") "\4\xc0\0\2\1"

#define BYTES(...) .bytes = (__VA_ARGS__), .len = sizeof(__VA_ARGS__) - 1

static const struct {
    const char *name;
    const char *bytes;
    size_t len;
    enum dns_type type;
    const struct err_kind *const *kind;
    const char *want; /* rcode, alias, addresses, caas */
} cases[] = {
    {"an address", BYTES(HEAD(ANSWER, "\1") ASKED("\1") A_RECORD), DNS_A, NULL,
     "0  192.0.2.1 "},
    {"nothing", BYTES(HEAD(ANSWER, "\0") ASKED("\1")), DNS_A, NULL, "0  "},
    {"no such name", BYTES(HEAD("\x81\x83", "\0") ASKED("\1")), DNS_A, NULL, "3  "},
    {"a server that fails", BYTES(HEAD("\x81\x82", "\0") ASKED("\1")), DNS_A, NULL, "2  "},
    {"an IPv6 address",
     BYTES(HEAD(ANSWER, "\1") ASKED("\x1c")
               SELF IN("\x1c") "\x10\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"),
     DNS_AAAA, NULL, "0  2001:db8::1 "},
    {"an alias, and what it leads to, in another order and another case",
     BYTES(HEAD(ANSWER, "\2")
               ASKED("\1") "\1b\4TEST\0" IN("\1") "\4\xc0\0\2\2" SELF IN("\5") "\4\1B\xc0\x0e"),
     DNS_A, NULL, "0 b.test 192.0.2.2 "},
    {"an alias alone", BYTES(HEAD(ANSWER, "\1") ASKED("\1") SELF IN("\5") "\4\1b\xc0\x0e"),
     DNS_A, NULL, "0 b.test "},
    {"an address of another name does not count",
     BYTES(HEAD(ANSWER, "\1") ASKED("\1") "\1b\xc0\x0e" IN("\1") "\4\xc0\0\2\2"), DNS_A, NULL,
     "0  "},
    {"a record of another type or class does not count",
     BYTES(HEAD(ANSWER, "\2") ASKED("\1") SELF IN("\x10") "\2\1x" SELF
                                                          "\0\1\0\3\0\0\0\x3c\0\4\xc0\0\2\1"),
     DNS_A, NULL, "0  "},
    {"CAA", BYTES(HEAD(ANSWER, "\1") ASKED_CAA SELF CAA_IN "\x0f\0\5issueca.test;"), DNS_CAA,
     NULL, "0  issue=ca.test; "},
    {"a critical CAA tag", BYTES(HEAD(ANSWER, "\1") ASKED_CAA SELF CAA_IN "\7\x80\3tbsxy"),
     DNS_CAA, NULL, "0  !tbs=xy "},
    {"an empty CAA value, which is legal",
     BYTES(HEAD(ANSWER, "\1") ASKED_CAA SELF CAA_IN "\7\0\5issue"), DNS_CAA, NULL,
     "0  issue= "},
    {"a CAA tag without length", BYTES(HEAD(ANSWER, "\1") ASKED_CAA SELF CAA_IN "\3\0\0x"),
     DNS_CAA, &(const struct err_kind *){ERR_SYNTAX}, NULL},
    {"a CAA tag longer than its record",
     BYTES(HEAD(ANSWER, "\1") ASKED_CAA SELF CAA_IN "\5\0\5iss"), DNS_CAA,
     &(const struct err_kind *){ERR_SYNTAX}, NULL},
    {"a CAA record of one byte", BYTES(HEAD(ANSWER, "\1") ASKED_CAA SELF CAA_IN "\1\0"),
     DNS_CAA, &(const struct err_kind *){ERR_SYNTAX}, NULL},
    {"a question", BYTES(HEAD("\1\0", "\0") ASKED("\1")), DNS_A,
     &(const struct err_kind *){ERR_SYNTAX}, NULL},
    {"an answer that was cut", BYTES(HEAD("\x83\x80", "\0") ASKED("\1")), DNS_A,
     &(const struct err_kind *){ERR_SYNTAX}, NULL},
    {"fewer records than announced", BYTES(HEAD(ANSWER, "\2") ASKED("\1") A_RECORD), DNS_A,
     &(const struct err_kind *){ERR_SYNTAX}, NULL},
    {"an address of three bytes",
     BYTES(HEAD(ANSWER, "\1") ASKED("\1") SELF IN("\1") "\3\xc0\0\2"), DNS_A,
     &(const struct err_kind *){ERR_SYNTAX}, NULL},
    {"data beyond the end", BYTES(HEAD(ANSWER, "\1") ASKED("\1") SELF IN("\1") "\4\xc0\0"),
     DNS_A, &(const struct err_kind *){ERR_SYNTAX}, NULL},
    {"a name that points at itself",
     BYTES(HEAD(ANSWER, "\1") ASKED("\1") "\xc0\x18" IN("\1") "\4\xc0\0\2\1"), DNS_A,
     &(const struct err_kind *){ERR_SYNTAX}, NULL},
    {"a name that points ahead",
     BYTES(HEAD(ANSWER, "\1") ASKED("\1") "\xc0\xff" IN("\1") "\4\xc0\0\2\1"), DNS_A,
     &(const struct err_kind *){ERR_SYNTAX}, NULL},
    {"a label of a kind that does not exist",
     BYTES(HEAD(ANSWER, "\1") ASKED("\1") "\x40z\0" IN("\1") "\4\xc0\0\2\1"), DNS_A,
     &(const struct err_kind *){ERR_SYNTAX}, NULL},
    {"a control character in an alias",
     BYTES(HEAD(ANSWER, "\1") ASKED("\1") SELF IN("\5") "\4\1\n\xc0\x0e"), DNS_A,
     &(const struct err_kind *){ERR_SYNTAX}, NULL},
    {"aliases in a circle",
     BYTES(HEAD(ANSWER, "\2") ASKED("\1") SELF IN("\5") "\4\1b\xc0\x0e"
                                                        "\1b\xc0\x0e" IN("\5") "\2\xc0\x0c"),
     DNS_A, &(const struct err_kind *){ERR_LIMIT}, NULL},
    {"no bytes", BYTES(""), DNS_A, &(const struct err_kind *){ERR_SYNTAX}, NULL},
};

static struct str describe(struct arena *a, const struct dns_answer *answer)
{
    struct str text = arena_fmt(a, "%u %.*s ", answer->rcode, STR_ARG(answer->alias));
    for (size_t i = 0; i < answer->address_count; i++) {
        char address[IP_TEXT_BYTES];
        ip_print(answer->addresses[i], ip_is_mapped(answer->addresses[i]), address);
        text = arena_fmt(a, "%s%s ", text.p, address);
    }
    for (size_t i = 0; i < answer->caa_count; i++)
        text = arena_fmt(a, "%s%s%s=%s ", text.p, answer->caas[i].is_critical ? "!" : "",
                         answer->caas[i].tag.p, answer->caas[i].value.p);
    return text;
}

static void answers_are_read_or_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena *a = arena_new(4096, 1 << 20);
        struct dns_answer answer;
        /* An exact copy: a byte too far is seen by the address sanitizer. */
        char *exact = mem_dup(cases[i].bytes, cases[i].len);
        struct err e = dns_message_read(a, str_make(exact, cases[i].len), STR("a.test"),
                                        cases[i].type, &answer);
        assert_row_err(cases[i].name, e, cases[i].kind == NULL ? NULL : *cases[i].kind);
        if (!failed(e))
            assert_row_str(cases[i].name, describe(a, &answer), cases[i].want);
        mem_free(exact);
        arena_free(a);
    }
}

static void every_shorter_answer_is_refused(void **state)
{
    (void)state;
    struct arena *a = arena_new(4096, 1 << 20);
    struct dns_answer answer;
    for (size_t len = 0; len < cases[0].len; len++) {
        char *part = mem_dup(cases[0].bytes, len);
        assert_err(dns_message_read(a, str_make(part, len), STR("a.test"), DNS_A, &answer),
                   ERR_SYNTAX);
        mem_free(part);
    }
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_read_or_refused),
        cmocka_unit_test(every_shorter_answer_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
