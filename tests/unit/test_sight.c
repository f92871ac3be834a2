/*
 * test_sight - a survey, judged: who has the key, who has not, who is waited
 * for. drawn.h says how surveys are written.
 */
#include "proxy/domains/sight.h"
#include "tests/support/cmocka.h"
#include "tests/support/drawn.h"

enum {
    HOUR = 3600,
    DAY = 86400
};
#define NOW  ((uint64_t)1800000000)
#define WELL "OC OC TK TK RK RK"

/* --- sight -------------------------------------------------------------- */

static void
test_sight(void **state)
{
    static const struct {
        const char *seen;
        bool delegated;
        unsigned silent_s; /* how long the silent ones have been so */
        bool complete, contrary;
        enum key_fault fault;
    } cases[] = {
        { WELL, true, 0, true, false, KEY_FAULT_NONE },
        { "OC TK RK", true, 0, true, false, KEY_FAULT_NONE },
        { "OK OK TK RK", true, 0, true, false, KEY_FAULT_NONE },
        { "", true, 0, false, false, KEY_FAULT_NONE },
        { "OC OC TK TK", true, 0, false, false, KEY_FAULT_NONE },
        { "OC OC RK RK", true, 0, false, false, KEY_FAULT_NONE },
        { "TK TK RK RK", true, 0, false, false, KEY_FAULT_NONE },
        { "OC OC TK TK RK RS", true, 0, true, false, KEY_FAULT_NONE },
        { "OC OC TK TK RK RB", true, 0, false, false, KEY_FAULT_NONE },
        { "OC OC TK TK RK RM", true, 0, false, true, KEY_FAULT_NONE },
        { "OC OC TK TK RM RM", true, 0, false, true, KEY_FAULT_NONE },
        { "OC OM TK TK RK RK", true, 0, false, true, KEY_FAULT_NONE },
        { "OC OX TK TK RK RK", true, 0, false, true, KEY_FAULT_NONE },
        { "OC OC TK TX RK RK", true, 0, false, true, KEY_FAULT_NONE },
        { "OM OM TK TK RM RM", true, 0, false, true, KEY_FAULT_GONE },
        { "OX OX TK TK RX RX", true, 0, false, true, KEY_FAULT_DIFFERS },
        { "OC OC TM TM RM RM", true, 0, false, true, KEY_FAULT_GONE },
        { "OC OC TP TP RP RP", true, 0, false, true, KEY_FAULT_REVOKED },
        { "OM OS TK TK RM", true, 0, false, true, KEY_FAULT_GONE },
        { "OS OS TS TS RM RM", true, 0, false, true, KEY_FAULT_GONE },
        { "OS OS TS TS RS RS", true, 0, false, false, KEY_FAULT_NONE },
        { "OB OB TB TB RB RB", true, 0, false, false, KEY_FAULT_NONE },
        /* silent servers: waited for, then left out if others vouch */
        { "OC OS TK TK RK RK", true, 0, false, false, KEY_FAULT_NONE },
        { "OC OS TK TK RK RK", true, DAY - 1, false, false, KEY_FAULT_NONE },
        { "OC OS TK TK RK RK", true, DAY, true, false, KEY_FAULT_NONE },
        { "OC OB TK TB RK RK", true, DAY, true, false, KEY_FAULT_NONE },
        { "OC OS TK TK RK RS", true, DAY, false, false, KEY_FAULT_NONE },
        { "OS OS TK TK RK RK", true, 9 * DAY, false, false, KEY_FAULT_NONE },
        { "OC OS TS TS RK RK", true, 9 * DAY, false, false, KEY_FAULT_NONE },
        { "OC OS TK TX RK RK", true, 9 * DAY, false, true, KEY_FAULT_NONE },
        /* the owner's own TXT, and one behind an alias of his */
        { "OK OK RK RK", false, 0, true, false, KEY_FAULT_NONE },
        { "OK OM RK RK", false, 0, false, true, KEY_FAULT_NONE },
        { "OM OM RM RM", false, 0, false, true, KEY_FAULT_GONE },
        { "OC OC TK RK", false, 0, true, false, KEY_FAULT_NONE },
        { "OC OC RK RK", false, 0, false, false, KEY_FAULT_NONE },
        { "OC OC TX RX", false, 0, false, true, KEY_FAULT_DIFFERS },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct sight_rules rules = { .delegated = cases[i].delegated,
                                           .now_s = NOW };
        struct key_silence silent[DRAWN_MAX];
        struct sight sight;
        struct drawn d;

        draw(cases[i].seen, HOUR, &d);
        for (size_t k = 0; k < d.seen.count; k++) {
            silent[k].server = d.at[k].server;
            silent[k].since_s = NOW - cases[i].silent_s;
        }
        sight_judge(&d.seen, silent, d.seen.count, &rules, &sight);
        if (sight.complete != cases[i].complete ||
            sight.contrary != cases[i].contrary ||
            sight.fault != cases[i].fault) {
            fail_msg("case %zu (%s): complete %d, contrary %d, fault %d", i,
                     cases[i].seen, sight.complete, sight.contrary,
                     (int)sight.fault);
        }
        assert_true(sight.complete == (sight.why[0] == '\0'));
        assert_int_equal(sight.wait_s, sight.contrary ? HOUR : 0);
    }
}

static void
test_sight_resolvers(void **state)
{
    const struct sight_rules rules = { .resolvers_only = true,
                                       .delegated = true,
                                       .now_s = NOW };
    struct sight sight;
    struct drawn d;

    (void)state;
    draw("OM TM RK", 0, &d); /* who was not to be asked does not count */
    sight_judge(&d.seen, NULL, 0, &rules, &sight);
    assert_true(sight.complete && !sight.contrary);
    draw("RK RM", 0x7fffffff, &d);
    sight_judge(&d.seen, NULL, 0, &rules, &sight);
    assert_true(!sight.complete && sight.contrary);
    assert_int_equal(sight.wait_s, SIGHT_WAIT_MAX_S); /* no TTL is for ever */
    draw("RM", 0, &d);
    sight_judge(&d.seen, NULL, 0, &rules, &sight);
    assert_int_equal(sight.fault, KEY_FAULT_GONE);
}

static void
test_gone(void **state)
{
    static const struct {
        const char *seen;
        bool delegated, gone;
    } cases[] = {
        { "OC TP TP RP", true, true },
        { "OC TM TP RK", true, true },
        { "OC TP TX RP", true, false },
        { "OC TP TK RP", true, false },
        { "OC TP TS RP", true, true },
        { "OM TS TB RM", true, false },
        { "", true, false },
        { "OM OM RM", false, true },
        { "OM OX RM", false, false },
        { "OP OS RM", false, true },
        { "OC OC TM RM", false, true },
        { "OC OC TX RM", false, false },
        { "OS OS RM", false, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct sight_rules rules = { .delegated = cases[i].delegated };
        struct drawn d;

        draw(cases[i].seen, 0, &d);
        if (sight_is_gone(&d.seen, &rules) != cases[i].gone) {
            fail_msg("case %zu (%s)", i, cases[i].seen);
        }
    }
    {
        const struct sight_rules rules = { .delegated = true };

        assert_false(sight_is_gone(NULL, &rules));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sight),
        cmocka_unit_test(test_sight_resolvers),
        cmocka_unit_test(test_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
