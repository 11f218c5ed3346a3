/* Targets: wire_read_directory wire_read_order wire_read_authz wire_read_status
 * wire_read_renewal_info ari_learn problem_read retry_after_ms challenge_answer chain_accept
 *
 * The first line of the input stands for the Retry-After field and the token, the rest for the
 * body of an answer. */
#include "acme/ari.h"
#include "acme/chain.h"
#include "acme/challenge.h"
#include "acme/retry_after.h"
#include "acme/wire.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_documents(struct arena *a, struct str body)
{
    struct wire_directory directory;
    struct wire_order order;
    struct wire_authz authz;
    enum wire_status status;
    if (!failed(wire_read_directory(a, body, &directory)))
        assert(wire_is_url(directory.new_order));
    if (!failed(wire_read_order(a, body, &order)))
        assert(wire_is_url(order.finalize));
    if (!failed(wire_read_authz(a, body, &authz)))
        assert(authz.name.len > 0 && authz.name.len <= 253);
    (void)wire_read_status(body, &status);
}

static void read_renewal(struct arena *a, struct str field, struct str body)
{
    struct cert_renewal known = {.start_at = 0}, learned;
    struct fetch_reply reply = {.status = 200, .body = body, .retry_after = field};
    struct ari_answer answer = {
        .err = OK, .reply = &reply, .now_at = 1790000000, .random = body.len * 7919};
    const char *words;
    learned = ari_learn(a, &known, &answer, &words);
    assert(learned.check_at >= 1790000000 + 60 && learned.check_at <= 1790000000 + 86400);
    assert((words == NULL) == (learned.start_at != 0));
    assert(learned.start_at <= learned.selected_at && learned.selected_at <= learned.end_at);
}

static void read_problem(struct arena *a, struct str field, struct str body)
{
    struct problem p;
    struct fetch_reply reply = {.status = 400, .body = body, .retry_after = field};
    problem_read(a, &reply, &p);
    assert(p.detail.len > 0);
    (void)problem_classify(problem_err(&p), &p);
    struct str text = problem_to_text(a, &p, 1790000000, STR("https://ca.test/dir"));
    json_t *doc = NULL;
    if (text.len > 0)
        assert(!failed(json_read(text, &doc)));
    json_decref(doc);
}

static void read_fields(struct arena *a, struct str field)
{
    struct retry_after_bounds bounds = {.standard_ms = 5000, .min_ms = 1000, .max_ms = 60000};
    uint64_t wait_ms = retry_after_ms(field, 1790000000, &bounds);
    assert(wait_ms >= 1000 && wait_ms <= 60000);
    struct str answer;
    (void)challenge_answer(a, field, STR("thumbprint"), &answer);
}

static void read_chain(struct arena *a, struct str body)
{
    struct str names[] = {STR("a.example")};
    struct str_list list = {.items = names, .count = 1};
    EVP_PKEY *key = EVP_EC_gen("P-256");
    assert(key != NULL);
    struct chain_wanted wanted = {.names = &list, .key = key, .now_at = 1790000000};
    struct str pem;
    struct problem why;
    struct cert_facts facts;
    /* The key is new: nothing can match it. */
    struct err e = chain_accept(a, body, &wanted, &pem, &why);
    assert(failed(e));
    (void)chain_facts(a, body, &facts);
    EVP_PKEY_free(key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str field = str_make(data, size), body = STR_NONE;
    AUTO(arena_free) struct arena *a = arena_new(64 * 1024, 16 * 1024 * 1024);
    assert(a != NULL);
    (void)str_split(field, '\n', &field, &body);
    read_documents(a, body);
    read_renewal(a, field, body);
    read_problem(a, field, body);
    read_fields(a, field);
    if (str_starts(body, STR("-----BEGIN")))
        read_chain(a, body);
    return 0;
}
