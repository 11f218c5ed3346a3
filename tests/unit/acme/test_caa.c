#include "acme/caa.h"
#include "tests/support/asserts.h"

enum { PLAIN = 0, WILDCARD = 1, ACCOUNT = 2, NO_ISSUERS = 4 };

/* Levels are separated by '|', records by ' + ', a critical tag begins with '!'; "~" is a name
 * server that fails, "?" one that is silent, "-" a name that does not exist. */
static const struct {
    const char *name, *levels;
    enum caa_verdict want;
    const char *at; /* NULL: not looked at */
    unsigned how;
} cases[] = {
    {"no records at all", "||", CAA_ALLOWED, "", PLAIN},
    {"names that do not exist have none", "-|-|", CAA_ALLOWED, "", PLAIN},
    {"our CA", "issue ca.test||", CAA_ALLOWED, "w.a.test", PLAIN},
    {"our CA in capitals", "issue CA.Test||", CAA_ALLOWED, NULL, PLAIN},
    {"the tag in capitals", "ISSUE other.test||", CAA_FORBIDDEN, NULL, PLAIN},
    {"another CA", "issue other.test||", CAA_FORBIDDEN, "w.a.test", PLAIN},
    {"another CA and ours", "issue other.test + issue ca.test||", CAA_ALLOWED, NULL, PLAIN},
    {"nobody", "issue ;||", CAA_FORBIDDEN, NULL, PLAIN},
    {"an empty value", "issue ||", CAA_FORBIDDEN, NULL, PLAIN},
    {"a longer name than ours", "issue ca.test.evil||", CAA_FORBIDDEN, NULL, PLAIN},
    {"found one name up", "|issue other.test|", CAA_FORBIDDEN, "a.test", PLAIN},
    {"found at the top", "||issue other.test", CAA_FORBIDDEN, "test", PLAIN},
    {"the nearest decides", "issue ca.test|issue other.test|", CAA_ALLOWED, "w.a.test", PLAIN},
    {"only iodef: no restriction", "iodef mailto:x||", CAA_ALLOWED, "w.a.test", PLAIN},
    {"... and no climbing beyond it", "iodef mailto:x|issue other.test|", CAA_ALLOWED, NULL,
     PLAIN},
    {"issuewild does not concern a plain name", "issuewild ;||", CAA_ALLOWED, NULL, PLAIN},
    {"issuewild concerns a wildcard", "issue ca.test + issuewild ;||", CAA_FORBIDDEN, NULL,
     WILDCARD},
    {"without issuewild a wildcard goes by issue", "issue other.test||", CAA_FORBIDDEN, NULL,
     WILDCARD},
    {"an unknown tag", "contactemail x||", CAA_ALLOWED, NULL, PLAIN},
    {"an unknown tag that is critical", "issue ca.test + !tbs x||", CAA_FORBIDDEN, NULL, PLAIN},
    {"a known tag that is critical", "!issue ca.test||", CAA_ALLOWED, NULL, PLAIN},
    {"our method", "issue ca.test; validationmethods=http-01||", CAA_ALLOWED, NULL, PLAIN},
    {"our method among others", "issue ca.test;validationmethods=dns-01,http-01||", CAA_ALLOWED,
     NULL, PLAIN},
    {"a space inside a value, which the grammar forbids",
     "issue ca.test; validationmethods=dns-01, http-01||", CAA_FORBIDDEN, NULL, PLAIN},
    {"another method", "issue ca.test; validationmethods=dns-01||", CAA_FORBIDDEN, NULL, PLAIN},
    {"the method in another case", "issue ca.test; validationmethods=HTTP-01||", CAA_FORBIDDEN,
     NULL, PLAIN},
    {"our account", "issue ca.test; accounturi=https://ca.test/1||", CAA_ALLOWED, NULL,
     ACCOUNT},
    {"another account", "issue ca.test; accounturi=https://ca.test/2||", CAA_FORBIDDEN, NULL,
     ACCOUNT},
    {"an account, and we have none yet", "issue ca.test; accounturi=https://ca.test/1||",
     CAA_UNKNOWN, NULL, PLAIN},
    {"another account, and any account of ours",
     "issue ca.test; accounturi=https://ca.test/2 + issue ca.test||", CAA_ALLOWED, NULL,
     ACCOUNT},
    {"two accounts in one record",
     "issue ca.test; accounturi=https://ca.test/1; accounturi=https://ca.test/1||",
     CAA_FORBIDDEN, NULL, ACCOUNT},
    {"unknown parameters", "issue ca.test; policy=ev; x=1||", CAA_ALLOWED, NULL, PLAIN},
    {"a parameter without a value's sign", "issue ca.test; ev||", CAA_FORBIDDEN, NULL, PLAIN},
    {"white space in the name", "issue ca .test||", CAA_FORBIDDEN, NULL, PLAIN},
    {"SERVFAIL below what decides", "~|issue ca.test|", CAA_UNKNOWN, "w.a.test", PLAIN},
    {"SERVFAIL above what decides", "issue ca.test|~|", CAA_ALLOWED, NULL, PLAIN},
    {"silence above nothing", "|?|", CAA_UNKNOWN, "a.test", PLAIN},
    {"a CA that does not say its names", "issue ca.test||", CAA_UNKNOWN, NULL, NO_ISSUERS},
    {"... where nobody may", "issue ;||", CAA_FORBIDDEN, NULL, NO_ISSUERS},
};

static struct dns_caa read_record(struct arena *a, struct str text)
{
    struct dns_caa r = {.is_critical = str_starts(text, STR("!"))};
    struct str tag = STR_NONE, value = STR_NONE;
    (void)str_split(r.is_critical ? str_skip(text, 1) : text, ' ', &tag, &value);
    r.tag = arena_dup(a, tag);
    r.value = arena_dup(a, value);
    return r;
}

static void read_level(struct arena *a, struct str text, struct caa_level *to)
{
    struct dns_caa *records = arena_array(a, struct dns_caa, 8);
    to->records = records;
    to->outcome = str_eq(text, STR("~"))   ? DNS_BROKEN
                  : str_eq(text, STR("?")) ? DNS_SILENT
                  : str_eq(text, STR("-")) ? DNS_NO_NAME
                  : text.len == 0          ? DNS_NONE
                                           : DNS_FOUND;
    struct str item, rest = text;
    while (to->outcome == DNS_FOUND && str_next(&rest, '+', &item)) {
        struct str trimmed = item;
        while (str_starts(trimmed, STR(" ")))
            trimmed = str_skip(trimmed, 1);
        if (rest.p != NULL && str_ends(trimmed, STR(" ")))
            trimmed.len--;
        records[to->count++] = read_record(a, trimmed);
    }
}

static void records_decide(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena *a = arena_new(4096, 1 << 20);
        struct caa_level levels[3] = {{.name = STR_LIT("w.a.test")},
                                      {.name = STR_LIT("a.test")},
                                      {.name = STR_LIT("test")}};
        struct str rest = str_from(cases[i].levels), text, ours = STR("ca.test");
        for (size_t k = 0; k < 3 && str_next(&rest, '|', &text); k++)
            read_level(a, text, &levels[k]);
        struct caa_request q = {
            .issuers = {.items = &ours, .count = (cases[i].how & NO_ISSUERS) != 0 ? 0 : 1},
            .method = STR("http-01"),
            .account_url = (cases[i].how & ACCOUNT) != 0 ? STR("https://ca.test/1") : STR_NONE,
            .is_wildcard = (cases[i].how & WILDCARD) != 0};
        struct caa_judgement got;
        caa_judge(a, levels, 3, &q, &got);
        assert_row_u64(cases[i].name, got.verdict, cases[i].want);
        assert_row(cases[i].name, got.words.len > 0);
        if (cases[i].at != NULL)
            assert_row_str(cases[i].name, got.name, cases[i].at);
        arena_free(a);
    }
}

static void parents_end_at_the_top(void **state)
{
    (void)state;
    assert_str(caa_parent(STR("w.a.test")), "a.test");
    assert_str(caa_parent(STR("test")), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_decide),
        cmocka_unit_test(parents_end_at_the_top),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
