/* client.c - client_send -> send_once -> take_nonce, jws_sign, exchange. */
#include "acme/client.h"

#include "acme/jws.h"
#include "acme/nonce_pool.h"

#include "gateway/base/clock.h"
#include "gateway/base/limits.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/base/units.h"

struct client {
    struct client_options options;
    struct arena *arena;           /* of the options */
    struct arena *directory_arena; /* NULL: not read */
    struct wire_directory directory;
    uint64_t directory_read_ms;
    struct nonce_pool nonces;
    enum condition_state clock; /* beside the CA's */
};

/* Pause before try n+1 after a badNonce: a CA with several front ends needs a moment. */
#define NONCE_PAUSE_MS 50

/* ---- one request ---- */

static struct err say(struct problem *why, const struct err_kind *kind, struct str words)
{
    struct err e = fail(kind, 0);
    problem_set(why, e, words);
    return e;
}

static void tell_clock(struct client *c, struct arena *a, int64_t skew_s)
{
    bool is_ahead = skew_s > 0;
    if (c->clock == CONDITION_BAD)
        log_warn("clock_differs", KV_STR("ca", c->options.directory),
                 KV_I64("ahead_s", skew_s));
    if (c->options.conditions == NULL)
        return;
    struct condition found = {.kind = CONDITION_CLOCK, .state = c->clock, .at = clock_now_at()};
    if (c->clock == CONDITION_BAD)
        found.words =
            arena_fmt(a, "this machine's clock is %lld seconds %s that of %.*s",
                      (long long)(is_ahead ? skew_s : -skew_s),
                      is_ahead ? "ahead of" : "behind", STR_ARG(c->options.directory));
    conditions_put(c->options.conditions, &found);
}

/* A wrong clock makes certificates look expired, or not begun: said once. */
static void compare_clocks(struct client *c, struct arena *a, struct str date)
{
    int64_t at;
    if (failed(units_parse_http_date(date, &at)))
        return;
    int64_t skew_s = clock_now_at() - at;
    bool is_off = skew_s > ACME_SKEW_TOLD_S || skew_s < -ACME_SKEW_TOLD_S;
    enum condition_state clock = is_off ? CONDITION_BAD : CONDITION_GOOD;
    bool is_news = clock != c->clock;
    c->clock = clock;
    if (is_news)
        tell_clock(c, a, skew_s);
}

/* Sends, and keeps the nonce that every answer brings, also one with an error (RFC 8555 6.5).
 * */
static struct err exchange(struct client *c, struct arena *a, struct fetch_request *q,
                           struct fetch_reply *ret_reply, struct problem *why)
{
    if (!wire_is_url(q->url))
        return say(why, ERR_ACME_PROTOCOL, STR("the CA gave an address that is not https"));
    q->ca_bundle = c->options.ca_bundle;
    q->is_ipv4_only = c->options.is_ipv4_only;
    struct err e = fetch_send(c->options.fetch, a, q, ret_reply);
    if (failed(e)) {
        problem_set(why, e, ret_reply->words);
        return e;
    }
    compare_clocks(c, a, ret_reply->date);
    nonce_pool_put(&c->nonces, ret_reply->nonce, clock_mono_ms());
    if (ret_reply->status >= 200 && ret_reply->status <= 299)
        return OK;
    problem_read(a, ret_reply, why);
    return problem_err(why);
}

/* ---- the directory ---- */

static void forget_directory(struct client *c)
{
    arena_free(c->directory_arena);
    c->directory_arena = NULL;
}

static bool has_directory(const struct client *c)
{
    return c->directory_arena != NULL &&
           clock_mono_ms() - c->directory_read_ms <= ACME_DIRECTORY_MAX_MS;
}

static struct err read_directory(struct client *c, struct arena *a, struct problem *why)
{
    struct fetch_request q = {.method = FETCH_GET, .url = c->options.directory};
    struct fetch_reply reply;
    TRY(exchange(c, a, &q, &reply, why));

    AUTO(arena_free) struct arena *own = arena_new(4 * KIB, ACME_ORDER_MAX_BYTES);
    if (own == NULL)
        return say(why, ERR_MEMORY, STR_NONE);
    struct wire_directory directory;
    struct err e = wire_read_directory(own, reply.body, &directory);
    if (failed(e))
        return say(why, e.kind,
                   STR("what is at the directory address is not an ACME directory"));
    forget_directory(c);
    c->directory_arena = TAKE(own);
    c->directory = directory;
    c->directory_read_ms = clock_mono_ms();
    return OK;
}

struct err client_directory(struct client *c, struct arena *a,
                            const struct wire_directory **ret, struct problem *why)
{
    if (!has_directory(c))
        TRY(read_directory(c, a, why));
    *ret = &c->directory;
    return OK;
}

struct err client_get(struct client *c, struct arena *a, struct str url,
                      struct fetch_reply *ret_reply, struct problem *why)
{
    struct fetch_request q = {.method = FETCH_GET, .url = url};
    *ret_reply = (struct fetch_reply){.status = 0};
    return exchange(c, a, &q, ret_reply, why);
}

/* ---- signed requests ---- */

static struct err take_nonce(struct client *c, struct arena *a, char text[ACME_NONCE_MAX_BYTES],
                             struct str *ret_nonce, struct problem *why)
{
    *ret_nonce = nonce_pool_take(&c->nonces, clock_mono_ms(), text);
    if (ret_nonce->len > 0)
        return OK;
    const struct wire_directory *directory;
    TRY(client_directory(c, a, &directory, why));
    struct fetch_request q = {.method = FETCH_HEAD, .url = directory->new_nonce};
    struct fetch_reply reply;
    struct err e = exchange(c, a, &q, &reply, why);
    if (failed(e)) {
        forget_directory(c); /* it may have moved */
        return e;
    }
    *ret_nonce = nonce_pool_take(&c->nonces, clock_mono_ms(), text);
    return ret_nonce->len > 0 ? OK : say(why, ERR_ACME_PROTOCOL, STR("the CA gives no nonce"));
}

static struct err sign(struct arena *a, const struct client_post *post, struct str nonce,
                       struct str *ret_body)
{
    struct jws_request request = {
        .url = post->url, .kid = post->kid, .nonce = nonce, .payload = post->payload};
    struct buf out;
    buf_init(&out, ACME_STEP_MAX_BYTES);
    struct err e = jws_sign(post->key, &request, &out);
    if (!failed(e)) {
        *ret_body = arena_dup(a, buf_view(&out));
        e = ret_body->p == NULL ? fail(ERR_MEMORY, 0) : OK;
    }
    buf_fini(&out);
    return e;
}

static struct err send_once(struct client *c, struct arena *a, const struct client_post *post,
                            struct fetch_reply *ret_reply, struct problem *why)
{
    char text[ACME_NONCE_MAX_BYTES];
    struct str nonce;
    TRY(take_nonce(c, a, text, &nonce, why));
    struct fetch_request q = {.method = FETCH_POST, .url = post->url, .accept = post->accept};
    struct err e = sign(a, post, nonce, &q.body);
    return failed(e) ? say(why, e.kind, STR_NONE) : exchange(c, a, &q, ret_reply, why);
}

struct err client_send(struct client *c, struct arena *a, const struct client_post *post,
                       struct fetch_reply *ret_reply, struct problem *why)
{
    *ret_reply = (struct fetch_reply){.status = 0};
    struct err e = OK;
    for (unsigned tries = 1; tries <= ACME_NONCE_TRIES_MAX; tries++) {
        /* Each try is signed afresh, with the nonce that came with the refusal. */
        e = send_once(c, a, post, ret_reply, why);
        if (!err_is(e, ERR_ACME_BAD_NONCE))
            break;
        TRY(fetch_pause(c->options.fetch, (uint64_t)NONCE_PAUSE_MS * tries));
    }
    if (ret_reply->status == 404 || ret_reply->status == 405)
        forget_directory(c);
    return e;
}

/* ---- life ---- */

static struct err keep_options(struct client *c, const struct client_options *o)
{
    c->arena = arena_new(4 * KIB, ACME_ORDER_MAX_BYTES);
    if (c->arena == NULL)
        return fail(ERR_MEMORY, 0);
    c->options = *o;
    c->options.directory = arena_dup(c->arena, o->directory);
    c->options.ca_bundle = arena_dup(c->arena, o->ca_bundle);
    if (c->options.directory.p == NULL || c->options.ca_bundle.p == NULL)
        return fail(ERR_MEMORY, 0);
    return OK;
}

struct err client_new(const struct client_options *o, struct client **ret_client)
{
    AUTO(client_free) struct client *c = mem_new(struct client);
    if (c == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(keep_options(c, o));
    *ret_client = TAKE(c);
    return OK;
}

void client_free(struct client *c)
{
    if (c == NULL)
        return;
    arena_free(c->directory_arena);
    arena_free(c->arena);
    mem_free(c);
}
