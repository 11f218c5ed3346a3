#include "tests/support/temp_store.h"

#include "gateway/base/mem.h"

#include <assert.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void open_store(struct temp_store *t)
{
    struct invalid why;
    invalid_init(&why);
    struct err e = store_open(t->dir, &why, &t->store);
    for (size_t i = 0; failed(e) && i < why.kept_count; i++)
        (void)fprintf(stderr, "%.*s\n", STR_ARG(why.entries[i].message));
    assert(!failed(e));
    invalid_fini(&why);
}

void temp_store_init(struct temp_store *t)
{
    (void)snprintf(t->dir, sizeof(t->dir), "/tmp/gatehouse-test-XXXXXX");
    const char *made = mkdtemp(t->dir);
    assert(made != NULL);
    open_store(t);
}

void temp_store_remove_dir(const char *dir)
{
    DIR *d = opendir(dir);
    if (d == NULL)
        return;
    const struct dirent *entry;
    while ((entry = readdir(d)) != NULL)
        (void)unlinkat(dirfd(d), entry->d_name, 0);
    (void)closedir(d);
    (void)rmdir(dir);
}

void temp_store_fini(struct temp_store *t)
{
    store_close(t->store);
    t->store = NULL;
    temp_store_remove_dir(t->dir);
}

void temp_store_reopen(struct temp_store *t)
{
    store_close(t->store);
    t->store = NULL;
    open_store(t);
}

struct temp_path temp_store_path(const struct temp_store *t, const char *name)
{
    struct temp_path path;
    (void)snprintf(path.text, sizeof(path.text), "%s/%s", t->dir, name);
    return path;
}

json_t *temp_json(const char *text)
{
    size_t len = strlen(text);
    char *copy = mem_dup(text, len);
    assert(copy != NULL);
    for (size_t i = 0; i < len; i++) {
        if (copy[i] == '\'')
            copy[i] = '"';
    }
    json_t *json = NULL;
    struct err e = json_read(str_make(copy, len), &json);
    if (failed(e))
        (void)fprintf(stderr, "line %d of: %s\n", (int)e.detail, copy);
    assert(!failed(e));
    mem_free(copy);
    return json;
}

struct err temp_store_put_route(struct temp_store *t, const char *id, const char *body,
                                struct invalid *inv)
{
    struct invalid nowhere;
    const struct route *route;
    AUTO(store_rollback) struct tx *tx = NULL;
    AUTO(json_decref) json_t *json = temp_json(body);
    invalid_init(&nowhere);
    TRY(store_begin(t->store, &tx));
    struct err e = tx_route_put(tx, str_from(id), json, inv != NULL ? inv : &nowhere, &route);
    invalid_fini(&nowhere);
    TRY(e);
    return store_commit(&tx);
}

struct err temp_store_delete_route(struct temp_store *t, const char *id)
{
    struct invalid nowhere;
    AUTO(store_rollback) struct tx *tx = NULL;
    invalid_init(&nowhere);
    TRY(store_begin(t->store, &tx));
    struct err e = tx_route_delete(tx, str_from(id), &nowhere);
    invalid_fini(&nowhere);
    TRY(e);
    return store_commit(&tx);
}

void temp_store_add_route(struct temp_store *t, const char *id, const char *host,
                          const char *certificate)
{
    char body[512];
    (void)snprintf(body, sizeof(body),
                   "{'hosts': ['%s'], 'certificate': '%s',"
                   " 'upstream': {'targets': [{'url': 'http://127.0.0.1:8080'}]}}",
                   host, certificate);
    struct err e = temp_store_put_route(t, id, body, NULL);
    assert(!failed(e));
}

bool temp_says(const struct invalid *inv, const char *field, const char *words)
{
    for (size_t i = 0; i < inv->kept_count; i++) {
        const struct invalid_entry *entry = &inv->entries[i];
        if (str_eq(entry->field, str_from(field)) &&
            memmem(entry->message.p, entry->message.len, words, strlen(words)) != NULL)
            return true;
    }
    return false;
}
