#include "store/counted.h"
#include "store/pmap.h"
#include "tests/support/unit.h"

#include "gateway/base/mem.h"

#include <stdio.h>

/* A value that knows how often it is referred to. */
struct box {
    atomic_uint refs;
    int number;
};

static const void *ref_box(const void *v)
{
    counted_ref(&((const struct box *)v)->refs);
    return v;
}

static void unref_box(const void *v)
{
    if (counted_unref(&((const struct box *)v)->refs))
        mem_free(COUNTED_MUTABLE(void, v));
}

static const struct pmap_type box_type = {.ref = ref_box, .unref = unref_box};
static const struct hash_key key = {.k0 = 1, .k1 = 2};

static struct box *new_box(int number)
{
    struct box *b = mem_new(struct box);
    assert_non_null(b);
    atomic_init(&b->refs, 1);
    b->number = number;
    return b;
}

static struct str name_of(int i, char out[16])
{
    int len = snprintf(out, 16, "k%d", i);
    return str_make(out, (size_t)len);
}

static void put(struct pmap *m, int i)
{
    char name[16];
    struct box *b = new_box(i);
    assert_false(failed(pmap_put(m, name_of(i, name), b)));
    unref_box(b);
}

static int get(const struct pmap *m, int i)
{
    char name[16];
    const struct box *b = pmap_find(m, name_of(i, name));
    return b == NULL ? -1 : b->number;
}

static void what_is_put_is_found(void **state)
{
    (void)state;
    struct pmap m = pmap_empty(&box_type, &key);
    for (int i = 0; i < 5000; i++)
        put(&m, i);
    assert_int_equal(m.count, 5000);
    for (int i = 0; i < 5000; i++)
        assert_int_equal(get(&m, i), i);
    assert_int_equal(get(&m, 5000), -1);
    assert_null(pmap_find(&m, STR_NONE));
    pmap_unref(&m);
    assert_int_equal(m.count, 0);
}

static void putting_twice_replaces(void **state)
{
    (void)state;
    struct pmap m = pmap_empty(&box_type, &key);
    struct box *a = new_box(1), *b = new_box(2);
    assert_false(failed(pmap_put(&m, STR("x"), a)));
    assert_false(failed(pmap_put(&m, STR("x"), b)));
    assert_int_equal(m.count, 1);
    assert_ptr_equal(pmap_find(&m, STR("x")), b);
    assert_int_equal(atomic_load(&a->refs), 1);
    assert_int_equal(atomic_load(&b->refs), 2);
    pmap_unref(&m);
    unref_box(a);
    unref_box(b);
}

static void a_changed_copy_leaves_the_old_map_alone(void **state)
{
    (void)state;
    struct pmap old = pmap_empty(&box_type, &key);
    for (int i = 0; i < 1000; i++)
        put(&old, i);
    struct pmap next = pmap_ref(&old);
    char name[16];
    for (int i = 0; i < 1000; i += 2)
        assert_false(failed(pmap_remove(&next, name_of(i, name))));
    for (int i = 1000; i < 1500; i++)
        put(&next, i);
    struct box *b = new_box(-7);
    assert_false(failed(pmap_put(&next, STR("k1"), b)));
    unref_box(b);

    assert_int_equal(old.count, 1000);
    assert_int_equal(next.count, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(get(&old, i), i);
    for (int i = 0; i < 1500; i++)
        assert_int_equal(get(&next, i), i == 1 ? -7 : i < 1000 && i % 2 == 0 ? -1 : i);
    pmap_unref(&old);
    assert_int_equal(get(&next, 1499), 1499);
    pmap_unref(&next);
}

static void removing_what_is_absent_is_fine(void **state)
{
    (void)state;
    struct pmap m = pmap_empty(&box_type, &key);
    assert_false(failed(pmap_remove(&m, STR("nothing"))));
    put(&m, 1);
    assert_false(failed(pmap_remove(&m, STR("nothing"))));
    assert_int_equal(m.count, 1);
    assert_false(failed(pmap_remove(&m, STR("k1"))));
    assert_int_equal(m.count, 0);
    assert_null(m.root);
    pmap_unref(&m);
}

/* Against a plain map, through many random changes and several living versions. */
static void agrees_with_a_plain_map(void **state)
{
    (void)state;
    enum { KEYS = 300, STEPS = 20000 };
    static int want[KEYS];
    struct pmap m = pmap_empty(&box_type, &key), kept = pmap_empty(&box_type, &key);
    static int kept_want[KEYS];
    memset(want, -1, sizeof(want));
    memset(kept_want, -1, sizeof(kept_want));
    uint64_t random = 42;
    for (int step = 0; step < STEPS; step++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        int i = (int)((random >> 33) % KEYS);
        char name[16];
        if ((random >> 60) < 9) {
            put(&m, i);
            want[i] = i;
        } else {
            assert_false(failed(pmap_remove(&m, name_of(i, name))));
            want[i] = -1;
        }
        if (step % 1000 == 0) {
            pmap_unref(&kept);
            kept = pmap_ref(&m);
            memcpy(kept_want, want, sizeof(want));
        }
    }
    for (int i = 0; i < KEYS; i++) {
        assert_int_equal(get(&m, i), want[i]);
        assert_int_equal(get(&kept, i), kept_want[i]);
    }
    pmap_unref(&m);
    pmap_unref(&kept);
}

struct tally {
    size_t seen;
    size_t stop_after;
};

static bool count_one(void *arg, struct str name, const void *value)
{
    struct tally *t = arg;
    assert_true(name.len > 1 && name.p[0] == 'k' && value != NULL);
    return ++t->seen < t->stop_after;
}

static void a_visit_sees_each_once_and_can_stop(void **state)
{
    (void)state;
    struct pmap m = pmap_empty(&box_type, &key);
    struct tally all = {.stop_after = SIZE_MAX}, some = {.stop_after = 10};
    assert_true(pmap_visit(&m, count_one, &all));
    for (int i = 0; i < 700; i++)
        put(&m, i);
    assert_true(pmap_visit(&m, count_one, &all));
    assert_int_equal(all.seen, 700);
    assert_false(pmap_visit(&m, count_one, &some));
    assert_int_equal(some.seen, 10);
    pmap_unref(&m);
}

/* What a diff tells, by number of the key: of the value before and after it, or -1. */
struct told {
    int before[300], after[300];
    size_t count;
};

static void note_change(void *arg, const void *before, const void *after)
{
    struct told *t = arg;
    const struct box *b = before, *a = after;
    int i = b != NULL ? b->number : a->number;
    assert_int_equal(t->before[i], -2); /* each once */
    t->before[i] = b == NULL ? -1 : i;
    t->after[i] = a == NULL ? -1 : i;
    t->count++;
}

static void assert_diff(const struct pmap *before, const struct pmap *after)
{
    struct told t = {.count = 0};
    size_t want = 0;
    for (int i = 0; i < 300; i++)
        t.before[i] = t.after[i] = -2;
    pmap_diff(before, after, note_change, &t);
    for (int i = 0; i < 300; i++) {
        char name[16];
        bool is_same =
            pmap_find(before, name_of(i, name)) == pmap_find(after, name_of(i, name));
        assert_int_equal(t.before[i], is_same ? -2 : get(before, i));
        assert_int_equal(t.after[i], is_same ? -2 : get(after, i));
        want += !is_same;
    }
    assert_int_equal(t.count, want);
}

/* Between versions that are near, far, and nothing of each other. */
static void a_diff_tells_each_change_once(void **state)
{
    (void)state;
    struct pmap m = pmap_empty(&box_type, &key), kept = pmap_empty(&box_type, &key);
    uint64_t random = 7;
    for (int step = 0; step < 3000; step++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        char name[16];
        int i = (int)((random >> 33) % (step % 7 == 0 ? 300 : 40));
        if ((random >> 60) < 9)
            put(&m, i);
        else
            assert_false(failed(pmap_remove(&m, name_of(i, name))));
        if (step % 10 == 0)
            assert_diff(&kept, &m);
        if (step % 30 == 0)
            assert_diff(&m, &kept);
        if (step % 100 == 0) {
            pmap_unref(&kept);
            kept = pmap_ref(&m);
            assert_diff(&kept, &m);
        }
    }
    pmap_unref(&m);
    pmap_unref(&kept);
}

/* Every allocation of a put and of a remove fails once: the map must be as before. */
static void a_failed_change_changes_nothing(void **state)
{
    (void)state;
    struct pmap m = pmap_empty(&box_type, &key);
    for (int i = 0; i < 200; i++)
        put(&m, i);
    for (int i = 0; i < 200; i++) {
        struct pmap shared = pmap_ref(&m); /* forces the copies */
        struct box *b = new_box(1000 + i);
        char name[16], gone[16];
        bool has_fired = true;
        for (unsigned n = 1; has_fired; n++) {
            mem_fault_arm(n);
            struct err e = pmap_put(&m, name_of(1000 + i, name), b);
            has_fired = mem_fault_fired();
            mem_fault_arm(0);
            assert_int_equal(failed(e), has_fired);
            assert_int_equal(m.count, 200 + !has_fired);
            assert_int_equal(get(&m, 1000 + i), has_fired ? -1 : 1000 + i);
            assert_int_equal(get(&m, i), i);
        }
        has_fired = true;
        for (unsigned n = 1; has_fired; n++) {
            mem_fault_arm(n);
            struct err e = pmap_remove(&m, name_of(i, gone));
            has_fired = mem_fault_fired();
            mem_fault_arm(0);
            assert_int_equal(failed(e), has_fired);
            assert_int_equal(get(&m, i), has_fired ? i : -1);
        }
        unref_box(b);
        pmap_unref(&m);
        m = shared;
    }
    pmap_unref(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_is_found),
        cmocka_unit_test(putting_twice_replaces),
        cmocka_unit_test(a_changed_copy_leaves_the_old_map_alone),
        cmocka_unit_test(removing_what_is_absent_is_fine),
        cmocka_unit_test(agrees_with_a_plain_map),
        cmocka_unit_test(a_visit_sees_each_once_and_can_stop),
        cmocka_unit_test(a_diff_tells_each_change_once),
        cmocka_unit_test(a_failed_change_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
