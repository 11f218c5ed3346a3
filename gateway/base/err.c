#include "gateway/base/err.h"

#include <stddef.h>

const struct err_kind err_kinds[ERR_ID_COUNT] = {
#define ERR_KIND(id, name_, status_, level_, text_)                                            \
    [ERR_ID_##id] = {                                                                          \
        .name = (name_), .text = (text_), .status = (status_), .level = LOG_LEVEL_##level_},
#include "gateway/base/err_kinds.def"
#undef ERR_KIND
};

const char *err_name(struct err e)
{
    return e.kind == NULL ? "ok" : e.kind->name;
}
