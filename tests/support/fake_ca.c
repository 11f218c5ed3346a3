/* fake_ca.c - answer -> check_jws -> one function per resource, in the order of RFC 8555 7. */
#include "tests/support/fake_ca.h"

#include "gateway/base/clock.h"
#include "gateway/base/limits.h"
#include "gateway/base/text.h"
#include "gateway/base/units.h"

#include <assert.h>
#include <openssl/x509v3.h>

#define BASE "https://ca.test"

struct exchange {
    struct fake_ca *ca;
    struct arena *a;
    const struct fetch_request *q;
    struct fetch_reply *reply;
    struct fake_jws jws;
    json_t *payload; /* NULL: POST-as-GET */
};

/* ---- answers ---- */

static struct str new_nonce(struct fake_ca *ca, struct arena *a)
{
    unsigned n = ca->nonce_count++;
    assert(n < FAKE_CA_NONCES_MAX);
    ca->is_fresh[n] = true;
    return arena_fmt(a, "nonce-%u", n);
}

static bool use_nonce(struct fake_ca *ca, struct str nonce)
{
    uint64_t n;
    if (!str_starts(nonce, STR("nonce-")) ||
        failed(str_to_u64(str_skip(nonce, 6), FAKE_CA_NONCES_MAX - 1, &n)))
        return false;
    bool was_fresh = ca->is_fresh[n];
    ca->is_fresh[n] = false;
    return was_fresh;
}

static void say(struct exchange *x, unsigned status, struct str body)
{
    x->reply->status = status;
    x->reply->body = body;
    x->reply->nonce = new_nonce(x->ca, x->a);
    x->reply->retry_after = str_from(x->ca->retry_after);
    x->reply->content_type = STR("application/json");
}

static void refuse(struct exchange *x, unsigned status, const char *type)
{
    say(x, status,
        arena_fmt(x->a, "{\"type\":\"urn:ietf:params:acme:error:%s\",\"detail\":\"fake: %s\"}",
                  type, type));
    x->reply->content_type = STR("application/problem+json; charset=utf-8");
}

static void refuse_in_words(struct exchange *x, unsigned status, const char *type,
                            const char *words)
{
    refuse(x, status, type);
    if (words != NULL)
        x->reply->body =
            arena_fmt(x->a, "{\"type\":\"urn:ietf:params:acme:error:%s\",\"detail\":\"%s\"}",
                      type, words);
}

static struct str url(struct exchange *x, const char *kind, size_t n)
{
    return arena_fmt(x->a, BASE "/%s/%zu", kind, n);
}

/* The number at the end of BASE/kind/n; false for other addresses. */
static bool match(struct exchange *x, const char *kind, uint64_t max, uint64_t *ret_n)
{
    struct str prefix = arena_fmt(x->a, BASE "/%s/", kind);
    return str_starts(x->q->url, prefix) &&
           !failed(str_to_u64(str_skip(x->q->url, prefix.len), max, ret_n));
}

/* ---- account ---- */

static struct str thumbprint_of(struct fake_ca *ca, const json_t *jwk)
{
    char text[4096];
    size_t len = json_dumpb(jwk, text, sizeof(text), JSON_COMPACT | JSON_SORT_KEYS);
    assert(len > 0 && len <= sizeof(text));
    unsigned char digest[32];
    int ok = EVP_Digest(text, len, digest, NULL, EVP_sha256(), NULL);
    assert(ok == 1);
    struct buf out;
    buf_init(&out, 128);
    struct err e = text_base64url(&out, str_make(digest, sizeof(digest)));
    assert(!failed(e));
    struct str copy = arena_dup(ca->arena, buf_view(&out));
    buf_fini(&out);
    return copy;
}

static void keep_contact(struct exchange *x)
{
    struct buf out;
    buf_init(&out, 4096);
    const json_t *contact = json_object_get(x->payload, "contact");
    if (contact != NULL && !failed(json_write(contact, &out)))
        x->ca->last_contact = arena_dup(x->ca->arena, buf_view(&out));
    buf_fini(&out);
}

static void answer_new_account(struct exchange *x)
{
    struct fake_ca *ca = x->ca;
    const json_t *jwk = json_object_get(x->jws.header, "jwk");
    ca->new_accounts++;
    assert(jwk != NULL && json_object_get(x->jws.header, "kid") == NULL);
    struct str thumbprint = thumbprint_of(ca, jwk);
    bool is_known = ca->has_account && str_eq(thumbprint, ca->thumbprint);
    if (is_known && ca->is_closed) {
        refuse(x, 403, "unauthorized");
        return;
    }
    if (!is_known && json_is_true(json_object_get(x->payload, "onlyReturnExisting"))) {
        refuse(x, 400, "accountDoesNotExist");
        return;
    }
    ca->had_eab = json_object_get(x->payload, "externalAccountBinding") != NULL;
    if (!is_known && ca->needs_eab && !ca->had_eab) {
        refuse(x, 403, "externalAccountRequired");
        return;
    }
    ca->accounts_made += !is_known;
    ca->has_account = true;
    ca->thumbprint = thumbprint;
    keep_contact(x);
    say(x, is_known ? 200 : 201, STR("{\"status\":\"valid\"}"));
    x->reply->location = url(x, "account", 1);
}

static void answer_account(struct exchange *x)
{
    x->ca->contact_updates++;
    keep_contact(x);
    say(x, 200, STR("{\"status\":\"valid\"}"));
}

/* ---- order ---- */

static struct str order_text(struct exchange *x, size_t n)
{
    const struct fake_order *o = &x->ca->orders[n];
    char expires[UNITS_TIME_MAX];
    units_format_time(clock_now_at() + 7 * 86400, expires);
    struct str list = STR("");
    for (size_t i = 0; i < o->authz_count; i++)
        list = arena_fmt(x->a, "%.*s%s\"" BASE "/authz/%zu\"", STR_ARG(list), i > 0 ? "," : "",
                         n * FAKE_CA_NAMES_MAX + i);
    struct str certificate = strcmp(o->status, "valid") == 0
                                 ? arena_fmt(x->a, ",\"certificate\":\"" BASE "/cert/%zu\"", n)
                                 : STR("");
    return arena_fmt(x->a,
                     "{\"status\":\"%s\",\"expires\":\"%s\",\"authorizations\":[%.*s],"
                     "\"finalize\":\"" BASE "/finalize/%zu\"%.*s}",
                     o->status, expires, STR_ARG(list), n, STR_ARG(certificate));
}

static void add_authz(struct exchange *x, struct fake_order *o, struct str name)
{
    struct fake_ca *ca = x->ca;
    const char *status = ca->are_names_known ? "valid" : "pending";
    assert(o->authz_count < FAKE_CA_NAMES_MAX);
    struct str token = ca->token != NULL ? arena_dup(ca->arena, str_from(ca->token))
                                         : arena_fmt(ca->arena, "token-%zu-%zu",
                                                     ca->order_count, o->authz_count);
    o->authzs[o->authz_count++] = (struct fake_authz){.name = arena_dup(ca->arena, name),
                                                      .status = status,
                                                      .challenge_status = status,
                                                      .token = token};
}

static void answer_new_order(struct exchange *x)
{
    struct fake_ca *ca = x->ca;
    ca->new_orders++;
    if (ca->is_closed || ca->order_problem != NULL) {
        refuse_in_words(x, ca->is_closed ? 403 : ca->order_status,
                        ca->is_closed ? "unauthorized" : ca->order_problem, ca->order_words);
        return;
    }
    struct str replaces = json_str(json_object_get(x->payload, "replaces"));
    ca->last_replaces = arena_dup(ca->arena, replaces);
    if (replaces.len > 0 && ca->replaces_status != 0) {
        refuse(x, ca->replaces_status, ca->replaces_type);
        return;
    }
    assert(ca->order_count < FAKE_CA_ORDERS_MAX);
    struct fake_order *o = &ca->orders[ca->order_count];
    const json_t *names = json_object_get(x->payload, "identifiers");
    assert(json_array_size(names) > 0);
    /* In reverse: nobody may rely on the order of names. */
    for (size_t i = json_array_size(names); i > 0; i--)
        add_authz(x, o, json_str(json_object_get(json_array_get(names, i - 1), "value")));
    o->status = ca->are_names_known ? "ready" : "pending";
    ca->last_profile = arena_dup(ca->arena, json_str(json_object_get(x->payload, "profile")));
    say(x, 201, order_text(x, ca->order_count));
    x->reply->location = url(x, "order", ca->order_count++);
}

static void answer_order(struct exchange *x, size_t n)
{
    struct fake_order *o = &x->ca->orders[n];
    if (strcmp(o->status, "processing") == 0 && o->looks-- == 0)
        o->status = "valid";
    say(x, 200, order_text(x, n));
}

/* ---- authorization and challenge ---- */

static bool is_answered(struct exchange *x, const struct fake_authz *z)
{
    struct fake_ca *ca = x->ca;
    if (ca->refused_name != NULL && str_eq(z->name, str_from(ca->refused_name)))
        return false;
    if (ca->look == NULL)
        return true;
    struct str want = arena_fmt(x->a, "%.*s.%.*s", STR_ARG(z->token), STR_ARG(ca->thumbprint));
    return str_eq(ca->look(ca->look_arg, x->a, z->name, z->token), want);
}

static void decide(struct exchange *x, struct fake_order *o, struct fake_authz *z)
{
    z->status = z->challenge_status = is_answered(x, z) ? "valid" : "invalid";
    size_t valid_count = 0;
    for (size_t i = 0; i < o->authz_count; i++)
        valid_count += strcmp(o->authzs[i].status, "valid") == 0;
    if (strcmp(z->status, "invalid") == 0)
        o->status = "invalid";
    else if (valid_count == o->authz_count)
        o->status = "ready";
}

static void answer_authz(struct exchange *x, size_t n)
{
    struct fake_order *o = &x->ca->orders[n / FAKE_CA_NAMES_MAX];
    struct fake_authz *z = &o->authzs[n % FAKE_CA_NAMES_MAX];
    if (strcmp(z->challenge_status, "processing") == 0 && z->looks-- == 0)
        decide(x, o, z);
    const char *type = x->ca->challenge_type != NULL ? x->ca->challenge_type : "http-01";
    struct str error = strcmp(z->status, "invalid") == 0
                           ? arena_fmt(x->a,
                                       ",\"error\":{\"type\":\"urn:ietf:params:acme:error:"
                                       "unauthorized\",\"detail\":\"%.*s: wrong answer\"}",
                                       STR_ARG(z->name))
                           : STR("");
    say(x, 200,
        arena_fmt(
            x->a,
            "{\"status\":\"%s\",\"identifier\":{\"type\":\"dns\",\"value\":\"%.*s\"},"
            "\"challenges\":[{\"type\":\"dns-account-01\"},{\"type\":\"%s\",\"status\":\"%s\","
            "\"url\":\"" BASE "/challenge/%zu\",\"token\":\"%.*s\"%.*s}]}",
            z->status, STR_ARG(z->name), type, z->challenge_status, n, STR_ARG(z->token),
            STR_ARG(error)));
}

static void answer_challenge(struct exchange *x, size_t n)
{
    struct fake_authz *z = &x->ca->orders[n / FAKE_CA_NAMES_MAX].authzs[n % FAKE_CA_NAMES_MAX];
    x->ca->challenges++;
    assert(str_eq(x->jws.payload, STR("{}")));
    if (strcmp(z->challenge_status, "pending") != 0) {
        refuse(x, 400, "malformed");
        return;
    }
    z->challenge_status = "processing";
    z->looks = x->ca->looks_to_valid;
    say(x, 200, STR("{\"type\":\"http-01\",\"status\":\"processing\"}"));
}

/* ---- finalize and certificate ---- */

static EVP_PKEY *key_of_csr(struct exchange *x)
{
    struct buf der;
    buf_init(&der, 65536);
    struct err e = text_unbase64(&der, json_str(json_object_get(x->payload, "csr")));
    assert(!failed(e));
    const unsigned char *p = (const unsigned char *)buf_view(&der).p;
    X509_REQ *request = d2i_X509_REQ(NULL, &p, (long)buf_len(&der));
    buf_fini(&der);
    assert(request != NULL);
    EVP_PKEY *key = X509_REQ_get_pubkey(request);
    X509_REQ_free(request);
    return key;
}

static void sign(struct exchange *x, struct fake_order *o)
{
    struct fake_ca *ca = x->ca;
    struct str names = STR("");
    for (size_t i = 0; i < o->authz_count; i++)
        names = arena_fmt(x->a, "%.*s%sDNS:%.*s", STR_ARG(names), i > 0 ? "," : "",
                          STR_ARG(o->authzs[i].name));
    EVP_PKEY *key = key_of_csr(x);
    int64_t now_at = clock_now_at();
    struct fake_cert wanted = {.key = key,
                               .names = names.p,
                               .not_before_at = now_at,
                               .not_after_at = now_at + ca->lifetime_s,
                               .usage = "serverAuth"};
    struct str leaf = fake_issuer_sign(&ca->issuer, x->a, &wanted);
    struct str root = fake_issuer_root(&ca->issuer, x->a);
    o->chain_pem = arena_fmt(ca->arena, "%.*s%.*s", STR_ARG(leaf), STR_ARG(root));
    EVP_PKEY_free(key);
}

static void answer_finalize(struct exchange *x, size_t n)
{
    struct fake_order *o = &x->ca->orders[n];
    x->ca->finalizes++;
    if (strcmp(o->status, "ready") != 0) {
        refuse(x, 403, "orderNotReady");
        return;
    }
    sign(x, o);
    o->status = "processing";
    o->looks = x->ca->looks_to_issue;
    say(x, 200, order_text(x, n));
}

static void answer_certificate(struct exchange *x, size_t n)
{
    struct fake_ca *ca = x->ca;
    ca->downloads++;
    say(x, 200, ca->chain_pem != NULL ? str_from(ca->chain_pem) : ca->orders[n].chain_pem);
}

/* ---- dispatch ---- */

static void answer_directory(struct exchange *x)
{
    x->ca->directories++;
    say(x, 200,
        arena_fmt(x->a,
                  "{\"newNonce\":\"" BASE "/nonce\",\"newAccount\":\"" BASE "/new-account\","
                  "\"newOrder\":\"" BASE
                  "/new-order\",%s\"meta\":{\"externalAccountRequired\":%s,"
                  "\"profiles\":{\"short\":\"x\"}%s}}",
                  x->ca->has_renewal_info ? "\"renewalInfo\":\"" BASE "/renewal\"," : "",
                  x->ca->needs_eab ? "true" : "false",
                  x->ca->has_terms ? ",\"termsOfService\":\"https://ca.test/terms\"" : ""));
}

/* RFC 9773 4.2 */
static void answer_renewal_info(struct exchange *x)
{
    struct fake_ca *ca = x->ca;
    char start[UNITS_TIME_MAX], end[UNITS_TIME_MAX];
    ca->renewal_infos++;
    if (ca->renewal_status != 0) {
        refuse(x, ca->renewal_status, "serverInternal");
        return;
    }
    units_format_time(ca->window_start_at, start);
    units_format_time(ca->window_end_at, end);
    say(x, 200,
        ca->renewal_info != NULL
            ? str_from(ca->renewal_info)
            : arena_fmt(x->a,
                        "{\"suggestedWindow\":{\"start\":\"%s\",\"end\":\"%s\"},"
                        "\"explanationURL\":\"" BASE "/why\"}",
                        start, end));
}

static void answer_get(struct exchange *x)
{
    if (x->ca->has_renewal_info && str_starts(x->q->url, STR(BASE "/renewal/"))) {
        answer_renewal_info(x);
        return;
    }
    assert(str_eq(x->q->url, STR(FAKE_CA_DIRECTORY)));
    answer_directory(x);
}

/* Everything signed but newAccount names the account. */
static bool is_ours(struct exchange *x)
{
    if (str_eq(x->q->url, STR(BASE "/new-account")))
        return true;
    struct str kid = json_str(json_object_get(x->jws.header, "kid"));
    assert(str_eq(kid, STR(BASE "/account/1")));
    return x->ca->has_account;
}

static void answer_signed(struct exchange *x)
{
    struct fake_ca *ca = x->ca;
    uint64_t n, orders = ca->order_count;
    if (str_eq(x->q->url, STR(BASE "/new-account")))
        answer_new_account(x);
    else if (str_eq(x->q->url, STR(BASE "/account/1")))
        answer_account(x);
    else if (str_eq(x->q->url, STR(BASE "/new-order")))
        answer_new_order(x);
    else if (match(x, "order", orders, &n) && n < orders)
        answer_order(x, n);
    else if (match(x, "authz", orders * FAKE_CA_NAMES_MAX, &n) &&
             n < orders * FAKE_CA_NAMES_MAX)
        answer_authz(x, n);
    else if (match(x, "challenge", orders * FAKE_CA_NAMES_MAX, &n) &&
             n < orders * FAKE_CA_NAMES_MAX)
        answer_challenge(x, n);
    else if (match(x, "finalize", orders, &n) && n < orders)
        answer_finalize(x, n);
    else if (match(x, "cert", orders, &n) && n < orders)
        answer_certificate(x, n);
    else
        refuse(x, 404, "malformed");
}

static void check_jws(struct exchange *x)
{
    struct fake_ca *ca = x->ca;
    struct str nonce = json_str(json_object_get(x->jws.header, "nonce"));
    assert(str_eq(json_str(json_object_get(x->jws.header, "url")), x->q->url));
    bool is_fresh = use_nonce(ca, nonce);
    if (ca->bad_nonces > 0) {
        ca->bad_nonces--;
        is_fresh = false;
    }
    if (!is_fresh)
        refuse(x, 400, "badNonce");
    else if (!is_ours(x))
        refuse(x, 400, "accountDoesNotExist");
    else
        answer_signed(x);
}

static struct err answer(void *arg, struct arena *a, const struct fetch_request *q,
                         struct fetch_reply *ret_reply)
{
    struct exchange x = {.ca = arg, .a = a, .q = q, .reply = ret_reply};
    if (q->method == FETCH_HEAD) {
        say(&x, 200, STR(""));
        return OK;
    }
    if (q->method == FETCH_GET) {
        answer_get(&x);
        return OK;
    }
    fake_jws_read(a, q->body, &x.jws);
    if (x.jws.payload.len > 0) {
        struct err e = json_read(x.jws.payload, &x.payload);
        assert(!failed(e));
    }
    check_jws(&x);
    json_decref(x.payload);
    json_decref(x.jws.header);
    return OK;
}

void fake_ca_init(struct fake_ca *ca)
{
    memset(ca, 0, sizeof(*ca));
    ca->lifetime_s = 90 * 86400;
    ca->arena = arena_new(64 * KIB, 64 * MIB);
    assert(ca->arena != NULL);
    fake_issuer_init(&ca->issuer, "Fake CA");
    fake_fetch_init(&ca->fetch, answer, ca);
}

void fake_ca_fini(struct fake_ca *ca)
{
    fake_issuer_fini(&ca->issuer);
    arena_free(ca->arena);
}

void fake_ca_forget(struct fake_ca *ca)
{
    ca->has_account = false;
    ca->order_count = 0;
    memset(ca->orders, 0, sizeof(ca->orders));
}
