#include "gateway/route/responder.h"

#include "gateway/route/route_choice.h"

static const struct str challenge_prefix = STR_LIT("/.well-known/acme-challenge/");

static struct verdict refuse(const struct route *route, const struct err_kind *kind)
{
    return (struct verdict){.kind = VERDICT_ERROR, .route = route, .error = fail(kind, 0)};
}

/* RFC 8555 8.3.  Only tokens of live challenges are ours; anything else goes the ordinary
 * way, because a backend may run its own client. */
static bool is_challenge(const struct snapshot *s, const struct http_head *request,
                         struct verdict *ret_verdict)
{
    if (!str_starts(request->path, challenge_prefix))
        return false;
    if (!str_eq(request->method, STR("GET")) && !str_eq(request->method, STR("HEAD")))
        return false;
    struct str token = str_skip(request->path, challenge_prefix.len);
    struct str answer = snapshot_challenge_find(s, request->host, token);
    if (str_is_empty(answer))
        return false;
    *ret_verdict = (struct verdict){.kind = VERDICT_CHALLENGE, .body = answer};
    return true;
}

/* RFC 9110 7.4: a connection whose certificate was chosen for one name does not serve
 * another that needs a different certificate. */
static bool is_misdirected(const struct snapshot *s, const struct http_head *request,
                           const struct request_origin *origin)
{
    if (!origin->is_tls || origin->name.len == 0 || str_eq(origin->name, request->host))
        return false;
    const struct cert *wanted = snapshot_cert_for_host(s, request->host);
    if (wanted == NULL)
        return origin->cert != snapshot_stand_in(s);
    return !cert_names_cover(&origin->cert->facts.names, request->host);
}

static struct err redirect(struct arena *a, const struct http_head *request,
                           const struct request_origin *origin, const struct route *route,
                           struct verdict *ret_verdict)
{
    bool is_v6 = str_index(request->host, ':') < request->host.len;
    const char *open = is_v6 ? "[" : "", *close = is_v6 ? "]" : "";
    struct str path = request->path.p[0] == '/' ? request->path : STR("/");
    struct str location;
    if (origin->https_port == 443)
        location = arena_fmt(a, "https://%s%.*s%s%.*s", open, STR_ARG(request->host), close,
                             STR_ARG(path));
    else
        location = arena_fmt(a, "https://%s%.*s%s:%u%.*s", open, STR_ARG(request->host), close,
                             (unsigned)origin->https_port, STR_ARG(path));
    if (location.p == NULL)
        return fail(ERR_MEMORY, 0);
    *ret_verdict =
        (struct verdict){.kind = VERDICT_REDIRECT, .route = route, .location = location};
    return OK;
}

/* The route that settings name for hosts nobody claims; NULL: none. */
static const struct route *route_for_unknown(const struct snapshot *s)
{
    const struct route *r = snapshot_route_find(s, snapshot_settings(s)->unknown_host);
    return r != NULL && r->is_enabled ? r : NULL;
}

struct err responder_judge(struct arena *a, const struct snapshot *s,
                           const struct http_head *request, const struct request_origin *origin,
                           struct verdict *ret_verdict)
{
    if (is_challenge(s, request, ret_verdict))
        return OK;
    struct str path = route_normal_path(a, request->path);
    if (path.p == NULL)
        return fail(ERR_MEMORY, 0);
    /* "OPTIONS *" asks about the host as a whole: it goes where "/" goes. */
    const struct route *route =
        route_choose(s, request->host, path.p[0] == '/' ? path : STR("/"));
    if (route == NULL && !snapshot_is_known_host(s, request->host))
        route = route_for_unknown(s);
    if (is_misdirected(s, request, origin)) {
        *ret_verdict = refuse(route, ERR_MISDIRECTED);
    } else if (route == NULL) {
        *ret_verdict = refuse(NULL, ERR_NO_ROUTE);
    } else if (!origin->is_https && route->https == ROUTE_HTTPS_ONLY) {
        *ret_verdict = refuse(route, ERR_NO_ROUTE);
    } else if (!origin->is_https && route->https == ROUTE_HTTPS_REDIRECT &&
               origin->https_port != 0) {
        /* HTTP/1.0 may come without a Host: then there is no place to send the client to. */
        if (str_is_empty(request->host)) {
            *ret_verdict = refuse(route, ERR_BAD_HOST);
            return OK;
        }
        return redirect(a, request, origin, route, ret_verdict);
    } else {
        *ret_verdict = (struct verdict){.kind = VERDICT_ROUTE, .route = route};
    }
    return OK;
}
