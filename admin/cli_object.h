/* cli_object.h - show, set and rm, which are the same for every kind of object.
 *
 * Purpose: one request, one answer, --json or words.
 * Thread:  one.
 * Fails:   exit status; words have been printed. */
#pragma once

#include "admin/cli_command.h"
#include "store/shape.h"

typedef void cli_object_print_fn(struct cli *cli, json_t *doc);

enum cli_exit cli_object_show(struct cli *cli, struct str path, cli_object_print_fn *print);

/* The arguments from `first` on are NAME=VALUE words. */
enum cli_exit cli_object_set(struct cli *cli, struct str path, const struct shape *shape,
                             size_t first);

/* The first argument is the id.  noun: "Route". */
enum cli_exit cli_object_remove(struct cli *cli, const char *collection, const char *noun);

/* One "name  value" line; a long text is only counted. */
void cli_object_print_member(struct cli *cli, const char *name, const json_t *value);

/* Every member of an object as "name  value" lines, for objects that need no more. */
void cli_object_print_members(struct cli *cli, json_t *doc);
