#include "tests/support/temp_config.h"

#include "store/store_orders.h"
#include "tests/support/pem_pair.h"

#include "gateway/base/clock.h"
#include "gateway/base/limits.h"

#include <assert.h>
#include <stdio.h>

enum { DAY_S = 86400 };

static void must(struct err e, const char *what)
{
    if (failed(e))
        (void)fprintf(stderr, "%s: %s\n", what, err_name(e));
    assert(!failed(e));
}

static void explain(const struct invalid *inv)
{
    for (size_t i = 0; i < inv->kept_count; i++)
        (void)fprintf(stderr, "%.*s: %.*s\n", STR_ARG(inv->entries[i].field),
                      STR_ARG(inv->entries[i].message));
}

void temp_config_route(struct temp_store *t, const char *id, const char *body)
{
    struct invalid inv;
    invalid_init(&inv);
    struct err e = temp_store_put_route(t, id, body, &inv);
    explain(&inv);
    invalid_fini(&inv);
    must(e, id);
}

void temp_config_settings(struct temp_store *t, const char *body)
{
    struct invalid inv;
    struct tx *tx;
    AUTO(json_decref) json_t *json = temp_json(body);
    invalid_init(&inv);
    must(store_begin(t->store, &tx), "begin");
    struct err e = tx_settings_put(tx, json, &inv);
    explain(&inv);
    invalid_fini(&inv);
    must(e, "settings");
    must(store_commit(&tx), "commit");
}

/* ---- certificates ---- */

void temp_config_cert(struct temp_store *t, const struct fake_issuer *ca, const char *id,
                      const char *names)
{
    struct invalid inv;
    struct tx *tx;
    const struct cert *cert;
    AUTO(arena_free) struct arena *a = arena_new(4 * KIB, MIB);
    struct pem_pair pair = pem_pair_sign(a, ca, names, clock_now_at() + 90 * DAY_S);
    AUTO(json_decref) json_t *body = json_object();
    (void)json_object_set_new(body, "chain_pem", json_from_str(pair.chain));
    (void)json_object_set_new(body, "key_pem", json_from_str(pair.key));
    invalid_init(&inv);
    must(store_begin(t->store, &tx), "begin");
    struct err e = tx_cert_import(tx, str_from(id), body, &inv, &cert);
    explain(&inv);
    invalid_fini(&inv);
    must(e, id);
    must(store_commit(&tx), "commit");
}

/* ---- challenges ---- */

void temp_config_challenge(struct temp_store *t, const char *cert_id, const char *host,
                           const char *token, const char *answer)
{
    struct str name = str_from(host);
    struct authz_row authz = {.name = name,
                              .url = STR("https://ca.example/authz/1"),
                              .challenge_url = STR("https://ca.example/challenge/1"),
                              .token = str_from(token),
                              .key_authorization = str_from(answer),
                              .state = STR("pending")};
    struct order_row row = {.cert_id = str_from(cert_id),
                            .directory = STR("https://ca.example/directory"),
                            .state = STR("POLL"),
                            .names = {.items = &name, .count = 1},
                            .url = STR("https://ca.example/order/1"),
                            .authzs = &authz,
                            .authz_count = 1};
    struct tx *tx;
    must(store_begin(t->store, &tx), "begin");
    must(tx_order_put(tx, &row), "order");
    must(store_commit(&tx), "commit");
}
