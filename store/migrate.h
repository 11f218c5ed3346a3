/* migrate.h - brings a database to this program's schema.
 *
 * Purpose: numbered, forward-only steps compiled into the binary (store/migrations).  All that
 *          are missing run in one transaction, so that a crash leaves the old schema or the new
 *          one.
 * Fails:   ERR_DB_FUTURE (detail: the schema found), ERR_DB... */
#pragma once

#include "store/db.h"

struct err migrate_run(struct db *db);

/* The schema that this program knows. */
int migrate_latest(void);
