#include "gateway/tls/tls_server.h"

#include "gateway/tls/alpn.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"

#include <openssl/err.h>

struct tls_server {
    struct ticket_keys *keys;
    SSL_CTX *ctx;
    uint64_t revision; /* of the settings ctx was made for; 0: none */
};

/* Mozilla's "intermediate": forward secrecy and AEAD only.  AES-128 first: fastest where
 * there is AES hardware; clients without it put ChaCha20 first and get it
 * (SSL_OP_PRIORITIZE_CHACHA). */
static const char ciphers_1_2[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                                  "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                                  "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
static const char ciphers_1_3[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

struct err tls_server_new(struct ticket_keys *keys, struct tls_server **ret_server)
{
    struct tls_server *s = mem_new(struct tls_server);
    if (s == NULL)
        return fail(ERR_MEMORY, 0);
    s->keys = keys;
    *ret_server = s;
    return OK;
}

void tls_server_free(struct tls_server *s)
{
    if (s == NULL)
        return;
    SSL_CTX_free(s->ctx);
    mem_free(s);
}

void tls_choice_fini(struct tls_choice *c)
{
    if (c->cert != NULL)
        cert_unref(c->cert);
    c->cert = NULL;
}

/* ---- the choice ---- */

static void read_name(SSL *ssl, struct tls_choice *choice)
{
    struct str name = str_from(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
    if (name.len >= TLS_NAME_MAX)
        name = STR_NONE;
    for (size_t i = 0; i < name.len; i++)
        choice->name[i] = chr_lower(name.p[i]);
    choice->name[name.len] = '\0';
}

/* The certificate for the name; the stand-in while there is none yet, or where the policy wants
 * unknown names to be answered by a page or a route; NULL: reject. */
static const struct cert *choose(const struct snapshot *snap, struct str name)
{
    const struct cert *cert = snapshot_cert_for_host(snap, name);
    if (cert != NULL)
        return cert;
    bool is_known = name.len > 0 && snapshot_is_known_host(snap, name);
    if (is_known || !str_eq(snapshot_settings(snap)->unknown_host, STR("reject")))
        return snapshot_stand_in(snap);
    return NULL;
}

static struct err use_cert(SSL *ssl, const struct cert *cert)
{
    const struct cert_material *m;
    TRY(cert_material(cert, &m));
    if (SSL_use_cert_and_key(ssl, m->leaf, m->key, m->chain, 1) != 1)
        return fail(ERR_CRYPTO, 0);
    return OK;
}

/* Called by OpenSSL once per ClientHello, also when it has no server_name extension. */
static int on_server_name(SSL *ssl, int *ret_alert, void *arg)
{
    struct tls_choice *choice = SSL_get_app_data(ssl);
    (void)arg;
    read_name(ssl, choice);
    const struct snapshot *snap = *choice->snapshot;
    const struct cert *cert = choose(snap, str_from(choice->name));
    if (cert == NULL) {
        choice->is_refused = true;
        *ret_alert = SSL_AD_UNRECOGNIZED_NAME;
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    /* A pair that cannot be used must not take the name down: the stand-in keeps the door
     * open. */
    if (failed(use_cert(ssl, cert))) {
        cert = snapshot_stand_in(snap);
        if (failed(use_cert(ssl, cert))) {
            *ret_alert = SSL_AD_INTERNAL_ERROR;
            return SSL_TLSEXT_ERR_ALERT_FATAL;
        }
    }
    tls_choice_fini(choice);
    choice->cert = cert_ref(cert);
    return SSL_TLSEXT_ERR_OK;
}

static int on_alpn(SSL *ssl, const unsigned char **ret_name, unsigned char *ret_len,
                   const unsigned char *offered, unsigned offered_len, void *arg)
{
    unsigned char *chosen;
    (void)ssl;
    (void)arg;
    /* RFC 7301 3.2: no protocol in common is a fatal alert, not a guess. */
    if (SSL_select_next_proto(&chosen, ret_len, (const unsigned char *)alpn_both.p,
                              (unsigned)alpn_both.len, offered,
                              offered_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *ret_name = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* ---- policy ---- */

/* With the post-quantum hybrid where the library knows it (OpenSSL 3.5). Not const: the
 * macro casts. */
static bool set_groups(SSL_CTX *ctx)
{
    char hybrid[] = "X25519MLKEM768:X25519:P-256:P-384";
    char classic[] = "X25519:P-256:P-384";
    if (SSL_CTX_set1_groups_list(ctx, hybrid) == 1)
        return true;
    ERR_clear_error();
    return SSL_CTX_set1_groups_list(ctx, classic) == 1;
}

static bool set_policy(SSL_CTX *ctx, const struct settings *settings)
{
    bool is_modern =
        settings->tls_profile == TLS_PROFILE_MODERN || settings->tls_min_version == TLS_MIN_1_3;
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return set_groups(ctx) &&
           SSL_CTX_set_min_proto_version(ctx, is_modern ? TLS1_3_VERSION : TLS1_2_VERSION) ==
               1 &&
           SSL_CTX_set_cipher_list(ctx, ciphers_1_2) == 1 &&
           SSL_CTX_set_ciphersuites(ctx, ciphers_1_3) == 1;
}

static struct err set_sessions(SSL_CTX *ctx, struct ticket_keys *keys)
{
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(ctx, TLS_TICKET_S);
    if (SSL_CTX_set_num_tickets(ctx, 1) != 1)
        return fail(ERR_CRYPTO, 0);
    return ticket_keys_attach(keys, ctx);
}

static struct err make_ctx(const struct tls_server *s, const struct settings *settings,
                           SSL_CTX **ret_ctx)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (ctx == NULL)
        return fail(ERR_MEMORY, 0);
    if (!set_policy(ctx, settings) || failed(set_sessions(ctx, s->keys))) {
        SSL_CTX_free(ctx);
        return fail(ERR_CRYPTO, 0);
    }
    SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
    SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
    *ret_ctx = ctx;
    return OK;
}

struct err tls_server_accept(struct tls_server *s, struct tls_choice *choice, SSL **ret_ssl)
{
    const struct settings *settings = snapshot_settings(*choice->snapshot);
    if (s->ctx == NULL || s->revision != settings->object.revision) {
        SSL_CTX *ctx;
        TRY(make_ctx(s, settings, &ctx));
        SSL_CTX_free(s->ctx); /* connections hold their own reference */
        s->ctx = ctx;
        s->revision = settings->object.revision;
    }
    SSL *ssl = SSL_new(s->ctx);
    if (ssl == NULL)
        return fail(ERR_MEMORY, 0);
    SSL_set_app_data(ssl, choice);
    SSL_set_accept_state(ssl);
    *ret_ssl = ssl;
    return OK;
}
