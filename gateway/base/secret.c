#include "gateway/base/secret.h"

#include "gateway/base/mem.h"

#include <string.h>

struct err secret_init(struct secret *s, struct str bytes)
{
    char *copy = mem_dup(bytes.p, bytes.len);
    if (copy == NULL)
        return fail(ERR_MEMORY, 0);
    s->priv.p = (unsigned char *)copy;
    s->priv.len = bytes.len;
    return OK;
}

void secret_fini(struct secret *s)
{
    if (s->priv.p == NULL)
        return;
    secret_wipe(s->priv.p, s->priv.len);
    mem_free(s->priv.p);
    s->priv.p = NULL;
    s->priv.len = 0;
}

struct str secret_bytes(const struct secret *s)
{
    return str_make(s->priv.p, s->priv.len);
}

bool secret_is_empty(const struct secret *s)
{
    return s->priv.len == 0;
}

bool secret_eq(const struct secret *s, struct str bytes)
{
    if (s->priv.len != bytes.len)
        return false;
    unsigned char difference = 0;
    for (size_t i = 0; i < bytes.len; i++)
        difference |= (unsigned char)(s->priv.p[i] ^ (unsigned char)bytes.p[i]);
    return difference == 0;
}

void secret_wipe(void *p, size_t len)
{
    if (len > 0)
        explicit_bzero(p, len);
}
