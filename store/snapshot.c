/* snapshot.c - looking things up in a frozen configuration. */
#include "store/snapshot_parts.h"

#include <stdlib.h>

uint64_t snapshot_generation(const struct snapshot *s)
{
    return s->generation;
}

const struct settings *snapshot_settings(const struct snapshot *s)
{
    return s->settings;
}

const struct acme_settings *snapshot_acme(const struct snapshot *s)
{
    return s->acme;
}

const struct alarm_settings *snapshot_alarms(const struct snapshot *s)
{
    return s->alarms;
}

/* ---- lists ---- */

struct gather {
    struct snapshot_entry *entries;
    size_t count;
};

static bool gather_one(void *arg, struct str key, const void *value)
{
    struct gather *g = arg;
    g->entries[g->count++] = (struct snapshot_entry){.key = key, .value = value};
    return true;
}

static int compare_keys(const void *a, const void *b)
{
    const struct snapshot_entry *x = a, *y = b;
    return str_cmp(x->key, y->key);
}

struct err snapshot_sorted(const struct pmap *map, struct arena *a,
                           const struct snapshot_entry **ret_entries)
{
    struct gather g = {.entries = arena_array(a, struct snapshot_entry, map->count)};
    if (g.entries == NULL)
        return fail(ERR_MEMORY, 0);
    (void)pmap_visit(map, gather_one, &g);
    qsort(g.entries, g.count, sizeof(g.entries[0]), compare_keys);
    *ret_entries = g.entries;
    return OK;
}

/* ---- routes ---- */

const struct route *snapshot_route_find(const struct snapshot *s, struct str id)
{
    return pmap_find(&s->routes, id);
}

const struct host_routes *snapshot_host_find(const struct snapshot *s, struct str host)
{
    return pmap_find(&s->hosts, host);
}

size_t snapshot_host_patterns(struct str host, char wildcard[256], struct str ret_patterns[3])
{
    size_t count = 0, dot = str_index(host, '.');
    struct str parent = str_skip(host, dot); /* with its dot */
    ret_patterns[count++] = host;
    if (dot > 0 && parent.len > 1 && parent.len < 255) {
        wildcard[0] = '*';
        memcpy(wildcard + 1, parent.p, parent.len);
        ret_patterns[count++] = str_make(wildcard, parent.len + 1);
    }
    ret_patterns[count++] = STR("*");
    return count;
}

bool snapshot_is_known_host(const struct snapshot *s, struct str host)
{
    char wildcard[256];
    struct str patterns[3];
    size_t count = snapshot_host_patterns(host, wildcard, patterns);
    for (size_t i = 0; i < count; i++) {
        if (snapshot_host_find(s, patterns[i]) != NULL)
            return true;
    }
    return false;
}

size_t snapshot_route_count(const struct snapshot *s)
{
    return s->routes.count;
}

struct err snapshot_routes(const struct snapshot *s, struct arena *a,
                           const struct route *const **ret_routes, size_t *ret_count)
{
    const struct snapshot_entry *entries;
    TRY(snapshot_sorted(&s->routes, a, &entries));
    const struct route **routes = arena_array(a, const struct route *, s->routes.count);
    if (routes == NULL)
        return fail(ERR_MEMORY, 0);
    for (size_t i = 0; i < s->routes.count; i++)
        routes[i] = entries[i].value;
    *ret_routes = routes;
    *ret_count = s->routes.count;
    return OK;
}

struct checked_diff {
    snapshot_checked_fn *fn;
    void *arg;
};

static void tell_checked(void *arg, const void *before, const void *after)
{
    const struct checked_diff *d = arg;
    d->fn(d->arg, before, after);
}

void snapshot_diff_checked(const struct snapshot *old, const struct snapshot *s,
                           snapshot_checked_fn *fn, void *arg)
{
    const struct pmap none = {0};
    struct checked_diff d = {.fn = fn, .arg = arg};
    pmap_diff(old == NULL ? &none : &old->checked, &s->checked, tell_checked, &d);
}

/* ---- challenges ---- */

size_t snapshot_challenge_key(struct str host, struct str token,
                              char out[CHALLENGE_KEY_MAX_BYTES])
{
    if (host.len + 1 + token.len > CHALLENGE_KEY_MAX_BYTES)
        return 0;
    if (host.len > 0)
        memcpy(out, host.p, host.len);
    out[host.len] = '\n';
    if (token.len > 0)
        memcpy(out + host.len + 1, token.p, token.len);
    return host.len + 1 + token.len;
}

struct str snapshot_challenge_find(const struct snapshot *s, struct str host, struct str token)
{
    char key[CHALLENGE_KEY_MAX_BYTES];
    size_t len = snapshot_challenge_key(host, token, key);
    const struct challenge *c = len == 0 ? NULL : pmap_find(&s->challenges, str_make(key, len));
    return c == NULL ? STR_NONE : c->key_authorization;
}

/* ---- tokens ---- */

const struct token *snapshot_token_find(const struct snapshot *s, struct str id)
{
    return pmap_find(&s->tokens, id);
}

const struct token *snapshot_token_by_digest(const struct snapshot *s,
                                             const unsigned char digest[32])
{
    return pmap_find(&s->digests, str_make(digest, 32));
}

struct err snapshot_tokens(const struct snapshot *s, struct arena *a,
                           const struct token *const **ret_tokens, size_t *ret_count)
{
    const struct snapshot_entry *entries;
    TRY(snapshot_sorted(&s->tokens, a, &entries));
    const struct token **tokens = arena_array(a, const struct token *, s->tokens.count);
    if (tokens == NULL)
        return fail(ERR_MEMORY, 0);
    for (size_t i = 0; i < s->tokens.count; i++)
        tokens[i] = entries[i].value;
    *ret_tokens = tokens;
    *ret_count = s->tokens.count;
    return OK;
}
