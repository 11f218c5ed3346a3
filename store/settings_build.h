/* settings_build.h - JSON to struct settings and struct acme_settings.
 *
 * Purpose: fields by their shapes, then what holds between fields.
 * Thread:  the store, under its writer lock.
 * Fails:   ERR_INVALID with entries in inv, ERR_MEMORY. */
#pragma once

#include "store/model.h"

/* object is zero: the caller names it.  One reference. */
struct err settings_build(const json_t *body, struct json_path *path, struct invalid *inv,
                          struct settings **ret_settings);

/* kept: the binding stored so far; its hmac serves if body has the same kid and no hmac. */
struct err settings_build_acme(const json_t *body, const struct acme_eab *kept,
                               struct json_path *path, struct invalid *inv,
                               struct acme_settings **ret_settings);
