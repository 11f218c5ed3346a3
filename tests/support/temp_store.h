/* temp_store.h - a store in a folder that goes away with the test.
 *
 * Purpose: open, close, open again, and the one-line changes that most store tests consist of.
 * Thread:  the owner's.
 * Owns:    the folder and the open store.
 * Fails:   assertions: what is not itself under test is expected to work. */
#pragma once

#include "store/store.h"

struct temp_store {
    char dir[64];
    struct store *store;
};

void temp_store_init(struct temp_store *t);
void temp_store_fini(struct temp_store *t);

/* Closes the store and opens it again from disk. */
void temp_store_reopen(struct temp_store *t);

/* The path of a file in the folder. */
struct temp_path {
    char text[128];
};
struct temp_path temp_store_path(const struct temp_store *t, const char *name);

/* Removes a folder and the files in it. */
void temp_store_remove_dir(const char *dir);

/* JSON text with ' for ", for readable tests; new reference. */
json_t *temp_json(const char *text);

/* One transaction with one call; id "" as in tx_route_put.  Complaints go to inv (may be NULL).
 * */
struct err temp_store_put_route(struct temp_store *t, const char *id, const char *body,
                                struct invalid *inv);
struct err temp_store_delete_route(struct temp_store *t, const char *id);

/* {"hosts": [HOST], "certificate": CERTIFICATE, "upstream": one target}, put under id. */
void temp_store_add_route(struct temp_store *t, const char *id, const char *host,
                          const char *certificate);

/* True if an entry of inv is for the field and says the words. */
bool temp_says(const struct invalid *inv, const char *field, const char *words);
