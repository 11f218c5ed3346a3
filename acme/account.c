/* account.c - account_open -> load | make_key;  account_ensure -> find_again -> create ->
 * keep_url. */
#include "acme/account.h"

#include "acme/jws.h"
#include "acme/key.h"

#include "gateway/base/limits.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/base/text.h"

struct account {
    struct account_options options;
    struct arena *arena;
    EVP_PKEY *key;
    struct str thumbprint;
    struct str url;
    bool may_exist; /* the key is older than this process: the CA may know it */
    bool is_contact_sent;
};

EVP_PKEY *account_key(const struct account *acc)
{
    return acc->key;
}

struct str account_url(const struct account *acc)
{
    return acc->url;
}

struct str account_thumbprint(const struct account *acc)
{
    return acc->thumbprint;
}

static struct err say(struct problem *why, const struct err_kind *kind, struct str words)
{
    struct err e = fail(kind, 0);
    problem_set(why, e, words);
    return e;
}

/* ---- at rest ---- */

static struct err put_row(const struct account *acc, struct str url)
{
    struct account_row row = {
        .directory = acc->options.settings->directory,
        .eab_kid = acc->options.settings->eab.kid,
        .url = url,
        .status = url.len > 0 ? STR("valid") : STR_NONE,
    };
    TRY(key_to_der(acc->key, &row.key_der));
    AUTO(store_rollback) struct tx *tx = NULL;
    struct err e = store_begin(acc->options.store, &tx);
    if (!failed(e))
        e = tx_account_put(tx, &row);
    if (!failed(e))
        e = store_commit(&tx);
    secret_fini(&row.key_der);
    return e;
}

static struct err make_key(struct account *acc)
{
    TRY(key_new(KEY_ECDSA_P256, &acc->key));
    return put_row(acc, STR_NONE);
}

static struct err load(struct account *acc)
{
    const struct acme_settings *settings = acc->options.settings;
    struct account_row row;
    struct err e = store_account_load(acc->options.store, acc->arena, settings->directory,
                                      settings->eab.kid, &row);
    if (err_is(e, ERR_NOT_FOUND))
        return make_key(acc);
    TRY(e);
    e = key_from_der(secret_bytes(&row.key_der), &acc->key);
    secret_fini(&row.key_der);
    TRY(e);
    acc->url = row.url;
    acc->may_exist = true;
    return jws_algorithm(acc->key) == NULL ? fail(ERR_CERT_KEY, 0) : OK;
}

static struct err make_thumbprint(struct account *acc)
{
    struct buf out;
    buf_init(&out, 4 * KIB);
    struct err e = jws_thumbprint(acc->key, &out);
    if (!failed(e))
        acc->thumbprint = arena_dup(acc->arena, buf_view(&out));
    buf_fini(&out);
    TRY(e);
    return acc->thumbprint.p == NULL ? fail(ERR_MEMORY, 0) : OK;
}

static struct err open_with(struct account *acc, const struct account_options *o)
{
    acc->options = *o;
    acc->arena = arena_new(4 * KIB, ACME_ORDER_MAX_BYTES);
    if (acc->arena == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(load(acc));
    return make_thumbprint(acc);
}

struct err account_open(const struct account_options *o, struct account **ret_account,
                        struct problem *why)
{
    AUTO(account_free) struct account *acc = mem_new(struct account);
    struct err e = acc == NULL ? fail(ERR_MEMORY, 0) : open_with(acc, o);
    if (failed(e)) {
        problem_set(why, e, STR_NONE);
        return e;
    }
    *ret_account = TAKE(acc);
    return OK;
}

void account_free(struct account *acc)
{
    if (acc == NULL)
        return;
    EVP_PKEY_free(acc->key);
    arena_free(acc->arena);
    mem_free(acc);
}

struct err account_forget(struct account *acc)
{
    TRY(put_row(acc, STR_NONE));
    acc->url = STR_NONE;
    acc->may_exist = false; /* the CA has just said so */
    return OK;
}

/* ---- at the CA ---- */

/* All the room at once: a buffer that grows would leave copies of the key behind. */
static struct err decode_hmac(struct str text, struct secret *ret_hmac)
{
    struct buf raw;
    char *room;
    size_t room_bytes;
    buf_init(&raw, PEM_MAX_BYTES);
    TRY(buf_reserve(&raw, text.len + 1, &room, &room_bytes));
    struct err e = text_unbase64(&raw, text);
    if (!failed(e))
        e = buf_len(&raw) == 0 ? fail(ERR_SYNTAX, 0) : secret_init(ret_hmac, buf_view(&raw));
    secret_wipe(room, room_bytes);
    buf_fini(&raw);
    return e;
}

/* The binding as JSON text; nothing if none is configured. */
static struct err bind_account(const struct account *acc, struct str url, struct buf *out,
                               struct problem *why)
{
    const struct acme_eab *eab = &acc->options.settings->eab;
    if (eab->kid.len == 0)
        return OK;
    struct secret hmac;
    struct err e = decode_hmac(eab->hmac, &hmac);
    if (err_is(e, ERR_SYNTAX))
        return say(why, ERR_ACME_SETTINGS,
                   STR("eab.hmac is not base64; type it as the CA gave it: "
                       "gatehouse acme set eab.kid=... eab.hmac=..."));
    if (!failed(e)) {
        struct jws_binding binding = {.url = url, .kid = eab->kid, .hmac = &hmac};
        e = jws_bind(acc->key, &binding, out);
        secret_fini(&hmac);
    }
    return failed(e) ? say(why, e.kind, STR_NONE) : OK;
}

/* A newAccount request; 2xx gives the address of the account. */
static struct err ask(struct account *acc, const struct wire_new_account *body, struct arena *a,
                      struct str *ret_url, struct problem *why)
{
    const struct wire_directory *directory;
    TRY(client_directory(acc->options.client, a, &directory, why));
    struct buf payload;
    buf_init(&payload, ACME_BODY_MAX_BYTES);
    struct fetch_reply reply;
    struct err e = wire_write_new_account(body, &payload);
    if (failed(e))
        problem_set(why, e, STR_NONE);
    else
        e = client_send(acc->options.client, a,
                        &(struct client_post){.url = directory->new_account,
                                              .key = acc->key,
                                              .payload = buf_view(&payload)},
                        &reply, why);
    buf_fini(&payload);
    TRY(e);

    enum wire_status status;
    if (!wire_is_url(reply.location) || failed(wire_read_status(reply.body, &status)))
        return say(why, ERR_ACME_PROTOCOL, STR("the CA's answer to newAccount makes no sense"));
    if (status != WIRE_VALID) {
        e = say(why, ERR_ACME_PROBLEM, STR("the CA has closed our account"));
        why->type = STR("urn:ietf:params:acme:error:unauthorized");
        return e;
    }
    *ret_url = reply.location;
    return OK;
}

static struct err create(struct account *acc, struct arena *a, struct str *ret_url,
                         struct problem *why)
{
    const struct wire_directory *directory;
    TRY(client_directory(acc->options.client, a, &directory, why));
    const struct acme_settings *settings = acc->options.settings;
    if (directory->needs_eab && settings->eab.kid.len == 0)
        return say(
            why, ERR_ACME_SETTINGS,
            STR("this CA wants an external account binding: get a key id and an HMAC key "
                "from it, then type: gatehouse acme set eab.kid=... eab.hmac=..."));
    struct buf eab;
    buf_init(&eab, ACME_BODY_MAX_BYTES);
    struct err e = bind_account(acc, directory->new_account, &eab, why);
    if (!failed(e))
        e = ask(acc,
                &(struct wire_new_account){.contact = &settings->contact,
                                           .agrees_to_terms = settings->tos_agreed,
                                           .eab = buf_view(&eab)},
                a, ret_url, why);
    buf_fini(&eab);
    return e;
}

/* Our key may be registered although we do not know the address: the answer was lost. */
static struct err find_again(struct account *acc, struct arena *a, struct str *ret_url,
                             struct problem *why)
{
    if (!acc->may_exist)
        return fail(ERR_ACME_NO_ACCOUNT, 0);
    return ask(acc, &(struct wire_new_account){.only_existing = true}, a, ret_url, why);
}

static struct err keep_url(struct account *acc, struct str url, struct problem *why)
{
    struct err e = put_row(acc, url);
    struct str copy = arena_dup(acc->arena, url);
    if (!failed(e) && copy.p == NULL)
        e = fail(ERR_MEMORY, 0);
    if (failed(e)) {
        problem_set(why, e, STR_NONE);
        return e;
    }
    acc->url = copy;
    log_info("account_registered", KV_STR("ca", acc->options.settings->directory),
             KV_STR("account", url));
    return OK;
}

static struct err register_account(struct account *acc, struct arena *a, struct problem *why)
{
    struct str url;
    struct err e = find_again(acc, a, &url, why);
    if (err_is(e, ERR_ACME_NO_ACCOUNT)) {
        acc->may_exist = true; /* from now on an answer may get lost */
        e = create(acc, a, &url, why);
        acc->is_contact_sent = !failed(e);
    }
    TRY(e);
    return keep_url(acc, url, why);
}

static struct err update_contact(struct account *acc, struct arena *a, struct problem *why)
{
    struct buf payload;
    buf_init(&payload, ACME_BODY_MAX_BYTES);
    struct fetch_reply reply;
    struct err e = wire_write_contact(&acc->options.settings->contact, &payload);
    if (failed(e))
        problem_set(why, e, STR_NONE);
    else
        e = client_send(acc->options.client, a,
                        &(struct client_post){.url = acc->url,
                                              .kid = acc->url,
                                              .key = acc->key,
                                              .payload = buf_view(&payload)},
                        &reply, why);
    buf_fini(&payload);
    acc->is_contact_sent = !failed(e);
    return e;
}

struct err account_ensure(struct account *acc, struct arena *a, struct problem *why)
{
    if (acc->url.len == 0)
        TRY(register_account(acc, a, why));
    if (acc->options.is_contact_changed && !acc->is_contact_sent)
        TRY(update_contact(acc, a, why));
    return OK;
}
