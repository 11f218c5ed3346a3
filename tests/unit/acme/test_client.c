#include "acme/client.h"
#include "acme/key.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_fetch.h"
#include "tests/support/unit.h"

#include "gateway/base/limits.h"

/* A CA of one table: each request takes the next row. */
struct line {
    enum fetch_method method;
    const char *url;
    struct fetch_reply reply;
    const struct err_kind *error; /* instead of a reply */
};

struct script {
    const struct line *lines;
    size_t count;
    size_t next;
    char nonces[32][32]; /* of the signed requests, in order */
    size_t nonce_count;
    struct str last_kid;
    bool had_jwk;
};

static struct arena *scratch;
static struct fake_clock fake;
static EVP_PKEY *key;

static struct err answer(void *arg, struct arena *a, const struct fetch_request *q,
                         struct fetch_reply *ret_reply)
{
    struct script *s = arg;
    assert_true(s->next < s->count);
    const struct line *line = &s->lines[s->next++];
    assert_int_equal(q->method, line->method);
    assert_true(str_eq(q->url, str_from(line->url)));
    if (q->method == FETCH_POST) {
        struct fake_jws jws;
        fake_jws_read(scratch, q->body, &jws);
        struct str nonce, url;
        assert_false(failed(json_need_str(jws.header, "nonce", &nonce)));
        assert_false(failed(json_need_str(jws.header, "url", &url)));
        assert_true(str_eq(url, q->url));
        for (size_t i = 0; i < s->nonce_count; i++)
            assert_false(str_eq(nonce, str_from(s->nonces[i]))); /* A3 */
        memcpy(s->nonces[s->nonce_count++], nonce.p, nonce.len);
        s->last_kid = arena_dup(scratch, json_str(json_object_get(jws.header, "kid")));
        s->had_jwk = json_object_get(jws.header, "jwk") != NULL;
        json_decref(jws.header);
    }
    (void)a;
    *ret_reply = line->reply;
    return line->error == NULL ? OK : fail(line->error, 0);
}

static int set_up(void **state)
{
    (void)state;
    scratch = arena_new(4096, 64 * MIB);
    fake_clock_use(&fake, 1790000000);
    return scratch == NULL || failed(key_new(KEY_ECDSA_P256, &key));
}

static int tear_down(void **state)
{
    (void)state;
    fake_clock_restore();
    EVP_PKEY_free(key);
    arena_free(scratch);
    return 0;
}

#define DIRECTORY                                                                              \
    STR_LIT("{\"newNonce\":\"https://ca.test/n\",\"newAccount\":\"https://ca.test/a\","        \
            "\"newOrder\":\"https://ca.test/o\"}")
#define GET_DIRECTORY                                                                          \
    {                                                                                          \
        FETCH_GET, "https://ca.test/dir", {.status = 200, .body = DIRECTORY}, NULL             \
    }
#define HEAD_NONCE(n)                                                                          \
    {                                                                                          \
        FETCH_HEAD, "https://ca.test/n", {.status = 200, .nonce = STR_LIT(n)}, NULL            \
    }
#define BAD_NONCE(n)                                                                           \
    {                                                                                          \
        FETCH_POST, "https://ca.test/o",                                                       \
            {.status = 400,                                                                    \
             .nonce = STR_LIT(n),                                                              \
             .body = STR_LIT("{\"type\":\"urn:ietf:params:acme:error:badNonce\"}")},           \
            NULL                                                                               \
    }
#define GOOD(n)                                                                                \
    {                                                                                          \
        FETCH_POST, "https://ca.test/o",                                                       \
            {.status = 201, .nonce = STR_LIT(n), .body = STR_LIT("{}")}, NULL                  \
    }

struct trial {
    struct fake_fetch fetch;
    struct script script;
    struct client *client;
    struct problem why;
    struct fetch_reply reply;
};

static void begin(struct trial *t, const struct line *lines, size_t count)
{
    *t = (struct trial){.script = {.lines = lines, .count = count}};
    fake_fetch_init(&t->fetch, answer, &t->script);
    assert_false(
        failed(client_new(&(struct client_options){.fetch = &t->fetch.fetch,
                                                   .directory = STR("https://ca.test/dir")},
                          &t->client)));
}

static struct err post(struct trial *t)
{
    struct client_post request = {.url = STR("https://ca.test/o"),
                                  .key = key,
                                  .kid = STR("https://ca.test/acct/1"),
                                  .payload = STR("{}")};
    return client_send(t->client, scratch, &request, &t->reply, &t->why);
}

static void end(struct trial *t)
{
    assert_int_equal(t->script.next, t->script.count);
    client_free(t->client);
}

static void nonces_of_answers_are_used_up(void **state)
{
    (void)state;
    static const struct line lines[] = {GET_DIRECTORY, HEAD_NONCE("n1"), GOOD("n2"), GOOD("n3"),
                                        GOOD("")};
    struct trial t;
    begin(&t, lines, ARRAY_LEN(lines));
    for (int i = 0; i < 3; i++)
        assert_false(failed(post(&t)));
    assert_string_equal(t.script.nonces[0], "n1");
    assert_string_equal(t.script.nonces[1], "n2");
    assert_string_equal(t.script.nonces[2], "n3");
    assert_true(str_eq(t.script.last_kid, STR("https://ca.test/acct/1")));
    assert_false(t.script.had_jwk);
    end(&t);
}

/* B27: signed afresh, with the nonce that came with the refusal. */
static void a_bad_nonce_is_repeated_with_the_nonce_it_brought(void **state)
{
    (void)state;
    static const struct line lines[] = {GET_DIRECTORY, HEAD_NONCE("n1"), BAD_NONCE("n2"),
                                        BAD_NONCE("n3"), GOOD("n4")};
    struct trial t;
    begin(&t, lines, ARRAY_LEN(lines));
    assert_false(failed(post(&t)));
    assert_string_equal(t.script.nonces[1], "n2");
    assert_string_equal(t.script.nonces[2], "n3");
    assert_true(t.fetch.paused_ms > 0);
    end(&t);
}

static void a_refusal_without_a_nonce_asks_for_one(void **state)
{
    (void)state;
    static const struct line lines[] = {GET_DIRECTORY, HEAD_NONCE("n1"), BAD_NONCE(""),
                                        HEAD_NONCE("n2"), GOOD("")};
    struct trial t;
    begin(&t, lines, ARRAY_LEN(lines));
    assert_false(failed(post(&t)));
    end(&t);
}

static void ten_bad_nonces_are_enough(void **state)
{
    (void)state;
    static const struct line lines[] = {GET_DIRECTORY,   HEAD_NONCE("n0"), BAD_NONCE("n1"),
                                        BAD_NONCE("n2"), BAD_NONCE("n3"),  BAD_NONCE("n4"),
                                        BAD_NONCE("n5"), BAD_NONCE("n6"),  BAD_NONCE("n7"),
                                        BAD_NONCE("n8"), BAD_NONCE("n9"),  BAD_NONCE("n10")};
    struct trial t;
    begin(&t, lines, ARRAY_LEN(lines));
    assert_true(err_is(post(&t), ERR_ACME_BAD_NONCE));
    end(&t);
}

static void an_error_keeps_its_nonce_and_its_words(void **state)
{
    (void)state;
    static const struct line lines[] = {
        GET_DIRECTORY,
        HEAD_NONCE("n1"),
        {FETCH_POST,
         "https://ca.test/o",
         {.status = 403,
          .nonce = STR_LIT("n2"),
          .body = STR_LIT("{\"type\":\"urn:ietf:params:acme:error:caa\",\"detail\":\"no\"}")},
         NULL},
        GOOD("")};
    struct trial t;
    begin(&t, lines, ARRAY_LEN(lines));
    assert_true(err_is(post(&t), ERR_ACME_PROBLEM));
    assert_true(str_eq(t.why.detail, STR("no")));
    assert_int_equal(t.reply.status, 403);
    assert_false(failed(post(&t)));
    assert_string_equal(t.script.nonces[1], "n2");
    end(&t);
}

/* B3: no answer at all; nothing is sent a second time. */
static void a_dead_line_is_reported_once(void **state)
{
    (void)state;
    static const struct line lines[] = {GET_DIRECTORY,
                                        HEAD_NONCE("n1"),
                                        {FETCH_POST,
                                         "https://ca.test/o",
                                         {.words = STR_LIT("reset by peer")},
                                         ERR_ACME_NETWORK},
                                        HEAD_NONCE("n2"),
                                        GOOD("")};
    struct trial t;
    begin(&t, lines, ARRAY_LEN(lines));
    assert_true(err_is(post(&t), ERR_ACME_NETWORK));
    assert_true(str_eq(t.why.detail, STR("reset by peer")));
    assert_false(failed(post(&t)));
    end(&t);
}

static void a_ca_without_nonces_is_refused(void **state)
{
    (void)state;
    static const struct line lines[] = {GET_DIRECTORY, HEAD_NONCE("")};
    struct trial t;
    begin(&t, lines, ARRAY_LEN(lines));
    assert_true(err_is(post(&t), ERR_ACME_PROTOCOL));
    end(&t);
}

static void what_is_no_directory_is_refused_with_words(void **state)
{
    (void)state;
    static const struct line lines[] = {
        {FETCH_GET, "https://ca.test/dir", {.status = 200, .body = STR_LIT("<html>")}, NULL}};
    struct trial t;
    begin(&t, lines, ARRAY_LEN(lines));
    const struct wire_directory *directory;
    assert_true(
        err_is(client_directory(t.client, scratch, &directory, &t.why), ERR_ACME_PROTOCOL));
    assert_true(t.why.detail.len > 0);
    end(&t);
}

static void an_address_that_is_not_https_is_never_fetched(void **state)
{
    (void)state;
    static const struct line lines[] = {GET_DIRECTORY, HEAD_NONCE("n1")};
    struct trial t;
    begin(&t, lines, ARRAY_LEN(lines));
    struct client_post request = {
        .url = STR("http://ca.test/o"), .key = key, .kid = STR("https://ca.test/acct/1")};
    assert_true(
        err_is(client_send(t.client, scratch, &request, &t.reply, &t.why), ERR_ACME_PROTOCOL));
    end(&t);
}

static void the_directory_is_read_again_when_old(void **state)
{
    (void)state;
    static const struct line lines[] = {GET_DIRECTORY, GET_DIRECTORY};
    struct trial t;
    begin(&t, lines, ARRAY_LEN(lines));
    const struct wire_directory *directory;
    assert_false(failed(client_directory(t.client, scratch, &directory, &t.why)));
    assert_false(failed(client_directory(t.client, scratch, &directory, &t.why)));
    fake_clock_advance(&fake, ACME_DIRECTORY_MAX_MS + 1);
    assert_false(failed(client_directory(t.client, scratch, &directory, &t.why)));
    end(&t);
}

static void the_directory_is_read_again_after_404(void **state)
{
    (void)state;
    static const struct line lines[] = {
        GET_DIRECTORY,
        HEAD_NONCE("n1"),
        {FETCH_POST, "https://ca.test/o", {.status = 404, .nonce = STR_LIT("n2")}, NULL},
        GOOD(""),
        GET_DIRECTORY,
        HEAD_NONCE("n3"),
        GOOD("")};
    struct trial t;
    begin(&t, lines, ARRAY_LEN(lines));
    assert_true(err_is(post(&t), ERR_ACME_PROBLEM));
    assert_false(failed(post(&t)));
    assert_false(failed(post(&t)));
    end(&t);
}

/* G10: told when it begins, not with each answer; a wrong clock is no failure. */
static void clocks_that_differ_are_no_failure(void **state)
{
    (void)state;
    static const struct line lines[] = {
        GET_DIRECTORY,
        {FETCH_HEAD,
         "https://ca.test/n",
         {.status = 200,
          .nonce = STR_LIT("n1"),
          .date = STR_LIT("Fri, 01 Jan 2100 00:00:00 GMT")},
         NULL},
        {FETCH_POST,
         "https://ca.test/o",
         {.status = 200, .nonce = STR_LIT("n2"), .date = STR_LIT("never")},
         NULL}};
    struct trial t;
    begin(&t, lines, ARRAY_LEN(lines));
    assert_false(failed(post(&t)));
    end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nonces_of_answers_are_used_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_bad_nonce_is_repeated_with_the_nonce_it_brought,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_refusal_without_a_nonce_asks_for_one, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(ten_bad_nonces_are_enough, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_error_keeps_its_nonce_and_its_words, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_dead_line_is_reported_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_ca_without_nonces_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_directory_is_refused_with_words, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_address_that_is_not_https_is_never_fetched, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(clocks_that_differ_are_no_failure, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_directory_is_read_again_when_old, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_directory_is_read_again_after_404, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
