#include "store/seal.h"

#include "store/data_dir.h"

#include "gateway/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <unistd.h>

enum { KEY_BYTES = 32, NONCE_BYTES = 12, TAG_BYTES = 16, VERSION = 1 };
enum { NONCE_AT = SEAL_KEY_ID_AT + SEAL_KEY_ID_BYTES, TEXT_AT = NONCE_AT + NONCE_BYTES };

static const char key_name[] = "master.key";
static const char new_key_name[] = "master.key.new";

struct seal {
    unsigned char key[KEY_BYTES];
    unsigned char key_id[SEAL_KEY_ID_BYTES];
};

AUTO_DEFINE(EVP_CIPHER_CTX_free, EVP_CIPHER_CTX *)

static void free_bytes(unsigned char *p)
{
    mem_free(p);
}
AUTO_DEFINE(free_bytes, unsigned char *)

void seal_free(struct seal *s)
{
    if (s == NULL)
        return;
    secret_wipe(s, sizeof(*s));
    mem_free(s);
}
AUTO_DEFINE(seal_free, struct seal *)

struct str seal_key_id(const struct seal *s)
{
    return str_make(s->key_id, sizeof(s->key_id));
}

/* ---- master.key ---- */

static struct err read_key(int fd, struct seal *s)
{
    /* One byte more than a key, to notice a file that is too long. */
    unsigned char bytes[KEY_BYTES + 1];
    ssize_t len = pread(fd, bytes, sizeof(bytes), 0);
    int code = errno;
    if (len == KEY_BYTES)
        memcpy(s->key, bytes, KEY_BYTES);
    secret_wipe(bytes, sizeof(bytes));
    if (len < 0)
        return fail(ERR_IO, code);
    return len == KEY_BYTES ? OK : fail(ERR_KEY_WRONG, 0);
}

static struct err write_key(int fd, const struct seal *s)
{
    ssize_t len = write(fd, s->key, KEY_BYTES);
    if (len != KEY_BYTES)
        return fail(ERR_IO, len < 0 ? errno : ENOSPC);
    return fsync(fd) == 0 ? OK : fail(ERR_IO, errno);
}

/* Written beside and renamed when it is complete and on disk: a crash leaves no half key, and
 * nothing is sealed with a key that could get lost. */
static struct err create_key(int data_dir_fd, struct seal *s)
{
    int fd;
    if (RAND_priv_bytes(s->key, KEY_BYTES) != 1)
        return fail(ERR_CRYPTO, 0);
    (void)unlinkat(data_dir_fd, new_key_name, 0);
    TRY(data_dir_create_file(data_dir_fd, new_key_name, &fd));
    struct err e = write_key(fd, s);
    (void)close(fd);
    TRY(e);
    if (renameat(data_dir_fd, new_key_name, data_dir_fd, key_name) != 0)
        return fail(ERR_IO, errno);
    return fsync(data_dir_fd) == 0 ? OK : fail(ERR_IO, errno);
}

static struct err load_key(int data_dir_fd, bool may_create, struct seal *s)
{
    int fd = openat(data_dir_fd, key_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return may_create ? create_key(data_dir_fd, s) : fail(ERR_KEY_MISSING, 0);
    if (fd < 0)
        return fail(ERR_IO, errno);
    struct err e = read_key(fd, s);
    (void)close(fd);
    return e;
}

struct err seal_open(int data_dir_fd, bool may_create, struct seal **ret_seal)
{
    AUTO(seal_free) struct seal *s = mem_new(struct seal);
    unsigned char digest[32];
    if (s == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(load_key(data_dir_fd, may_create, s));
    if (EVP_Digest(s->key, KEY_BYTES, digest, NULL, EVP_sha256(), NULL) != 1)
        return fail(ERR_CRYPTO, 0);
    memcpy(s->key_id, digest, sizeof(s->key_id));
    *ret_seal = TAKE(s);
    return OK;
}

struct err seal_derive(const struct seal *s, struct str purpose, struct secret *ret_key)
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned len;
    if (HMAC(EVP_sha256(), s->key, KEY_BYTES, (const unsigned char *)purpose.p, purpose.len,
             bytes, &len) == NULL)
        return fail(ERR_CRYPTO, 0);
    struct err e = secret_init(ret_key, str_make(bytes, len));
    secret_wipe(bytes, sizeof(bytes));
    return e;
}

/* ---- sealing ---- */

/* Header and context are authenticated, not encrypted. */
static bool authenticate(EVP_CIPHER_CTX *ctx, struct str header, struct str context)
{
    int len;
    return EVP_CipherUpdate(ctx, NULL, &len, (const unsigned char *)header.p,
                            (int)header.len) == 1 &&
           EVP_CipherUpdate(ctx, NULL, &len, (const unsigned char *)context.p,
                            (int)context.len) == 1;
}

static bool encrypt(EVP_CIPHER_CTX *ctx, const struct seal *s, struct str context,
                    struct str plain, unsigned char *out)
{
    int len, rest;
    unsigned char *text = out + TEXT_AT;
    return EVP_EncryptInit_ex2(ctx, EVP_aes_256_gcm(), s->key, out + NONCE_AT, NULL) == 1 &&
           authenticate(ctx, str_make(out, NONCE_AT), context) &&
           EVP_EncryptUpdate(ctx, text, &len, (const unsigned char *)plain.p, (int)plain.len) ==
               1 &&
           EVP_EncryptFinal_ex(ctx, text + len, &rest) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, text + plain.len) == 1;
}

struct err seal_close(const struct seal *s, struct str context, struct str plain,
                      struct buf *out)
{
    if (plain.len > INT_MAX - TEXT_AT - TAG_BYTES || context.len > INT_MAX)
        return fail(ERR_LIMIT, 0);
    AUTO(EVP_CIPHER_CTX_free) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    size_t total = TEXT_AT + plain.len + TAG_BYTES, room;
    char *tail;
    if (ctx == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(buf_reserve(out, total, &tail, &room));
    unsigned char *bytes = (unsigned char *)tail;
    bytes[0] = VERSION;
    memcpy(bytes + SEAL_KEY_ID_AT, s->key_id, sizeof(s->key_id));
    if (RAND_bytes(bytes + NONCE_AT, NONCE_BYTES) != 1 ||
        !encrypt(ctx, s, context, plain, bytes))
        return fail(ERR_CRYPTO, 0);
    buf_commit(out, total);
    return OK;
}

static bool decrypt(EVP_CIPHER_CTX *ctx, const struct seal *s, struct str context,
                    struct str sealed, unsigned char *plain)
{
    const unsigned char *bytes = (const unsigned char *)sealed.p;
    size_t text_len = sealed.len - TEXT_AT - TAG_BYTES;
    unsigned char tag[TAG_BYTES];
    int len, rest;
    memcpy(tag, bytes + TEXT_AT + text_len, TAG_BYTES);
    return EVP_DecryptInit_ex2(ctx, EVP_aes_256_gcm(), s->key, bytes + NONCE_AT, NULL) == 1 &&
           authenticate(ctx, str_sub(sealed, 0, NONCE_AT), context) &&
           EVP_DecryptUpdate(ctx, plain, &len, bytes + TEXT_AT, (int)text_len) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) == 1 &&
           EVP_DecryptFinal_ex(ctx, plain + len, &rest) == 1;
}

struct err seal_unseal(const struct seal *s, struct str context, struct str sealed,
                       struct secret *ret_plain)
{
    if (sealed.len < TEXT_AT + TAG_BYTES || sealed.len > INT_MAX || sealed.p[0] != VERSION ||
        !str_eq(str_sub(sealed, SEAL_KEY_ID_AT, SEAL_KEY_ID_BYTES), seal_key_id(s)))
        return fail(ERR_KEY_WRONG, 0);
    size_t len = sealed.len - TEXT_AT - TAG_BYTES;
    AUTO(EVP_CIPHER_CTX_free) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    AUTO(free_bytes) unsigned char *plain = mem_alloc(len + 1, 1);
    if (ctx == NULL || plain == NULL)
        return fail(ERR_MEMORY, 0);
    struct err e = fail(ERR_KEY_WRONG, 0);
    if (decrypt(ctx, s, context, sealed, plain))
        e = secret_init(ret_plain, str_make(plain, len));
    secret_wipe(plain, len);
    return e;
}
