#include "acme/problem.h"
#include "tests/support/fake_clock.h"
#include "tests/support/unit.h"

#include "gateway/base/limits.h"

#include <stdlib.h>

static struct arena *scratch;
static struct fake_clock fake;

static int set_up(void **state)
{
    (void)state;
    scratch = arena_new(4096, 8 * MIB);
    fake_clock_use(&fake, 1790000000);
    return scratch == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    fake_clock_restore();
    arena_free(scratch);
    return 0;
}

#define URN "urn:ietf:params:acme:error:"

/* clang-format off */
static const struct {
    const char *name;
    unsigned status;
    const char *content_type, *body, *type, *detail;
} replies[] = {
    {"as the RFC says", 400, "application/problem+json",
     "{\"type\":\"" URN "malformed\",\"detail\":\"bad\"}", URN "malformed", "bad"},
    {"B18: with a charset", 400, "application/problem+json; charset=utf-8",
     "{\"type\":\"" URN "malformed\",\"detail\":\"bad\"}", URN "malformed", "bad"},
    {"with a wrong type of body", 400, "text/plain",
     "{\"type\":\"" URN "caa\",\"detail\":\"x\"}", URN "caa", "x"},
    {"without a type", 500, "application/problem+json", "{\"detail\":\"oops\"}", "", "oops"},
    {"without a detail", 500, "application/problem+json",
     "{\"type\":\"" URN "serverInternal\"}", URN "serverInternal",
     "the CA answered with status 500 and no explanation"},
    {"a page", 502, "text/html", "<html>Bad Gateway</html>", "",
     "the CA answered with status 502 and no explanation"},
    {"nothing", 503, "", "", "", "the CA answered with status 503 and no explanation"},
    {"members of the wrong type", 400, "", "{\"type\":7,\"detail\":[],\"status\":\"x\"}", "",
     "the CA answered with status 400 and no explanation"},
    {"a list", 400, "", "[1,2]", "", "the CA answered with status 400 and no explanation"},
};
/* clang-format on */

static void any_error_answer_gives_a_problem(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(replies); i++) {
        struct fetch_reply reply = {.status = replies[i].status,
                                    .content_type = str_from(replies[i].content_type),
                                    .body = str_from(replies[i].body)};
        struct problem p;
        problem_read(scratch, &reply, &p);
        if (!str_eq(p.type, str_from(replies[i].type)) ||
            !str_eq(p.detail, str_from(replies[i].detail)) || p.status != replies[i].status)
            fail_msg("%s: %.*s", replies[i].name, STR_ARG(p.detail));
    }
}

#define PAUSE                                                                                  \
    "Your account is temporarily prevented from requesting certificates for a.example and "    \
    "possibly others. Please visit: https://portal.ca.test/sfe/v1/unpause?jwt=x.y_z-1."
#define SET                                                                                    \
    "too many certificates (5) already issued for this exact set of identifiers in the last "  \
    "168h0m0s, retry after 2026-01-01 00:00:00 UTC: see https://ca.test/limits/#set"

/* clang-format off */
static const struct {
    const char *name, *detail, *retry_after, *page;
    const struct err_kind *want;
    bool is_about_names;
} limits[] = {
    {"paused", PAUSE, "", "https://portal.ca.test/sfe/v1/unpause?jwt=x.y_z-1", ERR_ACME_PAUSED,
     true},
    {"a limit with an end is no pause", PAUSE, "60",
     "https://portal.ca.test/sfe/v1/unpause?jwt=x.y_z-1", ERR_ACME_RATE_LIMITED, true},
    {"nor one that says it in words", SET, "", "https://ca.test/limits/#set",
     ERR_ACME_RATE_LIMITED, true},
    {"the set", SET, "3600", "https://ca.test/limits/#set", ERR_ACME_RATE_LIMITED, true},
    {"the domain", "too many certificates (50) already issued for \"example.org\"", "60", "",
     ERR_ACME_RATE_LIMITED, true},
    {"the account", "too many new orders (300) from this account in the last 3h0m0s", "60", "",
     ERR_ACME_RATE_LIMITED, false},
    {"nothing is said", "", "", "", ERR_ACME_RATE_LIMITED, false},
    {"no address at all", "see https://", "", "", ERR_ACME_RATE_LIMITED, false},
};
/* clang-format on */

static void limits_say_whom_they_are_about(void **state)
{
    (void)state;
    struct str items[] = {STR("a.example"), STR("www.shop.example.org")};
    struct str_list names = {.items = items, .count = 2};
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        AUTO(json_decref)
        json_t *doc =
            json_pack("{s:s, s:s}", "type", URN "rateLimited", "detail", limits[i].detail);
        char *text = json_dumps(doc, 0);
        struct fetch_reply reply = {.status = 429,
                                    .retry_after = str_from(limits[i].retry_after),
                                    .body = str_from(text)};
        struct problem p;
        problem_read(scratch, &reply, &p);
        struct err e = problem_err(&p);
        if (!err_is(e, limits[i].want) || !str_eq(p.instance, str_from(limits[i].page)) ||
            problem_is_about(&p, &names) != limits[i].is_about_names)
            fail_msg("%s: %s, %.*s", limits[i].name, err_name(e), STR_ARG(p.instance));
        free(text);
    }
    struct problem busy = {.status = 503, .detail = STR("a.example")};
    assert_false(problem_is_about(&busy, &names));
    struct problem parts = {.status = 429, .subproblems = STR("[{}]")};
    assert_true(problem_is_about(&parts, &names));
}

/* clang-format off */
static const struct {
    const char *name, *type;
    unsigned status;
    const char *retry_after;
    const struct err_kind *want;
    enum problem_class class;
} kinds[] = {
    {"nonce", URN "badNonce", 400, "", ERR_ACME_BAD_NONCE, PROBLEM_SOON},
    {"account", URN "accountDoesNotExist", 400, "", ERR_ACME_NO_ACCOUNT, PROBLEM_SOON},
    {"new terms", URN "userActionRequired", 403, "", ERR_ACME_TOS, PROBLEM_HUMAN},
    {"terms, as pebble says it", URN "agreementRequired", 403, "", ERR_ACME_TOS, PROBLEM_HUMAN},
    {"rate limit", URN "rateLimited", 429, "3600", ERR_ACME_RATE_LIMITED, PROBLEM_WAIT},
    {"rate limit without a type", "", 429, "", ERR_ACME_RATE_LIMITED, PROBLEM_WAIT},
    {"busy", "", 503, "60", ERR_ACME_RATE_LIMITED, PROBLEM_WAIT},
    {"down", "", 503, "", ERR_ACME_PROBLEM, PROBLEM_SOON},
    {"internal", URN "serverInternal", 500, "60", ERR_ACME_PROBLEM, PROBLEM_SOON},
    {"refused name", URN "rejectedIdentifier", 400, "", ERR_ACME_PROBLEM, PROBLEM_INPUT},
    {"CAA", URN "caa", 403, "", ERR_ACME_PROBLEM, PROBLEM_INPUT},
    {"contact", URN "invalidContact", 400, "", ERR_ACME_PROBLEM, PROBLEM_INPUT},
    {"closed account", URN "unauthorized", 403, "", ERR_ACME_PROBLEM, PROBLEM_HUMAN},
    {"binding", URN "externalAccountRequired", 403, "", ERR_ACME_PROBLEM, PROBLEM_HUMAN},
    {"unknown", "https://ca.test/strange", 418, "", ERR_ACME_PROBLEM, PROBLEM_SOON},
    {"almost", "urn:ietf:params:acme:errorXcaa", 400, "", ERR_ACME_PROBLEM, PROBLEM_SOON},
};
/* clang-format on */

static void a_problem_has_a_kind_and_a_class(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct fetch_reply reply = {.status = kinds[i].status,
                                    .retry_after = str_from(kinds[i].retry_after),
                                    .body =
                                        arena_fmt(scratch, "{\"type\":\"%s\"}", kinds[i].type)};
        struct problem p;
        problem_read(scratch, &reply, &p);
        struct err e = problem_err(&p);
        if (!err_is(e, kinds[i].want) || problem_classify(e, &p) != kinds[i].class)
            fail_msg("%s: %s, %s", kinds[i].name, err_name(e),
                     problem_class_name(problem_classify(e, &p)));
    }
}

static void validation_is_a_class_of_its_own(void **state)
{
    (void)state;
    struct problem p = {.type = STR(URN "unauthorized")};
    assert_int_equal(problem_classify(fail(ERR_ACME_INVALID, 0), &p), PROBLEM_VALIDATION);
    p.type = STR(URN "caa");
    assert_int_equal(problem_classify(fail(ERR_ACME_INVALID, 0), &p), PROBLEM_INPUT);
    p.type = STR_NONE;
    assert_int_equal(problem_classify(fail(ERR_ACME_CERTIFICATE, 0), &p), PROBLEM_VALIDATION);
    assert_int_equal(problem_classify(fail(ERR_ACME_NETWORK, 7), &p), PROBLEM_SOON);
    assert_int_equal(problem_classify(fail(ERR_ACME_SETTINGS, 0), &p), PROBLEM_HUMAN);
}

static void retry_after_is_kept(void **state)
{
    (void)state;
    struct problem p;
    problem_read(scratch, &(struct fetch_reply){.status = 429, .retry_after = STR("120")}, &p);
    assert_int_equal(p.wait_ms, 120000);
    problem_read(scratch, &(struct fetch_reply){.status = 429, .retry_after = STR("999999999")},
                 &p);
    assert_int_equal(p.wait_ms, 7ull * 24 * 3600 * 1000);
}

static void long_words_are_cut_between_characters(void **state)
{
    (void)state;
    assert_int_equal(problem_cut(STR("abc"), 3).len, 3);
    assert_int_equal(problem_cut(STR("abc"), 2).len, 2);
    assert_int_equal(problem_cut(STR("a\xc3\xa9"), 2).len, 1);
    assert_int_equal(problem_cut(STR("\xf0\x9f\x98\x80x"), 3).len, 0);

    struct buf body;
    buf_init(&body, MIB);
    assert_false(failed(buf_append(&body, STR("{\"detail\":\"x"))));
    for (int i = 0; i < 10000; i++)
        assert_false(failed(buf_append(&body, STR("\xc3\xa9"))));
    assert_false(failed(buf_append(&body, STR("\"}"))));
    struct problem p;
    problem_read(scratch, &(struct fetch_reply){.status = 400, .body = buf_view(&body)}, &p);
    assert_int_equal(p.detail.len, ACME_WORDS_MAX_BYTES - 1);
    assert_true(problem_to_text(scratch, &p, 0, STR_NONE).len > ACME_WORDS_MAX_BYTES);
    buf_fini(&body);
}

static void the_stored_text_has_the_cas_own_words(void **state)
{
    (void)state;
    struct fetch_reply reply = {
        .status = 403,
        .body = STR("{\"type\":\"" URN
                    "compound\",\"title\":\"T\",\"detail\":\"D\",\"subproblems\":["
                    "{\"type\":\"" URN "caa\",\"detail\":\"no\",\"junk\":[1],"
                    "\"identifier\":{\"type\":\"dns\",\"value\":\"b.example\"}},7]}")};
    struct problem p;
    problem_read(scratch, &reply, &p);
    struct str text = problem_to_text(scratch, &p, 1790000000, STR("https://ca.test/dir"));
    assert_true(str_eq(
        text,
        STR("{\"type\":\"" URN "compound\",\"title\":\"T\",\"detail\":\"D\",\"status\":403,"
            "\"subproblems\":[{\"type\":\"" URN "caa\",\"detail\":\"no\",\"identifier\":{"
            "\"type\":\"dns\",\"value\":\"b.example\"}},{}],"
            "\"url\":\"https://ca.test/dir\",\"at\":\"2026-09-21T14:13:20Z\"}")));
}

static void our_own_words_have_the_same_form(void **state)
{
    (void)state;
    struct problem p;
    problem_set(&p, fail(ERR_ACME_NETWORK, 7), STR("connection refused"));
    assert_true(
        str_eq(problem_to_text(scratch, &p, 1790000000, STR_NONE),
               STR("{\"type\":\"urn:gatehouse:problem:acme_network\",\"title\":\"the CA cannot "
                   "be reached\","
                   "\"detail\":\"connection refused\",\"at\":\"2026-09-21T14:13:20Z\"}")));
    problem_set(&p, fail(ERR_MEMORY, 0), STR_NONE);
    assert_true(str_eq(p.detail, STR("out of memory")));
}

static void several_names_are_gathered(void **state)
{
    (void)state;
    struct named_problem items[] = {
        {.name = STR("a.example"),
         .problem = {.type = STR(URN "dns"), .detail = STR("NXDOMAIN")}},
        {.name = STR("b.example"),
         .problem = {.type = STR(URN "connection"), .detail = STR("refused")}},
    };
    struct problem p;
    problem_gather(scratch, items, 2, &p);
    assert_true(problem_is(&p, "dns"));
    assert_true(
        str_eq(p.subproblems, STR("[{\"identifier\":{\"type\":\"dns\",\"value\":\"a.example\"},"
                                  "\"type\":\"" URN "dns\",\"detail\":\"NXDOMAIN\"},"
                                  "{\"identifier\":{\"type\":\"dns\",\"value\":\"b.example\"},"
                                  "\"type\":\"" URN "connection\",\"detail\":\"refused\"}]")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(any_error_answer_gives_a_problem, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_problem_has_a_kind_and_a_class, set_up, tear_down),
        cmocka_unit_test_setup_teardown(limits_say_whom_they_are_about, set_up, tear_down),
        cmocka_unit_test_setup_teardown(validation_is_a_class_of_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(retry_after_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_words_are_cut_between_characters, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_stored_text_has_the_cas_own_words, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(our_own_words_have_the_same_form, set_up, tear_down),
        cmocka_unit_test_setup_teardown(several_names_are_gathered, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
