/* openapi.c - GET /v1/openapi.json, put together from three sources that cannot disagree with
 * the code: api.def (paths), the shapes of store/model.h (objects that are read), and
 * openapi_base.json (objects that are only shown, and what shapes cannot say). */
#include "admin/openapi.h"

#include "admin/api.h"
#include "admin/merge_patch.h"
#include "admin/token_request.h"

#include "gateway/base/embedded.h"

#include <stdio.h>

extern const struct embedded_file admin_files[];

/* Where the schema of an object comes from; BASE means openapi_base.json. */
enum origin { ORIGIN_BASE, ORIGIN_SHAPE, ORIGIN_PATCH, ORIGIN_LIST };

struct schema_row {
    const char *name;
    enum origin origin;
    const struct shape *shape; /* SHAPE */
    enum api_schema of;        /* PATCH, LIST */
    bool is_object;            /* carries id, revision, created_at, updated_at */
};

/* clang-format off */
#define BASE(name_) {.name = (name_), .origin = ORIGIN_BASE}
#define BASE_OBJECT(name_) {.name = (name_), .origin = ORIGIN_BASE, .is_object = true}
#define SHAPE_OF(name_, shape_)                                                               \
    {.name = (name_), .origin = ORIGIN_SHAPE, .shape = (shape_), .is_object = true}
#define PATCH_OF(name_, of_) {.name = (name_), .origin = ORIGIN_PATCH, .of = API_SCHEMA_##of_}
#define LIST_OF(name_, of_) {.name = (name_), .origin = ORIGIN_LIST, .of = API_SCHEMA_##of_}
/* clang-format on */

/* In an order where PATCH comes after what it is a patch of. */
static const struct schema_row schemas[API_SCHEMA_COUNT] = {
    [API_SCHEMA_NONE] = {.name = NULL},
    [API_SCHEMA_TEXT] = BASE("Text"),
    [API_SCHEMA_DOCUMENT] = BASE("Document"),
    [API_SCHEMA_EMPTY] = BASE("Empty"),
    [API_SCHEMA_ROUTE] = SHAPE_OF("Route", route_shape),
    [API_SCHEMA_ROUTE_PATCH] = PATCH_OF("RoutePatch", ROUTE),
    [API_SCHEMA_ROUTE_LIST] = LIST_OF("RouteList", ROUTE),
    [API_SCHEMA_STREAM] = BASE("Stream"),
    [API_SCHEMA_STREAM_LIST] = LIST_OF("StreamList", STREAM),
    [API_SCHEMA_CERTIFICATE] = BASE_OBJECT("Certificate"),
    [API_SCHEMA_CERTIFICATE_LIST] = LIST_OF("CertificateList", CERTIFICATE),
    [API_SCHEMA_CERTIFICATE_LIMITS] = BASE("CertificateLimits"),
    [API_SCHEMA_CERTIFICATE_SERVED] = BASE("CertificateServed"),
    [API_SCHEMA_CERTIFICATE_PAIR] = BASE("CertificatePair"),
    [API_SCHEMA_CERTIFICATE_PATCH] = PATCH_OF("CertificatePatch", CERTIFICATE_PAIR),
    [API_SCHEMA_REVOCATION] = BASE("Revocation"),
    [API_SCHEMA_ACME] = SHAPE_OF("Acme", acme_settings_shape),
    [API_SCHEMA_ACME_PATCH] = PATCH_OF("AcmePatch", ACME),
    [API_SCHEMA_ACME_ACCOUNT] = BASE("AcmeAccount"),
    [API_SCHEMA_ALARM_LIST] = BASE("AlarmList"),
    [API_SCHEMA_ALARMS] = SHAPE_OF("Alarms", alarm_settings_shape),
    [API_SCHEMA_ALARMS_PATCH] = PATCH_OF("AlarmsPatch", ALARMS),
    [API_SCHEMA_ALARM_TEST] = BASE("AlarmTest"),
    [API_SCHEMA_SETTINGS] = SHAPE_OF("Settings", settings_shape),
    [API_SCHEMA_SETTINGS_PATCH] = PATCH_OF("SettingsPatch", SETTINGS),
    [API_SCHEMA_CONFIG] = BASE("Config"),
    [API_SCHEMA_CONFIG_CHANGES] = BASE("ConfigChanges"),
    [API_SCHEMA_TOKEN] = BASE_OBJECT("Token"),
    [API_SCHEMA_TOKEN_LIST] = LIST_OF("TokenList", TOKEN),
    [API_SCHEMA_TOKEN_REQUEST] = SHAPE_OF("TokenRequest", token_request_shape),
    [API_SCHEMA_TOKEN_PATCH] = PATCH_OF("TokenPatch", TOKEN_REQUEST),
    [API_SCHEMA_TOKEN_SECRET] = BASE_OBJECT("TokenSecret"),
    [API_SCHEMA_STATUS] = BASE("Status"),
    [API_SCHEMA_PROBLEM] = BASE("Problem"),
};

/* {"$ref": "#/components/<where><name>"}; where ends in "/". */
static json_t *ref(const char *where, const char *name)
{
    return json_pack("{s:s++}", "$ref", "#/components/", where, name);
}

static json_t *schema_ref(enum api_schema schema)
{
    return ref("schemas/", schemas[schema].name);
}

/* Adds the book-keeping members to an object's own. */
static struct err add_object_members(json_t *all, json_t *schema)
{
    json_t *shared = json_object_get(json_object_get(all, "Object"), "properties");
    json_t *properties = json_object_get(schema, "properties");
    return json_object_update_missing(properties, shared) != 0 ? fail(ERR_MEMORY, 0) : OK;
}

/* What the shape says, and what openapi_base.json has to add under the same name. */
static json_t *make_from_shape(const json_t *all, const struct schema_row *row)
{
    AUTO(json_decref) json_t *schema = shape_schema(row->shape);
    json_t *more = json_object_get(all, row->name);
    if (more == NULL)
        return TAKE(schema);
    json_t *properties = json_object_get(schema, "properties");
    int bad = json_object_update_missing(properties, json_object_get(more, "properties"));
    bad |= json_object_update_missing(schema, more);
    return bad != 0 ? NULL : TAKE(schema);
}

static json_t *make_list(const struct schema_row *row)
{
    return json_pack("{s:s, s:[s], s:{s:{s:s, s:o}}}", "type", "object", "required", "items",
                     "properties", "items", "type", "array", "items", schema_ref(row->of));
}

static struct err add_schema(json_t *all, const struct schema_row *row)
{
    json_t *schema = NULL;
    switch (row->origin) {
    case ORIGIN_BASE:
        schema = json_incref(json_object_get(all, row->name));
        break;
    case ORIGIN_SHAPE:
        schema = make_from_shape(all, row);
        break;
    case ORIGIN_PATCH:
        schema = merge_patch_schema(json_object_get(all, schemas[row->of].name));
        break;
    case ORIGIN_LIST:
        schema = make_list(row);
        break;
    }
    if (json_object_set_new(all, row->name, schema) != 0)
        return fail(ERR_MEMORY, 0);
    return row->is_object ? add_object_members(all, schema) : OK;
}

static struct err add_schemas(json_t *components)
{
    json_t *all = json_object_get(components, "schemas");
    for (size_t i = API_SCHEMA_NONE + 1; i < API_SCHEMA_COUNT; i++)
        TRY(add_schema(all, &schemas[i]));
    return OK;
}

static json_t *make_parameters(const struct api_row *row)
{
    AUTO(json_decref) json_t *list = json_array();
    bool is_one = strstr(row->pattern, "{id}") != NULL;
    bool is_get = str_eq(str_from(row->method), STR("GET"));
    bool is_post = str_eq(str_from(row->method), STR("POST"));
    int bad = 0;
    if (is_one)
        bad |= json_array_append_new(list, ref("parameters/", "id"));
    if (row->query[0] != '\0')
        bad |= json_array_append_new(list, ref("parameters/", row->query));
    if (row->access != API_OPEN && !is_get && (!is_post || is_one))
        bad |= json_array_append_new(list, ref("parameters/", "if_match"));
    if (row->access != API_OPEN)
        bad |= json_array_append_new(list, ref("parameters/", "if_none_match"));
    return bad != 0 ? NULL : TAKE(list);
}

/* {"<media type>": {"schema": ...}} */
static json_t *make_content(const struct api_row *row, enum api_schema schema)
{
    const char *type = schema == API_SCHEMA_TEXT ? "text/plain" : "application/json";
    AUTO(json_decref)
    json_t *content = json_pack("{s:{s:o}}", type, "schema", schema_ref(schema));
    if (schema == row->request && str_eq(str_from(row->method), STR("PATCH"))) {
        const char *patch = "application/merge-patch+json";
        json_t *same = json_object_get(content, type);
        if (json_object_set(content, patch, same) != 0)
            return NULL;
    }
    return TAKE(content);
}

static json_t *make_answer(const struct api_row *row, const char *description, bool is_new)
{
    AUTO(json_decref) json_t *answer = json_pack("{s:s}", "description", description);
    int bad = 0;
    if (row->answer != API_SCHEMA_NONE)
        bad |= json_object_set_new(answer, "content", make_content(row, row->answer));
    if (row->access == API_OPEN || row->answer == API_SCHEMA_NONE)
        return bad != 0 ? NULL : TAKE(answer);
    json_t *headers = json_pack("{s:o}", "ETag", ref("headers/", "ETag"));
    if (is_new)
        bad |= json_object_set_new(headers, "Location", ref("headers/", "Location"));
    bad |= json_object_set_new(answer, "headers", headers);
    return bad != 0 ? NULL : TAKE(answer);
}

static json_t *make_answers(const struct api_row *row)
{
    char status[8];
    AUTO(json_decref) json_t *answers = json_object();
    bool is_put = str_eq(str_from(row->method), STR("PUT"));
    bool is_one = strstr(row->pattern, "{id}") != NULL;
    bool is_available = row->status != 501;
    (void)snprintf(status, sizeof(status), "%u", row->status);
    int bad =
        json_object_set_new(answers, status,
                            is_available ? make_answer(row, row->summary, row->status == 201)
                                         : ref("responses/", "unavailable"));
    if (is_put && is_one && is_available)
        bad |= json_object_set_new(answers, "201", make_answer(row, "It was created", true));
    bad |= json_object_set_new(answers, "default", ref("responses/", "problem"));
    return bad != 0 ? NULL : TAKE(answers);
}

static json_t *make_operation(const struct api_row *row, const char *id)
{
    static const char *const scopes[] = {
        [API_OPEN] = "none", [API_READ] = "read", [API_WRITE] = "write", [API_ADMIN] = "admin"};
    struct str tag = str_skip(str_from(row->pattern), 1);
    struct str rest = str_starts(tag, STR("v1/")) ? str_skip(tag, 3) : tag;
    (void)str_split(rest, '/', &rest, &tag);
    AUTO(json_decref)
    json_t *operation =
        json_pack("{s:s, s:s, s:[s%], s:s, s:o, s:o}", "operationId", id, "summary",
                  row->summary, "tags", rest.p, rest.len, "x-scope", scopes[row->access],
                  "parameters", make_parameters(row), "responses", make_answers(row));
    int bad = 0;
    if (row->access == API_OPEN)
        bad |= json_object_set_new(operation, "security", json_array());
    if (row->request != API_SCHEMA_NONE)
        bad |= json_object_set_new(operation, "requestBody",
                                   json_pack("{s:b, s:o}", "required",
                                             (int)(row->body != API_BODY_OPTIONAL), "content",
                                             make_content(row, row->request)));
    return bad != 0 ? NULL : TAKE(operation);
}

static const char *const operation_ids[] = {
#define API(method, pattern, access, body, handler, request, answer, status, query, summary)   \
#handler,
#include "admin/api.def"
#undef API
};

static struct err add_path(json_t *paths, const struct api_row *row, const char *id)
{
    char method[8];
    size_t len = strlen(row->method);
    if (len >= sizeof(method))
        return fail(ERR_LIMIT, 0);
    for (size_t i = 0; i <= len; i++)
        method[i] = chr_lower(row->method[i]);
    if (json_object_get(paths, row->pattern) == NULL &&
        json_object_set_new(paths, row->pattern, json_object()) != 0)
        return fail(ERR_MEMORY, 0);
    json_t *path = json_object_get(paths, row->pattern);
    return json_object_set_new(path, method, make_operation(row, id)) != 0 ? fail(ERR_MEMORY, 0)
                                                                           : OK;
}

struct err openapi_document(json_t **ret_doc)
{
    size_t count;
    const struct api_row *rows = api_rows(&count);
    AUTO(json_decref) json_t *doc = NULL;
    AUTO(json_decref) json_t *paths = json_object();
    TRY(json_read(str_make(admin_files[0].data, admin_files[0].size), &doc));
    TRY(add_schemas(json_object_get(doc, "components")));
    for (size_t i = 0; i < count; i++)
        TRY(add_path(paths, &rows[i], operation_ids[i]));
    int bad = json_object_set(doc, "paths", paths);
    bad |= json_object_set_new(doc, "security", json_pack("[{s:[]}]", "bearer"));
    bad |=
        json_object_set_new(json_object_get(doc, "info"), "version", json_string(GW_VERSION));
    if (bad != 0)
        return fail(ERR_MEMORY, 0);
    *ret_doc = TAKE(doc);
    return OK;
}

struct err api_openapi_show(struct api_call *call)
{
    AUTO(json_decref) json_t *doc = NULL;
    TRY(openapi_document(&doc));
    return admin_reply_json(call->reply, 200, doc);
}
