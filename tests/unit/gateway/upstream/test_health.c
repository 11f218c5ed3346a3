#include "gateway/upstream/health.h"
#include "tests/support/asserts.h"

#include <errno.h>

/* Two targets of one route, without a store. */
struct bench {
    struct target_live live[2];
    struct target targets[2];
    struct route route;
};

static void init(struct bench *b)
{
    *b = (struct bench){.route = {.object.id = STR("r")}};
    for (int i = 0; i < 2; i++)
        b->targets[i] =
            (struct target){.url = STR("http://t"), .weight = 1, .live = &b->live[i]};
    b->route.upstream = (struct upstream){
        .targets_list = {.items = b->targets, .count = 2},
        .has_choice = true,
        .health = {.interval_ms = 10000, .healthy_after = 2, .unhealthy_after = 3},
    };
}

/* One letter is one event at the current time; a number in front of 's' lets seconds pass.
 *   f a failed request   a the head of an answer   e the end of an answer
 *   l a failure that is our own   g a good probe   b a bad probe   c a claimed trial
 *   o a probe that failed by our own fault   F the other one is ejected   E the route is edited
 * After it stands what the target is then: U up, T trial, D down; c claims the trial and must
 * get it, n must not. */
static char state_letter(const struct bench *b, uint64_t now_ms)
{
    switch (health_read(&b->route.upstream, &b->targets[0], now_ms)) {
    case HEALTH_UP:
        return 'U';
    case HEALTH_TRIAL:
        return 'T';
    case HEALTH_DOWN:
        return 'D';
    }
    return '?';
}

static void play(const char *name, struct bench *b, const char *script)
{
    uint64_t now_ms = 1000000, number = 0;
    const struct route *r = &b->route;
    const struct target *t = &b->targets[0];
    for (const char *c = script; *c != '\0'; c++) {
        bool is_right = true;
        switch (*c) {
        case 'f':
            health_note_failure(r, t, fail(ERR_TARGET_CONNECT, ECONNREFUSED), now_ms);
            break;
        case 'l':
            health_note_failure(r, t, fail(ERR_TARGET_CONNECT, EMFILE), now_ms);
            health_note_failure(r, t, fail(ERR_MEMORY, 0), now_ms);
            health_note_failure(r, t, fail(ERR_TARGET_CLIENT_CERT, 0), now_ms);
            break;
        case 'F':
            for (int i = 0; i < 3; i++)
                health_note_failure(r, t + 1, fail(ERR_TARGET_CONNECT, ECONNREFUSED), now_ms);
            break;
        case 'E':
            b->targets[0].edition++;
            b->targets[1].edition++;
            break;
        case 'a':
            health_note_answer(r, t, now_ms);
            break;
        case 'e':
            health_note_end(t);
            break;
        case 'g':
            health_note_probe(r, t, OK, now_ms);
            break;
        case 'b':
            health_note_probe(r, t, fail(ERR_TARGET_TIMEOUT, 0), now_ms);
            break;
        case 'o':
            health_note_probe(r, t, fail(ERR_TARGET_CONNECT, EMFILE), now_ms);
            health_note_probe(r, t, fail(ERR_MEMORY, 0), now_ms);
            break;
        case 'c':
        case 'n':
            is_right = health_claim_trial(&r->upstream, t, now_ms) == (*c == 'c');
            break;
        case 's':
            now_ms += number * 1000;
            number = 0;
            break;
        case 'U':
        case 'T':
        case 'D':
            is_right = state_letter(b, now_ms) == *c;
            break;
        case ' ':
            break;
        default:
            number = 10 * number + (uint64_t)(*c - '0');
        }
        if (!is_right)
            fail_msg("%s: at \"%s\": %c", name, c, state_letter(b, now_ms));
    }
}

static const struct {
    const char *name, *script;
} rows[] = {
    {"up from the start", "U"},
    {"failures in a row eject", "f U f U f D"},
    {"an answer to its end breaks the row", "ff ae f U f U f D"},
    {"a head alone does not: the body may break", "f a f a f D"},
    {"our own shortages do not count", "lll U l l l U"},
    {"ejected for the interval", "fff D 9s D 1s T"},
    {"one trial at a time", "fff 10s T c D n n"},
    {"no trial before its time", "fff 9s n"},
    {"a trial that succeeds", "fff 10s c a U"},
    {"a trial that fails doubles", "fff 10s c f D 19s D 1s T c f D 39s D 1s T"},
    {"doubling ends at five minutes",
     "fff 10s c f 20s c f 40s c f 80s c f 160s c f 299s D 1s T c f 299s D 1s T"},
    {"a trial without an end is followed by another", "fff 10s c D 9s D 1s T c a U"},
    {"late failures of older requests do not count", "fff ffff 9s D 1s T"},
    {"late answers of older requests do not count", "fff a D"},
    {"soon ejected again: twice as long", "fff 10s c a e U 9s fff D 19s D 1s T"},
    {"well for long: as if for the first time", "fff 10s c a e U 10s fff D 9s D 1s T"},
    {"failures before the ejection are forgotten", "fff 10s c a U f U f U f D"},
    {"an edit ends it", "fff D E U f U f U f D 9s D 1s T"},
    {"an edit forgives what came before", "fff 10s c f D 1s E U fff D 9s D 1s T"},
    {"none is left: no longer than the interval", "F fff D 9s D 1s T c f D 9s D 1s T"},
    {"the last one to go brings the others' turn nearer",
     "fff 10s c f 20s c f 1s D F 9s D 1s T"},
};

static void requests_eject_and_bring_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bench b;
        init(&b);
        play(rows[i].name, &b, rows[i].script);
    }
}

static const struct {
    const char *name, *script;
} probed_rows[] = {
    {"up until proven otherwise", "U b U b U b D"},
    {"our own shortages are no verdict", "ooo U bb o U b D"},
    {"a good one breaks the row", "bb g bb U b D"},
    {"down until healthy_after good ones", "bbb D g D b D g D g U"},
    {"requests have no say in what is down", "bbb a e D"},
    {"no trials: a probe readmits", "fff D 10s D g U"},
    {"a probe does not shorten the ejection", "fff 9s gggg D 1s D g U"},
    {"both speak against it", "bbb fff D gg D 10s g U"},
    {"both, the other way round", "fff bbb D 10s g D g U"},
};

static void probes_have_a_say_of_their_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(probed_rows); i++) {
        struct bench b;
        init(&b);
        b.route.upstream.health.is_tcp = true;
        play(probed_rows[i].name, &b, probed_rows[i].script);
    }
}

static void a_sole_target_is_never_ejected(void **state)
{
    (void)state;
    struct bench b;
    init(&b);
    b.route.upstream.has_choice = false;
    play("failures", &b, "ffffff U");
    b.route.upstream.health.path = STR("/up");
    play("probes", &b, "bbb D gg U");
    b.route.upstream.has_choice = true;
    play("not before there is a choice", &b, "U");
    play("and no longer once there is none", &b, "fff D");
    b.route.upstream.has_choice = false;
    play("none", &b, "U");
}

/* What probes once said does not stay when an edit takes them away. */
static void without_probes_their_verdict_is_void(void **state)
{
    (void)state;
    struct bench b;
    init(&b);
    b.route.upstream.health.is_tcp = true;
    play("down", &b, "bbb D");
    b.route.upstream.health.is_tcp = false;
    play("not probed", &b, "U");
}

static void what_came_back_gets_its_share_slowly(void **state)
{
    (void)state;
    static const struct {
        uint64_t after_ms;
        uint32_t weight;
    } ramp[] = {{0, 40}, {5000, 220}, {9000, 364}, {10000, 400}, {1000000, 400}};
    struct bench b;
    init(&b);
    b.targets[0].weight = 4;
    b.route.upstream.health.slow_start_ms = 10000;
    assert_int_equal(health_weight(&b.route.upstream, &b.targets[0], 7), 400);
    play("back", &b, "fff 10s c a U");
    for (size_t i = 0; i < ARRAY_LEN(ramp); i++)
        assert_int_equal(
            health_weight(&b.route.upstream, &b.targets[0], 1010000 + ramp[i].after_ms),
            ramp[i].weight);
    b.route.upstream.health.slow_start_ms = 0;
    assert_int_equal(health_weight(&b.route.upstream, &b.targets[0], 1010000), 400);
}

static void waiting_times_say_when_it_may_be_back(void **state)
{
    (void)state;
    struct bench b;
    init(&b);
    const struct upstream *u = &b.route.upstream;
    assert_int_equal(health_wait_ms(u, &b.targets[0], 1000000), 0);
    play("ejected", &b, "fff");
    assert_int_equal(health_wait_ms(u, &b.targets[0], 1003000), 7000);
    assert_int_equal(health_wait_ms(u, &b.targets[0], 1013000), 0);
    b.route.upstream.health.is_tcp = true;
    assert_int_equal(health_wait_ms(u, &b.targets[0], 1003000), 7000);
    assert_int_equal(health_wait_ms(u, &b.targets[0], 1013000), 10000);
    play("down", &b, "bbb");
    assert_int_equal(health_wait_ms(u, &b.targets[0], 1013000), 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_eject_and_bring_back),
        cmocka_unit_test(probes_have_a_say_of_their_own),
        cmocka_unit_test(a_sole_target_is_never_ejected),
        cmocka_unit_test(without_probes_their_verdict_is_void),
        cmocka_unit_test(what_came_back_gets_its_share_slowly),
        cmocka_unit_test(waiting_times_say_when_it_may_be_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
