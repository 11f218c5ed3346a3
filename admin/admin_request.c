#include "admin/admin_request.h"

#include "gateway/base/limits.h"
#include "gateway/base/text.h"

const struct admin_field *admin_request_field(const struct admin_request *rq, const char *name)
{
    for (size_t i = 0; i < rq->field_count; i++) {
        if (str_eq_nocase(rq->fields[i].name, str_from(name)))
            return &rq->fields[i];
    }
    return NULL;
}

size_t admin_request_count(const struct admin_request *rq, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < rq->field_count; i++)
        count += str_eq_nocase(rq->fields[i].name, str_from(name)) ? 1 : 0;
    return count;
}

const struct admin_field *admin_request_query(const struct admin_request *rq, const char *name)
{
    for (size_t i = 0; i < rq->query_count; i++) {
        if (str_eq(rq->query[i].name, str_from(name)))
            return &rq->query[i];
    }
    return NULL;
}

bool admin_request_has_body(const struct admin_request *rq)
{
    const struct admin_field *length = admin_request_field(rq, "Content-Length");
    if (length != NULL)
        return !str_eq(str_trim(length->value), STR("0"));
    return admin_request_field(rq, "Transfer-Encoding") != NULL;
}

struct err admin_request_decode(struct arena *a, struct str *text)
{
    struct buf out;
    if (str_index(*text, '%') == text->len)
        return OK;
    buf_init(&out, ADMIN_HEAD_MAX_BYTES);
    struct err e = text_percent_decode(&out, *text);
    if (!failed(e)) {
        *text = arena_dup(a, buf_view(&out));
        if (text->p == NULL)
            e = fail(ERR_MEMORY, 0);
    }
    buf_fini(&out);
    return err_is(e, ERR_SYNTAX) ? fail(ERR_BAD_REQUEST, 0) : e;
}
