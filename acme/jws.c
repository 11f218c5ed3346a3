/* jws.c - jws_sign -> write_header -> write_flattened -> sign_with_key. */
#include "acme/jws.h"

#include "gateway/base/json.h"
#include "gateway/base/limits.h"
#include "gateway/base/text.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

enum {
    P256_BYTES = 32,
    RSA_BYTES_MAX = 1024, /* 8192 bits */
    SHA256_BYTES = 32,
};

const char *jws_algorithm(const EVP_PKEY *key)
{
    char group[32];
    if (EVP_PKEY_is_a(key, "EC") &&
        EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof(group),
                                       NULL))
        return strcmp(group, "prime256v1") == 0 || strcmp(group, "P-256") == 0 ? "ES256" : NULL;
    int bits = EVP_PKEY_get_bits(key);
    return EVP_PKEY_is_a(key, "RSA") && bits >= 2048 && bits <= 8 * RSA_BYTES_MAX ? "RS256"
                                                                                  : NULL;
}

/* ---- the public key ---- */

static void free_number(BIGNUM *n)
{
    BN_free(n);
}
AUTO_DEFINE(free_number, BIGNUM *)

/* A number of the key in base64url, left-padded to bytes; 0: as short as it is. */
static struct err append_number(const EVP_PKEY *key, const char *param, int bytes,
                                struct buf *out)
{
    unsigned char octets[RSA_BYTES_MAX];
    AUTO(free_number) BIGNUM *n = NULL;
    if (!EVP_PKEY_get_bn_param(key, param, &n) || BN_num_bytes(n) > RSA_BYTES_MAX)
        return fail(ERR_CRYPTO, 0);
    int len = BN_bn2binpad(n, octets, bytes > 0 ? bytes : BN_num_bytes(n));
    if (len < 0)
        return fail(ERR_CRYPTO, 0);
    return text_base64url(out, str_make(octets, (size_t)len));
}

/* RFC 7638 3.2: required members only, in lexicographic order, without white space. */
struct err jws_jwk(const EVP_PKEY *key, struct buf *out)
{
    const char *algorithm = jws_algorithm(key);
    if (algorithm == NULL)
        return fail(ERR_CERT_KEY, 0);
    if (strcmp(algorithm, "ES256") == 0) {
        TRY(buf_append(out, STR("{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"")));
        TRY(append_number(key, OSSL_PKEY_PARAM_EC_PUB_X, P256_BYTES, out));
        TRY(buf_append(out, STR("\",\"y\":\"")));
        TRY(append_number(key, OSSL_PKEY_PARAM_EC_PUB_Y, P256_BYTES, out));
    } else {
        TRY(buf_append(out, STR("{\"e\":\"")));
        TRY(append_number(key, OSSL_PKEY_PARAM_RSA_E, 0, out));
        TRY(buf_append(out, STR("\",\"kty\":\"RSA\",\"n\":\"")));
        TRY(append_number(key, OSSL_PKEY_PARAM_RSA_N, 0, out));
    }
    return buf_append(out, STR("\"}"));
}

struct err jws_thumbprint(const EVP_PKEY *key, struct buf *out)
{
    struct buf jwk;
    buf_init(&jwk, 4 * KIB);
    unsigned char digest[SHA256_BYTES];
    struct err e = jws_jwk(key, &jwk);
    if (!failed(e) &&
        !EVP_Digest(buf_view(&jwk).p, buf_len(&jwk), digest, NULL, EVP_sha256(), NULL))
        e = fail(ERR_CRYPTO, 0);
    buf_fini(&jwk);
    TRY(e);
    return text_base64url(out, str_make(digest, sizeof(digest)));
}

/* ---- signatures ---- */

static void free_digest(EVP_MD_CTX *ctx)
{
    EVP_MD_CTX_free(ctx);
}
AUTO_DEFINE(free_digest, EVP_MD_CTX *)

static void free_ecdsa(ECDSA_SIG *sig)
{
    ECDSA_SIG_free(sig);
}
AUTO_DEFINE(free_ecdsa, ECDSA_SIG *)

/* OpenSSL gives DER; RFC 7518 3.4 wants R and S side by side, each left-padded. */
static struct err append_es256(struct str der, struct buf *out)
{
    const unsigned char *p = (const unsigned char *)der.p;
    AUTO(free_ecdsa) ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)der.len);
    unsigned char raw[2 * P256_BYTES];
    if (sig == NULL || BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, P256_BYTES) < 0 ||
        BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + P256_BYTES, P256_BYTES) < 0)
        return fail(ERR_CRYPTO, 0);
    return text_base64url(out, str_make(raw, sizeof(raw)));
}

static struct err append_signature(EVP_PKEY *key, struct str input, struct buf *out)
{
    unsigned char sig[RSA_BYTES_MAX];
    size_t len = sizeof(sig);
    AUTO(free_digest) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx == NULL || EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) <= 0 ||
        EVP_DigestSign(ctx, sig, &len, (const unsigned char *)input.p, input.len) <= 0)
        return fail(ERR_CRYPTO, 0);
    struct str bytes = str_make(sig, len);
    return EVP_PKEY_is_a(key, "EC") ? append_es256(bytes, out) : text_base64url(out, bytes);
}

static struct err append_hmac(const struct secret *key, struct str input, struct buf *out)
{
    struct str k = secret_bytes(key);
    unsigned char mac[SHA256_BYTES];
    unsigned len = 0;
    if (k.len == 0 || HMAC(EVP_sha256(), k.p, (int)k.len, (const unsigned char *)input.p,
                           input.len, mac, &len) == NULL)
        return fail(ERR_CRYPTO, 0);
    return text_base64url(out, str_make(mac, len));
}

/* ---- the flattened form ---- */

/* Signs with key, or with hmac if that is there. */
struct signer {
    EVP_PKEY *key;
    const struct secret *hmac;
};

/* {"protected":"...","payload":"...","signature":"..."}: base64url needs no escapes. */
static struct err write_flattened(const struct signer *signer, struct str header,
                                  struct str payload, struct buf *input, struct buf *out)
{
    TRY(text_base64url(input, header));
    size_t header_len = buf_len(input);
    TRY(buf_append(input, STR(".")));
    TRY(text_base64url(input, payload));
    struct str all = buf_view(input);

    TRY(buf_append(out, STR("{\"protected\":\"")));
    TRY(buf_append(out, str_sub(all, 0, header_len)));
    TRY(buf_append(out, STR("\",\"payload\":\"")));
    TRY(buf_append(out, str_skip(all, header_len + 1)));
    TRY(buf_append(out, STR("\",\"signature\":\"")));
    TRY(signer->hmac != NULL ? append_hmac(signer->hmac, all, out)
                             : append_signature(signer->key, all, out));
    return buf_append(out, STR("\"}"));
}

/* Signs head, as the protected header, and payload. */
static struct err write_signed(const struct signer *signer, json_t *head, struct str payload,
                               struct buf *out)
{
    struct buf header, input;
    buf_init(&header, ACME_BODY_MAX_BYTES);
    buf_init(&input, 4 * ACME_BODY_MAX_BYTES);
    struct err e = json_write(head, &header);
    if (!failed(e))
        e = write_flattened(signer, buf_view(&header), payload, &input, out);
    buf_fini(&input);
    buf_fini(&header);
    return e;
}

static struct err add_text(json_t *head, const char *name, struct str text)
{
    return json_object_set_new(head, name, json_from_str(text)) == 0 ? OK : fail(ERR_MEMORY, 0);
}

static struct err add_jwk(json_t *head, const EVP_PKEY *key)
{
    struct buf text;
    buf_init(&text, 4 * KIB);
    json_t *jwk = NULL;
    struct err e = jws_jwk(key, &text);
    if (!failed(e))
        e = json_read(buf_view(&text), &jwk);
    buf_fini(&text);
    TRY(e);
    return json_object_set_new(head, "jwk", jwk) == 0 ? OK : fail(ERR_MEMORY, 0);
}

struct err jws_sign(EVP_PKEY *key, const struct jws_request *request, struct buf *out)
{
    const char *algorithm = jws_algorithm(key);
    if (algorithm == NULL)
        return fail(ERR_CERT_KEY, 0);
    AUTO(json_decref) json_t *head = json_object();
    TRY(add_text(head, "alg", str_from(algorithm)));
    TRY(request->kid.len > 0 ? add_text(head, "kid", request->kid) : add_jwk(head, key));
    if (request->nonce.len > 0)
        TRY(add_text(head, "nonce", request->nonce));
    TRY(add_text(head, "url", request->url));
    return write_signed(&(struct signer){.key = key}, head, request->payload, out);
}

struct err jws_bind(const EVP_PKEY *key, const struct jws_binding *binding, struct buf *out)
{
    AUTO(json_decref) json_t *head = json_object();
    TRY(add_text(head, "alg", STR("HS256")));
    TRY(add_text(head, "kid", binding->kid));
    TRY(add_text(head, "url", binding->url));

    struct buf jwk;
    buf_init(&jwk, 4 * KIB);
    struct err e = jws_jwk(key, &jwk);
    if (!failed(e))
        e = write_signed(&(struct signer){.hmac = binding->hmac}, head, buf_view(&jwk), out);
    buf_fini(&jwk);
    return e;
}
