/* api.h - dispatch: method and path to a handler, with everything that comes before it.
 *
 * Purpose: api_begin decides all that the head decides (guard, token, path, method,
 *          scope, type of the body); api_finish runs the handler and turns a failure into
 *          a problem document. Nothing here knows libmicrohttpd.
 * Thread:  any; one call belongs to one thread.
 * Owns:    struct api_call: its invalid list; everything else is borrowed or in the arena.
 * Limits:  body sizes by the row of api.def.
 * Fails:   never; every outcome is a reply. */
#pragma once

#include "admin/admin_reply.h"
#include "admin/admin_request.h"
#include "admin/auth.h"
#include "admin/guard.h"
#include "admin/ports.h"
#include "store/store.h"

enum api_access { API_OPEN, API_READ, API_WRITE, API_ADMIN };
enum api_body { API_BODY_NONE, API_BODY_OPTIONAL, API_BODY_JSON, API_BODY_CONFIG };

/* Schemas of openapi.json; described in openapi.c. */
enum api_schema {
    API_SCHEMA_NONE,
    API_SCHEMA_TEXT,
    API_SCHEMA_DOCUMENT,
    API_SCHEMA_EMPTY,
    API_SCHEMA_ROUTE,
    API_SCHEMA_ROUTE_PATCH,
    API_SCHEMA_ROUTE_LIST,
    API_SCHEMA_STREAM,
    API_SCHEMA_STREAM_LIST,
    API_SCHEMA_CERTIFICATE,
    API_SCHEMA_CERTIFICATE_LIST,
    API_SCHEMA_CERTIFICATE_LIMITS,
    API_SCHEMA_CERTIFICATE_SERVED,
    API_SCHEMA_CERTIFICATE_PAIR,
    API_SCHEMA_CERTIFICATE_PATCH,
    API_SCHEMA_REVOCATION,
    API_SCHEMA_ACME,
    API_SCHEMA_ACME_PATCH,
    API_SCHEMA_ACME_ACCOUNT,
    API_SCHEMA_ALARM_LIST,
    API_SCHEMA_ALARMS,
    API_SCHEMA_ALARMS_PATCH,
    API_SCHEMA_ALARM_TEST,
    API_SCHEMA_SETTINGS,
    API_SCHEMA_SETTINGS_PATCH,
    API_SCHEMA_CONFIG,
    API_SCHEMA_CONFIG_CHANGES,
    API_SCHEMA_TOKEN,
    API_SCHEMA_TOKEN_LIST,
    API_SCHEMA_TOKEN_REQUEST,
    API_SCHEMA_TOKEN_PATCH,
    API_SCHEMA_TOKEN_SECRET,
    API_SCHEMA_STATUS,
    API_SCHEMA_PROBLEM,
    API_SCHEMA_COUNT
};

/* What all handlers share; constant while the admin interface runs. */
struct api {
    struct store *store;
    struct auth *auth;
    struct admin_ports ports;
    struct own_names own_names; /* see guard.h */
    int64_t started_at;
    uint64_t started_ms;
};

struct api_call;

/* Fills call->reply, or fails; then call->inv and call->detail may say more. */
typedef struct err api_handler_fn(struct api_call *call);

struct api_row {
    const char *method;
    const char *pattern;
    enum api_access access;
    enum api_body body;
    api_handler_fn *handler;
    enum api_schema request;
    enum api_schema answer;
    unsigned status;
    const char *query;
    const char *summary;
};

/* All rows of api.def, in order. */
const struct api_row *api_rows(size_t *ret_count);

struct api_call {
    const struct api *api;
    struct admin_request *request;
    struct admin_reply *reply;
    const struct api_row *row; /* NULL: answered without a handler */
    struct caller caller;
    struct str id; /* {id} of the pattern, percent-decoded */
    struct invalid inv;
    struct str detail; /* a sentence that fits better than that of the error's kind */
    struct err error;  /* decided by api_begin */
};

void api_call_init(struct api_call *call, const struct api *api, struct admin_request *rq,
                   struct admin_reply *reply);
void api_call_fini(struct api_call *call);

/* Needs the head only.  call->error says whether the body is still of interest. */
void api_begin(struct api_call *call);

/* How large a body may be; 0: none is expected. */
size_t api_body_limit(const struct api_call *call);

/* The body turned out longer than its head said, or than is allowed. */
void api_refuse_large(struct api_call *call);

/* Needs the body in request->body.  Always leaves a reply. */
void api_finish(struct api_call *call);

/* Logs one committed change: who, what, and which revision came of it. */
void api_audit(const struct api_call *call, struct str subject, uint64_t revision);

#define API(method, pattern, access, body, handler, request, answer, status, query, summary)   \
    api_handler_fn api_##handler;
#include "admin/api.def"
#undef API
