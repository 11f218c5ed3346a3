#include "acme/challenge.h"

#include "gateway/base/limits.h"

static bool is_token(struct str token)
{
    if (token.len == 0 || token.len > ACME_CHALLENGE_MAX_BYTES)
        return false;
    for (size_t i = 0; i < token.len; i++) {
        char c = token.p[i];
        if (!chr_is_alpha(c) && !chr_is_digit(c) && c != '-' && c != '_')
            return false;
    }
    return true;
}

struct err challenge_answer(struct arena *a, struct str token, struct str thumbprint,
                            struct str *ret_answer)
{
    if (!is_token(token))
        return fail(ERR_ACME_PROTOCOL, 0);
    struct str answer = arena_fmt(a, "%.*s.%.*s", STR_ARG(token), STR_ARG(thumbprint));
    if (answer.p == NULL)
        return fail(ERR_MEMORY, 0);
    *ret_answer = answer;
    return OK;
}
