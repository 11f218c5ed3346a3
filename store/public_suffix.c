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
