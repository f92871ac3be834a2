/*
 * test_plan_notes - what is written down for a step, and what is told of a
 * domain: its colour and what is ahead.
 */
#include "tests/support/cmocka.h"
#include "tests/support/plan_scene.h"

/* What is written down for a step. */
static void
test_notes(void **state)
{
    static const struct kase turn = { .keys = { ACTIVE(90 * DAY, WELL),
                                                NEXT(WELL) } };
    static const struct kase late = { .keys = { { .selector = "a",
                                                  .state = VIEW_KEY_PUBLISHED,
                                                  .published = DAY,
                                                  .wait = 4 * HOUR,
                                                  .dns = "OC OM TK TS RK" } } };
    static const struct kase lost = { .keys = { ACTIVE(DAY, "OM TK RM") } };
    struct scene s;
    struct plan plan;

    (void)state;
    plan_scene_set(&turn, &s);
    s.keys[0].view.activated_s = NOW + 100; /* a clock that went back */
    s.track.now = true;
    plan_next(&s.track, &s.rules, &plan);
    assert_int_equal(plan.step, PLAN_ACTIVATE);
    assert_int_equal(plan.after.view.state, VIEW_KEY_ACTIVE);
    assert_int_equal(plan.after.view.activated_s, NOW + 101);

    plan_scene_set(&late, &s);
    plan_next(&s.track, &s.rules, &plan);
    assert_int_equal(plan.step, PLAN_NOTE);
    assert_int_equal(plan.after.life.wait_s, 5 * HOUR);
    assert_int_equal(plan.after.life.seen_s, 0);
    assert_int_equal(plan.after.life.silent_count, 1);
    assert_string_equal(plan.after.life.silent[0].server, "server 3");
    assert_int_equal(plan.after.life.silent[0].since_s, NOW);

    plan_scene_set(&lost, &s);
    plan_next(&s.track, &s.rules, &plan);
    assert_int_equal(plan.after.life.fault, KEY_FAULT_GONE);
    assert_int_equal(plan.after.life.fault_s, NOW);
    assert_true(plan.after.view.faulty);
}

/* What retires waits a day for a server that is silent, and not for ever. */
static void
test_silence(void **state)
{
    static const struct kase c = { .keys = { ACTIVE(DAY, "OC OS TK TK RK RK"),
                                             NEXT(WELL),
                                             RETIRING(30 * DAY, WELL) } };
    struct key_silence silent[KEY_SILENCES_MAX];
    struct scene s;
    struct plan plan;

    (void)state;
    plan_scene_set(&c, &s);
    plan_next(&s.track, &s.rules, &plan);
    assert_int_equal(plan.step, PLAN_NOTE);
    assert_int_equal(plan.key, 0);
    assert_int_equal(plan.after.life.silent_count, 1);
    assert_int_equal(plan.after.life.silent[0].since_s, NOW);

    s.keys[0].life.silent_count = 1;
    s.keys[0].life.silent = silent;
    silent[0] = plan.after.life.silent[0];
    plan_next(&s.track, &s.rules, &plan);
    assert_int_equal(plan.step, PLAN_WAIT);
    assert_int_equal(plan.key, 0);

    silent[0].since_s = NOW - DAY;
    plan_next(&s.track, &s.rules, &plan);
    assert_int_equal(plan.step, PLAN_REVOKE);
    assert_int_equal(plan.key, 2);

    s.track.count = 2; /* nothing retires, and the server is back */
    draw(WELL, 5 * HOUR, s.drawn);
    plan_next(&s.track, &s.rules, &plan);
    assert_int_equal(plan.step, PLAN_NOTE);
    assert_int_equal(plan.after.life.silent_count, 0);
}

static void
test_colours(void **state)
{
    static const struct {
        struct kase c;
        enum plan_colour colour;
        bool stuck;
    } cases[] = {
        { { .keys = { ACTIVE(DAY, WELL), NEXT(WELL) } }, PLAN_GREEN, false },
        { { .keys = { { .selector = "a",
                        .state = VIEW_KEY_PUBLISHED,
                        .published = DAY } } },
          PLAN_WAITING,
          false },
        { { .keys = { { .selector = "a",
                        .state = VIEW_KEY_PUBLISHED,
                        .published = 4 * DAY } } },
          PLAN_WAITING,
          true },
        { { .keys = { ACTIVE(94 * DAY, WELL), NEXT(WELL) } },
          PLAN_YELLOW,
          true },
        { { .keys = { { .selector = "a",
                        .state = VIEW_KEY_ACTIVE,
                        .proved = DAY,
                        .activated = DAY,
                        .fault = KEY_FAULT_GONE } } },
          PLAN_RED,
          false },
        { { .keys = { ACTIVE(DAY, WELL), NEXT(WELL),
                      RETIRING(34 * DAY, WELL) } },
          PLAN_YELLOW,
          true },
        { { .keys = { { .selector = "a",
                        .state = VIEW_KEY_ACTIVE,
                        .activated = DAY,
                        .dns = "OC OS TK RK" } } },
          PLAN_YELLOW,
          false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char why[PLAN_TEXT];
        bool stuck;
        struct scene s;
        enum plan_colour colour;

        plan_scene_set(&cases[i].c, &s);
        colour = plan_colour(&s.track, &s.rules, why, &stuck);
        if (colour != cases[i].colour || stuck != cases[i].stuck) {
            fail_msg("case %zu: %d %d %s", i, (int)colour, stuck, why);
        }
        assert_true((colour == PLAN_GREEN) == (why[0] == '\0'));
    }
}

static void
test_outlook(void **state)
{
    static const struct kase c = { .keys = { ACTIVE(DAY, NULL), NEXT(NULL),
                                             RETIRING(DAY, NULL) } };
    static const struct {
        enum plan_step step;
        uint64_t when_s;
    } want[] = { { PLAN_RETIRE, NOW + 89 * DAY },
                 { PLAN_ACTIVATE, NOW + 89 * DAY },
                 { PLAN_REVOKE, NOW + 29 * DAY } };
    struct scene s;

    (void)state;
    plan_scene_set(&c, &s);
    for (size_t i = 0; i < 3; i++) {
        struct plan plan;

        plan_outlook(&s.track, &s.rules, i, &plan);
        assert_int_equal(plan.step, want[i].step);
        assert_int_equal(plan.when_s, want[i].when_s);
        assert_string_not_equal(plan.why, "");
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_notes),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_colours),
        cmocka_unit_test(test_outlook),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
