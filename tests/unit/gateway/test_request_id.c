#include "gateway/request_id.h"
#include "tests/support/asserts.h"

#include <pthread.h>

enum { COUNT = 1000 };

static void check_form(struct str id)
{
    assert_int_equal(id.len, 16);
    for (size_t i = 0; i < id.len; i++)
        assert_true(chr_hex(id.p[i]) >= 0 && chr_lower(id.p[i]) == id.p[i]);
}

static void ids_have_one_form_and_do_not_repeat(void **state)
{
    (void)state;
    struct arena *a = arena_new(4096, 64 * 1024);
    static struct str seen[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        seen[i] = request_id_make(a);
        check_form(seen[i]);
        for (size_t other = 0; other < i; other++)
            assert_false(str_eq(seen[other], seen[i]));
    }
    arena_free(a);
}

struct maker {
    struct arena *arena;
    struct str id;
};

static void *make_one(void *arg)
{
    struct maker *m = arg;
    m->id = request_id_make(m->arena);
    return NULL;
}

/* Every thread counts from one, with a key of its own. */
static void threads_do_not_make_the_same_ids(void **state)
{
    (void)state;
    struct maker makers[8];
    pthread_t threads[8];
    for (size_t i = 0; i < ARRAY_LEN(makers); i++) {
        makers[i].arena = arena_new(64, 64);
        assert_int_equal(pthread_create(&threads[i], NULL, make_one, &makers[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(makers); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        check_form(makers[i].id);
        for (size_t other = 0; other < i; other++)
            assert_false(str_eq(makers[other].id, makers[i].id));
    }
    for (size_t i = 0; i < ARRAY_LEN(makers); i++)
        arena_free(makers[i].arena);
}

static void without_room_the_id_is_empty(void **state)
{
    (void)state;
    struct arena *a = arena_new(16, 16); /* one byte short: the terminator */
    assert_true(str_is_empty(request_id_make(a)));
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_have_one_form_and_do_not_repeat),
        cmocka_unit_test(threads_do_not_make_the_same_ids),
        cmocka_unit_test(without_room_the_id_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
