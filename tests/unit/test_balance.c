/*
 * test_balance - which address is tried next, over time that is an argument.
 */
#include "proxy/upstream/balance.h"
#include "tests/support/cmocka.h"

#include <string.h>

static const struct balance_conf conf = {
    .fail_timeout_ms = 1000, .slow_start_ms = 10000, .rise = 2, .fall = 3
};

/* The first one of the order, and its turn is over. */
static size_t
next(struct balance_target *t, size_t count, uint64_t now_ms)
{
    size_t order[8];
    unsigned seen = 0;

    balance_order(t, count, &conf, now_ms, order);
    for (size_t i = 0; i < count; i++) {
        assert_in_range(order[i], 0, count - 1);
        assert_false(seen & 1u << order[i]); /* each once */
        seen |= 1u << order[i];
    }
    balance_chosen(t, count, &conf, now_ms, order[0]);
    return order[0];
}

/* How often each is the first one of n turns. */
static void
turns(struct balance_target *t, size_t count, uint64_t now_ms, unsigned n,
      unsigned *times)
{
    memset(times, 0, count * sizeof(*times));
    while (n-- > 0) {
        times[next(t, count, now_ms)]++;
    }
}

static void
test_weights(void **state)
{
    struct balance_target t[4] = {
        { .weight = 5 }, { .weight = 1 }, { .weight = 1 }, { .weight = 0 }
    };
    static const size_t smooth[] = { 0, 0, 1, 0, 2, 0, 0 };
    unsigned times[4];

    (void)state;
    for (size_t i = 0; i < 7; i++) { /* no five in a row */
        assert_int_equal(next(t, 4, 1), smooth[i]);
    }
    turns(t, 4, 1, 700, times);
    assert_int_equal(times[0], 500);
    assert_int_equal(times[1], 100);
    assert_int_equal(times[2], 100);
    assert_int_equal(times[3], 0);
}

static void
test_order_without_weights(void **state)
{
    struct balance_target t[3] = { { 0 } };
    size_t order[3];

    (void)state;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(next(t, 3, 1), 0);
    }
    assert_true(balance_failed(&t[0], &conf, 100));
    assert_true(balance_failed(&t[1], &conf, 50));
    balance_order(t, 3, &conf, 200, order);
    assert_int_equal(order[0], 2);
    assert_int_equal(order[1], 1); /* back first */
    assert_int_equal(order[2], 0);
    assert_int_equal(next(t, 3, 1050), 1);
    assert_int_equal(next(t, 3, 1100), 0);
}

static void
test_standby(void **state)
{
    struct balance_target t[3] = { { 0 }, { .weight = 2 }, { .weight = 1 } };
    unsigned times[3];

    (void)state;
    balance_failed(&t[1], &conf, 10);
    turns(t, 3, 20, 9, times);
    assert_int_equal(times[2], 9);
    balance_failed(&t[2], &conf, 10);
    assert_int_equal(next(t, 3, 20), 0);
}

static void
test_back_off_doubles(void **state)
{
    struct balance_target t = { .weight = 1 };
    uint64_t now = 5;
    uint64_t away = conf.fail_timeout_ms;

    (void)state;
    for (int i = 0; i < 40; i++) {
        assert_int_equal(balance_failed(&t, &conf, now), i == 0);
        assert_true(balance_is_down(&t, now + away - 1));
        assert_false(balance_is_down(&t, now + away));
        away = away * 2 > BALANCE_BACK_OFF_MAX_MS ? BALANCE_BACK_OFF_MAX_MS
                                                  : away * 2;
    }
    assert_true(balance_good(&t, now));
    assert_false(balance_is_down(&t, now));
    assert_false(balance_good(&t, now));
    assert_true(balance_failed(&t, &conf, now));
    assert_false(balance_is_down(&t, now + conf.fail_timeout_ms));
}

static void
test_slow_start(void **state)
{
    struct balance_target t[2] = { { .weight = 10 }, { .weight = 10 } };
    unsigned times[2];

    (void)state;
    balance_failed(&t[0], &conf, 100);
    balance_good(&t[0], 1000);
    turns(t, 2, 1000, 110, times);
    assert_int_equal(times[0], 10); /* a tenth of the other's */
    turns(t, 2, 6000, 150, times);
    assert_in_range(times[0], 49, 51); /* a half */
    turns(t, 2, 11000, 100, times);
    assert_in_range(times[0], 49, 51); /* as many */
}

static void
test_checks(void **state)
{
    struct balance_target t = { .weight = 1 };

    (void)state;
    assert_false(balance_checked(&t, &conf, false, 1));
    assert_false(balance_checked(&t, &conf, false, 2));
    assert_false(balance_checked(&t, &conf, true, 3)); /* begins again */
    assert_false(balance_checked(&t, &conf, false, 4));
    assert_false(balance_checked(&t, &conf, false, 5));
    assert_false(balance_is_down(&t, 5));
    assert_true(balance_checked(&t, &conf, false, 6));
    assert_true(balance_is_down(&t, UINT64_MAX));
    assert_false(balance_checked(&t, &conf, false, 7));
    assert_false(balance_checked(&t, &conf, true, 8));
    assert_false(balance_checked(&t, &conf, false, 9));
    assert_false(balance_checked(&t, &conf, true, 10));
    assert_true(balance_checked(&t, &conf, true, 11));
    assert_false(balance_is_down(&t, 11));
    assert_false(balance_checked(&t, &conf, true, 12));
    /* What mail found out, checks may take back early. */
    balance_failed(&t, &conf, 20);
    assert_false(balance_checked(&t, &conf, true, 21));
    assert_true(balance_checked(&t, &conf, true, 22));
    assert_false(balance_is_down(&t, 22));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_order_without_weights),
        cmocka_unit_test(test_standby),
        cmocka_unit_test(test_back_off_doubles),
        cmocka_unit_test(test_slow_start),
        cmocka_unit_test(test_checks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
