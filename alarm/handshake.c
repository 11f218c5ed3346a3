#include "alarm/handshake.h"

#include "gateway/base/limits.h"

#include <errno.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static const unsigned char v4_mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

void handshake_address(const unsigned char address[16], unsigned char ret_address[16])
{
    static const unsigned char none[16];
    memcpy(ret_address, address, 16);
    if (memcmp(address, none, 16) == 0)
        ret_address[15] = 1; /* ::1 */
    else if (memcmp(address, v4_mapped, 12) == 0 && memcmp(address + 12, none, 4) == 0)
        memcpy(ret_address + 12, (const unsigned char[]){127, 0, 0, 1}, 4);
}

static int connect_to(const unsigned char address[16], uint16_t port)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } to = {.v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)}};
    socklen_t len = sizeof(to.v6);
    if (memcmp(address, v4_mapped, 12) == 0) {
        to.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
        memcpy(&to.v4.sin_addr, address + 12, 4);
        len = sizeof(to.v4);
    } else {
        memcpy(&to.v6.sin6_addr, address, 16);
    }
    int fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    /* Of connecting, too. */
    struct timeval limit = {.tv_sec = SERVED_LIMIT_MS / 1000};
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (connect(fd, &to.any, len) == 0)
        return fd;
    int code = errno;
    (void)close(fd);
    errno = code;
    return -1;
}

/* Version 2, command LOCAL: the connection is the proxy's own, as those of its health checks.
 * */
static bool send_proxy_header(int fd)
{
    static const char header[] = "\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";
    return send(fd, header, sizeof(header) - 1, MSG_NOSIGNAL) == (ssize_t)sizeof(header) - 1;
}

static struct err read_leaf(SSL *ssl, struct handshake_result *ret_result)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len;
    X509 *leaf = SSL_get1_peer_certificate(ssl);
    if (leaf == NULL)
        return fail(ERR_TLS_CLIENT, 0);
    int ok = X509_digest(leaf, EVP_sha256(), digest, &len);
    const ASN1_INTEGER *serial = X509_get0_serialNumber(leaf);
    const unsigned char *bytes = ASN1_STRING_get0_data(serial);
    size_t serial_len = (size_t)ASN1_STRING_length(serial);
    for (unsigned i = 0; ok == 1 && i < len; i++)
        (void)snprintf(ret_result->sha256 + (size_t)2 * i, 3, "%02x", digest[i]);
    for (size_t i = 0; i < serial_len && 2 * i + 2 < sizeof(ret_result->serial); i++)
        (void)snprintf(ret_result->serial + 2 * i, 3, "%02x", bytes[i]);
    X509_free(leaf);
    return ok == 1 ? OK : fail(ERR_CRYPTO, 0);
}

static struct err shake(SSL_CTX *ctx, int fd, const struct handshake_target *t,
                        struct handshake_result *ret_result)
{
    char name[256]; /* the macro takes no const text; no name is longer */
    (void)snprintf(name, sizeof(name), "%s", t->name);
    SSL *ssl = SSL_new(ctx);
    if (ssl == NULL)
        return fail(ERR_MEMORY, 0);
    struct err e = OK;
    if (SSL_set_fd(ssl, fd) != 1 || SSL_set_tlsext_host_name(ssl, name) != 1)
        e = fail(ERR_MEMORY, 0);
    else if (SSL_connect(ssl) != 1)
        e = fail(ERR_TLS_CLIENT, 0);
    else
        e = read_leaf(ssl, ret_result);
    (void)SSL_shutdown(ssl);
    SSL_free(ssl);
    ERR_clear_error();
    return e;
}

struct err handshake_run(SSL_CTX *ctx, const struct handshake_target *t,
                         struct handshake_result *ret_result)
{
    unsigned char address[16];
    *ret_result = (struct handshake_result){.sha256 = ""};
    handshake_address(t->address, address);
    int fd = connect_to(address, t->port);
    if (fd < 0)
        return fail(ERR_IO, errno);
    struct err e = OK;
    if (t->is_proxy_header && !send_proxy_header(fd))
        e = fail(ERR_IO, errno);
    if (!failed(e))
        e = shake(ctx, fd, t, ret_result);
    (void)close(fd);
    return e;
}
