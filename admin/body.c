#include "admin/body.h"

#include "gateway/base/limits.h"
#include "gateway/base/secret.h"

void body_init(struct body *b, size_t limit_bytes)
{
    *b = (struct body){0};
    buf_init(&b->priv.bytes, limit_bytes);
}

void body_fini(struct body *b)
{
    /* Copies made while the buffer grew are beyond reach; the last and whole one is not. */
    char *tail;
    size_t room;
    size_t len = buf_len(&b->priv.bytes);
    if (len > 0) {
        buf_clear(&b->priv.bytes);
        if (!failed(buf_reserve(&b->priv.bytes, len, &tail, &room)))
            secret_wipe(tail, len);
    }
    buf_fini(&b->priv.bytes);
}

void body_set_limit(struct body *b, size_t limit_bytes)
{
    buf_fini(&b->priv.bytes);
    buf_init(&b->priv.bytes, limit_bytes);
}

void body_refuse(struct body *b)
{
    b->priv.is_unwanted = true;
}

struct err body_feed(struct body *b, struct str bytes)
{
    bool is_kept = !b->priv.is_unwanted && b->priv.discarded_bytes == 0;
    if (is_kept && bytes.len <= buf_room(&b->priv.bytes))
        return buf_append(&b->priv.bytes, bytes);
    b->priv.discarded_bytes += bytes.len;
    if (b->priv.discarded_bytes > ADMIN_DISCARD_MAX_BYTES)
        return fail(ERR_BODY_LIMIT, 0);
    return OK;
}

bool body_is_too_large(const struct body *b)
{
    return !b->priv.is_unwanted && b->priv.discarded_bytes > 0;
}

struct str body_view(const struct body *b)
{
    return buf_view(&b->priv.bytes);
}

struct err body_check_type(const struct admin_request *rq)
{
    const struct admin_field *field = admin_request_field(rq, "Content-Type");
    if (field == NULL)
        return fail(ERR_WRONG_TYPE, 0);
    struct str type = field->value;
    struct str parameters;
    (void)str_split(type, ';', &type, &parameters);
    type = str_trim(type);
    if (str_eq_nocase(type, STR("application/json")))
        return OK;
    if (str_eq(rq->method, STR("PATCH")) &&
        str_eq_nocase(type, STR("application/merge-patch+json")))
        return OK;
    return fail(ERR_WRONG_TYPE, 0);
}

/* No body is a text, a number or null. */
static bool begins_as_container(struct str text)
{
    size_t i = 0;
    while (i < text.len && memchr(" \t\r\n", text.p[i], 4) != NULL)
        i++;
    return i < text.len && (text.p[i] == '{' || text.p[i] == '[');
}

struct err body_json(const struct admin_request *rq, struct str *ret_words, json_t **ret_doc)
{
    if (str_is_empty(rq->body)) {
        *ret_words = STR("a JSON body is needed");
        return fail(ERR_JSON, 0);
    }
    if (!begins_as_container(rq->body)) {
        *ret_words = STR("malformed JSON: the body must be an object");
        return fail(ERR_JSON, 0);
    }
    struct str twice;
    struct err e = json_read_told(rq->body, ret_doc, &twice);
    if (err_is(e, ERR_JSON) && e.detail == 0)
        *ret_words = arena_fmt(rq->arena, "malformed JSON: nested deeper than %d levels",
                               JSON_DEPTH_MAX);
    else if (err_is(e, ERR_JSON) && !str_is_empty(twice))
        *ret_words = arena_fmt(rq->arena, "malformed JSON in line %d: \"%.*s\" is there twice",
                               (int)e.detail, STR_ARG(twice));
    else if (err_is(e, ERR_JSON))
        *ret_words = arena_fmt(rq->arena, "malformed JSON in line %d", (int)e.detail);
    return e;
}
