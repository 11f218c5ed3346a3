/* ari_watch.c - ari_watch_run -> ask each -> store all. */
#include "acme/ari_watch.h"

#include "acme/ari.h"
#include "acme/due.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/rand.h"
#include "gateway/base/units.h"

#define LATEST_S   (ACME_ARI_MAX_MS / 1000)
#define WITHOUT_S  (ACME_ARI_MAX_MS / 1000) /* a CA without such information may get it */
#define ANSWER_MAX ((size_t)ACME_ARI_BATCH_MAX * 2 * MIB)

int64_t ari_watch_due_at(const struct cert *c, const struct acme_settings *settings,
                         int64_t now_at)
{
    /* Not after its end, and not for a CA that did not make it (RFC 9773 4.3). */
    if (c->source != CERT_ACME || !c->has_material || now_at >= c->facts.not_after_at ||
        !str_eq(c->next.what, STR("renew")) ||
        !str_eq(c->origin.directory, settings->directory))
        return INT64_MAX;
    /* A moment that far off was noted by another clock. */
    return c->renewal.check_at > now_at + LATEST_S ? now_at : c->renewal.check_at;
}

int64_t ari_watch_add(struct ari_watch *w, const struct cert *c, int64_t now_at)
{
    uint64_t now_ms = clock_mono_ms();
    if (now_ms < w->priv.quiet_until_ms)
        return now_at + 1 + (int64_t)((w->priv.quiet_until_ms - now_ms) / 1000);
    if (w->priv.count < ACME_ARI_BATCH_MAX)
        w->priv.certs[w->priv.count++] = cert_ref(c);
    return now_at + ACME_HOLD_MS / 1000; /* if storing the answers makes no scan before */
}

static void clear(struct ari_watch *w)
{
    while (w->priv.count > 0)
        cert_unref(w->priv.certs[--w->priv.count]);
}

void ari_watch_init(struct ari_watch *w)
{
    memset(w, 0, sizeof(*w));
}

void ari_watch_fini(struct ari_watch *w)
{
    clear(w);
}

/* ---- asking ---- */

static void log_window(const struct cert *c, const struct cert_renewal *learned)
{
    char start[UNITS_TIME_MAX], end[UNITS_TIME_MAX], selected[UNITS_TIME_MAX];
    if (learned->start_at == c->renewal.start_at && learned->end_at == c->renewal.end_at &&
        str_eq(learned->explanation, c->renewal.explanation))
        return;
    units_format_time(learned->start_at, start);
    units_format_time(learned->end_at, end);
    units_format_time(learned->selected_at, selected);
    log_info("renewal_window", KV_STR("certificate", c->object.id), KV_CSTR("start", start),
             KV_CSTR("end", end), KV_CSTR("selected", selected),
             KV_STR("see", learned->explanation));
}

/* False: not now, nor about others. */
static bool ask(struct ari_watch *w, struct ca *ca, struct arena *a, const struct cert *c,
                struct cert_renewal *ret_learned)
{
    struct ari_answer answer = {.now_at = clock_now_at(), .random = rand_u64()};
    struct fetch_reply reply = {.status = 0};
    struct problem why = {.status = 0};
    struct str id;
    const char *words = NULL;
    answer.reply = &reply;
    answer.err = ari_cert_id(a, c->chain_pem, &id);
    bool is_nameless = failed(answer.err);
    if (!is_nameless)
        answer.err = ca_renewal_info(ca, a, id, &reply, &why);
    if (err_is(answer.err, ERR_CANCELLED))
        return false;
    if (is_nameless || err_is(answer.err, ERR_UNAVAILABLE)) {
        *ret_learned = c->renewal;
        ret_learned->check_at = answer.now_at + WITHOUT_S;
        return true;
    }
    *ret_learned = ari_learn(a, &c->renewal, &answer, &words);
    if (words == NULL)
        log_window(c, ret_learned);
    else
        log_warn("renewal_window_unknown", KV_STR("certificate", c->object.id),
                 KV_CSTR("why", words), KV_STR("words", why.detail),
                 KV_U64("errors", ret_learned->errors));
    if (err_is(answer.err, ERR_ACME_NETWORK))
        w->priv.quiet_until_ms = clock_mono_ms() + ACME_HOLD_MS;
    return true;
}

/* ---- storing ---- */

static struct err store_one(struct tx *tx, struct arena *a, const struct cert *asked,
                            const struct cert_renewal *learned)
{
    const struct cert *c = snapshot_cert_find(tx_view(tx), asked->object.id);
    /* Replaced or gone meanwhile: the answer is about what is past. */
    if (c == NULL || !str_eq(c->facts.fingerprint_sha256, asked->facts.fingerprint_sha256))
        return OK;
    struct cert_next next = c->next;
    if (due_is_plain(c, clock_now_at()))
        TRY(due_next_renewal(a, c, learned, &next));
    return tx_cert_renewal(tx, c->object.id, learned, &next);
}

static struct err store_all(const struct ari_watch *w, struct store *s, struct arena *a,
                            const struct cert_renewal *learned, size_t count)
{
    AUTO(store_rollback) struct tx *tx = NULL;
    TRY(store_begin(s, &tx));
    for (size_t i = 0; i < count; i++)
        TRY(store_one(tx, a, w->priv.certs[i], &learned[i]));
    return store_commit(&tx);
}

void ari_watch_run(struct ari_watch *w, struct store *s, struct ca *ca)
{
    struct cert_renewal learned[ACME_ARI_BATCH_MAX];
    size_t count = 0;
    if (w->priv.count == 0)
        return;
    AUTO(arena_free) struct arena *a = arena_new(16 * KIB, ANSWER_MAX);
    while (a != NULL && count < w->priv.count && clock_mono_ms() >= w->priv.quiet_until_ms &&
           ask(w, ca, a, w->priv.certs[count], &learned[count]))
        count++;
    struct err e = a == NULL ? fail(ERR_MEMORY, 0) : OK;
    if (count > 0)
        e = store_all(w, s, a, learned, count);
    if (failed(e)) {
        log_err(e, "renewal_windows_not_stored");
        w->priv.quiet_until_ms = clock_mono_ms() + ACME_HOLD_MS;
    }
    clear(w);
}
