#include "store/error_text.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

static struct str errno_text(int code, struct arena *a)
{
    char text[128];
    /* The GNU strerror_r: thread-safe, may return a constant instead of using the buffer. */
    return arena_dup(a, str_from(strerror_r(code, text, sizeof(text))));
}

static struct str tls_text(int32_t code, struct arena *a)
{
    const char *reason = ERR_reason_error_string((unsigned long)code);
    return arena_dup(a, str_from(reason == NULL ? "no TLS spoken, or cut off" : reason));
}

struct str error_text(struct err e, struct arena *a)
{
    if (!failed(e))
        return STR_NONE;
    if (e.kind == ERR_TARGET_VERIFY || e.kind == ERR_TARGET_NAME)
        return arena_dup(a, str_from(X509_verify_cert_error_string(e.detail)));
    if (e.kind == ERR_TARGET_TLS)
        return tls_text(e.detail, a);
    bool is_errno =
        e.kind == ERR_TARGET_CONNECT || e.kind == ERR_TARGET_RESET || e.kind == ERR_IO;
    if (is_errno && e.detail != 0)
        return errno_text(e.detail, a);
    return STR_NONE;
}
