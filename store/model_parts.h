/* model_parts.h - the counted cells behind targets and upstreams, and the JSON all objects
 * begin with.
 *
 * Purpose: what route_build.c and the printers of certificates and tokens share with model.c.
 * Thread:  any; the cells are counted atomically. */
#pragma once

#include "store/model.h"

struct target_live *model_live_new(void);
struct target_live *model_live_ref(struct target_live *live);
void model_live_unref(void *live); /* an arena_dispose_fn */

struct upstream_live *model_upstream_live_new(void);
struct upstream_live *model_upstream_live_ref(struct upstream_live *live);
void model_upstream_live_unref(void *live); /* an arena_dispose_fn */

/* id, revision, created_at, updated_at; new reference, NULL when out of memory. */
json_t *model_object_to_json(const struct object *o);

/* Objects that are still being built are not const. */
static inline void model_drop_route(struct route *r)
{
    route_unref(r);
}
AUTO_DEFINE(model_drop_route, struct route *)

static inline void model_drop_settings(struct settings *s)
{
    settings_unref(s);
}
AUTO_DEFINE(model_drop_settings, struct settings *)

static inline void model_drop_acme_settings(struct acme_settings *s)
{
    acme_settings_unref(s);
}
AUTO_DEFINE(model_drop_acme_settings, struct acme_settings *)

static inline void model_drop_token(struct token *t)
{
    token_unref(t);
}
AUTO_DEFINE(model_drop_token, struct token *)
