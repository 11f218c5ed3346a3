/* cli_target.h - HOST[/PATH] and targets as people type them.
 *
 * Purpose: "8080", ":8080", "app:3000", "[::1]:8080", "/run/app.sock" become target URLs;
 *          "www.example.org,example.org/app" becomes hosts and a path.
 * Thread:  any.
 * Owns:    text lives in the arena.
 * Fails:   ERR_SYNTAX with a sentence in ret_words. */
#pragma once

#include "gateway/base/arena.h"
#include "gateway/base/json.h"

/* What has a scheme stays as it is.  Port 443 means https, every other one http. */
struct err cli_target_url(struct arena *a, struct str text, struct str *ret_url,
                          struct str *ret_words);

/* hosts: array of the names, new reference; path: "/" if there is none. */
struct err cli_target_site(struct arena *a, struct str text, json_t **ret_hosts,
                           struct str *ret_path, struct str *ret_words);
