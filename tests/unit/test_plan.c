/*
 * test_plan - which step follows. drawn.h says how surveys are written.
 */
#include "proxy/domains/plan.h"
#include "tests/support/cmocka.h"
#include "tests/support/drawn.h"

#include <stdio.h>
#include <string.h>

enum {
    HOUR = 3600,
    DAY = 86400
};
#define NOW  ((uint64_t)1800000000)
#define WELL "OC OC TK TK RK RK"

/* --- plan --------------------------------------------------------------- */

/* Times are ages: seconds before NOW; 0: never. */
struct aged {
    const char *selector; /* NULL: no such key */
    enum view_key_state state;
    unsigned published, seen, wait, proved, activated, retired, revoked;
    enum key_fault fault;
    const char *dns; /* NULL: not asked */
    bool theirs;
    unsigned bits;
};

struct kase {
    const char *name;
    struct aged keys[4];
    bool own, unmanaged, fixed, now;
    const char *pause;
    enum plan_step step;
    const char *selector; /* of the step; NULL: none */
    uint64_t when_s;      /* WAIT; compared when `timed` */
    bool timed;
};

#define NEXT(dns_)                                                             \
    {                                                                          \
        "b", VIEW_KEY_PUBLISHED, 9 * DAY, 9 * DAY, 4 * HOUR, 8 * DAY, 0, 0, 0, \
            KEY_FAULT_NONE, dns_, false, 0                                     \
    }
#define ACTIVE(age, dns_)                                                     \
    {                                                                         \
        "a", VIEW_KEY_ACTIVE, 99 * DAY, 99 * DAY, 4 * HOUR, 99 * DAY, age, 0, \
            0, KEY_FAULT_NONE, dns_, false, 0                                 \
    }
#define RETIRING(age, dns_)                                             \
    {                                                                   \
        "c", VIEW_KEY_RETIRING, 99 * DAY, 99 * DAY, 4 * HOUR, 99 * DAY, \
            98 * DAY, age, 0, KEY_FAULT_NONE, dns_, false, 0            \
    }
#define REVOKED(age, dns_)                                                \
    {                                                                     \
        "c", VIEW_KEY_REVOKED, 99 * DAY, 99 * DAY, 4 * HOUR, 0, 98 * DAY, \
            50 * DAY, age, KEY_FAULT_NONE, dns_, false, 0                 \
    }
#define CONDEMNED(state_, dns_)                                          \
    {                                                                    \
        "a", state_, 9 * DAY, 9 * DAY, 4 * HOUR, 9 * DAY, 8 * DAY, 0, 0, \
            KEY_FAULT_CONDEMNED, dns_, false, 0                          \
    }
/* With a record of the owner's instead of a slot. */
#define OWN_ACTIVE(age)                                            \
    {                                                              \
        .selector = "a", .state = VIEW_KEY_ACTIVE, .theirs = true, \
        .proved = DAY, .activated = age, .dns = "OK RK"            \
    }
#define OWN_PROVED(name)                                               \
    {                                                                  \
        .selector = name, .state = VIEW_KEY_PUBLISHED, .theirs = true, \
        .published = DAY, .seen = DAY, .wait = HOUR, .proved = HOUR,   \
        .dns = "OK RK"                                                 \
    }

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

struct scene {
    struct keystore_key keys[4];
    struct plan_key plan_keys[4];
    struct drawn drawn[4];
    struct plan_track track;
    struct rotate_conf rotate;
    struct plan_rules rules;
};

/* An age that was made negative is a date in the future. */
static uint64_t
date_of(unsigned age)
{
    return age == 0 ? 0 : (uint64_t)((int64_t)NOW - (int32_t)age);
}

static void
set_key(const struct aged *a, struct keystore_key *k)
{
    *k = (struct keystore_key){ .created_s = NOW - 99 * DAY, .note = "" };
    k->view.domain = "a.example";
    k->view.selector = a->selector;
    k->view.owner = "";
    k->view.alg = DKIM_ALG_RSA_SHA256;
    k->view.bits = a->bits == 0 ? 2048 : a->bits;
    k->view.state = a->state;
    k->view.proved_s = date_of(a->proved);
    k->view.activated_s = date_of(a->activated);
    k->life = (struct key_life){ .published_s = date_of(a->published),
                                 .seen_s = date_of(a->seen),
                                 .wait_s = a->wait,
                                 .retired_s = date_of(a->retired),
                                 .revoked_s = date_of(a->revoked),
                                 .fault = a->fault,
                                 .reason = "" };
}

static void
set_scene(const struct kase *c, struct scene *s)
{
    static const char *const tokens[] = { "a", "b", "c" };

    memset(s, 0, sizeof(*s));
    s->rotate = (struct rotate_conf){ .every_s = 90 * DAY,
                                      .retire_s = 30 * DAY,
                                      .revoked_s = 7 * DAY };
    s->rules = (struct plan_rules){ &s->rotate, 7 * DAY, NOW };
    s->track = (struct plan_track){ .domain = "a.example",
                                    .alg = DKIM_ALG_RSA_SHA256,
                                    .owner = "",
                                    .delegated = !c->own,
                                    .managed = !c->unmanaged,
                                    .fixed = c->fixed,
                                    .now = c->now,
                                    .pause = c->pause,
                                    .keys = s->plan_keys };
    for (; s->track.count < 4 && c->keys[s->track.count].selector != NULL;
         s->track.count++) {
        const struct aged *a = c->keys + s->track.count;
        struct plan_key *k = s->plan_keys + s->track.count;

        set_key(a, s->keys + s->track.count);
        k->key = s->keys + s->track.count;
        k->ours = !a->theirs;
        if (a->dns != NULL) {
            draw(a->dns, 5 * HOUR, s->drawn + s->track.count);
            k->seen = &s->drawn[s->track.count].seen;
        }
    }
    for (size_t i = 0; !c->own && i < PLAN_SLOTS; i++) {
        s->track.slots[s->track.slot_count++].token = tokens[i];
    }
}

static void
test_steps(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(kases) / sizeof(kases[0]); i++) {
        const struct kase *c = kases + i;
        const char *selector = NULL;
        struct scene s;
        struct plan plan;

        set_scene(c, &s);
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
    set_scene(&turn, &s);
    s.keys[0].view.activated_s = NOW + 100; /* a clock that went back */
    s.track.now = true;
    plan_next(&s.track, &s.rules, &plan);
    assert_int_equal(plan.step, PLAN_ACTIVATE);
    assert_int_equal(plan.after.view.state, VIEW_KEY_ACTIVE);
    assert_int_equal(plan.after.view.activated_s, NOW + 101);

    set_scene(&late, &s);
    plan_next(&s.track, &s.rules, &plan);
    assert_int_equal(plan.step, PLAN_NOTE);
    assert_int_equal(plan.after.life.wait_s, 5 * HOUR);
    assert_int_equal(plan.after.life.seen_s, 0);
    assert_int_equal(plan.after.life.silent_count, 1);
    assert_string_equal(plan.after.life.silent[0].server, "server 3");
    assert_int_equal(plan.after.life.silent[0].since_s, NOW);

    set_scene(&lost, &s);
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
    set_scene(&c, &s);
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

/* The slot that was used longest ago, its wait, and the size of the key. */
static void
test_create(void **state)
{
    static const struct kase c = { .keys = { ACTIVE(DAY, WELL) } };
    struct drawn d;
    struct scene s;
    struct plan plan;

    (void)state;
    set_scene(&c, &s);
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
    set_scene(&c, &s);
    assert_int_equal(plan_retire_s(&s.rules), 30 * DAY);
    s.rules.expire_s = 60 * DAY;
    assert_int_equal(plan_retire_s(&s.rules), 67 * DAY);
    plan_next(&s.track, &s.rules, &plan);
    assert_int_equal(plan.step, PLAN_WAIT);
    assert_int_equal(plan.when_s, NOW + 37 * DAY);
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

        set_scene(&cases[i].c, &s);
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
    set_scene(&c, &s);
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
        cmocka_unit_test(test_steps),   cmocka_unit_test(test_notes),
        cmocka_unit_test(test_silence), cmocka_unit_test(test_create),
        cmocka_unit_test(test_retire),  cmocka_unit_test(test_colours),
        cmocka_unit_test(test_outlook),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
