/* auth.c - in call order: auth_check -> read_token -> find_token | count_failure. */
#include "admin/auth.h"

#include "gateway/base/clock.h"
#include "gateway/base/hash.h"
#include "gateway/base/limits.h"
#include "gateway/base/mem.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>

/* Failures of one source.  Two sources that share a slot: the later one takes it over,
 * which only makes the earlier one start again from nothing. */
struct source {
    unsigned char address[16];
    uint64_t since_ms;
    uint32_t failures;
};

struct auth {
    struct hash_key key;
    pthread_mutex_t lock;
    struct {
        struct source sources[AUTH_SOURCES_MAX];
    } locked;
};

struct err auth_new(struct auth **ret_auth)
{
    struct auth *a = mem_new(struct auth);
    if (a == NULL)
        return fail(ERR_MEMORY, 0);
    a->key = hash_key_random();
    if (pthread_mutex_init(&a->lock, NULL) != 0) {
        mem_free(a);
        return fail(ERR_MEMORY, 0);
    }
    *ret_auth = a;
    return OK;
}

void auth_free(struct auth *a)
{
    if (a == NULL)
        return;
    (void)pthread_mutex_destroy(&a->lock);
    mem_free(a);
}

/* The token of "Authorization: Bearer TOKEN"; empty if there is none, or more than one. */
static struct str read_token(const struct admin_request *rq)
{
    static const struct str scheme = STR_LIT("Bearer ");
    const struct admin_field *field = admin_request_field(rq, "Authorization");
    if (field == NULL || admin_request_count(rq, "Authorization") > 1)
        return STR_NONE;
    struct str value = str_trim(field->value);
    if (!str_eq_nocase(str_sub(value, 0, scheme.len), scheme))
        return STR_NONE;
    return str_trim(str_skip(value, scheme.len));
}

/* The look-up compares digests, not tokens: its timing tells about SHA-256 of a guess, which
 * helps nobody.  The match is confirmed in constant time all the same. */
static const struct token *find_token(const struct snapshot *s, struct str text)
{
    unsigned char digest[32];
    size_t len = 0;
    if (str_is_empty(text) ||
        EVP_Q_digest(NULL, "SHA256", NULL, text.p, text.len, digest, &len) != 1)
        return NULL;
    const struct token *t = snapshot_token_by_digest(s, digest);
    if (t == NULL || CRYPTO_memcmp(t->digest, digest, sizeof(digest)) != 0)
        return NULL;
    return t->expires_at != 0 && t->expires_at <= clock_now_at() ? NULL : t;
}

/* One more failure of this source; returns how many seconds it shall wait, 0 for not yet. */
static uint32_t count_failure(struct auth *a, const struct admin_source *from)
{
    static const unsigned char v4_mapped[12] = {[10] = 0xff, [11] = 0xff};
    unsigned char address[16];
    memcpy(address, from->address, sizeof(address));
    /* One household or server has a /64 of its own (RFC 6177). */
    if (memcmp(address, v4_mapped, sizeof(v4_mapped)) != 0)
        memset(address + 8, 0, 8);

    uint64_t now_ms = clock_mono_ms();
    uint64_t hash = hash_str(&a->key, str_make(address, sizeof(address)));
    uint32_t wait_s = 0;
    (void)pthread_mutex_lock(&a->lock);
    struct source *source = &a->locked.sources[hash % AUTH_SOURCES_MAX];
    if (memcmp(source->address, address, sizeof(address)) != 0 ||
        now_ms - source->since_ms >= AUTH_WINDOW_MS) {
        *source = (struct source){.since_ms = now_ms};
        memcpy(source->address, address, sizeof(address));
    }
    if (source->failures < AUTH_FAILURES_MAX)
        source->failures++;
    else
        wait_s = (uint32_t)((source->since_ms + AUTH_WINDOW_MS - now_ms + 999) / 1000);
    (void)pthread_mutex_unlock(&a->lock);
    return wait_s;
}

struct err auth_check(struct auth *a, const struct snapshot *s, const struct admin_request *rq,
                      struct caller *ret_caller)
{
    if (rq->source.is_unix) {
        *ret_caller = (struct caller){.scopes = SCOPE_ADMIN, .name = STR("unix")};
        return OK;
    }
    struct str text = read_token(rq);
    const struct token *t = find_token(s, text);
    if (t != NULL) {
        struct str name = arena_dup(rq->arena, t->object.id);
        if (name.p == NULL)
            return fail(ERR_MEMORY, 0);
        *ret_caller = (struct caller){.scopes = t->scopes, .name = name};
        return OK;
    }
    /* A request without any token is a question, not a guess. */
    uint32_t wait_s = str_is_empty(text) ? 0 : count_failure(a, &rq->source);
    return wait_s > 0 ? fail(ERR_TOO_MANY, (int32_t)wait_s) : fail(ERR_UNAUTHORIZED, 0);
}

bool auth_allows(unsigned scopes, enum token_scope need)
{
    return scopes >= (unsigned)need;
}

const char *auth_scope_name(enum token_scope scope)
{
    switch (scope) {
    case SCOPE_READ:
        return "read";
    case SCOPE_WRITE:
        return "write";
    case SCOPE_ADMIN:
        return "admin";
    }
    return "none";
}
