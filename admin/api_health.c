/* api_health.c - what monitoring asks without a token and without wanting numbers. */
#include "admin/api.h"

#define TEXT_TYPE "text/plain; charset=utf-8"

struct err api_health_live(struct api_call *call)
{
    return admin_reply_text(call->reply, 200, TEXT_TYPE, STR("ok\n"));
}

struct err api_health_ready(struct api_call *call)
{
    const struct admin_ports *ports = &call->api->ports;
    if (ports->is_ready == NULL || ports->is_ready(ports->arg))
        return admin_reply_text(call->reply, 200, TEXT_TYPE, STR("ready\n"));
    return admin_reply_text(call->reply, 503, TEXT_TYPE, STR("not ready\n"));
}
