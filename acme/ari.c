#include "acme/ari.h"

#include "acme/retry_after.h"
#include "acme/wire.h"
#include "store/cert_pem.h"

#include "gateway/base/limits.h"
#include "gateway/base/text.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#define CERT_ID_MAX_BYTES 256
#define TROUBLES_MAX      6 /* 1, 2, 4, ... 32 minutes, then 6 hours */

/* ---- the name ---- */

static struct err append_base64url(struct buf *out, const ASN1_STRING *bytes)
{
    return text_base64url(
        out, str_make(ASN1_STRING_get0_data(bytes), (size_t)ASN1_STRING_length(bytes)));
}

/* The content bytes of the DER integer, with the zero that keeps a large one positive. */
static struct err append_serial(struct buf *out, const ASN1_INTEGER *serial)
{
    const unsigned char *bytes = ASN1_STRING_get0_data(serial);
    int len = ASN1_STRING_length(serial);
    unsigned char der[CERT_ID_MAX_BYTES] = {0};
    if (len <= 0 || (size_t)len >= sizeof(der) ||
        ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER)
        return fail(ERR_CERT_PARSE, 0);
    size_t zeros = bytes[0] >= 0x80;
    memcpy(der + zeros, bytes, (size_t)len);
    return text_base64url(out, str_make(der, (size_t)len + zeros));
}

static struct err write_id(X509 *leaf, struct buf *out)
{
    const ASN1_OCTET_STRING *issuer = X509_get0_authority_key_id(leaf);
    ERR_clear_error();
    if (issuer == NULL)
        return fail(ERR_NOT_FOUND, 0);
    TRY(append_base64url(out, issuer));
    TRY(buf_append(out, STR(".")));
    return append_serial(out, X509_get0_serialNumber(leaf));
}

struct err ari_cert_id(struct arena *a, struct str chain_pem, struct str *ret_id)
{
    AUTO(X509_free) X509 *leaf = NULL;
    AUTO(cert_pem_free_list) STACK_OF(X509) *chain = NULL;
    TRY(cert_read_chain(chain_pem, &leaf, &chain));
    struct buf out;
    buf_init(&out, CERT_ID_MAX_BYTES);
    struct err e = write_id(leaf, &out);
    if (!failed(e)) {
        *ret_id = arena_dup(a, buf_view(&out));
        e = ret_id->p == NULL ? fail(ERR_MEMORY, 0) : OK;
    }
    buf_fini(&out);
    return e;
}

/* ---- learning ---- */

static const struct retry_after_bounds bounds = {
    .standard_ms = ACME_ARI_LONG_MS,
    .min_ms = ACME_ARI_MIN_MS,
    .max_ms = ACME_ARI_MAX_MS,
};

static int64_t check_at(const struct ari_answer *answer)
{
    uint64_t wait_ms = retry_after_ms(answer->reply->retry_after, answer->now_at, &bounds);
    return answer->now_at + (int64_t)(wait_ms / 1000);
}

/* Of the CA or the way to it, and likely to pass. */
static bool is_trouble(const struct ari_answer *answer)
{
    return failed(answer->err) && (answer->reply->status == 0 || answer->reply->status >= 500);
}

static struct cert_renewal learn_nothing(const struct cert_renewal *known,
                                         const struct ari_answer *answer)
{
    struct cert_renewal r = *known;
    r.errors = known->errors + (known->errors < UINT32_MAX);
    if (is_trouble(answer) && answer->reply->retry_after.len == 0 && r.errors <= TROUBLES_MAX)
        r.check_at = answer->now_at + (ACME_ARI_MIN_MS / 1000 << (r.errors - 1));
    else
        r.check_at = check_at(answer);
    return r;
}

/* Uniformly in the window; both ends may be drawn. */
static int64_t draw(int64_t start_at, int64_t end_at, uint64_t random)
{
    return start_at + (int64_t)(random % (uint64_t)(end_at - start_at + 1));
}

struct cert_renewal ari_learn(struct arena *a, const struct cert_renewal *known,
                              const struct ari_answer *answer, const char **ret_words)
{
    struct wire_renewal_info info;
    *ret_words = NULL;
    if (failed(answer->err)) {
        *ret_words = "the CA did not say when to renew";
        return learn_nothing(known, answer);
    }
    if (failed(wire_read_renewal_info(a, answer->reply->body, &info))) {
        *ret_words = "the CA's renewal information makes no sense";
        return learn_nothing(known, answer);
    }
    struct cert_renewal r = {
        .start_at = info.start_at,
        .end_at = info.end_at,
        .selected_at = known->selected_at,
        .check_at = check_at(answer),
        .explanation = info.explanation,
    };
    if (info.start_at != known->start_at || info.end_at != known->end_at)
        r.selected_at = draw(info.start_at, info.end_at, answer->random);
    return r;
}
