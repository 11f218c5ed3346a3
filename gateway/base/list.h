/* list.h - intrusive doubly linked list.
 *
 * Purpose: membership without allocation; a node knows its own list, so removal needs no
 *          search.
 * Thread:  the owner's.
 * Owns:    nothing.  A node that is in no list points at itself; a zeroed node is in no
 *          list. */
#pragma once

#include "gateway/base/auto.h"

#include <stdbool.h>
#include <stddef.h>

struct list_node {
    struct list_node *next;
    struct list_node *prev;
};

struct list {
    struct list_node head;
};

static inline void list_init(struct list *l)
{
    l->head.next = l->head.prev = &l->head;
}

static inline bool list_is_empty(const struct list *l)
{
    return l->head.next == &l->head;
}

static inline bool list_has_node(const struct list_node *n)
{
    return n->next != NULL && n->next != n;
}

static inline void list_insert_after(struct list_node *at, struct list_node *n)
{
    n->prev = at;
    n->next = at->next;
    at->next->prev = n;
    at->next = n;
}

static inline void list_push_front(struct list *l, struct list_node *n)
{
    list_insert_after(&l->head, n);
}

static inline void list_push_back(struct list *l, struct list_node *n)
{
    list_insert_after(l->head.prev, n);
}

/* Harmless on a node that is in no list. */
static inline void list_remove(struct list_node *n)
{
    if (n->next == NULL)
        return;
    n->prev->next = n->next;
    n->next->prev = n->prev;
    n->next = n->prev = n;
}

/* NULL when empty. */
static inline struct list_node *list_first(const struct list *l)
{
    return list_is_empty(l) ? NULL : l->head.next;
}

static inline struct list_node *list_last(const struct list *l)
{
    return list_is_empty(l) ? NULL : l->head.prev;
}

/* The node after n, or NULL at the end. */
static inline struct list_node *list_after(const struct list *l, const struct list_node *n)
{
    return n->next == &l->head ? NULL : n->next;
}

/* The node before n, or NULL at the beginning. */
static inline struct list_node *list_before(const struct list *l, const struct list_node *n)
{
    return n->prev == &l->head ? NULL : n->prev;
}

/* Removes and returns the first node, or NULL. */
static inline struct list_node *list_pop_front(struct list *l)
{
    struct list_node *n = list_first(l);
    if (n != NULL)
        list_remove(n);
    return n;
}

/* Moves every node of from to the end of to, at the same cost for any number. */
static inline void list_splice_back(struct list *to, struct list *from)
{
    if (list_is_empty(from))
        return;
    struct list_node *first = from->head.next, *last = from->head.prev;
    first->prev = to->head.prev;
    to->head.prev->next = first;
    last->next = &to->head;
    to->head.prev = last;
    list_init(from);
}
