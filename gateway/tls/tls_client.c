#include "gateway/tls/tls_client.h"

#include "gateway/tls/transport.h"

#include "gateway/base/mem.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

struct tls_client {
    SSL_CTX *ctx;
};

struct err tls_client_new(struct tls_client **ret_client)
{
    struct tls_client *c = mem_new(struct tls_client);
    if (c == NULL)
        return fail(ERR_MEMORY, 0);
    c->ctx = SSL_CTX_new(TLS_client_method());
    if (c->ctx == NULL || SSL_CTX_set_min_proto_version(c->ctx, TLS1_2_VERSION) != 1) {
        tls_client_free(c);
        return fail(ERR_CRYPTO, 0);
    }
    SSL_CTX_set_options(c->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(c->ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_OFF);
    *ret_client = c;
    return OK;
}

void tls_client_free(struct tls_client *c)
{
    if (c == NULL)
        return;
    SSL_CTX_free(c->ctx);
    mem_free(c);
}

static bool is_address(const struct target *target)
{
    return target->host_kind == TARGET_HOST_IPV4 || target->host_kind == TARGET_HOST_IPV6;
}

/* Names and addresses of the model are NUL-terminated: they come from an arena. */
static bool set_name(SSL *ssl, const struct upstream_tls *tls, const struct target *target)
{
    bool is_verified = tls->verify == TLS_VERIFY_SYSTEM || tls->verify == TLS_VERIFY_CA;
    if (tls->server_name.len == 0 && is_address(target)) {
        X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
        return !is_verified || X509_VERIFY_PARAM_set1_ip_asc(param, target->host.p) == 1;
    }
    if (tls->server_name.len == 0 && target->host_kind == TARGET_HOST_UNIX)
        return true;
    const char *name = tls->server_name.len > 0 ? tls->server_name.p : target->host.p;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    /* SSL_set_tlsext_host_name casts const away; the function behind it does not need to. */
    return SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                    (void *)(uintptr_t)name) == 1 &&
           (!is_verified || SSL_set1_host(ssl, name) == 1);
}

static bool set_trust(SSL *ssl, const struct upstream_tls *tls)
{
    if (tls->verify == TLS_VERIFY_PIN || tls->verify == TLS_VERIFY_OFF) {
        SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
        return true;
    }
    SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    return SSL_set1_verify_cert_store(ssl, tls->trust) == 1;
}

static struct err set_cert(SSL *ssl, const struct cert *cert)
{
    const struct cert_material *m;
    if (!cert->has_material)
        return fail(ERR_TARGET_CLIENT_CERT, 0);
    TRY(cert_material(cert, &m));
    if (SSL_use_cert_and_key(ssl, m->leaf, m->key, m->chain, 1) != 1)
        return fail(ERR_CRYPTO, 0);
    return OK;
}

struct err tls_client_connect(struct tls_client *c, const struct upstream_tls *tls,
                              const struct target *target, const struct cert *cert,
                              struct str alpn, SSL **ret_ssl)
{
    SSL *ssl = SSL_new(c->ctx);
    if (ssl == NULL)
        return fail(ERR_MEMORY, 0);
    if (!set_name(ssl, tls, target) || !set_trust(ssl, tls) ||
        SSL_set_alpn_protos(ssl, (const unsigned char *)alpn.p, (unsigned)alpn.len) != 0) {
        SSL_free(ssl);
        return fail(ERR_CRYPTO, 0);
    }
    struct err e = cert == NULL ? OK : set_cert(ssl, cert);
    if (failed(e)) {
        SSL_free(ssl);
        return e;
    }
    SSL_set_connect_state(ssl);
    *ret_ssl = ssl;
    return OK;
}

/* SHA-256 over the DER of SubjectPublicKeyInfo (RFC 7469 2.4). */
static bool digest_key(const X509 *cert, unsigned char digest[32])
{
    unsigned char *der = NULL;
    int len = cert == NULL ? -1 : i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
    bool is_made =
        len > 0 && EVP_Digest(der, (size_t)len, digest, NULL, EVP_sha256(), NULL) == 1;
    OPENSSL_free(der);
    return is_made;
}

struct err tls_client_check(const SSL *ssl, const struct upstream_tls *tls)
{
    unsigned char digest[32];
    if (tls->verify != TLS_VERIFY_PIN)
        return OK;
    if (!digest_key(SSL_get0_peer_certificate(ssl), digest))
        return fail(ERR_CRYPTO, 0);
    for (size_t i = 0; i < tls->pins.count; i++) {
        if (memcmp(digest, tls->pin_digests[i], sizeof(digest)) == 0)
            return OK;
    }
    return fail(ERR_TARGET_PIN, 0);
}

struct err tls_client_verdict(const SSL *ssl)
{
    int32_t code = transport_tls_error();
    long result = SSL_get_verify_result(ssl);
    if (result == X509_V_ERR_HOSTNAME_MISMATCH || result == X509_V_ERR_IP_ADDRESS_MISMATCH)
        return fail(ERR_TARGET_NAME, (int32_t)result);
    if (result != X509_V_OK && SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE)
        return fail(ERR_TARGET_VERIFY, (int32_t)result);
    return fail(ERR_TARGET_TLS, code);
}
