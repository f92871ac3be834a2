/*
 * test_limits - how slowly content may come.
 */
#include "tests/support/cmocka.h"

#include <proxy/limits.h>
#include <proxy/stats/stats.h>

/* How long a client lasts that sends so many octets each so many ms. */
static uint64_t
lasts(const struct limits_pace *pace, size_t octets, uint64_t each_ms)
{
    uint64_t patience = pace->most_ms, t = 0;

    while (patience >= each_ms && t < 1000000) {
        t += each_ms;
        patience = limits_patience(pace, patience, each_ms, octets);
    }
    return t;
}

static void
slow_clients(void **state)
{
    const struct limits_pace pace = { 180000, 500 };
    const struct limits_pace off = { 180000, 0 };

    (void)state;
    /* an octet a second: cut when what it may be silent is used up */
    assert_in_range(lasts(&pace, 1, 1000), 179000, 181000);
    assert_in_range(lasts(&pace, 250, 1000), 358000, 362000);
    assert_int_equal(lasts(&pace, 500, 1000), 1000000);
    assert_int_equal(lasts(&pace, 100000, 180000), 1080000);
    assert_int_equal(lasts(&pace, 1, 180001), 0);
    assert_int_equal(lasts(&off, 1, 100000), 1000000);
}

static void
borders(void **state)
{
    const struct limits_pace pace = { 10000, 500 };

    (void)state;
    assert_int_equal(limits_patience(&pace, 10000, 0, 1000000), 10000);
    assert_int_equal(limits_patience(&pace, 10000, 4000, 500), 7000);
    assert_int_equal(limits_patience(&pace, 10000, 10000, 0), 1);
    assert_int_equal(limits_patience(&pace, 10000, 20000, 0), 1);
    assert_int_equal(limits_patience(&pace, 1, 20000, 500), 1000);
}

/* It ends below the share at which it began, however small that is. */
static void
stress_ends(void **state)
{
    static const struct {
        unsigned stress, begins, ends;
    } cases[] = {
        { 90, 91, 80 }, { 50, 51, 40 }, { 20, 21, 10 },
        { 15, 16, 7 },  { 5, 6, 2 },    { 1, 2, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct conf conf = { .limits = { .connections = 100,
                                         .stress = cases[i].stress } };
        struct worker w = { .conf = &conf,
                            .stats = stats_join(-1, STATS_NO_SLOT, 100) };
        unsigned n = 0;

        assert_non_null(w.stats);
        while (!w.stressed) {
            assert_null(limits_connected(&w));
            n++;
        }
        assert_int_equal(n, cases[i].begins);
        while (w.stressed && n > 0) {
            limits_disconnected(&w);
            n--;
        }
        assert_int_equal(n, cases[i].ends);
        assert_false(w.stressed);
        stats_free(&w.stats);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slow_clients),
        cmocka_unit_test(borders),
        cmocka_unit_test(stress_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
