#include "store/draft.h"
#include "store/publisher.h"
#include "tests/support/temp_store.h"
#include "tests/support/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct fixture {
    struct temp_store store; /* makes the first snapshot */
    struct publisher *publisher;
    const struct snapshot *now;
};

static int set_up(void **state)
{
    static struct fixture f;
    temp_store_init(&f.store);
    f.now = store_snapshot(f.store.store);
    assert_false(failed(publisher_new(&f.publisher)));
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    publisher_free(f->publisher);
    snapshot_unref(f->now);
    temp_store_fini(&f->store);
    return 0;
}

/* The next generation of f->now, published; f->now follows. */
static struct err publish_next(struct fixture *f)
{
    struct snapshot *d;
    assert_false(failed(draft_new(f->now, &d)));
    snapshot_unref(f->now);
    f->now = snapshot_ref(d);
    return publisher_publish(f->publisher, d);
}

static void the_newest_is_the_current_one(void **state)
{
    struct fixture *f = *state;
    assert_null(publisher_current(f->publisher));
    for (int i = 0; i < 3; i++) {
        assert_false(failed(publish_next(f)));
        const struct snapshot *s = publisher_current(f->publisher);
        assert_ptr_equal(s, f->now);
        snapshot_unref(s);
    }
}

static void a_mailbox_holds_only_the_newest(void **state)
{
    struct fixture *f = *state;
    struct subscription *s;
    int wake_fd = eventfd(0, EFD_NONBLOCK);
    eventfd_t count;
    assert_false(failed(publisher_subscribe(f->publisher, wake_fd, false, &s)));
    assert_null(subscription_take(s));
    for (int i = 0; i < 5; i++)
        assert_false(failed(publish_next(f)));
    assert_int_equal(eventfd_read(wake_fd, &count), 0);
    assert_int_equal(count, 5);
    const struct snapshot *taken = subscription_take(s);
    assert_ptr_equal(taken, f->now);
    assert_null(subscription_take(s));
    subscription_acknowledge(s, taken);
    snapshot_unref(taken);
    publisher_unsubscribe(f->publisher, s);
    (void)close(wake_fd);
}

static void who_comes_late_finds_the_current_one(void **state)
{
    struct fixture *f = *state;
    struct subscription *s;
    int wake_fd = eventfd(0, EFD_NONBLOCK);
    eventfd_t count;
    assert_false(failed(publish_next(f)));
    assert_false(failed(publisher_subscribe(f->publisher, wake_fd, true, &s)));
    assert_int_equal(eventfd_read(wake_fd, &count), 0);
    const struct snapshot *taken = subscription_take(s);
    assert_ptr_equal(taken, f->now);
    snapshot_unref(taken);
    publisher_unsubscribe(f->publisher, s);
    (void)close(wake_fd);
}

static void an_untaken_snapshot_is_released(void **state)
{
    struct fixture *f = *state;
    struct subscription *s;
    int wake_fd = eventfd(0, EFD_NONBLOCK);
    assert_false(failed(publisher_subscribe(f->publisher, wake_fd, false, &s)));
    assert_false(failed(publish_next(f)));
    publisher_unsubscribe(f->publisher, s);
    assert_false(failed(publisher_subscribe(f->publisher, wake_fd, false, &s)));
    assert_false(failed(publish_next(f))); /* and this one by publisher_free */
    (void)close(wake_fd);
}

/* A subscriber never frees a snapshot, whenever it lets go of it. */
static void what_a_subscriber_lets_go_is_freed_by_control(void **state)
{
    struct fixture *f = *state;
    struct subscription *s;
    int wake_fd = eventfd(0, EFD_NONBLOCK);
    assert_false(failed(publisher_subscribe(f->publisher, wake_fd, false, &s)));
    assert_false(failed(publish_next(f)));
    const struct snapshot *taken = subscription_take(s);
    assert_false(failed(publish_next(f)));
    assert_false(snapshot_is_sole(taken)); /* ours, and the publisher's */
    publisher_sweep(f->publisher);
    assert_false(snapshot_is_sole(taken)); /* in use, so it was kept */
    snapshot_unref(taken);                 /* the last user, and not the last reference */
    publisher_sweep(f->publisher);         /* frees it; the leak check looks on */
    publisher_unsubscribe(f->publisher, s);
    (void)close(wake_fd);
}

/* ---- with threads ---- */

struct worker {
    pthread_t thread;
    struct publisher *publisher;
    int wake_fd;
    struct subscription *subscription;
    _Atomic uint64_t serving; /* generation */
    atomic_bool is_stopping;
    unsigned taken_count;
};

/* What a worker does between its events: wait, take, serve, acknowledge. */
static void *work(void *arg)
{
    struct worker *w = arg;
    const struct snapshot *pinned = NULL;
    while (!atomic_load(&w->is_stopping)) {
        eventfd_t count;
        (void)eventfd_read(w->wake_fd, &count);
        const struct snapshot *s = subscription_take(w->subscription);
        if (s == NULL)
            continue;
        assert_true(pinned == NULL || snapshot_generation(s) > snapshot_generation(pinned));
        snapshot_unref(pinned);
        pinned = s;
        w->taken_count++;
        assert_non_null(snapshot_settings(s));
        (void)snapshot_is_known_host(s, STR("a.example"));
        atomic_store(&w->serving, snapshot_generation(s));
        subscription_acknowledge(w->subscription, s);
    }
    snapshot_unref(pinned);
    return NULL;
}

static void start(struct worker *w, struct publisher *p)
{
    *w = (struct worker){.publisher = p, .wake_fd = eventfd(0, 0)};
    assert_false(failed(publisher_subscribe(p, w->wake_fd, true, &w->subscription)));
    assert_int_equal(pthread_create(&w->thread, NULL, work, w), 0);
}

static void stop(struct worker *w)
{
    atomic_store(&w->is_stopping, true);
    (void)eventfd_write(w->wake_fd, 1);
    assert_int_equal(pthread_join(w->thread, NULL), 0);
    publisher_unsubscribe(w->publisher, w->subscription);
    (void)close(w->wake_fd);
}

static void a_publication_returns_when_all_serve_it(void **state)
{
    struct fixture *f = *state;
    struct worker workers[3];
    for (size_t i = 0; i < ARRAY_LEN(workers); i++)
        start(&workers[i], f->publisher);
    for (int round = 0; round < 300; round++) {
        assert_false(failed(publish_next(f)));
        for (size_t i = 0; i < ARRAY_LEN(workers); i++)
            assert_true(atomic_load(&workers[i].serving) == snapshot_generation(f->now));
    }
    for (size_t i = 0; i < ARRAY_LEN(workers); i++) {
        stop(&workers[i]);
        assert_int_equal(workers[i].taken_count, 300);
    }
}

static void *publish_once(void *arg)
{
    struct err e = publish_next(arg);
    return failed(e) ? arg : NULL;
}

/* A worker that leaves does not keep a publication waiting. */
static void who_leaves_is_not_waited_for(void **state)
{
    struct fixture *f = *state;
    struct subscription *s;
    pthread_t thread;
    void *failure;
    int wake_fd = eventfd(0, 0);
    eventfd_t count;
    assert_false(failed(publisher_subscribe(f->publisher, wake_fd, true, &s)));
    assert_int_equal(pthread_create(&thread, NULL, publish_once, f), 0);
    assert_int_equal(eventfd_read(wake_fd, &count), 0); /* it has been handed out */
    publisher_unsubscribe(f->publisher, s);
    assert_int_equal(pthread_join(thread, &failure), 0);
    assert_null(failure);
    (void)close(wake_fd);
}

/* Writers, workers and readers of the current snapshot at the same time, through a real store.
 * */
static void *write_routes(void *arg)
{
    struct temp_store *t = arg;
    for (int i = 0; i < 40; i++)
        temp_store_add_route(t, "theirs", i % 2 == 0 ? "a.example" : "b.example", "none");
    return NULL;
}

static void *write_and_delete(void *arg)
{
    struct temp_store *t = arg;
    for (int i = 0; i < 20; i++) {
        temp_store_add_route(t, "mine", "c.example", "auto");
        struct err e = temp_store_delete_route(t, "mine");
        assert_false(failed(e));
    }
    return NULL;
}

static void *read_current(void *arg)
{
    struct temp_store *t = arg;
    for (int i = 0; i < 2000; i++) {
        const struct snapshot *s = store_snapshot(t->store);
        (void)snapshot_cert_for_host(s, STR("c.example"));
        (void)snapshot_host_find(s, STR("a.example"));
        snapshot_unref(s);
    }
    return NULL;
}

static void a_store_serves_many_threads(void **state)
{
    struct fixture *f = *state;
    struct worker workers[2];
    pthread_t threads[3];
    for (size_t i = 0; i < ARRAY_LEN(workers); i++)
        start(&workers[i], store_publisher(f->store.store));
    assert_int_equal(pthread_create(&threads[0], NULL, write_routes, &f->store), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, write_and_delete, &f->store), 0);
    assert_int_equal(pthread_create(&threads[2], NULL, read_current, &f->store), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(workers); i++)
        stop(&workers[i]);
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_newest_is_the_current_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_mailbox_holds_only_the_newest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_comes_late_finds_the_current_one, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_untaken_snapshot_is_released, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_subscriber_lets_go_is_freed_by_control, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_publication_returns_when_all_serve_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(who_leaves_is_not_waited_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_store_serves_many_threads, set_up, tear_down),
    };
    /* clang-format on */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
