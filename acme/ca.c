#include "acme/ca.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"

struct ca {
    struct store *store;
    const struct acme_settings *settings;
    struct client *client;
    struct account *account; /* NULL: not opened yet */
    bool is_contact_changed;
    struct str agree_words; /* how to agree to the terms; empty unless that is missing */
    struct arena *arena;    /* of agree_words */
    uint64_t held_until_ms;
    uint64_t limited_until_ms;
};

const struct acme_settings *ca_settings(const struct ca *ca)
{
    return ca->settings;
}

struct str ca_thumbprint(const struct ca *ca)
{
    return ca->account == NULL ? STR_NONE : account_thumbprint(ca->account);
}

struct str ca_blocked_by(const struct ca *ca)
{
    return ca->agree_words;
}

/* ---- getting ready ---- */

static struct err check_terms(struct ca *ca, const struct wire_directory *directory,
                              struct problem *why)
{
    if (ca->settings->tos_agreed || directory->terms.len == 0)
        return OK;
    if (ca->agree_words.p == NULL)
        ca->agree_words = arena_fmt(
            ca->arena,
            "the CA's terms of service, %.*s, must be agreed to first; to agree, type: "
            "gatehouse acme set tos_agreed=true",
            STR_ARG(directory->terms));
    struct err e = fail(ERR_ACME_TOS, 0);
    problem_set(why, e, ca->agree_words);
    why->instance = directory->terms;
    return e;
}

static struct err open_account(struct ca *ca, struct problem *why)
{
    if (ca->account != NULL)
        return OK;
    struct account_options options = {
        .store = ca->store,
        .client = ca->client,
        .settings = ca->settings,
        .is_contact_changed = ca->is_contact_changed,
    };
    return account_open(&options, &ca->account, why);
}

struct str ca_account(struct ca *ca)
{
    struct problem why;
    return failed(open_account(ca, &why)) ? STR_NONE : account_url(ca->account);
}

struct err ca_prepare(struct ca *ca, struct arena *a,
                      const struct wire_directory **ret_directory, struct problem *why)
{
    const struct wire_directory *directory;
    TRY(client_directory(ca->client, a, &directory, why));
    TRY(check_terms(ca, directory, why));
    TRY(open_account(ca, why));
    TRY(account_ensure(ca->account, a, why));
    /* Registering may have read the directory again. */
    return client_directory(ca->client, a, ret_directory, why);
}

struct err ca_send(struct ca *ca, struct arena *a, const struct ca_request *request,
                   struct fetch_reply *ret_reply, struct problem *why)
{
    const struct wire_directory *directory;
    *ret_reply = (struct fetch_reply){.status = 0};
    TRY(ca_prepare(ca, a, &directory, why));
    return client_send(ca->client, a,
                       &(struct client_post){.url = request->url,
                                             .key = account_key(ca->account),
                                             .kid = account_url(ca->account),
                                             .payload = request->payload,
                                             .accept = request->accept},
                       ret_reply, why);
}

struct err ca_renewal_info(struct ca *ca, struct arena *a, struct str cert_id,
                           struct fetch_reply *ret_reply, struct problem *why)
{
    const struct wire_directory *directory;
    *ret_reply = (struct fetch_reply){.status = 0};
    TRY(client_directory(ca->client, a, &directory, why));
    if (directory->renewal_info.len == 0)
        return fail(ERR_UNAVAILABLE, 0);
    /* RFC 9773 4.1: a slash that is there already is not doubled. */
    struct str base = directory->renewal_info;
    if (base.p[base.len - 1] == '/')
        base.len--;
    struct str url = arena_fmt(a, "%.*s/%.*s", STR_ARG(base), STR_ARG(cert_id));
    return url.p == NULL ? fail(ERR_MEMORY, 0) : client_get(ca->client, a, url, ret_reply, why);
}

struct err ca_forget_account(struct ca *ca)
{
    return ca->account == NULL ? OK : account_forget(ca->account);
}

/* ---- leaving it alone ---- */

void ca_hold(struct ca *ca, uint64_t now_ms)
{
    ca->held_until_ms = now_ms + ACME_HOLD_MS;
}

void ca_release(struct ca *ca)
{
    ca->held_until_ms = 0;
}

uint64_t ca_held_until_ms(const struct ca *ca)
{
    return ca->held_until_ms;
}

void ca_limit(struct ca *ca, uint64_t until_ms)
{
    if (ca->limited_until_ms < until_ms)
        ca->limited_until_ms = until_ms;
}

uint64_t ca_limited_until_ms(const struct ca *ca)
{
    return ca->limited_until_ms;
}

/* ---- life ---- */

static bool are_same(const struct str_list *a, const struct str_list *b)
{
    for (size_t i = 0; a->count == b->count && i < a->count; i++) {
        if (!str_eq(a->items[i], b->items[i]))
            return false;
    }
    return a->count == b->count;
}

struct err ca_new(const struct ca_options *o, struct ca **ret_ca)
{
    AUTO(ca_free) struct ca *ca = mem_new(struct ca);
    if (ca == NULL)
        return fail(ERR_MEMORY, 0);
    ca->store = o->store;
    ca->settings = acme_settings_ref(o->settings);
    ca->is_contact_changed =
        o->previous != NULL && !are_same(&o->previous->contact, &o->settings->contact);
    ca->arena = arena_new(4 * KIB, ACME_ORDER_MAX_BYTES);
    if (ca->arena == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(client_new(
        &(struct client_options){
            .fetch = o->fetch,
            .directory = o->settings->directory,
            .ca_bundle = o->settings->ca_bundle,
            .is_ipv4_only = o->settings->address_family == ACME_FAMILY_IPV4,
            .conditions = store_conditions(o->store),
        },
        &ca->client));
    *ret_ca = TAKE(ca);
    return OK;
}

void ca_free(struct ca *ca)
{
    if (ca == NULL)
        return;
    account_free(ca->account);
    client_free(ca->client);
    acme_settings_unref(ca->settings);
    arena_free(ca->arena);
    mem_free(ca);
}
