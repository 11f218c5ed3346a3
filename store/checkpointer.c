/* checkpointer.c - wake -> (thread) copy_log: most of it beside the writer, the rest while it
 * waits. */
#include "store/checkpointer.h"

#include "store/tx.h"

#include "gateway/base/log.h"
#include "gateway/base/mem.h"

struct checkpointer {
    struct store *store;
    struct db *db;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t news;
    struct {
        bool is_due;
        bool is_stopping;
    } locked;
};

/* Whoever writes meanwhile leaves pages behind, and a log with such pages grows on: these few
 * are copied while no one writes. */
static struct err copy_log(struct checkpointer *c)
{
    int left;
    TRY(db_checkpoint(c->db, &left));
    if (left == 0)
        return OK;
    store_lock(c->store);
    struct err e = db_checkpoint(c->db, &left);
    store_unlock(c->store);
    return e;
}

/* False: it is time to stop. */
static bool wait_until_due(struct checkpointer *c)
{
    (void)pthread_mutex_lock(&c->mutex);
    while (!c->locked.is_due && !c->locked.is_stopping)
        (void)pthread_cond_wait(&c->news, &c->mutex);
    bool is_due = c->locked.is_due;
    c->locked.is_due = false;
    (void)pthread_mutex_unlock(&c->mutex);
    return is_due;
}

static void *run(void *arg)
{
    struct checkpointer *c = arg;
    (void)pthread_setname_np(pthread_self(), "checkpointer");
    while (wait_until_due(c)) {
        struct err e = copy_log(c);
        if (failed(e))
            log_err(e, "log_not_copied");
    }
    return NULL;
}

static void tell(struct checkpointer *c, bool *what)
{
    (void)pthread_mutex_lock(&c->mutex);
    *what = true;
    (void)pthread_cond_signal(&c->news);
    (void)pthread_mutex_unlock(&c->mutex);
}

void checkpointer_wake(struct checkpointer *c)
{
    tell(c, &c->locked.is_due);
}

static void free_parts(struct checkpointer *c)
{
    (void)pthread_cond_destroy(&c->news);
    (void)pthread_mutex_destroy(&c->mutex);
    db_close(c->db);
    mem_free(c);
}

void checkpointer_free(struct checkpointer *c)
{
    if (c == NULL)
        return;
    tell(c, &c->locked.is_stopping);
    (void)pthread_join(c->thread, NULL);
    free_parts(c);
}

struct err checkpointer_new(struct store *s, const char *path,
                            struct checkpointer **ret_checkpointer)
{
    struct checkpointer *c = mem_new(struct checkpointer);
    if (c == NULL)
        return fail(ERR_MEMORY, 0);
    c->store = s;
    (void)pthread_mutex_init(&c->mutex, NULL);
    (void)pthread_cond_init(&c->news, NULL);
    struct err e = db_open(path, &c->db);
    int error = failed(e) ? 0 : pthread_create(&c->thread, NULL, run, c);
    if (error != 0)
        e = fail(ERR_IO, error);
    if (failed(e)) {
        free_parts(c);
        return e;
    }
    *ret_checkpointer = c;
    return OK;
}
