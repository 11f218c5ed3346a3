#include "tests/support/acme_bench.h"

#include "tests/support/unit.h"

#include <assert.h>
#include <stdio.h>

/* As a worker answers: from the snapshot alone. */
static struct str look(void *arg, struct arena *a, struct str host, struct str token)
{
    struct acme_bench *b = arg;
    const struct snapshot *s = store_snapshot(b->store.store);
    struct str answer = arena_dup(a, snapshot_challenge_find(s, host, token));
    snapshot_unref(s);
    return answer;
}

void acme_bench_init(struct acme_bench *b, bool has_clock)
{
    if (has_clock)
        fake_clock_use(&b->clock, ACME_BENCH_NOW_AT);
    temp_store_init(&b->store);
    fake_ca_init(&b->ca);
    b->ca.look = look;
    b->ca.look_arg = b;
    acme_bench_set(b, "'tos_agreed': true");
}

void acme_bench_fini(struct acme_bench *b)
{
    fake_ca_fini(&b->ca);
    temp_store_fini(&b->store);
    fake_clock_restore();
}

void acme_bench_set(struct acme_bench *b, const char *members)
{
    char text[2048];
    (void)snprintf(text, sizeof(text),
                   "{'directory': '" FAKE_CA_DIRECTORY "', 'preflight': 'off', %s}", members);
    AUTO(json_decref) json_t *body = temp_json(text);
    struct invalid inv;
    struct tx *tx;
    invalid_init(&inv);
    assert_false(failed(store_begin(b->store.store, &tx)));
    struct err e = tx_acme_settings_put(tx, body, &inv);
    if (failed(e))
        fail_msg("%s: %.*s", err_name(e), STR_ARG(inv.entries[0].message));
    assert_false(failed(store_commit(&tx)));
    invalid_fini(&inv);
}

void acme_bench_add_route(struct acme_bench *b, const char *id, const char *hosts)
{
    char text[4096];
    (void)snprintf(text, sizeof(text),
                   "{'hosts': [%s], 'upstream': {'targets': [{'url': 'http://127.0.0.1:1'}]}}",
                   hosts);
    assert_false(failed(temp_store_put_route(&b->store, id, text, NULL)));
}

struct ca *acme_bench_open_ca(struct acme_bench *b)
{
    const struct snapshot *s = store_snapshot(b->store.store);
    struct ca *ca;
    struct ca_options options = {
        .store = b->store.store, .fetch = &b->ca.fetch.fetch, .settings = snapshot_acme(s)};
    assert_false(failed(ca_new(&options, &ca)));
    snapshot_unref(s);
    return ca;
}

const struct cert *acme_bench_cert(struct acme_bench *b, const char *id)
{
    const struct snapshot *s = store_snapshot(b->store.store);
    const struct cert *c = snapshot_cert_find(s, str_from(id));
    if (c == NULL)
        fail_msg("no certificate %s", id);
    c = cert_ref(c);
    snapshot_unref(s);
    return c;
}

bool acme_bench_serves_challenge(struct acme_bench *b, const char *host)
{
    AUTO(arena_free) struct arena *a = arena_new(4096, 65536);
    for (size_t n = 0; n < b->ca.order_count; n++) {
        const struct fake_order *o = &b->ca.orders[n];
        for (size_t i = 0; i < o->authz_count; i++) {
            if (str_eq(o->authzs[i].name, str_from(host)) &&
                look(b, a, o->authzs[i].name, o->authzs[i].token).len > 0)
                return true;
        }
    }
    return false;
}

static bool has_part(struct str text, const char *part)
{
    return part == NULL || memmem(text.p, text.len, part, strlen(part)) != NULL;
}

void acme_bench_expect(struct acme_bench *b, const char *id, const struct acme_bench_view *want)
{
    const struct cert *c = acme_bench_cert(b, id);
    if (c->state != want->state || !str_eq(c->next.what, str_from(want->what)) ||
        !has_part(c->next.why, want->why) || c->failures != want->failures ||
        (want->last_error == NULL ? c->last_error.len > 0
                                  : !has_part(c->last_error, want->last_error)))
        fail_msg("%s is %s, %u failures, next %.*s because %.*s, last error %.*s", id,
                 cert_state_name(c->state), c->failures, STR_ARG(c->next.what),
                 STR_ARG(c->next.why), STR_ARG(c->last_error));
    cert_unref(c);
}
