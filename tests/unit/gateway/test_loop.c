#include "gateway/loop.h"
#include "tests/support/asserts.h"
#include "tests/support/fake_clock.h"

#include "gateway/base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

static struct fake_clock fake;
static struct loop *l;

static int set_up(void **state)
{
    (void)state;
    fake_clock_use(&fake, 1795456320);
    assert_ok(loop_new(&l));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    loop_free(l);
    fake_clock_restore();
    return 0;
}

/* ---- a script: one step in phase 5 of each turn, which then does not wait ---- */

typedef bool step_fn(unsigned turn); /* false: that was the last */

static struct {
    struct deferred work;
    step_fn *step;
    unsigned turn;
} script;

static void on_script(struct deferred *d)
{
    if (script.step(script.turn++))
        loop_defer_next(l, d);
    else
        loop_stop(l);
}

/* The first step is in the first turn. */
static void run_script(step_fn *step)
{
    script.work = (struct deferred){.on_run = on_script};
    script.step = step;
    script.turn = 0;
    loop_defer(l, &script.work);
    loop_run(l);
}

/* ---- what happened, as letters ---- */

static char story[64];

static void tell(char letter)
{
    size_t len = strlen(story);
    assert_true(len + 1 < sizeof(story));
    story[len] = letter;
    story[len + 1] = '\0';
}

struct alarm {
    struct timer timer;
    uint64_t set_ms, delay_ms, fired_ms;
    unsigned fired_count;
    char letter;
};

static void on_alarm(struct timer *t)
{
    struct alarm *a = container_of(t, struct alarm, timer);
    a->fired_ms = loop_now_ms(l);
    a->fired_count++;
    if (a->letter != '\0')
        tell(a->letter);
}

static void set_alarm(struct alarm *a, uint64_t delay_ms)
{
    a->timer.on_fire = on_alarm;
    a->set_ms = loop_now_ms(l);
    a->delay_ms = delay_ms;
    loop_timer_set(l, &a->timer, delay_ms);
}

/* ---- timers ---- */

static struct alarm alarms[32];

static int clear_story(void **state)
{
    story[0] = '\0';
    memset(alarms, 0, sizeof(alarms));
    return set_up(state);
}

static const uint64_t delays[] = {0,    1,     15,    16,    17,    31,    32,    33,    100,
                                  1000, 16367, 16383, 16384, 16385, 16400, 20000, 32768, 40000};

static bool a_millisecond_each_turn(unsigned turn)
{
    if (turn == 7) { /* in the middle of a tick */
        for (size_t i = 0; i < ARRAY_LEN(delays); i++)
            set_alarm(&alarms[i], delays[i]);
    }
    fake_clock_advance(&fake, 1);
    return turn < 40100;
}

static void a_timer_is_never_early_and_hardly_late(void **state)
{
    (void)state;
    run_script(a_millisecond_each_turn);
    for (size_t i = 0; i < ARRAY_LEN(delays); i++) {
        const struct alarm *a = &alarms[i];
        assert_int_equal(a->fired_count, 1);
        assert_true(a->fired_ms >= a->set_ms + a->delay_ms);
        assert_true(a->fired_ms <= a->set_ms + a->delay_ms + LOOP_TICK_MS);
        assert_false(timer_is_set(&a->timer));
    }
}

static bool a_long_sleep(unsigned turn)
{
    if (turn == 0) {
        for (size_t i = 0; i < ARRAY_LEN(delays); i++)
            set_alarm(&alarms[i], delays[i]);
        set_alarm(&alarms[ARRAY_LEN(delays)], 10000000);
        fake_clock_advance(&fake, 100000); /* a suspended machine: several laps of the wheel */
    }
    return turn == 0;
}

static void after_a_long_sleep_each_fires_once(void **state)
{
    (void)state;
    run_script(a_long_sleep);
    for (size_t i = 0; i < ARRAY_LEN(delays); i++)
        assert_int_equal(alarms[i].fired_count, 1);
    assert_int_equal(alarms[ARRAY_LEN(delays)].fired_count, 0);
    loop_timer_stop(l, &alarms[ARRAY_LEN(delays)].timer);
}

static bool set_stop_and_set_again(unsigned turn)
{
    switch (turn) {
    case 0:
        set_alarm(&alarms[0], 100);
        set_alarm(&alarms[1], 100);
        set_alarm(&alarms[2], 5000);
        loop_timer_stop(l, &alarms[3].timer); /* never set: harmless */
        loop_timer_stop(l, &alarms[1].timer);
        loop_timer_stop(l, &alarms[1].timer);
        set_alarm(&alarms[0], 300); /* moves it */
        set_alarm(&alarms[2], 50);  /* also to the front */
        fake_clock_advance(&fake, 200);
        return true;
    case 1:
        assert_int_equal(alarms[0].fired_count, 0);
        assert_int_equal(alarms[2].fired_count, 1);
        assert_true(timer_is_set(&alarms[0].timer));
        fake_clock_advance(&fake, 200);
        return true;
    case 2:
        assert_int_equal(alarms[0].fired_count, 1);
        assert_int_equal(alarms[1].fired_count, 0);
        fake_clock_advance(&fake, 10000);
        return true;
    default:
        assert_int_equal(alarms[0].fired_count, 1);
        assert_int_equal(alarms[2].fired_count, 1);
        return false;
    }
}

static void a_timer_set_again_fires_once_at_the_new_time(void **state)
{
    (void)state;
    run_script(set_stop_and_set_again);
}

/* A callback that stops its neighbour of the same slot, sets itself and a third one anew. */
static void on_meddle(struct timer *t)
{
    tell('m');
    loop_timer_stop(l, &alarms[1].timer);
    loop_timer_set(l, t, 0);
    if (alarms[2].set_ms == 0)
        set_alarm(&alarms[2], 0);
}

static bool meddle(unsigned turn)
{
    if (turn == 0) {
        alarms[0].timer.on_fire = on_meddle;
        loop_timer_set(l, &alarms[0].timer, 10);
        alarms[1].letter = 'x';
        alarms[2].letter = 'c';
        alarms[3].letter = 'd';
        set_alarm(&alarms[1], 10);
        set_alarm(&alarms[3], 10);
    }
    tell('|');
    fake_clock_advance(&fake, 32);
    return turn < 2;
}

static void a_callback_may_set_and_stop_any_timer(void **state)
{
    (void)state;
    run_script(meddle);
    /* Not in the turn that set it, even with a delay of 0: no turn goes on for ever. */
    assert_string_equal(story, "|md|mc|");
    loop_timer_stop(l, &alarms[0].timer);
    loop_timer_stop(l, &alarms[2].timer);
}

/* With the system's clock: the loop wakes up by itself, in time and without spinning. */
static void on_stop_timer(struct timer *t)
{
    (void)t;
    loop_stop(l);
}

static void a_waiting_loop_wakes_for_a_timer(void **state)
{
    (void)state;
    fake_clock_restore();
    struct loop *real;
    assert_ok(loop_new(&real));
    struct loop *fake_loop = l;
    l = real;
    struct timer t = {.on_fire = on_stop_timer};
    uint64_t start_ms = clock_mono_ms();
    loop_timer_set(real, &t, 40);
    loop_run(real);
    assert_true(clock_mono_ms() >= start_ms + 40);
    loop_free(real);
    l = fake_loop;
}

/* ---- deferred work ---- */

static struct deferred now_work, next_work, late_work;

static void on_now(struct deferred *d)
{
    (void)d;
    tell('n');
    if (strlen(story) < 3)
        loop_defer(l, &late_work); /* still in this phase */
}

static void on_next(struct deferred *d)
{
    (void)d;
    tell('x');
}

static void on_late(struct deferred *d)
{
    (void)d;
    tell('l');
}

static bool defer_things(unsigned turn)
{
    if (turn == 0) {
        now_work.on_run = on_now;
        next_work.on_run = on_next;
        late_work.on_run = on_late;
        loop_defer(l, &now_work);
        loop_defer(l, &now_work); /* twice is once */
        loop_defer_next(l, &next_work);
        loop_defer_next(l, &next_work);
        loop_defer(l, &next_work); /* queued already: stays where it is */
    } else if (turn == 1) {
        loop_defer(l, &now_work);
        loop_undefer(&now_work);
        loop_undefer(&now_work);
    }
    tell('|');
    return turn < 2;
}

static void deferred_work_runs_in_its_turn_and_once(void **state)
{
    (void)state;
    run_script(defer_things);
    assert_string_equal(story, "|nlx||");
}

static void what_is_left_is_settled_after_the_loop(void **state)
{
    (void)state;
    story[0] = '\0';
    now_work = (struct deferred){.on_run = on_now};
    next_work = (struct deferred){.on_run = on_next};
    late_work = (struct deferred){.on_run = on_late};
    loop_defer(l, &now_work);
    loop_defer_next(l, &next_work);
    loop_settle(l);
    assert_string_equal(story, "nlx");
}

/* ---- readiness ---- */

struct ear {
    struct watch watch;
    struct ear *other;
    unsigned heard;
    char letter;
};

static void on_heard(struct watch *w, uint32_t events)
{
    struct ear *e = container_of(w, struct ear, watch);
    assert_true((events & EPOLLIN) != 0);
    e->heard++;
    if (e->letter != '\0')
        tell(e->letter);
    if (e->other != NULL) {
        loop_unwatch(l, &e->other->watch);
        loop_unwatch(l, &e->other->watch);
    }
}

static int new_ready_fd(void)
{
    int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    assert_true(fd >= 0);
    return fd;
}

static struct ear ears[2];
static int ear_fds[2];

static int set_up_ears(void **state)
{
    clear_story(state);
    for (size_t i = 0; i < 2; i++) {
        ear_fds[i] = new_ready_fd();
        ears[i] = (struct ear){.watch = {.on_ready = on_heard, .fd = -1}};
        assert_ok(loop_watch(l, &ears[i].watch, ear_fds[i], EPOLLIN | EPOLLET));
    }
    return 0;
}

static int tear_down_ears(void **state)
{
    for (size_t i = 0; i < 2; i++) {
        loop_unwatch(l, &ears[i].watch);
        (void)close(ear_fds[i]);
    }
    return tear_down(state);
}

static bool two_turns(unsigned turn)
{
    return turn < 1;
}

static void an_edge_is_told_once(void **state)
{
    (void)state;
    run_script(two_turns);
    assert_int_equal(ears[0].heard, 1);
    assert_int_equal(ears[1].heard, 1);
}

/* Both are ready and fetched in one turn; whichever is first unwatches the other. */
static void an_event_fetched_for_an_unwatched_one_is_dropped(void **state)
{
    (void)state;
    ears[0].other = &ears[1];
    ears[1].other = &ears[0];
    run_script(two_turns);
    assert_int_equal(ears[0].heard + ears[1].heard, 1);
}

static void on_unwatch_timer(struct timer *t)
{
    (void)t;
    tell('t');
    loop_unwatch(l, &ears[0].watch);
}

static struct timer order_timer;

static void on_order_deferred(struct deferred *d)
{
    (void)d;
    tell('d');
    loop_stop(l);
}

static void a_turn_has_its_phases_in_order(void **state)
{
    (void)state;
    struct deferred work = {.on_run = on_order_deferred};
    ears[0].letter = 'x'; /* unwatched by the timer: what was fetched for it is dropped */
    ears[1].letter = 'r';
    order_timer = (struct timer){.on_fire = on_unwatch_timer};
    loop_timer_set(l, &order_timer, 0);
    fake_clock_advance(&fake, LOOP_TICK_MS);
    loop_defer(l, &work);
    loop_run(l);
    assert_string_equal(story, "trd");
}

static bool rewatch(unsigned turn)
{
    if (turn == 0)
        assert_ok(loop_rewatch(l, &ears[0].watch, EPOLLIN)); /* from edge to level */
    return turn < 3;
}

static void a_watch_can_ask_for_other_events(void **state)
{
    (void)state;
    run_script(rewatch);
    assert_int_equal(ears[0].heard, 4);
    assert_int_equal(ears[1].heard, 1);
}

static void a_bad_descriptor_is_an_error(void **state)
{
    (void)state;
    struct watch w = {.on_ready = on_heard, .fd = -1};
    struct err e = loop_watch(l, &w, 999999, EPOLLIN);
    assert_err(e, ERR_IO);
    assert_int_equal(e.detail, EBADF);
    assert_int_equal(w.fd, -1);
    loop_unwatch(l, &w);
}

/* ---- waking ---- */

enum { WAKERS = 4, WAKES = 500 };

static atomic_uint woken_by[WAKERS];
static unsigned turns_woken;

static void *wake_often(void *arg)
{
    atomic_uint *mine = arg;
    for (int i = 0; i < WAKES; i++) {
        atomic_fetch_add(mine, 1);
        loop_wake(l);
    }
    return NULL;
}

/* What happened before loop_wake is seen in on_wake. */
static void on_wake(void *arg)
{
    assert_ptr_equal(arg, &turns_woken);
    turns_woken++;
    for (int i = 0; i < WAKERS; i++) {
        if (atomic_load(&woken_by[i]) < WAKES)
            return;
    }
    loop_stop(l);
}

static void any_thread_can_wake_the_loop(void **state)
{
    (void)state;
    pthread_t threads[WAKERS];
    turns_woken = 0;
    loop_on_wake(l, on_wake, &turns_woken);
    for (size_t i = 0; i < WAKERS; i++) {
        atomic_store(&woken_by[i], 0);
        assert_int_equal(pthread_create(&threads[i], NULL, wake_often, &woken_by[i]), 0);
    }
    loop_run(l);
    for (size_t i = 0; i < WAKERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_true(turns_woken >= 1 && turns_woken <= WAKERS * WAKES);
}

static void a_wake_without_a_listener_is_a_turn(void **state)
{
    (void)state;
    assert_true(loop_wake_fd(l) >= 0);
    loop_wake(l);
    run_script(two_turns);
}

/* ---- failure ---- */

static void without_memory_or_descriptors_there_is_no_loop(void **state)
{
    (void)state;
    struct loop *other;
    for_each_fault(n)
    {
        struct err e = loop_new(&other);
        assert_int_equal(failed(e), mem_fault_fired());
        if (!failed(e))
            loop_free(other);
    }
    struct rlimit old, few;
    int lowest = dup(STDIN_FILENO);
    (void)close(lowest);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    for (int spare = 0; spare < 2; spare++) {
        few = (struct rlimit){.rlim_cur = (rlim_t)(lowest + spare), .rlim_max = old.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        struct err e = loop_new(&other);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
        assert_err(e, ERR_IO);
        assert_int_equal(e.detail, EMFILE);
    }
    int again = dup(STDIN_FILENO);
    assert_int_equal(again, lowest); /* nothing was left open */
    (void)close(again);
    loop_free(NULL);
}

#define WITH_LOOP(test) cmocka_unit_test_setup_teardown(test, clear_story, tear_down)
#define WITH_EARS(test) cmocka_unit_test_setup_teardown(test, set_up_ears, tear_down_ears)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_LOOP(a_timer_is_never_early_and_hardly_late),
        WITH_LOOP(after_a_long_sleep_each_fires_once),
        WITH_LOOP(a_timer_set_again_fires_once_at_the_new_time),
        WITH_LOOP(a_callback_may_set_and_stop_any_timer),
        WITH_LOOP(a_waiting_loop_wakes_for_a_timer),
        WITH_LOOP(deferred_work_runs_in_its_turn_and_once),
        WITH_LOOP(what_is_left_is_settled_after_the_loop),
        WITH_EARS(an_edge_is_told_once),
        WITH_EARS(an_event_fetched_for_an_unwatched_one_is_dropped),
        WITH_EARS(a_turn_has_its_phases_in_order),
        WITH_EARS(a_watch_can_ask_for_other_events),
        WITH_LOOP(a_bad_descriptor_is_an_error),
        WITH_LOOP(any_thread_can_wake_the_loop),
        WITH_LOOP(a_wake_without_a_listener_is_a_turn),
        WITH_LOOP(without_memory_or_descriptors_there_is_no_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
