#include "tests/support/asserts.h"

#include "gateway/base/list.h"

struct item {
    char name;
    struct list_node node;
};

static struct item items[4] = {{.name = 'a'}, {.name = 'b'}, {.name = 'c'}, {.name = 'd'}};
static struct list l, other;

static int set_up(void **state)
{
    (void)state;
    list_init(&l);
    list_init(&other);
    for (size_t i = 0; i < ARRAY_LEN(items); i++)
        items[i].node = (struct list_node){0};
    return 0;
}

static const char *names(const struct list *of)
{
    static char text[8];
    size_t len = 0;
    for (struct list_node *n = list_first(of); n != NULL; n = list_after(of, n))
        text[len++] = container_of(n, struct item, node)->name;
    text[len] = '\0';
    return text;
}

static void nodes_go_in_at_both_ends(void **state)
{
    (void)state;
    assert_true(list_is_empty(&l));
    assert_null(list_first(&l));
    assert_null(list_last(&l));
    assert_null(list_pop_front(&l));
    list_push_back(&l, &items[1].node);
    list_push_front(&l, &items[0].node);
    list_push_back(&l, &items[2].node);
    assert_string_equal(names(&l), "abc");
    assert_ptr_equal(list_last(&l), &items[2].node);
    assert_ptr_equal(list_before(&l, &items[2].node), &items[1].node);
    assert_null(list_before(&l, &items[0].node));
    assert_ptr_equal(list_pop_front(&l), &items[0].node);
    assert_string_equal(names(&l), "bc");
}

static void a_node_knows_whether_it_is_in_a_list(void **state)
{
    (void)state;
    assert_false(list_has_node(&items[0].node));
    list_remove(&items[0].node); /* zeroed: harmless */
    list_push_back(&l, &items[0].node);
    assert_true(list_has_node(&items[0].node));
    list_remove(&items[0].node);
    assert_false(list_has_node(&items[0].node));
    list_remove(&items[0].node); /* twice: harmless */
    assert_true(list_is_empty(&l));
    list_push_back(&other, &items[0].node);
    assert_string_equal(names(&other), "a");
}

static void any_node_can_be_removed(void **state)
{
    (void)state;
    static const char *const left[] = {"bcd", "acd", "abd", "abc"};
    for (size_t gone = 0; gone < ARRAY_LEN(items); gone++) {
        set_up(NULL);
        for (size_t i = 0; i < ARRAY_LEN(items); i++)
            list_push_back(&l, &items[i].node);
        list_remove(&items[gone].node);
        assert_string_equal(names(&l), left[gone]);
    }
}

static void a_splice_keeps_the_order_and_empties_the_source(void **state)
{
    (void)state;
    list_push_back(&l, &items[0].node);
    list_push_back(&other, &items[1].node);
    list_push_back(&other, &items[2].node);
    list_splice_back(&l, &other);
    assert_string_equal(names(&l), "abc");
    assert_true(list_is_empty(&other));
    list_splice_back(&l, &other);
    assert_string_equal(names(&l), "abc");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nodes_go_in_at_both_ends, set_up),
        cmocka_unit_test_setup(a_node_knows_whether_it_is_in_a_list, set_up),
        cmocka_unit_test_setup(any_node_can_be_removed, set_up),
        cmocka_unit_test_setup(a_splice_keeps_the_order_and_empties_the_source, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
