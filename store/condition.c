#include "store/condition.h"

#include "gateway/base/limits.h"
#include "gateway/base/map.h"
#include "gateway/base/mem.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>

struct entry {
    struct condition condition; /* texts in bytes */
    char bytes[];
};

struct conditions {
    pthread_mutex_t mutex;
    struct {
        struct map *by_subject[CONDITION_KIND_COUNT];
        int wake_fd;
    } locked;
};

struct err conditions_new(struct conditions **ret_conditions)
{
    struct conditions *c = mem_new(struct conditions);
    if (c == NULL)
        return fail(ERR_MEMORY, 0);
    (void)pthread_mutex_init(&c->mutex, NULL);
    c->locked.wake_fd = -1;
    bool is_whole = true;
    for (size_t i = 0; i < CONDITION_KIND_COUNT; i++) {
        c->locked.by_subject[i] = map_new();
        is_whole = is_whole && c->locked.by_subject[i] != NULL;
    }
    if (!is_whole) {
        conditions_free(c);
        return fail(ERR_MEMORY, 0);
    }
    *ret_conditions = c;
    return OK;
}

static void free_entries(struct map *m)
{
    size_t cursor = 0;
    struct str key;
    void *value;
    while (m != NULL && map_next(m, &cursor, &key, &value))
        mem_free(value);
    map_free(m);
}

void conditions_free(struct conditions *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < CONDITION_KIND_COUNT; i++)
        free_entries(c->locked.by_subject[i]);
    (void)pthread_mutex_destroy(&c->mutex);
    mem_free(c);
}

/* Copies text to *at, which moves on. */
static struct str keep(char **at, struct str text)
{
    char *to = *at;
    if (text.len > 0)
        memcpy(to, text.p, text.len);
    *at += text.len;
    return str_make(to, text.len);
}

static struct entry *new_entry(const struct condition *found)
{
    struct str words = str_sub(found->words, 0, CONDITION_WORDS_MAX);
    size_t len = found->subject.len + found->about.len + words.len;
    struct entry *e = mem_alloc(1, sizeof(*e) + len);
    if (e == NULL)
        return NULL;
    char *at = e->bytes;
    e->condition = *found;
    e->condition.subject = keep(&at, found->subject);
    e->condition.about = keep(&at, found->about);
    e->condition.words = keep(&at, words);
    return e;
}

static void wake(const struct conditions *c)
{
    if (c->locked.wake_fd >= 0)
        (void)eventfd_write(c->locked.wake_fd, 1);
}

static void replace(struct conditions *c, enum condition_kind kind, struct str subject,
                    struct entry *next)
{
    void *before = NULL;
    (void)pthread_mutex_lock(&c->mutex);
    if (next == NULL || failed(map_put(c->locked.by_subject[kind], subject, next, &before))) {
        mem_free(next);
        next = NULL;
        before = map_take(c->locked.by_subject[kind], subject);
    }
    const struct entry *old = before;
    if ((old == NULL) != (next == NULL))
        wake(c);
    else if (old != NULL && (old->condition.state != next->condition.state ||
                             !str_eq(old->condition.words, next->condition.words)))
        wake(c);
    (void)pthread_mutex_unlock(&c->mutex);
    mem_free(before);
}

void conditions_put(struct conditions *c, const struct condition *found)
{
    replace(c, found->kind, found->subject, new_entry(found));
}

void conditions_drop(struct conditions *c, enum condition_kind kind, struct str subject)
{
    replace(c, kind, subject, NULL);
}

static struct err copy(struct arena *a, const struct condition *from, struct condition *ret)
{
    *ret = *from;
    ret->subject = arena_dup(a, from->subject);
    ret->about = arena_dup(a, from->about);
    ret->words = arena_dup(a, from->words);
    return ret->subject.p == NULL || ret->about.p == NULL || ret->words.p == NULL
               ? fail(ERR_MEMORY, 0)
               : OK;
}

struct err conditions_get(struct conditions *c, enum condition_kind kind, struct str subject,
                          struct arena *a, struct condition *ret_condition)
{
    *ret_condition = (struct condition){.kind = kind, .subject = subject};
    (void)pthread_mutex_lock(&c->mutex);
    const struct entry *e = map_find(c->locked.by_subject[kind], subject);
    struct err result = e == NULL ? OK : copy(a, &e->condition, ret_condition);
    (void)pthread_mutex_unlock(&c->mutex);
    return result;
}

struct err conditions_subjects(struct conditions *c, enum condition_kind kind, struct arena *a,
                               struct str **ret_subjects, size_t *ret_count)
{
    size_t cursor = 0, count = 0;
    struct str key;
    void *value;
    (void)pthread_mutex_lock(&c->mutex);
    const struct map *m = c->locked.by_subject[kind];
    struct str *list = arena_array(a, struct str, map_count(m) + 1);
    struct err e = list == NULL ? fail(ERR_MEMORY, 0) : OK;
    while (!failed(e) && map_next(m, &cursor, &key, &value)) {
        list[count] = arena_dup(a, key);
        if (list[count++].p == NULL)
            e = fail(ERR_MEMORY, 0);
    }
    (void)pthread_mutex_unlock(&c->mutex);
    *ret_subjects = list;
    *ret_count = count;
    return e;
}

void conditions_watch(struct conditions *c, int wake_fd)
{
    (void)pthread_mutex_lock(&c->mutex);
    c->locked.wake_fd = wake_fd;
    (void)pthread_mutex_unlock(&c->mutex);
}

const char *condition_state_name(enum condition_state s)
{
    static const char *const names[] = {
        [CONDITION_UNKNOWN] = "unknown", [CONDITION_GOOD] = "good", [CONDITION_BAD] = "bad"};
    return names[s];
}
