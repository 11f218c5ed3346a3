#include "admin/precondition.h"

/* True if the field's list names the tag.  Weak tags (W/"7") count only where the RFC
 * says so. */
static bool has_tag(const struct admin_field *field, struct str etag, bool is_weak_enough)
{
    struct str rest = field->value;
    struct str item;
    while (str_next(&rest, ',', &item)) {
        item = str_trim(item);
        if (is_weak_enough && str_starts(item, STR("W/")))
            item = str_skip(item, 2);
        if (str_eq(item, etag) || str_eq(item, STR("*")))
            return true;
    }
    return false;
}

struct err precondition_check(const struct admin_request *rq, struct str etag)
{
    bool is_there = !str_is_empty(etag);
    const struct admin_field *match = admin_request_field(rq, "If-Match");
    if (match != NULL && (!is_there || !has_tag(match, etag, false)))
        return fail(ERR_PRECONDITION, 0);
    const struct admin_field *none = admin_request_field(rq, "If-None-Match");
    if (none != NULL && is_there && has_tag(none, etag, true))
        return fail(ERR_PRECONDITION, 0);
    return OK;
}

bool precondition_is_known(const struct admin_request *rq, struct str etag)
{
    const struct admin_field *none = admin_request_field(rq, "If-None-Match");
    return none != NULL && has_tag(none, etag, true);
}
