/* model_shapes.c - the fields of every object, as the contract lists them. */
#include "store/host_name.h"
#include "store/model.h"
#include "store/model_check.h"

#include "gateway/base/limits.h"
#include "gateway/base/units.h"

#define MS_PER_S 1000ull
#define MS_PER_H (3600 * MS_PER_S)
#define MS_PER_D (24 * MS_PER_H)

/* clang-format off */

/* ---- route ---- */

static const char *const https_names[] = {"redirect", "only", "optional", NULL};
static const char *const protocol_names[] = {"auto", "1.1", "2", NULL};
static const char *const proxy_names[] = {"off", "v1", "v2", NULL};
static const char *const verify_names[] = {"system", "ca", "pin", "off", NULL};

static const struct shape target_shape[] = {
    {.name = "url", .kind = SHAPE_STR, .offset = offsetof(struct target, url),
     .is_required = true, .check = model_check_target_url, .max = 2048,
     .doc = "Origin of the target: http://, https:// with a name, an IPv4 or a bracketed IPv6 "
            "address, or unix:/path."},
    {.name = "weight", .kind = SHAPE_UINT, .offset = offsetof(struct target, weight),
     .standard = "1", .min = 1, .max = 1000,
     .doc = "Share of the requests, relative to the other targets."},
    {.name = "backup", .kind = SHAPE_BOOL, .offset = offsetof(struct target, is_backup),
     .standard = "false", .doc = "Used only when no other target is available."},
    {.name = "drain", .kind = SHAPE_BOOL, .offset = offsetof(struct target, is_draining),
     .standard = "false",
     .doc = "Gets no new requests but those whose sticky cookie names it; running ones end "
            "undisturbed."},
    {.name = NULL},
};

static const struct shape upstream_tls_shape[] = {
    {.name = "verify", .kind = SHAPE_ENUM, .offset = offsetof(struct upstream_tls, verify),
     .standard = "\"system\"", .names = verify_names,
     .doc = "How an https:// target is authenticated: the system's trust, the certificates in "
            "ca, a pinned key, or not at all."},
    {.name = "ca", .kind = SHAPE_STR, .offset = offsetof(struct upstream_tls, ca),
     .is_nullable = true, .max = PEM_MAX_BYTES,
     .doc = "PEM certificates that verify \"ca\" trusts."},
    {.name = "pin_sha256", .kind = SHAPE_STRS, .offset = offsetof(struct upstream_tls, pins),
     .standard = "[]", .check = model_check_pin, .max = PINS_MAX,
     .doc = "SHA-256 of the target's public key (SubjectPublicKeyInfo), as hex or base64."},
    {.name = "server_name", .kind = SHAPE_STR,
     .offset = offsetof(struct upstream_tls, server_name),
     .is_nullable = true, .check = model_check_server_name,
     .doc = "Name sent to and expected from the target; null: the host of its URL."},
    {.name = "certificate", .kind = SHAPE_STR,
     .offset = offsetof(struct upstream_tls, certificate),
     .is_nullable = true, .check = model_check_id,
     .doc = "Id of the certificate presented to targets that ask for one; null: none.  New "
            "connections use it as renewed."},
    {.name = NULL},
};

static const struct shape upstream_health_shape[] = {
    {.name = "path", .kind = SHAPE_STR, .offset = offsetof(struct upstream_health, path),
     .is_nullable = true, .check = model_check_probe_path, .max = 4 * KIB,
     .doc = "Path, with any query, that each target is asked for; null: no such checks."},
    {.name = "tcp", .kind = SHAPE_BOOL, .offset = offsetof(struct upstream_health, is_tcp),
     .standard = "false",
     .doc = "Without a path: a target that can be connected to, TLS included, is good."},
    {.name = "interval", .kind = SHAPE_DURATION,
     .offset = offsetof(struct upstream_health, interval_ms),
     .standard = "\"10s\"", .min = 100, .max = MS_PER_D,
     .doc = "Time between probes, and how long a target is left out whose requests failed; "
            "twice as long each time, up to 5 minutes, until one request succeeds."},
    {.name = "timeout", .kind = SHAPE_DURATION,
     .offset = offsetof(struct upstream_health, timeout_ms),
     .standard = "\"2s\"", .min = 10, .max = MS_PER_H,
     .doc = "Longest wait for a probe's answer."},
    {.name = "healthy_after", .kind = SHAPE_UINT,
     .offset = offsetof(struct upstream_health, healthy_after),
     .standard = "2", .min = 1, .max = 100, .doc = "Good probes until a target is used again."},
    {.name = "unhealthy_after", .kind = SHAPE_UINT,
     .offset = offsetof(struct upstream_health, unhealthy_after),
     .standard = "3", .min = 1, .max = 100,
     .doc = "Bad probes until a target is left out; likewise failed requests (no connection, "
            "no TLS, no answer in time, a broken answer), where there is another target."},
    {.name = "expect", .kind = SHAPE_STR, .offset = offsetof(struct upstream_health, expect),
     .standard = "\"2xx,3xx\"", .check = model_check_statuses, .max = 256,
     .doc = "Status codes of a good answer: codes, classes and ranges, as in \"2xx,404\"."},
    {.name = "slow_start", .kind = SHAPE_DURATION,
     .offset = offsetof(struct upstream_health, slow_start_ms),
     .standard = "\"0s\"", .max = MS_PER_D,
     .doc = "A target that came back begins with a tenth of its share, which grows to the "
            "whole in this time."},
    {.name = NULL},
};

static const struct shape upstream_sticky_shape[] = {
    {.name = "cookie", .kind = SHAPE_STR, .offset = offsetof(struct upstream_sticky, cookie),
     .is_required = true, .check = model_check_cookie_name, .max = 256,
     .doc = "Name of the cookie; its value says nothing about the target."},
    {.name = "max_age", .kind = SHAPE_DURATION,
     .offset = offsetof(struct upstream_sticky, max_age_ms),
     .is_nullable = true, .min = MS_PER_S, .max = 3650 * MS_PER_D,
     .doc = "How long the client keeps the cookie; null: until the browser ends."},
    {.name = NULL},
};

static const struct shape upstream_timeouts_shape[] = {
    {.name = "connect", .kind = SHAPE_DURATION,
     .offset = offsetof(struct upstream_timeouts, connect_ms),
     .standard = "\"5s\"", .min = 1, .max = MS_PER_H, .doc = "TCP and TLS together."},
    {.name = "response", .kind = SHAPE_DURATION,
     .offset = offsetof(struct upstream_timeouts, response_ms),
     .standard = "\"1h\"", .min = 1, .max = 30 * MS_PER_D,
     .doc = "From the end of the request to the head of the answer."},
    {.name = "idle", .kind = SHAPE_DURATION,
     .offset = offsetof(struct upstream_timeouts, idle_ms),
     .standard = "\"1h\"", .min = 1, .max = 30 * MS_PER_D,
     .doc = "Without a byte in either direction."},
    {.name = NULL},
};

static const struct shape upstream_queue_shape[] = {
    {.name = "size", .kind = SHAPE_UINT, .offset = offsetof(struct upstream_queue, size),
     .standard = "100", .max = 100000, .doc = "Requests that may wait at once; 0: none."},
    {.name = "timeout", .kind = SHAPE_DURATION,
     .offset = offsetof(struct upstream_queue, timeout_ms),
     .standard = "\"5s\"", .min = 1, .max = MS_PER_H, .doc = "Longest wait of one."},
    {.name = NULL},
};

static const struct shape upstream_shape[] = {
    {.name = "targets", .kind = SHAPE_OBJECTS,
     .offset = offsetof(struct upstream, targets_list),
     .is_required = true, .min = 1, .max = TARGETS_MAX, .sub = target_shape,
     .item_size = sizeof(struct target), .doc = "Where requests go."},
    {.name = "balance", .kind = SHAPE_STR, .offset = offsetof(struct upstream, balance),
     .standard = "\"round_robin\"", .check = model_check_balance, .max = 256,
     .doc = "How a target is chosen: round_robin, least_conn (fewest requests under way), "
            "random_two (the less busy of two), hash_ip, hash_uri or hash_cookie:NAME (the "
            "same client address, path with query or cookie: the same target)."},
    {.name = "protocol", .kind = SHAPE_ENUM, .offset = offsetof(struct upstream, protocol),
     .standard = "\"auto\"", .names = protocol_names,
     .doc = "HTTP version spoken to the targets: auto (what an https:// target chooses, else "
            "1.1), 1.1 or 2; h2c:// targets speak 2 in any case."},
    {.name = "proxy_protocol", .kind = SHAPE_ENUM,
     .offset = offsetof(struct upstream, proxy_protocol),
     .standard = "\"off\"", .names = proxy_names,
     .doc = "Version of the PROXY header that each connection begins with; it names the client "
            "and the address it connected to, so that each request has a connection of its "
            "own."},
    {.name = "tls", .kind = SHAPE_OBJECT, .offset = offsetof(struct upstream, tls),
     .sub = upstream_tls_shape, .doc = "TLS towards https:// targets."},
    {.name = "health", .kind = SHAPE_OBJECT, .offset = offsetof(struct upstream, health),
     .sub = upstream_health_shape,
     .doc = "When a target is left out, and when it is used again."},
    {.name = "sticky", .kind = SHAPE_OBJECT, .offset = offsetof(struct upstream, sticky),
     .is_nullable = true, .sub = upstream_sticky_shape,
     .doc = "Keep each client with its target by a cookie; null: not."},
    {.name = "max_connections", .kind = SHAPE_UINT,
     .offset = offsetof(struct upstream, max_connections),
     .is_nullable = true, .min = 1, .max = 1000000,
     .doc = "Most requests at once on each target, counted over all workers; null: no limit.  "
            "Further ones go to other targets, or wait."},
    {.name = "queue", .kind = SHAPE_OBJECT, .offset = offsetof(struct upstream, queue),
     .sub = upstream_queue_shape,
     .doc = "Where requests wait while all targets have their most; then 503."},
    {.name = "retries", .kind = SHAPE_UINT, .offset = offsetof(struct upstream, retries),
     .standard = "2", .max = RETRIES_MAX,
     .doc = "Further tries, at other targets first, while the request can still be repeated."},
    {.name = "timeouts", .kind = SHAPE_OBJECT, .offset = offsetof(struct upstream, timeouts),
     .sub = upstream_timeouts_shape, .doc = "Time limits towards the targets."},
    {.name = NULL},
};

static const struct shape header_ops_shape[] = {
    {.name = "set", .kind = SHAPE_PAIRS, .offset = offsetof(struct header_ops, set),
     .standard = "{}", .check = model_check_header_name, .max = HEADER_OPS_MAX,
     .doc = "Replaces the field, or adds it.  Values may hold variables, as in "
            "\"{client_ip}\"."},
    {.name = "add", .kind = SHAPE_PAIRS, .offset = offsetof(struct header_ops, add),
     .standard = "{}", .check = model_check_header_name, .max = HEADER_OPS_MAX,
     .doc = "Adds a further field of this name.  Values may hold variables."},
    {.name = "remove", .kind = SHAPE_STRS, .offset = offsetof(struct header_ops, remove),
     .standard = "[]", .check = model_check_header_name, .max = HEADER_OPS_MAX,
     .doc = "Removes all fields of this name."},
    {.name = NULL},
};

static const struct shape route_redirect_shape[] = {
    {.name = "to", .kind = SHAPE_STR, .offset = offsetof(struct route_redirect, to),
     .is_required = true, .max = 2048,
     .doc = "Where to; may hold variables, as in \"https://new.example.org{uri}\"."},
    {.name = "status", .kind = SHAPE_UINT, .offset = offsetof(struct route_redirect, status),
     .standard = "308", .min = 301, .max = 308, .doc = "301, 302, 303, 307 or 308."},
    {.name = NULL},
};

static const struct shape route_respond_shape[] = {
    {.name = "status", .kind = SHAPE_UINT, .offset = offsetof(struct route_respond, status),
     .standard = "200", .min = 200, .max = 599, .doc = "Status of the answer."},
    {.name = "body", .kind = SHAPE_STR, .offset = offsetof(struct route_respond, body),
     .standard = "\"\"", .max = RESPOND_BODY_MAX_BYTES, .doc = "Its content."},
    {.name = "content_type", .kind = SHAPE_STR,
     .offset = offsetof(struct route_respond, content_type),
     .standard = "\"text/plain; charset=utf-8\"", .check = model_check_media_type, .max = 256,
     .doc = "What the content is; not sent without any."},
    {.name = NULL},
};

const struct shape route_shape[] = {
    {.name = "hosts", .kind = SHAPE_STRS, .offset = offsetof(struct route, hosts),
     .is_required = true, .check = host_name_check_host, .min = 1, .max = HOSTS_PER_ROUTE_MAX,
     .doc = "Exact names, \"*.example.org\" (one label), or \"*\"."},
    {.name = "path", .kind = SHAPE_STR, .offset = offsetof(struct route, path),
     .standard = "\"/\"", .check = model_check_path,
     .doc = "Prefix of the request's path, matched on segment boundaries."},
    {.name = "enabled", .kind = SHAPE_BOOL, .offset = offsetof(struct route, is_enabled),
     .standard = "true", .doc = "A disabled route claims nothing and serves nothing."},
    {.name = "certificate", .kind = SHAPE_STR, .offset = offsetof(struct route, certificate),
     .standard = "\"auto\"", .check = model_check_id,
     .doc = "\"auto\" (ACME), a certificate's id, or \"none\"."},
    {.name = "https", .kind = SHAPE_ENUM, .offset = offsetof(struct route, https),
     .standard = "\"redirect\"", .names = https_names,
     .doc = "What port 80 does: redirect to HTTPS, answer 404, or serve as well."},
    {.name = "strip_prefix", .kind = SHAPE_BOOL, .offset = offsetof(struct route, strip_prefix),
     .standard = "false", .doc = "Cut path from the request before it is sent on."},
    {.name = "add_prefix", .kind = SHAPE_STR, .offset = offsetof(struct route, add_prefix),
     .is_nullable = true, .check = model_check_add_prefix,
     .doc = "Put before the path that is sent on, after strip_prefix has cut; null: nothing."},
    {.name = "host_header", .kind = SHAPE_STR, .offset = offsetof(struct route, host_header),
     .standard = "\"preserve\"", .check = model_check_host_header,
     .doc = "Host sent on: \"preserve\" the client's, the \"target\"'s own, or this value."},
    {.name = "request_headers", .kind = SHAPE_OBJECT,
     .offset = offsetof(struct route, request_headers),
     .sub = header_ops_shape, .doc = "Changes to the request's header."},
    {.name = "response_headers", .kind = SHAPE_OBJECT,
     .offset = offsetof(struct route, response_headers),
     .sub = header_ops_shape, .doc = "Changes to the response's header."},
    {.name = "hide_target", .kind = SHAPE_BOOL, .offset = offsetof(struct route, hide_target),
     .standard = "true",
     .doc = "Where a target names its own origin in Location, Content-Location or Refresh, or "
            "its own host as the Domain of a cookie, say what the client asked for."},
    {.name = "max_body", .kind = SHAPE_SIZE, .offset = offsetof(struct route, max_body_bytes),
     .standard = "\"unlimited\"", .doc = "Largest request body; larger ones get 413."},
    {.name = "upstream", .kind = SHAPE_OBJECT, .offset = offsetof(struct route, upstream),
     .is_nullable = true, .sub = upstream_shape,
     .doc = "Where requests go, and how.  A route has exactly one of upstream, redirect and "
            "respond; the others are null or left out."},
    {.name = "redirect", .kind = SHAPE_OBJECT, .offset = offsetof(struct route, redirect),
     .is_nullable = true, .sub = route_redirect_shape,
     .doc = "Instead of an upstream: send clients elsewhere."},
    {.name = "respond", .kind = SHAPE_OBJECT, .offset = offsetof(struct route, respond),
     .is_nullable = true, .sub = route_respond_shape,
     .doc = "Instead of an upstream: one and the same answer."},
    {.name = NULL},
};

/* ---- settings ---- */

static const char *const tls_version_names[] = {"1.2", "1.3", NULL};
static const char *const tls_profile_names[] = {"intermediate", "modern", NULL};

const struct shape settings_shape[] = {
    {.name = "trusted_proxies", .kind = SHAPE_STRS,
     .offset = offsetof(struct settings, trusted_proxies),
     .standard = "[]", .check = model_check_cidr, .max = 1000,
     .doc = "Address blocks whose X-Forwarded-* fields and PROXY headers are believed."},
    {.name = "proxy_protocol", .kind = SHAPE_STRS,
     .offset = offsetof(struct settings, proxy_protocol),
     .standard = "[]", .check = model_check_listener, .max = 64,
     .doc = "Listeners, as given to --http and --https (\"127.0.0.1:8443\", \":443\"), where "
            "connections from trusted_proxies begin with a PROXY header, version 1 or 2."},
    {.name = "unknown_host", .kind = SHAPE_STR,
     .offset = offsetof(struct settings, unknown_host),
     .standard = "\"reject\"", .check = model_check_id,
     .doc = "For names that no route claims: \"reject\" the handshake, a \"404\" page, or a "
            "route's id."},
    {.name = "tls_min_version", .kind = SHAPE_ENUM,
     .offset = offsetof(struct settings, tls_min_version),
     .standard = "\"1.2\"", .names = tls_version_names,
     .doc = "Oldest TLS version spoken to clients."},
    {.name = "tls_profile", .kind = SHAPE_ENUM,
     .offset = offsetof(struct settings, tls_profile),
     .standard = "\"intermediate\"", .names = tls_profile_names,
     .doc = "\"intermediate\" for all living clients, \"modern\" for TLS 1.3 alone."},
    {.name = "max_header", .kind = SHAPE_SIZE,
     .offset = offsetof(struct settings, max_header_bytes),
     .standard = "\"64KiB\"", .min = 4 * KIB, .max = 256 * KIB,
     .doc = "Largest request head; larger ones get 431."},
    {.name = "drain_timeout", .kind = SHAPE_DURATION,
     .offset = offsetof(struct settings, drain_timeout_ms),
     .standard = "\"30s\"", .max = MS_PER_D,
     .doc = "How long running exchanges may take to end at shutdown."},
    {.name = NULL},
};

/* ---- ACME settings ---- */

static const char *const key_type_names[] = {"ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-3072",
                                             "rsa-4096", NULL};
static const char *const acme_preflight_names[] = {"strict", "warn", "off", NULL};
static const char *const acme_family_names[] = {"ipv4", "any", NULL};

static const struct shape acme_eab_shape[] = {
    {.name = "kid", .kind = SHAPE_STR, .offset = offsetof(struct acme_eab, kid),
     .is_nullable = true, .check = model_check_token_text, .max = 1024,
     .doc = "Key id that the CA gave."},
    {.name = "hmac", .kind = SHAPE_SECRET, .offset = offsetof(struct acme_eab, hmac),
     .is_nullable = true, .check = model_check_base64,
     .doc = "HMAC key that the CA gave, base64url or base64; never shown again."},
    {.name = NULL},
};

static const char *const acme_ledger_names[] = {"auto", "letsencrypt", "none", NULL};

static const struct shape acme_limits_shape[] = {
    {.name = "ledger", .kind = SHAPE_ENUM, .offset = offsetof(struct acme_limits, ledger),
     .standard = "\"auto\"", .names = acme_ledger_names,
     .doc = "Whose limits an order must not exceed: \"letsencrypt\"'s, \"none\", or \"auto\": "
            "Let's Encrypt's where the directory is theirs."},
    {.name = "orders", .kind = SHAPE_UINT, .offset = offsetof(struct acme_limits, orders),
     .is_nullable = true, .standard = "250", .min = 1, .max = 1000000,
     .doc = "Most orders in 3 hours, renewals that the CA asks for apart; null: any number."},
    {.name = "parallel", .kind = SHAPE_UINT, .offset = offsetof(struct acme_limits, parallel),
     .standard = "4", .min = 1, .max = ACME_ORDERS_MAX,
     .doc = "Most orders under way at once."},
    {.name = NULL},
};

const struct shape acme_settings_shape[] = {
    {.name = "directory", .kind = SHAPE_STR,
     .offset = offsetof(struct acme_settings, directory),
     .standard = "\"https://acme-v02.api.letsencrypt.org/directory\"",
     .check = model_check_directory,
     .doc = "Directory URL of the ACME server."},
    {.name = "contact", .kind = SHAPE_STRS, .offset = offsetof(struct acme_settings, contact),
     .standard = "[]", .check = model_check_contact, .max = 10,
     .doc = "E-mail addresses for the CA, as mailto: URLs."},
    {.name = "tos_agreed", .kind = SHAPE_BOOL,
     .offset = offsetof(struct acme_settings, tos_agreed),
     .standard = "false", .doc = "Whether the CA's terms of service are agreed to."},
    {.name = "eab", .kind = SHAPE_OBJECT, .offset = offsetof(struct acme_settings, eab),
     .is_nullable = true, .sub = acme_eab_shape, .doc = "External account binding."},
    {.name = "ca_bundle", .kind = SHAPE_STR,
     .offset = offsetof(struct acme_settings, ca_bundle),
     .is_nullable = true, .max = PEM_MAX_BYTES,
     .doc = "PEM certificates that the ACME server's own certificate is verified with."},
    {.name = "key_type", .kind = SHAPE_ENUM, .offset = offsetof(struct acme_settings, key_type),
     .standard = "\"ecdsa-p256\"", .names = key_type_names,
     .doc = "Type of new certificate keys."},
    {.name = "profile", .kind = SHAPE_STR, .offset = offsetof(struct acme_settings, profile),
     .is_nullable = true, .check = model_check_token_text, .max = 64,
     .doc = "Certificate profile to ask the CA for; null: its standard one."},
    {.name = "limits", .kind = SHAPE_OBJECT, .offset = offsetof(struct acme_settings, limits),
     .sub = acme_limits_shape, .doc = "How much the CA may be asked for."},
    {.name = "preferred_chain", .kind = SHAPE_STR,
     .offset = offsetof(struct acme_settings, preferred_chain),
     .is_nullable = true, .unavailable = "choosing among a CA's chains is not available yet",
     .doc = "Name of the root to prefer; not available yet."},
    {.name = "address_family", .kind = SHAPE_ENUM,
     .offset = offsetof(struct acme_settings, address_family),
     .standard = "\"ipv4\"", .names = acme_family_names,
     .doc = "Address family for connections to the CA."},
    {.name = "resolver", .kind = SHAPE_STR, .offset = offsetof(struct acme_settings, resolver),
     .is_nullable = true, .check = model_check_resolver,
     .doc = "Resolver that pre-checks ask, as \"192.0.2.53:53\"; null: the system's."},
    {.name = "preflight", .kind = SHAPE_ENUM,
     .offset = offsetof(struct acme_settings, preflight),
     .standard = "\"strict\"", .names = acme_preflight_names,
     .doc = "What becomes of an order that the CAA records of a name forbid: it is not placed "
            "(\"strict\"), or placed with a warning (\"warn\"); \"off\": DNS is not asked."},
    {.name = NULL},
};
