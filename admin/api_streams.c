/* api_streams.c - the place of streams in the interface; they are not served yet, and say
 * so. */
#include "admin/api.h"

struct err api_streams_list(struct api_call *call)
{
    TRY(admin_reply_items_begin(call->reply));
    return admin_reply_items_end(call->reply);
}

struct err api_streams_show(struct api_call *call)
{
    call->detail =
        arena_fmt(call->request->arena, "there is no stream \"%.*s\"", STR_ARG(call->id));
    return fail(ERR_NOT_FOUND, 0);
}

static struct err refuse(struct api_call *call)
{
    call->detail = STR("streams (TCP and UDP ports) are not available in this version; nothing "
                       "was changed");
    return fail(ERR_UNAVAILABLE, 0);
}

struct err api_streams_create(struct api_call *call)
{
    return refuse(call);
}

struct err api_streams_put(struct api_call *call)
{
    return refuse(call);
}

struct err api_streams_patch(struct api_call *call)
{
    return refuse(call);
}

struct err api_streams_delete(struct api_call *call)
{
    return refuse(call);
}
