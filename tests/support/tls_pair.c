#include "tests/support/tls_pair.h"

#include "tests/support/pem_pair.h"

#include "gateway/base/limits.h"

#include <arpa/inet.h>
#include <assert.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/socket.h>
#include <unistd.h>

SSL_CTX *tls_pair_server_ctx(const struct fake_issuer *ca, const char *names,
                             int64_t not_after_at)
{
    struct arena *a = arena_new(4 * KIB, MIB);
    struct pem_pair pair = pem_pair_sign(a, ca, names, not_after_at);
    BIO *chain = BIO_new_mem_buf(pair.chain.p, (int)pair.chain.len);
    BIO *key_text = BIO_new_mem_buf(pair.key.p, (int)pair.key.len);
    X509 *cert = PEM_read_bio_X509(chain, NULL, NULL, NULL);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(key_text, NULL, NULL, NULL);
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    int ok = SSL_CTX_use_certificate(ctx, cert) == 1 && SSL_CTX_use_PrivateKey(ctx, key) == 1;
    assert(ok);
    X509_free(cert);
    EVP_PKEY_free(key);
    BIO_free(chain);
    BIO_free(key_text);
    arena_free(a);
    return ctx;
}

SSL_CTX *tls_pair_client_ctx(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    assert(ctx != NULL);
    return ctx;
}

SSL *tls_pair_accept(SSL_CTX *ctx)
{
    SSL *ssl = SSL_new(ctx);
    assert(ssl != NULL);
    SSL_set_accept_state(ssl);
    return ssl;
}

SSL *tls_pair_connect(SSL_CTX *ctx, const char *name)
{
    SSL *ssl = SSL_new(ctx);
    assert(ssl != NULL);
    if (name != NULL) {
        /* The macro casts const away. */
        long ok = SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                           (void *)(uintptr_t)name);
        assert(ok == 1);
    }
    SSL_set_connect_state(ssl);
    return ssl;
}

static void tcp_sockets(int ret_fds[2])
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof(at);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int ok = bind(listener, (const struct sockaddr *)&at, len) == 0 &&
             listen(listener, 1) == 0 &&
             getsockname(listener, (struct sockaddr *)&at, &len) == 0;
    ret_fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ok = ok && connect(ret_fds[0], (const struct sockaddr *)&at, len) == 0;
    ret_fds[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert(ok && ret_fds[1] >= 0);
    (void)close(listener);
}

void tls_pair_sockets(int family, int ret_fds[2])
{
    if (family == AF_INET) {
        tcp_sockets(ret_fds);
    } else {
        int made = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ret_fds);
        assert(made == 0);
    }
    for (int i = 0; i < 2; i++) {
        int set = fcntl(ret_fds[i], F_SETFL, O_NONBLOCK);
        assert(set == 0);
    }
}

/* The first error of a failed one is kept, and nothing is asked of it any more. */
static void step(SSL *ssl, bool *is_done, int *reason)
{
    if (*is_done || *reason != 0)
        return;
    ERR_clear_error();
    int result = SSL_do_handshake(ssl);
    int error = SSL_get_error(ssl, result);
    *is_done = result == 1;
    if (result != 1 && error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
        *reason = ERR_GET_REASON(ERR_peek_error());
}

struct tls_pair_result tls_pair_shake(SSL *client, SSL *server)
{
    struct tls_pair_result r = {.is_client_done = false};
    BIO *client_bio, *server_bio;
    int made = BIO_new_bio_pair(&client_bio, 65536, &server_bio, 65536);
    assert(made == 1);
    SSL_set_bio(client, client_bio, client_bio);
    SSL_set_bio(server, server_bio, server_bio);
    for (int i = 0; i < 20; i++) {
        step(server, &r.is_server_done, &r.server_reason);
        step(client, &r.is_client_done, &r.client_reason);
    }
    return r;
}
