/* cert.h - a certificate object and the key material behind it.
 *
 * Purpose: what the contract calls a certificate: names, state, next action, last error;
 *          and, when there is one, the chain and private key that serve it.
 * Thread:  immutable and counted; cert_material parses on first use and is safe from any
 *          thread (10,000 certificates must start fast and stay light).
 * Owns:    its arena, the parsed material, and the unsealed key bytes, which are wiped.
 * Limits:  PEM_MAX_BYTES, CHAIN_MAX.
 * Fails:   ERR_CERT_PARSE, ERR_CERT_KEY, ERR_CERT_MISMATCH, ERR_MEMORY. */
#pragma once

#include "store/model.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdatomic.h>

AUTO_DEFINE(X509_free, X509 *)
AUTO_DEFINE(EVP_PKEY_free, EVP_PKEY *)

enum cert_source { CERT_ACME, CERT_IMPORTED, CERT_SELF_SIGNED };
enum cert_state { CERT_PENDING, CERT_ACTIVE, CERT_RENEWING, CERT_FAILED, CERT_EXPIRED };

struct cert_material {
    X509 *leaf;
    STACK_OF(X509) * chain; /* intermediates in order, without the leaf; may be empty */
    EVP_PKEY *key;
};

/* Facts read from a chain. */
struct cert_facts {
    struct str_list names; /* DNS names and IP addresses of the leaf, lower case */
    struct str issuer;     /* common name or organisation */
    struct str serial;     /* lower-case hex */
    struct str key_type;   /* "ecdsa-p256", "rsa-2048", ... */
    struct str fingerprint_sha256;
    int64_t not_before_at;
    int64_t not_after_at;
};

struct cert_next {
    struct str what; /* "issue", "renew", "none", ... */
    int64_t at;      /* 0: not planned */
    struct str why;
};

/* Where an automatic pair is from. */
struct cert_origin {
    struct str directory; /* of the CA; empty: not known */
    struct str account;   /* its address there */
    struct str profile;   /* that was asked for; empty: the CA's standard one */
};

/* What the CA says about when to replace a pair (RFC 9773). */
struct cert_renewal {
    int64_t start_at; /* the window; 0: none is known */
    int64_t end_at;
    int64_t selected_at;    /* a moment in it, drawn once */
    int64_t check_at;       /* the CA is asked again; 0: at once */
    uint32_t errors;        /* answers in a row that were of no use */
    struct str explanation; /* address of a page for people; empty: none */
};

struct cert {
    atomic_uint refs;
    struct arena *arena;
    struct object object;
    enum cert_source source;
    enum cert_state state; /* as stored; cert_state_now also knows the clock */
    struct str_list names; /* asked for (ACME) or read from the leaf (imported) */
    bool has_material;     /* chain and key are there; facts are then filled */
    struct cert_facts facts;
    struct str chain_pem;
    struct secret key_der;
    int64_t installed_at; /* when the pair came; 0: not known */
    struct cert_origin origin;
    struct cert_renewal renewal;
    struct cert_next next;
    struct str last_error;                    /* JSON text of a problem document; empty: none */
    uint32_t failures;                        /* consecutive, for back-off */
    _Atomic(struct cert_material *) material; /* cert_material() only */
};

const struct cert *cert_ref(const struct cert *c);
void cert_unref(const struct cert *c);

/* The parsed pair, borrowed for as long as the certificate lives. */
struct err cert_material(const struct cert *c, const struct cert_material **ret_material);

/* EXPIRED once not_after has passed, else the stored state. */
enum cert_state cert_state_now(const struct cert *c, int64_t now_at);
const char *cert_state_name(enum cert_state s);
const char *cert_source_name(enum cert_source s);

/* As in the contract, without used_by, which belongs to a snapshot. */
json_t *cert_to_json(const struct cert *c, int64_t now_at);

/* Reads a PEM chain, leaf first, and nothing but certificates. */
struct err cert_read_chain(struct str pem, X509 **ret_leaf, STACK_OF(X509) * *ret_chain);

/* Reads an unencrypted PEM private key: EC P-256, P-384, or RSA of 2048 to 4096 bits. */
struct err cert_read_key(struct str pem, EVP_PKEY **ret_key);

/* Facts of a leaf, in the arena. */
struct err cert_read_facts(struct arena *a, X509 *leaf, struct cert_facts *ret_facts);

/* Name of a key's type as in key_type, e.g. "ecdsa-p256"; "unknown" otherwise. */
const char *cert_key_type_name(const EVP_PKEY *key);

/* True if name (lower case) is one of names, or covered by a one-label wildcard there. */
bool cert_names_cover(const struct str_list *names, struct str name);
