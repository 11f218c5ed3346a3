/* api.c - in call order: api_begin -> match -> authenticate -> check_head; api_finish ->
 * handler. */
#include "admin/api.h"

#include "admin/body.h"
#include "admin/guard.h"

#include "gateway/base/limits.h"
#include "gateway/base/log.h"

static const struct api_row rows[] = {
#define API(method_, pattern_, access_, body_, handler_, request_, answer_, status_, query_,   \
            summary_)                                                                          \
    {.method = #method_,                                                                       \
     .pattern = (pattern_),                                                                    \
     .access = API_##access_,                                                                  \
     .body = API_BODY_##body_,                                                                 \
     .handler = api_##handler_,                                                                \
     .request = API_SCHEMA_##request_,                                                         \
     .answer = API_SCHEMA_##answer_,                                                           \
     .status = (status_),                                                                      \
     .query = (query_),                                                                        \
     .summary = (summary_)},
#include "admin/api.def"
#undef API
};

const struct api_row *api_rows(size_t *ret_count)
{
    *ret_count = ARRAY_LEN(rows);
    return rows;
}

void api_call_init(struct api_call *call, const struct api *api, struct admin_request *rq,
                   struct admin_reply *reply)
{
    *call = (struct api_call){.api = api, .request = rq, .reply = reply, .error = OK};
    invalid_init(&call->inv);
}

void api_call_fini(struct api_call *call)
{
    invalid_fini(&call->inv);
}

/* True if the path fits the pattern; *ret_id is what stands for {id}, still encoded. */
static bool fits(const char *pattern, struct str path, struct str *ret_id)
{
    struct str want = str_from(pattern);
    struct str wanted;
    struct str given;
    *ret_id = STR_NONE;
    while (str_next(&want, '/', &wanted)) {
        if (!str_next(&path, '/', &given))
            return false;
        if (str_eq(wanted, STR("{id}")) && !str_is_empty(given))
            *ret_id = given;
        else if (!str_eq(wanted, given))
            return false;
    }
    return path.p == NULL;
}

static bool is_method(const struct api_row *row, struct str method)
{
    return str_eq(method, str_from(row->method)) ||
           (str_eq(method, STR("HEAD")) && str_eq(STR("GET"), str_from(row->method)));
}

/* Finds call->row and call->id.  ERR_NOT_FOUND, or ERR_METHOD_REFUSED with Allow in the
 * reply. */
static struct err match(struct api_call *call)
{
    struct str allow = STR_NONE;
    struct str id;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (!fits(rows[i].pattern, call->request->path, &id))
            continue;
        if (is_method(&rows[i], call->request->method)) {
            call->row = &rows[i];
            call->id = id;
            return OK;
        }
        bool is_get = str_eq(STR("GET"), str_from(rows[i].method));
        allow = arena_fmt(call->request->arena, "%.*s%s%s", STR_ARG(allow), rows[i].method,
                          is_get ? ", HEAD, " : ", ");
    }
    if (str_is_empty(allow)) {
        call->detail = STR("nothing is at this path; GET /v1/openapi.json lists what there is");
        return fail(ERR_NOT_FOUND, 0);
    }
    allow = arena_fmt(call->request->arena, "%.*sOPTIONS", STR_ARG(allow));
    TRY(admin_reply_field(call->reply, "Allow", allow));
    return fail(ERR_METHOD_REFUSED, 0);
}

static struct err authenticate(struct api_call *call)
{
    AUTO(snapshot_unref) const struct snapshot *s = store_snapshot(call->api->store);
    struct err e = auth_check(call->api->auth, s, call->request, &call->caller);
    if (err_is(e, ERR_UNAUTHORIZED)) {
        call->detail =
            STR("send \"Authorization: Bearer TOKEN\"; gatehouse token create --name "
                "NAME makes one");
        TRY(admin_reply_field(call->reply, "WWW-Authenticate",
                              STR("Bearer realm=\"gatehouse\"")));
    } else if (err_is(e, ERR_TOO_MANY)) {
        TRY(admin_reply_field(call->reply, "Retry-After",
                              arena_fmt(call->request->arena, "%d", (int)e.detail)));
    }
    return e;
}

static struct err check_scope(struct api_call *call)
{
    static const enum token_scope needed[] = {
        [API_READ] = SCOPE_READ, [API_WRITE] = SCOPE_WRITE, [API_ADMIN] = SCOPE_ADMIN};
    enum token_scope need = needed[call->row->access];
    if (auth_allows(call->caller.scopes, need))
        return OK;
    call->detail = arena_fmt(call->request->arena, "this needs a token with the scope \"%s\"",
                             auth_scope_name(need));
    return fail(ERR_FORBIDDEN, 0);
}

/* An unknown parameter is refused: ?dryrun=true must not replace a configuration. */
static struct err check_query(struct api_call *call)
{
    const struct admin_request *rq = call->request;
    for (size_t i = 0; i < rq->query_count; i++) {
        if (str_eq(rq->query[i].name, str_from(call->row->query)))
            continue;
        call->detail = arena_fmt(rq->arena, "unknown query parameter \"%.*s\"",
                                 STR_ARG(rq->query[i].name));
        return fail(ERR_BAD_REQUEST, 0);
    }
    return OK;
}

static struct err too_large(struct api_call *call)
{
    call->detail = arena_fmt(call->request->arena, "a body may have at most %llu MiB here",
                             (unsigned long long)(api_body_limit(call) / MIB));
    return fail(ERR_BODY_LIMIT, 0);
}

static struct err check_body_head(struct api_call *call)
{
    if (!admin_request_has_body(call->request))
        return OK;
    if (call->row->body == API_BODY_NONE) {
        call->detail = STR("this operation takes no body");
        return fail(ERR_BAD_REQUEST, 0);
    }
    TRY(body_check_type(call->request));
    const struct admin_field *field = admin_request_field(call->request, "Content-Length");
    uint64_t length = 0;
    if (field != NULL && (failed(str_to_u64(str_trim(field->value), UINT64_MAX, &length)) ||
                          length > api_body_limit(call)))
        return too_large(call);
    return OK;
}

void api_refuse_large(struct api_call *call)
{
    if (!failed(call->error))
        call->error = too_large(call);
}

/* Methods of a path, for OPTIONS; ERR_METHOD_REFUSED by match() has put them into Allow. */
static struct err answer_options(struct api_call *call)
{
    struct err e = match(call);
    if (!err_is(e, ERR_METHOD_REFUSED))
        return e;
    admin_reply_empty(call->reply, 204);
    return OK;
}

static struct err check_head(struct api_call *call)
{
    const char *why = NULL;
    struct err e = guard_check(call->request, &call->api->own_names, &why);
    if (failed(e)) {
        call->detail = str_from(why);
        return e;
    }
    if (str_eq(call->request->method, STR("OPTIONS")))
        return answer_options(call);
    struct err found = match(call);
    /* Without a token nobody learns what exists. */
    if (failed(found) || call->row->access != API_OPEN)
        TRY(authenticate(call));
    TRY(found);
    if (call->row->access != API_OPEN)
        TRY(check_scope(call));
    TRY(check_query(call));
    TRY(admin_request_decode(call->request->arena, &call->id));
    return check_body_head(call);
}

void api_begin(struct api_call *call)
{
    call->error = check_head(call);
}

size_t api_body_limit(const struct api_call *call)
{
    if (call->row == NULL)
        return 0;
    switch (call->row->body) {
    case API_BODY_NONE:
        return 0;
    case API_BODY_OPTIONAL:
    case API_BODY_JSON:
        return ADMIN_BODY_MAX_BYTES;
    case API_BODY_CONFIG:
        return ADMIN_CONFIG_MAX_BYTES;
    }
    return 0;
}

/* Only the fields that belong to the refusal survive (Allow, WWW-Authenticate,
 * Retry-After). */
static void answer_problem(struct api_call *call, struct err e)
{
    const struct admin_request *rq = call->request;
    if (e.kind->status >= 500 && e.kind != ERR_UNAVAILABLE)
        log_err(e, "admin_failed", KV_STR("method", rq->method), KV_STR("path", rq->path),
                KV_CSTR("request", rq->id));
    else if (e.kind == ERR_UNAUTHORIZED || e.kind == ERR_TOO_MANY || e.kind == ERR_WRONG_ORIGIN)
        log_err(e, "admin_refused", KV_STR("method", rq->method), KV_STR("path", rq->path),
                KV_CSTR("request", rq->id));
    admin_reply_problem(call->reply, e,
                        &(struct problem){.detail = call->detail,
                                          .inv = &call->inv,
                                          .request_id = str_from(rq->id)});
}

void api_finish(struct api_call *call)
{
    struct err e = call->error;
    if (!failed(e) && call->row != NULL) {
        e = call->row->handler(call);
        if (failed(e))
            admin_reply_clear(call->reply);
    }
    if (failed(e))
        answer_problem(call, e);
}

void api_audit(const struct api_call *call, struct str subject, uint64_t revision)
{
    log_info("admin_write", KV_STR("method", call->request->method),
             KV_STR("path", call->request->path), KV_STR("by", call->caller.name),
             KV_STR("id", subject), KV_U64("revision", revision),
             KV_CSTR("request", call->request->id));
}
