#include "admin/admin_reply.h"

#include "gateway/base/limits.h"

#include <assert.h>

void admin_reply_init(struct admin_reply *r)
{
    *r = (struct admin_reply){.status = 500};
    buf_init(&r->body, ADMIN_REPLY_MAX_BYTES);
}

void admin_reply_fini(struct admin_reply *r)
{
    buf_fini(&r->body);
}

void admin_reply_clear(struct admin_reply *r)
{
    admin_reply_fini(r);
    admin_reply_init(r);
}

struct err admin_reply_field(struct admin_reply *r, const char *name, struct str value)
{
    if (value.p == NULL)
        return fail(ERR_MEMORY, 0);
    if (r->field_count == ADMIN_REPLY_FIELDS_MAX)
        return fail(ERR_LIMIT, 0);
    r->fields[r->field_count++] = (struct admin_reply_field){.name = name, .value = value};
    return OK;
}

void admin_reply_empty(struct admin_reply *r, unsigned status)
{
    r->status = status;
    r->content_type = NULL;
    buf_clear(&r->body);
}

struct err admin_reply_json(struct admin_reply *r, unsigned status, const json_t *doc)
{
    if (doc == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(json_write(doc, &r->body));
    TRY(buf_append(&r->body, STR("\n")));
    r->status = status;
    r->content_type = "application/json";
    return OK;
}

struct err admin_reply_text(struct admin_reply *r, unsigned status, const char *content_type,
                            struct str text)
{
    TRY(buf_append(&r->body, text));
    r->status = status;
    r->content_type = content_type;
    return OK;
}

struct err admin_reply_items_begin(struct admin_reply *r)
{
    return admin_reply_text(r, 200, "application/json", STR("{\"items\":["));
}

struct err admin_reply_item(struct admin_reply *r, json_t *item)
{
    AUTO(json_decref) json_t *owned = item;
    if (owned == NULL)
        return fail(ERR_MEMORY, 0);
    struct str so_far = buf_view(&r->body);
    assert(so_far.len > 0); /* admin_reply_items_begin was called */
    if (so_far.p[so_far.len - 1] != '[')
        TRY(buf_append(&r->body, STR(",")));
    return json_write(owned, &r->body);
}

struct err admin_reply_items_end(struct admin_reply *r)
{
    return buf_append(&r->body, STR("]}\n"));
}

struct str admin_reply_etag(struct arena *a, uint64_t revision)
{
    return arena_fmt(a, "\"%llu\"", (unsigned long long)revision);
}

/* The one thing that is wrong, or how many there are. */
static json_t *make_detail(struct err e, const struct problem *p)
{
    size_t count = p->inv == NULL ? 0 : p->inv->count;
    if (!str_is_empty(p->detail))
        return json_from_str(p->detail);
    if (count == 0 || p->inv->kept_count == 0)
        return json_string(e.kind->text);
    if (count > 1)
        return json_sprintf("%zu things are wrong; errors lists them", count);
    const struct invalid_entry *only = &p->inv->entries[0];
    return json_sprintf("%.*s%s%.*s", STR_ARG(only->field),
                        str_is_empty(only->field) ? "" : ": ", STR_ARG(only->message));
}

/* New reference, NULL when out of memory. */
static json_t *problem_document(struct err e, const struct problem *p)
{
    bool has_errors = p->inv != NULL && !invalid_is_empty(p->inv);
    /* "*" leaves a member out when its value is NULL. */
    return json_pack("{s:s+, s:s, s:i, s:o, s:s%, s:o*}", "type",
                     "urn:gatehouse:problem:", e.kind->name, "title", e.kind->text, "status",
                     (int)e.kind->status, "detail", make_detail(e, p), "request_id",
                     p->request_id.p, p->request_id.len, "errors",
                     has_errors ? invalid_to_json(p->inv) : NULL);
}

void admin_reply_problem(struct admin_reply *r, struct err e, const struct problem *p)
{
    AUTO(json_decref) json_t *doc = problem_document(e, p);
    struct err written = admin_reply_json(r, e.kind->status, doc);
    if (failed(written))
        admin_reply_empty(r, e.kind->status);
    else
        r->content_type = "application/problem+json";
    if (r->status == 0)
        r->status = 500;
}
