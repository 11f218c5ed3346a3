#include "store/public_suffix.h"

#include <libpsl.h>

enum { NAME_MAX_BYTES = 253 };

struct str public_suffix_registered(struct str name)
{
    char text[NAME_MAX_BYTES + 1];
    if (name.len > NAME_MAX_BYTES || memchr(name.p, '\0', name.len) != NULL)
        return name;
    memcpy(text, name.p, name.len);
    text[name.len] = '\0';
    const psl_ctx_t *list = psl_builtin();
    const char *domain = list == NULL ? NULL : psl_registrable_domain(list, text);
    return domain == NULL ? name : str_skip(name, (size_t)(domain - text));
}

/* ---- how a name stands to them ---- */

static bool is_suffix(const char *name)
{
    const psl_ctx_t *list = psl_builtin();
    return list != NULL &&
           psl_is_public_suffix2(list, name, PSL_TYPE_ICANN | PSL_TYPE_NO_STAR_RULE) != 0;
}

enum public_suffix public_suffix_judge(struct str name)
{
    char text[NAME_MAX_BYTES + 1];
    if (name.len == 0 || name.len >= sizeof(text) || memchr(name.p, 0, name.len) != NULL)
        return PUBLIC_SUFFIX_NONE;
    memcpy(text, name.p, name.len);
    text[name.len] = '\0';
    const char *dot = strrchr(text, '.');
    if (!is_suffix(dot == NULL ? text : dot + 1))
        return PUBLIC_SUFFIX_NONE;
    return is_suffix(text) ? PUBLIC_SUFFIX_ITSELF : PUBLIC_SUFFIX_BELOW;
}
