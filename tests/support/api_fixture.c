#include "tests/support/api_fixture.h"

#include "tests/support/unit.h"

#include "gateway/base/limits.h"

#include <stdio.h>

static bool is_ready(void *arg)
{
    const struct api_fixture *f = arg;
    return f->is_ready;
}

static json_t *listeners(void *arg)
{
    (void)arg;
    return json_pack("[{s:s, s:s}]", "address", "127.0.0.1:8080", "kind", "http");
}

void api_fixture_open(struct api_fixture *f)
{
    *f = (struct api_fixture){.is_ready = true};
    temp_store_init(&f->temp);
    f->api.store = f->temp.store;
    assert_false(failed(auth_new(&f->api.auth)));
    f->api.ports = (struct admin_ports){.arg = f, .listeners = listeners, .is_ready = is_ready};
}

void api_fixture_close(struct api_fixture *f)
{
    auth_free(f->api.auth);
    temp_store_fini(&f->temp);
}

void api_answer_fini(struct api_answer *a)
{
    json_decref(a->doc);
    admin_reply_fini(&a->reply);
    arena_free(a->arena);
}

struct str api_answer_field(const struct api_answer *a, const char *name)
{
    for (size_t i = 0; i < a->reply.field_count; i++) {
        if (str_eq(str_from(a->reply.fields[i].name), str_from(name)))
            return a->reply.fields[i].value;
    }
    return STR_NONE;
}

bool api_answer_complains(const struct api_answer *a, const char *field)
{
    const json_t *errors = json_object_get(a->doc, "errors");
    for (size_t i = 0; i < json_array_size(errors); i++) {
        const json_t *error = json_array_get(errors, i);
        if (str_eq(json_str(json_object_get(error, "field")), str_from(field)))
            return true;
    }
    return false;
}

static size_t make_fields(const struct api_fixture *f, struct arena *a, const char *body,
                          const char *const *given, struct admin_field *fields)
{
    size_t count = 0;
    fields[count++] = (struct admin_field){STR("Host"), STR("localhost")};
    if (f->token != NULL)
        fields[count++] =
            (struct admin_field){STR("Authorization"), arena_fmt(a, "Bearer %s", f->token)};
    if (body != NULL)
        fields[count++] =
            (struct admin_field){STR("Content-Length"), arena_fmt(a, "%zu", strlen(body))};
    bool has_type = false;
    for (; given != NULL && given[0] != NULL; given += 2) {
        has_type |= str_eq(str_from(given[0]), STR("Content-Type"));
        fields[count++] = (struct admin_field){str_from(given[0]), str_from(given[1])};
    }
    if (body != NULL && !has_type)
        fields[count++] = (struct admin_field){STR("Content-Type"), STR("application/json")};
    return count;
}

static size_t split_query(struct str query, struct admin_field *pairs)
{
    struct str pair;
    size_t count = 0;
    while (!str_is_empty(query) && str_next(&query, '&', &pair)) {
        pairs[count] = (struct admin_field){.name = pair};
        (void)str_split(pair, '=', &pairs[count].name, &pairs[count].value);
        count++;
    }
    return count;
}

struct api_answer api_fixture_ask(struct api_fixture *f, const char *method, const char *target,
                                  const char *body, const char *const *given)
{
    struct api_answer answer = {.arena = arena_new(4096, ADMIN_ARENA_MAX_BYTES)};
    struct admin_field fields[ADMIN_FIELDS_MAX];
    struct admin_field query[ADMIN_FIELDS_MAX];
    struct admin_request rq = {.arena = answer.arena,
                               .method = str_from(method),
                               .path = str_from(target),
                               .fields = fields,
                               .query = query,
                               .source = {.is_unix = !f->is_tcp},
                               .id = "test"};
    struct str text = STR_NONE;
    struct api_call call;
    (void)str_split(rq.path, '?', &rq.path, &text);
    rq.query_count = split_query(text, query);
    rq.field_count = make_fields(f, answer.arena, body, given, fields);
    admin_reply_init(&answer.reply);
    api_call_init(&call, &f->api, &rq, &answer.reply);
    api_begin(&call);
    rq.body = str_from(body);
    api_finish(&call);
    api_call_fini(&call);
    answer.status = answer.reply.status;
    (void)failed(json_read(buf_view(&answer.reply.body), &answer.doc));
    return answer;
}

void api_fixture_expect(struct api_fixture *f, unsigned status, const char *method,
                        const char *target, const char *body)
{
    struct api_answer a = api_fixture_ask(f, method, target, body, NULL);
    if (a.status != status)
        fail_msg("%s %s: %u, not %u: %.*s", method, target, a.status, status,
                 STR_ARG(buf_view(&a.reply.body)));
    api_answer_fini(&a);
}

struct err api_fixture_transport(void *arg, struct arena *a, const struct cli_server *server,
                                 const struct cli_request *request, struct cli_answer *answer)
{
    struct api_fixture *f = arg;
    (void)server;
    struct str target = arena_dup(a, request->path);
    struct str body = str_is_empty(request->body) ? STR_NONE : arena_dup(a, request->body);
    struct api_answer got = api_fixture_ask(f, request->method, target.p, body.p, NULL);
    answer->status = got.status;
    struct err e = buf_append(&answer->body, buf_view(&got.reply.body));
    api_answer_fini(&got);
    return e;
}

const char *api_fixture_route(const char *host)
{
    static char text[512];
    (void)snprintf(text, sizeof(text),
                   "{\"hosts\":[\"%s\"],\"certificate\":\"none\",\"https\":\"optional\","
                   "\"upstream\":{\"targets\":[{\"url\":\"http://127.0.0.1:3000\"}]}}",
                   host);
    return text;
}
