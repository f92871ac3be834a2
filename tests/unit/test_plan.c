/*
 * test_plan - which step follows. drawn.h says how surveys are written.
 */
#include "tests/support/cmocka.h"
#include "tests/support/plan_scene.h"

#include <string.h>

static const struct kase kases[] = {
    { .name = "an empty track gets a key", .step = PLAN_CREATE },
    { .name = "a new key is published",
      .keys = { { .selector = "a" } },
      .step = PLAN_PUBLISH,
      .selector = "a" },
    { .name = "published and not asked: it waits",
      .keys = { { .selector = "a",
                  .state = VIEW_KEY_PUBLISHED,
                  .published = DAY } },
      .step = PLAN_WAIT,
      .selector = "a" },
    { .name = "seen everywhere for the first time: noted",
      .keys = { { .selector = "a",
                  .state = VIEW_KEY_PUBLISHED,
                  .published = DAY,
                  .dns = WELL } },
      .step = PLAN_NOTE,
      .selector = "a" },
    { .name = "one server without it: not seen",
      .keys = { { .selector = "a",
                  .state = VIEW_KEY_PUBLISHED,
                  .published = DAY,
                  .wait = 5 * HOUR,
                  .dns = "OC OC TK TM RK" } },
      .step = PLAN_WAIT,
      .selector = "a" },
    { .name = "a long negative TTL makes the wait longer",
      .keys = { { .selector = "a",
                  .state = VIEW_KEY_PUBLISHED,
                  .published = DAY,
                  .wait = 4 * HOUR,
                  .dns = "OC OC TK TM RK" } },
      .step = PLAN_NOTE,
      .selector = "a" },
    { .name = "seen, and the wait is not over",
      .keys = { { .selector = "a",
                  .state = VIEW_KEY_PUBLISHED,
                  .published = DAY,
                  .seen = 4 * HOUR - 1,
                  .wait = 4 * HOUR,
                  .dns = WELL } },
      .step = PLAN_WAIT,
      .selector = "a",
      .when_s = NOW + 1,
      .timed = true },
    { .name = "seen for long enough: proved",
      .keys = { { .selector = "a",
                  .state = VIEW_KEY_PUBLISHED,
                  .published = DAY,
                  .seen = 4 * HOUR,
                  .wait = 4 * HOUR,
                  .dns = WELL } },
      .step = PLAN_PROVE,
      .selector = "a" },
    { .name = "long enough, and not asked now: not proved",
      .keys = { { .selector = "a",
                  .state = VIEW_KEY_PUBLISHED,
                  .published = DAY,
                  .seen = 9 * HOUR,
                  .wait = 4 * HOUR } },
      .step = PLAN_WAIT,
      .selector = "a" },
    { .name = "seen no more: the wait begins again",
      .keys = { { .selector = "a",
                  .state = VIEW_KEY_PUBLISHED,
                  .published = DAY,
                  .seen = 9 * HOUR,
                  .wait = 5 * HOUR,
                  .dns = "OC OM TK TK RK" } },
      .step = PLAN_NOTE,
      .selector = "a" },
    { .name = "proved, and no other key: active",
      .keys = { NEXT(WELL) },
      .step = PLAN_ACTIVATE,
      .selector = "b" },
    { .name = "proved and not seen now: not active",
      .keys = { NEXT(NULL) },
      .step = PLAN_WAIT,
      .selector = "b" },
    { .name = "active: the next key is made",
      .keys = { ACTIVE(DAY, WELL) },
      .step = PLAN_CREATE },
    { .name = "active and a proved next one: until its turn",
      .keys = { ACTIVE(DAY, WELL), NEXT(WELL) },
      .step = PLAN_WAIT,
      .selector = "b",
      .when_s = NOW + 89 * DAY,
      .timed = true },
    { .name = "its turn",
      .keys = { ACTIVE(90 * DAY, WELL), NEXT(WELL) },
      .step = PLAN_ACTIVATE,
      .selector = "b" },
    { .name = "its turn, and a server lacks it",
      .keys = { ACTIVE(90 * DAY, WELL), NEXT("OC OS TK TK RK RK") },
      .step = PLAN_NOTE, /* of the silence */
      .selector = "b" },
    { .name = "its turn, and reports speak against it",
      .keys = { ACTIVE(90 * DAY, WELL), NEXT(WELL) },
      .pause = "DKIM fell",
      .step = PLAN_WAIT,
      .selector = "b" },
    { .name = "asked for by name",
      .keys = { ACTIVE(DAY, WELL), NEXT(WELL) },
      .now = true,
      .step = PLAN_ACTIVATE,
      .selector = "b" },
    { .name = "two active ones: the older retires",
      .keys = { ACTIVE(90 * DAY, WELL),
                { .selector = "b",
                  .state = VIEW_KEY_ACTIVE,
                  .proved = DAY,
                  .activated = HOUR,
                  .dns = WELL } },
      .step = PLAN_RETIRE,
      .selector = "a" },
    { .name = "the newer was activated by hand and is not seen",
      .keys = { ACTIVE(90 * DAY, WELL),
                { .selector = "b",
                  .state = VIEW_KEY_ACTIVE,
                  .activated = HOUR,
                  .fault = KEY_FAULT_GONE,
                  .dns = "OM OM TK TK RM" },
                RETIRING(DAY / 2, NULL) },
      .step = PLAN_NOTE, /* which may stand in, retires anew */
      .selector = "c" },
    { .name = "retiring for less than it should",
      .keys = { ACTIVE(DAY, WELL), NEXT(WELL), RETIRING(29 * DAY, WELL) },
      .step = PLAN_WAIT,
      .selector = "c",
      .when_s = NOW + DAY,
      .timed = true },
    { .name = "retired long enough",
      .keys = { ACTIVE(DAY, WELL), NEXT(WELL), RETIRING(30 * DAY, WELL) },
      .step = PLAN_REVOKE,
      .selector = "c" },
    { .name = "retired long enough, and the active one is not seen",
      .keys = { ACTIVE(DAY, NULL), NEXT(WELL), RETIRING(30 * DAY, WELL) },
      .step = PLAN_WAIT,
      .selector = "a" },
    { .name = "revoked for less than it should",
      .keys = { ACTIVE(DAY, WELL), NEXT(WELL), REVOKED(6 * DAY, "OC TP RP") },
      .step = PLAN_WAIT,
      .selector = "c",
      .when_s = NOW + DAY,
      .timed = true },
    { .name = "revoked long enough, and DNS agrees",
      .keys = { ACTIVE(DAY, WELL), NEXT(WELL), REVOKED(7 * DAY, "OC TP RP") },
      .step = PLAN_DELETE,
      .selector = "c" },
    { .name = "revoked long enough, and DNS has the key still",
      .keys = { ACTIVE(DAY, WELL), NEXT(WELL), REVOKED(7 * DAY, "OC TX RX") },
      .step = PLAN_WAIT,
      .selector = "c" },
    { .name = "the record of the active key is gone",
      .keys = { ACTIVE(DAY, "OM OM TK TK RM"), NEXT(WELL) },
      .step = PLAN_NOTE,
      .selector = "a" },
    { .name = "nobody answers: nothing is held against the active key",
      .keys = { ACTIVE(DAY, "OS OS TS TS RS"), NEXT(WELL) },
      .step = PLAN_WAIT,
      .selector = "b" },
    { .name = "a slot's key has its turn before one of the owner's",
      .keys = { ACTIVE(90 * DAY, WELL), NEXT(WELL), OWN_PROVED("own") },
      .step = PLAN_ACTIVATE,
      .selector = "b" },
    { .name = "in whatever order they stand",
      .keys = { ACTIVE(90 * DAY, WELL), OWN_PROVED("also"), NEXT(WELL) },
      .step = PLAN_ACTIVATE,
      .selector = "b" },
    { .name = "its record is back",
      .keys = { { .selector = "a",
                  .state = VIEW_KEY_ACTIVE,
                  .proved = DAY,
                  .activated = DAY,
                  .fault = KEY_FAULT_GONE,
                  .dns = WELL },
                NEXT(WELL) },
      .step = PLAN_NOTE,
      .selector = "a" },
    { .name = "condemned, and the next one is proved",
      .keys = { CONDEMNED(VIEW_KEY_ACTIVE, WELL), NEXT(WELL) },
      .step = PLAN_ACTIVATE,
      .selector = "b" },
    { .name = "condemned, and DNS is away: proved beforehand is enough",
      .keys = { CONDEMNED(VIEW_KEY_ACTIVE, NULL), NEXT(NULL) },
      .step = PLAN_ACTIVATE,
      .selector = "b" },
    { .name = "condemned, paused by reports: no pause counts",
      .keys = { CONDEMNED(VIEW_KEY_ACTIVE, WELL), NEXT(WELL) },
      .pause = "DKIM fell",
      .step = PLAN_ACTIVATE,
      .selector = "b" },
    { .name = "condemned and alone: it goes on, and another is made",
      .keys = { CONDEMNED(VIEW_KEY_ACTIVE, WELL) },
      .step = PLAN_CREATE },
    { .name = "condemned, alone, and nobody makes another: it says so",
      .keys = { CONDEMNED(VIEW_KEY_ACTIVE, WELL) },
      .unmanaged = true,
      .step = PLAN_WAIT,
      .selector = "a" },
    { .name = "condemned and out of use: revoked at once",
      .keys = { CONDEMNED(VIEW_KEY_RETIRING, NULL), ACTIVE(1, NULL),
                NEXT(WELL) },
      .step = PLAN_REVOKE,
      .selector = "a" },
    { .name = "condemned before it was used: revoked at once",
      .keys = { ACTIVE(DAY, WELL),
                { .selector = "b",
                  .state = VIEW_KEY_PUBLISHED,
                  .published = DAY,
                  .seen = DAY,
                  .wait = HOUR,
                  .proved = HOUR,
                  .fault = KEY_FAULT_CONDEMNED,
                  .dns = WELL } },
      .now = true,
      .step = PLAN_REVOKE,
      .selector = "b" },
    /* the owner's own records */
    { .name = "own: a new one waits for the owner",
      .keys = { { .selector = "a",
                  .theirs = true,
                  .wait = 5 * HOUR,
                  .dns = "OM OM RM" } },
      .own = true,
      .step = PLAN_WAIT,
      .selector = "a" },
    { .name = "own: seen somewhere is published",
      .keys = { { .selector = "a",
                  .theirs = true,
                  .wait = 5 * HOUR,
                  .dns = "OK OM RM" } },
      .own = true,
      .step = PLAN_NOTE,
      .selector = "a" },
    { .name = "own: the next one is made when its turn comes, not before",
      .keys = { OWN_ACTIVE(80 * DAY) },
      .own = true,
      .step = PLAN_WAIT,
      .when_s = NOW + 10 * DAY,
      .timed = true },
    { .name = "own: its turn",
      .keys = { OWN_ACTIVE(90 * DAY) },
      .own = true,
      .step = PLAN_CREATE },
    { .name = "not managed: nothing is made",
      .keys = { OWN_ACTIVE(900 * DAY) },
      .own = true,
      .unmanaged = true,
      .step = PLAN_WAIT },
    { .name = "not managed: a key made by hand is used when proved",
      .keys = { OWN_ACTIVE(DAY), OWN_PROVED("b") },
      .own = true,
      .unmanaged = true,
      .step = PLAN_ACTIVATE,
      .selector = "b" },
    { .name = "fixed: proved is active",
      .keys = { OWN_PROVED("a") },
      .own = true,
      .unmanaged = true,
      .fixed = true,
      .step = PLAN_ACTIVATE,
      .selector = "a" },
    { .name = "fixed: never rotated",
      .keys = { OWN_ACTIVE(900 * DAY) },
      .own = true,
      .fixed = true,
      .step = PLAN_WAIT },
    /* from own records to slots */
    { .name = "migration: the old key signs until a slot's is proved",
      .keys = { { .selector = "a",
                  .state = VIEW_KEY_ACTIVE,
                  .theirs = true,
                  .activated = DAY,
                  .dns = "OK RK" },
                { .selector = "b",
                  .state = VIEW_KEY_PUBLISHED,
                  .published = HOUR,
                  .seen = HOUR,
                  .wait = 5 * HOUR,
                  .dns = WELL } },
      .step = PLAN_WAIT,
      .selector = "b",
      .when_s = NOW + 4 * HOUR,
      .timed = true },
    { .name = "migration: then it is the slot's turn at once",
      .keys = { { .selector = "a",
                  .state = VIEW_KEY_ACTIVE,
                  .theirs = true,
                  .activated = DAY,
                  .dns = "OK RK" },
                NEXT(WELL) },
      .step = PLAN_ACTIVATE,
      .selector = "b" },
    { .name = "a date in the future begins anew",
      .keys = { ACTIVE(DAY, WELL),
                { .selector = "b",
                  .state = VIEW_KEY_PUBLISHED,
                  .published = (unsigned)-(2 * HOUR) } },
      .step = PLAN_NOTE,
      .selector = "b" },
};

static void
test_steps(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(kases) / sizeof(kases[0]); i++) {
        const struct kase *c = kases + i;
        const char *selector = NULL;
        struct scene s;
        struct plan plan;

        plan_scene_set(c, &s);
        plan_next(&s.track, &s.rules, &plan);
        if (plan.key < s.track.count) {
            selector = s.keys[plan.key].view.selector;
        }
        if (plan.step != c->step ||
            (selector == NULL) != (c->selector == NULL) ||
            (selector != NULL && strcmp(selector, c->selector) != 0) ||
            (c->timed && plan.when_s != c->when_s)) {
            fail_msg("%s: %s %s (%s), when %jd", c->name,
                     plan_step_name(plan.step),
                     selector == NULL ? "-" : selector, plan.why,
                     (intmax_t)(plan.when_s - NOW));
        }
    }
}

/* The slot that was used longest ago, its wait, and the size of the key. */
static void
test_create(void **state)
{
    static const struct kase c = { .keys = { ACTIVE(DAY, WELL) } };
    struct drawn d;
    struct scene s;
    struct plan plan;

    (void)state;
    plan_scene_set(&c, &s);
    s.track.slots[1].used_s = NOW - DAY;
    plan_next(&s.track, &s.rules, &plan);
    assert_int_equal(plan.step, PLAN_CREATE);
    assert_int_equal(plan.slot, 2);
    assert_int_equal(plan.after.life.wait_s, 4 * HOUR);
    assert_int_equal(plan.bits, 2048);
    s.track.slots[2].used_s = NOW - HOUR;
    s.keys[0].view.bits = 1024;
    plan_next(&s.track, &s.rules, &plan);
    assert_int_equal(plan.slot, 1);
    assert_int_equal(plan.after.life.wait_s, 24 * HOUR);
    assert_int_equal(plan.bits, 2048);
    draw("OC TM RM", 50 * HOUR, &d);
    s.track.slots[1].seen = &d.seen;
    s.keys[0].view.bits = 4096;
    plan_next(&s.track, &s.rules, &plan);
    assert_int_equal(plan.after.life.wait_s, 50 * HOUR);
    assert_int_equal(plan.bits, 4096);
    assert_string_equal(plan.after.view.selector, "b");
}

/* A long x= makes keys retire for longer. */
static void
test_retire(void **state)
{
    static const struct kase c = { .keys = { ACTIVE(DAY, WELL), NEXT(WELL),
                                             RETIRING(30 * DAY, WELL) } };
    struct scene s;
    struct plan plan;

    (void)state;
    plan_scene_set(&c, &s);
    assert_int_equal(plan_retire_s(&s.rules), 30 * DAY);
    s.rules.expire_s = 60 * DAY;
    assert_int_equal(plan_retire_s(&s.rules), 67 * DAY);
    plan_next(&s.track, &s.rules, &plan);
    assert_int_equal(plan.step, PLAN_WAIT);
    assert_int_equal(plan.when_s, NOW + 37 * DAY);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_retire),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
