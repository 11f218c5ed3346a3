/* model.h - what we know: routes, upstreams, targets, certificates, settings, tokens.
 *
 * Purpose: the objects of the contract as immutable C values.  JSON <-> struct is described
 *          by the shapes declared here (tables in model_shapes.c, rules beyond one field in
 *          model_check.c).
 * Thread:  values never change after they were built, except the atomics in struct
 *          target_live and behind struct route_live; any thread may read them while it holds a
 *          reference (normally: on a snapshot).
 * Owns:    each top-level object owns an arena with all its parts and counts its references.
 * Limits:  see "store" in limits.h. */
#pragma once

#include "store/route_live.h"
#include "store/shape.h"
#include "store/status_set.h"
#include "store/template.h"

#include "gateway/base/secret.h"

#include <openssl/x509.h>
#include <stdatomic.h>

/* What every stored object carries. */
struct object {
    struct str id;      /* slug: a-z 0-9 - . _, starts with a letter or digit */
    uint64_t revision;  /* 1 at creation, +1 at each change */
    int64_t created_at; /* wall-clock seconds */
    int64_t updated_at;
};

/* An address block; IPv4 as v4-mapped IPv6, so that one comparison serves both families. */
struct cidr {
    unsigned char address[16];
    unsigned bits; /* of 128 */
};

/* "192.0.2.0/24", "2001:db8::/32", or an address alone. */
struct err cidr_parse(struct str s, struct cidr *ret_cidr);

/* address: 16 bytes, IPv4 mapped. */
bool cidr_has(const struct cidr *c, const unsigned char address[16]);

/* ---- route ---- */

/* What a route does with a request. */
enum route_action { ROUTE_PROXY, ROUTE_REDIRECT, ROUTE_RESPOND };

enum route_https { ROUTE_HTTPS_REDIRECT, ROUTE_HTTPS_ONLY, ROUTE_HTTPS_OPTIONAL };
enum balance_method {
    BALANCE_ROUND_ROBIN,
    BALANCE_LEAST_CONN,
    BALANCE_RANDOM_TWO,
    BALANCE_HASH_IP,
    BALANCE_HASH_URI,
    BALANCE_HASH_COOKIE,
};
enum upstream_protocol { PROTOCOL_AUTO, PROTOCOL_1_1, PROTOCOL_2 };
enum upstream_proxy { PROXY_OFF, PROXY_V1, PROXY_V2 };
enum tls_verify { TLS_VERIFY_SYSTEM, TLS_VERIFY_CA, TLS_VERIFY_PIN, TLS_VERIFY_OFF };
enum target_scheme { TARGET_HTTP, TARGET_HTTPS, TARGET_H2C };
enum target_host { TARGET_HOST_NAME, TARGET_HOST_IPV4, TARGET_HOST_IPV6, TARGET_HOST_UNIX };

/* Whether a target is fit to serve: written by gateway/upstream/health.c alone.  Times are
 * monotonic milliseconds. */
struct target_health {
    _Atomic uint32_t failures;      /* of requests, one after the other */
    _Atomic uint64_t ejected_until; /* 0: not ejected */
    _Atomic uint32_t ejected_in;    /* edition of the target then */
    _Atomic uint64_t ejections;     /* so far */
    _Atomic uint64_t ejection_ms;   /* how long the last one was; 0: none yet */
    atomic_bool is_on_trial;        /* ejected, but one request is on its way */
    _Atomic int32_t probes;         /* one after the other: good > 0, bad < 0 */
    atomic_bool is_probe_down;
    _Atomic uint64_t back_at; /* when it came back; 0: it was never away */
};

/* What the last requests and probes say of a target, for people: kept by
 * gateway/upstream/target_note.c alone. */
enum target_trouble {
    TROUBLE_NONE,
    TROUBLE_SILENT, /* the last attempt came to no answer */
    TROUBLE_CUT,    /* the last answer broke off */
    TROUBLE_DOUBT,  /* one broke off; others have begun since, but none has come to its end */
};

/* What workers learn about a target while running, shared by all workers and by successive
 * revisions of the same route: written with relaxed atomics, read by status and metrics. */
struct target_live {
    atomic_uint refs;
    _Atomic(const struct err_kind *) error; /* of the last failure; NULL: none yet */
    _Atomic int32_t error_detail;
    _Atomic uint32_t trouble; /* enum target_trouble */
    _Atomic int64_t error_at;
    _Atomic int64_t ok_at; /* last answer, or good health check */
    _Atomic uint64_t requests;
    _Atomic uint64_t failures;       /* of requests */
    _Atomic uint64_t probe_failures; /* of health checks */
    _Atomic uint64_t
        retries; /* attempts that followed a failed one, of this or another target */
    _Atomic int32_t connections; /* open now, idle ones included */
    _Atomic uint32_t slots;      /* taken, where upstream.max_connections counts them */
    _Atomic int64_t resolved_at; /* by the worker that was last to get an answer */
    _Atomic int64_t stale_at;    /* last addresses in use since; 0: the name resolves */
    _Atomic int32_t active;      /* requests under way */
    atomic_bool speaks_h2;       /* it chose HTTP/2 when it was asked last (ALPN) */
    struct target_health health;
};

struct target {
    struct str url; /* as configured, normalised */
    uint32_t weight;
    bool is_backup;
    bool is_draining;
    /* from the url: */
    enum target_scheme scheme;
    enum target_host host_kind;
    struct str host; /* name, address without brackets, or socket path; NUL-terminated */
    uint32_t port;   /* 0 for a unix socket */
    uint64_t hash;   /* of the url, the same in every process: its place among others */
    struct str sticky_value;  /* what the sticky cookie says for it; empty: no sticky */
    struct str sticky_cookie; /* Set-Cookie as a whole, STICKY_SECURE at its end */
    struct target_live *live;
    uint32_t edition; /* counts the edits of how it is reached since live is new */
};

struct upstream_tls {
    int verify; /* enum tls_verify */
    struct str ca;
    struct str_list pins;   /* as configured */
    struct str server_name; /* empty: the target's host; none of an address or a socket */
    struct str certificate; /* id of the certificate presented to targets; empty: none */
    X509_STORE *trust;      /* SYSTEM, CA: shared; else NULL */
    unsigned char (*pin_digests)[32]; /* pins.count of them */
};

struct upstream_timeouts {
    uint64_t connect_ms;
    uint64_t response_ms; /* from the end of the request to the head of the answer */
    uint64_t idle_ms;     /* without a byte in either direction */
};

struct upstream_health {
    struct str path;      /* empty: no HTTP checks */
    bool is_tcp;          /* without a path: connecting is the check */
    uint64_t interval_ms; /* between probes; the first ejection lasts as long */
    uint64_t timeout_ms;
    uint32_t healthy_after;
    uint32_t unhealthy_after;
    struct str expect;
    struct status_set expected; /* the same, read */
    uint64_t slow_start_ms;     /* a target that came back gets its full share after it */
};

/* Where requests wait for a slot of a target, over all workers and revisions of a route. */
struct upstream_live {
    atomic_uint refs;
    _Atomic uint32_t waiting; /* requests in the queues of all workers */
    _Atomic uint64_t workers; /* bit i: worker i has some of them */
};

struct upstream_queue {
    uint32_t size;
    uint64_t timeout_ms;
};

struct upstream_sticky {
    struct str cookie;   /* its name; empty: requests do not stick */
    uint64_t max_age_ms; /* 0: until the browser ends */
};

/* Ends target.sticky_cookie; left out where the client speaks plain HTTP. */
#define STICKY_SECURE "; Secure"

struct upstream {
    struct object_list targets_list; /* of struct target; see upstream_targets() */
    bool has_choice;                 /* several targets that do not drain */
    struct str balance;              /* as configured, of it: */
    enum balance_method method;
    struct str hash_cookie; /* BALANCE_HASH_COOKIE: whose value is hashed */
    int protocol;
    int proxy_protocol; /* enum upstream_proxy */
    struct upstream_tls tls;
    struct upstream_health health;
    struct upstream_sticky sticky;
    uint32_t max_connections; /* exchanges at once on each target; 0: no limit */
    struct upstream_queue queue;
    struct upstream_live *live; /* where there is a limit, else NULL */
    uint32_t retries;
    struct upstream_timeouts timeouts;
};

struct header_ops {
    struct pair_list set;
    struct pair_list add;
    struct str_list remove;
    /* The values of set and add, in their order. */
    struct template *set_values;
    struct template *add_values;
};

struct route_redirect {
    struct str to; /* empty: it is no redirect */
    uint32_t status;
    struct template location;
};

struct route_respond {
    uint32_t status; /* 0: it is no fixed answer */
    struct str body;
    struct str content_type;
};

struct route {
    atomic_uint refs;
    struct arena *arena;
    struct object object;
    struct str_list hosts; /* lower case, A-labels; "*.example.org"; "*"; addresses as inet_ntop
                            * writes them, without brackets */
    struct str path;       /* prefix, begins with '/', no trailing '/' unless it is "/" */
    bool is_enabled;
    struct str certificate; /* "auto", "none" or a certificate's id */
    struct str
        managed_names; /* sorted names that HTTP-01 can prove, one per line, if the route is
                               * enabled and "auto": the key of its managed certificate */
    int https;         /* enum route_https */
    bool strip_prefix;
    struct str add_prefix;  /* goes before the path after that; empty: nothing */
    struct str host_header; /* "preserve", "target", or the value to send */
    struct header_ops request_headers;
    struct header_ops response_headers;
    bool hide_target;         /* its own origin in answers becomes the public one */
    uint64_t max_body_bytes;  /* UNITS_UNLIMITED */
    enum route_action action; /* which of these it has; the others are zero */
    struct upstream upstream;
    struct route_live *live; /* shared by successive revisions */
    struct route_redirect redirect;
    struct route_respond respond;
    uint32_t variables; /* all that its templates hold: a set as in struct template */
};

static inline const struct target *upstream_targets(const struct upstream *u)
{
    return u->targets_list.items;
}

/* Requests that wait for a slot of a target. */
static inline uint64_t upstream_waiting(const struct upstream *u)
{
    return u->live == NULL ? 0 : atomic_load_explicit(&u->live->waiting, memory_order_relaxed);
}

/* When requests may try the target again; 0: it is not ejected, or to no effect: there is no
 * other target, or an edit changed since how it is reached, which may have been the cure. */
static inline uint64_t target_ejected_until(const struct upstream *u, const struct target *t)
{
    if (!u->has_choice ||
        atomic_load_explicit(&t->live->health.ejected_in, memory_order_relaxed) < t->edition)
        return 0;
    return atomic_load_explicit(&t->live->health.ejected_until, memory_order_relaxed);
}

/* True if active checks are asked for. */
static inline bool upstream_is_checked(const struct upstream *u)
{
    return u->health.path.len > 0 || u->health.is_tcp;
}

extern const struct shape route_shape[];

const struct route *route_ref(const struct route *r);
void route_unref(const struct route *r);

/* Canonical JSON with id, revision, created_at, updated_at and hosts_unicode where it
 * differs. */
json_t *route_to_json(const struct route *r);

/* ---- settings ---- */

enum tls_version { TLS_MIN_1_2, TLS_MIN_1_3 };
enum tls_profile { TLS_PROFILE_INTERMEDIATE, TLS_PROFILE_MODERN };

struct settings {
    atomic_uint refs;
    struct arena *arena;
    struct object object; /* id "settings" */
    struct str_list trusted_proxies;
    struct cidr *trusted_cidrs; /* trusted_proxies.count */
    struct str_list proxy_protocol;
    struct str unknown_host; /* "reject", "404" or a route id */
    int tls_min_version;     /* enum tls_version */
    int tls_profile;         /* enum tls_profile */
    uint64_t max_header_bytes;
    uint64_t drain_timeout_ms;
};

extern const struct shape settings_shape[];

/* address: 16 bytes, IPv4 mapped. */
bool settings_is_trusted_proxy(const struct settings *s, const unsigned char address[16]);

/* name: of settings.proxy_protocol; ":443" is the port of all addresses, as of the flag.
 * address: a socket's, "0.0.0.0:443". */
bool settings_names_listener(struct str name, struct str address);

/* Connections of trusted proxies to this address begin with a PROXY header. */
bool settings_expects_proxy(const struct settings *s, struct str address);

const struct settings *settings_ref(const struct settings *s);
void settings_unref(const struct settings *s);
json_t *settings_to_json(const struct settings *s);

/* ---- ACME settings ---- */

enum key_type { KEY_ECDSA_P256, KEY_ECDSA_P384, KEY_RSA_2048, KEY_RSA_3072, KEY_RSA_4096 };
enum acme_preflight { ACME_PREFLIGHT_STRICT, ACME_PREFLIGHT_WARN, ACME_PREFLIGHT_OFF };
enum acme_family { ACME_FAMILY_IPV4, ACME_FAMILY_ANY };

struct acme_eab {
    struct str kid;
    struct str
        hmac; /* as given: base64 in any variant; write-only on the outside, sealed at rest,
                      * wiped with the object */
};

/* Whose limits hold at the CA (store/ledger_limits.def). */
enum acme_ledger { ACME_LEDGER_AUTO, ACME_LEDGER_LETS_ENCRYPT, ACME_LEDGER_NONE };

struct acme_limits {
    int ledger;        /* enum acme_ledger */
    uint32_t orders;   /* in 3 hours; 0: any number */
    uint32_t parallel; /* orders at once */
};

struct acme_settings {
    atomic_uint refs;
    struct arena *arena;
    struct object object; /* id "acme" */
    struct str directory;
    struct str_list contact;
    bool tos_agreed;
    struct acme_eab eab;
    struct str ca_bundle;
    int key_type; /* enum key_type */
    struct str profile;
    struct acme_limits limits;
    struct str preferred_chain; /* not available yet */
    int address_family;         /* enum acme_family */
    struct str resolver;        /* for pre-checks; empty: the system's */
    int preflight;              /* enum acme_preflight */
};

extern const struct shape acme_settings_shape[];
const struct acme_settings *acme_settings_ref(const struct acme_settings *s);
void acme_settings_unref(const struct acme_settings *s);
json_t *acme_settings_to_json(const struct acme_settings *s);

/* True if Let's Encrypt's limits are kept account of. */
bool acme_settings_has_ledger(const struct acme_settings *s);

/* ---- API tokens ---- */

enum token_scope { SCOPE_READ = 1, SCOPE_WRITE = 2, SCOPE_ADMIN = 4 };

struct token {
    atomic_uint refs;
    struct arena *arena;
    struct object object;
    struct str name;
    unsigned scopes;          /* set of enum token_scope; ADMIN implies WRITE implies READ */
    int64_t expires_at;       /* 0: never */
    unsigned char digest[32]; /* SHA-256 of the token; the token itself is not kept */
};

const struct token *token_ref(const struct token *t);
void token_unref(const struct token *t);
json_t *token_to_json(const struct token *t);
