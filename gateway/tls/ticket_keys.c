/* ticket_keys.c - new -> attach; then, for each ticket: turn -> seal or open.
 *
 * Workers share the keys without a lock.  A generation of them lives in the slot of its
 * number; the three slots hold the current one, the one before, and, for a moment, the next.
 * A reader copies a slot and looks whether it still holds that generation (a sequence lock):
 * words are stored with release and loaded with acquire, so a torn copy is never used. */
#include "gateway/tls/ticket_keys.h"

#include "gateway/base/clock.h"
#include "gateway/base/limits.h"
#include "gateway/base/mem.h"
#include "gateway/base/secret.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdatomic.h>
#include <string.h>

enum { NAME_BYTES = 16, SLOTS = 3 };

struct ticket_key {
    unsigned char name[NAME_BYTES]; /* in the ticket, readable by all */
    unsigned char cipher[32];
    unsigned char mac[32];
};

enum { KEY_WORDS = sizeof(struct ticket_key) / sizeof(uint64_t) };
_Static_assert(sizeof(struct ticket_key) % sizeof(uint64_t) == 0, "a key is made of words");

struct slot {
    _Atomic uint64_t generation; /* 0: empty, or being written */
    _Atomic uint64_t words[KEY_WORDS];
};

struct ticket_keys {
    EVP_CIPHER *cipher;      /* fetched once: a look-up by name per ticket costs more than it */
    _Atomic uint64_t newest; /* generation, from 1 */
    _Atomic uint64_t made_ms; /* when it was made */
    atomic_flag is_turning;
    struct slot slots[SLOTS];
};

/* ---- slots ---- */

static struct slot *slot_of(struct ticket_keys *keys, uint64_t generation)
{
    return &keys->slots[generation % SLOTS];
}

static void write_slot(struct slot *slot, uint64_t generation, const struct ticket_key *key)
{
    uint64_t words[KEY_WORDS];
    memcpy(words, key, sizeof(words));
    atomic_store_explicit(&slot->generation, 0, memory_order_relaxed);
    for (size_t i = 0; i < KEY_WORDS; i++)
        atomic_store_explicit(&slot->words[i], words[i], memory_order_release);
    atomic_store_explicit(&slot->generation, generation, memory_order_release);
    secret_wipe(words, sizeof(words));
}

static void wipe_slot(struct slot *slot)
{
    static const struct ticket_key nothing;
    write_slot(slot, 0, &nothing);
}

/* False: there is no such generation any more. */
static bool read_slot(struct ticket_keys *keys, uint64_t generation, struct ticket_key *ret_key)
{
    struct slot *slot = slot_of(keys, generation);
    uint64_t words[KEY_WORDS];
    if (atomic_load_explicit(&slot->generation, memory_order_acquire) != generation)
        return false;
    for (size_t i = 0; i < KEY_WORDS; i++)
        words[i] = atomic_load_explicit(&slot->words[i], memory_order_acquire);
    memcpy(ret_key, words, sizeof(words));
    secret_wipe(words, sizeof(words));
    return atomic_load_explicit(&slot->generation, memory_order_relaxed) == generation;
}

/* ---- rotation ---- */

static bool make_key(struct ticket_keys *keys, uint64_t generation)
{
    struct ticket_key key;
    bool is_made = RAND_bytes(key.name, sizeof(key.name)) == 1 &&
                   RAND_priv_bytes(key.cipher, sizeof(key.cipher)) == 1 &&
                   RAND_priv_bytes(key.mac, sizeof(key.mac)) == 1;
    if (is_made)
        write_slot(slot_of(keys, generation), generation, &key);
    secret_wipe(&key, sizeof(key));
    return is_made;
}

static uint64_t age_ms(const struct ticket_keys *keys)
{
    uint64_t made_ms = atomic_load(&keys->made_ms);
    return clock_mono_ms() - made_ms; /* the clock is read last: never before made_ms */
}

/* One thread at a time.  After a long rest the former key's time is over too. */
static void turn(struct ticket_keys *keys)
{
    uint64_t age = age_ms(keys), current = atomic_load(&keys->newest);
    if (age < TICKET_KEY_MS || !make_key(keys, current + 1))
        return;
    atomic_store(&keys->made_ms, clock_mono_ms());
    atomic_store(&keys->newest, current + 1);
    wipe_slot(slot_of(keys, current + 2)); /* the one before current */
    if (age >= 2 * TICKET_KEY_MS)
        wipe_slot(slot_of(keys, current));
}

void ticket_keys_turn(struct ticket_keys *keys)
{
    /* Whoever finds it being done goes on with the key that is there. */
    if (age_ms(keys) < TICKET_KEY_MS || atomic_flag_test_and_set(&keys->is_turning))
        return;
    turn(keys);
    atomic_flag_clear(&keys->is_turning);
}

/* ---- tickets ---- */

static bool start_mac(EVP_MAC_CTX *mac, const struct ticket_key *key)
{
    char digest[] = "SHA256"; /* not const: the parameter takes any text */
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end()};
    return EVP_MAC_init(mac, key->mac, sizeof(key->mac), params) == 1;
}

static bool find_key_by_name(struct ticket_keys *keys, uint64_t generation,
                             const unsigned char *name, struct ticket_key *ret_key)
{
    return generation > 0 && read_slot(keys, generation, ret_key) &&
           memcmp(ret_key->name, name, NAME_BYTES) == 0;
}

/* What OpenSSL expects of the callback. */
enum answer { ANSWER_ERROR = -1, ANSWER_UNKNOWN = 0, ANSWER_GOOD = 1, ANSWER_RENEW = 2 };

static enum answer seal(struct ticket_keys *keys, unsigned char *name, unsigned char *iv,
                        EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    struct ticket_key key;
    /* The newest is there, unless a newer one took its place just now. */
    while (!read_slot(keys, atomic_load(&keys->newest), &key))
        continue;
    memcpy(name, key.name, NAME_BYTES);
    bool is_ready = RAND_bytes(iv, EVP_CIPHER_get_iv_length(keys->cipher)) == 1 &&
                    EVP_EncryptInit_ex(cipher, keys->cipher, NULL, key.cipher, iv) == 1 &&
                    start_mac(mac, &key);
    secret_wipe(&key, sizeof(key));
    return is_ready ? ANSWER_GOOD : ANSWER_ERROR;
}

static enum answer open_sealed(struct ticket_keys *keys, const unsigned char *name,
                               const unsigned char *iv, EVP_CIPHER_CTX *cipher,
                               EVP_MAC_CTX *mac)
{
    struct ticket_key key;
    uint64_t newest = atomic_load(&keys->newest);
    enum answer answer = ANSWER_UNKNOWN;
    if (find_key_by_name(keys, newest, name, &key))
        answer = ANSWER_GOOD;
    else if (find_key_by_name(keys, newest - 1, name, &key))
        answer = ANSWER_RENEW;
    if (answer != ANSWER_UNKNOWN &&
        (EVP_DecryptInit_ex(cipher, keys->cipher, NULL, key.cipher, iv) != 1 ||
         !start_mac(mac, &key)))
        answer = ANSWER_ERROR;
    secret_wipe(&key, sizeof(key));
    return answer;
}

/* With TLS 1.3 clients use a ticket once (RFC 8446 C.4), so that each needs a successor. */
static enum answer renew_if_used_up(const SSL *ssl, enum answer answer)
{
    bool is_used_up = answer == ANSWER_GOOD && SSL_version(ssl) >= TLS1_3_VERSION;
    return is_used_up ? ANSWER_RENEW : answer;
}

/* In a handshake. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int is_new)
{
    struct ticket_keys *keys = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    ticket_keys_turn(keys);
    if (is_new)
        return seal(keys, name, iv, cipher, mac);
    return renew_if_used_up(ssl, open_sealed(keys, name, iv, cipher, mac));
}

struct err ticket_keys_attach(struct ticket_keys *keys, SSL_CTX *ctx)
{
    if (SSL_CTX_set_app_data(ctx, keys) != 1 ||
        SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket) != 1)
        return fail(ERR_CRYPTO, 0);
    return OK;
}

/* ---- life ---- */

struct err ticket_keys_new(struct ticket_keys **ret_keys)
{
    struct ticket_keys *keys = mem_new(struct ticket_keys);
    if (keys == NULL)
        return fail(ERR_MEMORY, 0);
    keys->cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    if (keys->cipher == NULL || !make_key(keys, 1)) {
        ticket_keys_free(keys);
        return fail(ERR_CRYPTO, 0);
    }
    atomic_store(&keys->newest, 1);
    atomic_store(&keys->made_ms, clock_mono_ms());
    *ret_keys = keys;
    return OK;
}

void ticket_keys_free(struct ticket_keys *keys)
{
    if (keys == NULL)
        return;
    EVP_CIPHER_free(keys->cipher);
    secret_wipe(keys->slots, sizeof(keys->slots));
    mem_free(keys);
}
