/*
 * test_rate - token buckets, with time as an argument.
 */
#include "tests/support/cmocka.h"

#include <proxy/rate.h>
#include <stdio.h>

static unsigned
taken(struct rate *r, const char *user, unsigned count, unsigned per_s,
      uint64_t now_ms)
{
    unsigned n = 0, wait_s = 0;

    while (n < 10000 && rate_take(r, user, count, per_s, now_ms, &wait_s)) {
        n++;
    }
    assert_true(n == 10000 || wait_s > 0);
    return n;
}

static void
test_fills_evenly(void **state)
{
    struct rate *r = rate_new(1);

    (void)state;
    assert_int_equal(taken(r, "a", 500, 3600, 1000), 500);
    assert_int_equal(taken(r, "a", 500, 3600, 1000), 0);
    assert_int_equal(taken(r, "b", 500, 3600, 1000), 500);
    assert_int_equal(taken(r, "a", 500, 3600, 1000 + 7199), 0);
    assert_int_equal(taken(r, "a", 500, 3600, 1000 + 7200), 1);
    assert_int_equal(taken(r, "a", 500, 3600, 1000 + 3600000), 499);
    assert_int_equal(taken(r, "a", 500, 3600, UINT64_C(1) << 40), 500);
    rate_free(&r);
    assert_null(r);
}

static void
test_wait(void **state)
{
    struct rate *r = rate_new(1);
    unsigned wait_s = 0;

    (void)state;
    assert_true(rate_take(r, "a", 1, 60, 5000, &wait_s));
    assert_false(rate_take(r, "a", 1, 60, 15000, &wait_s));
    assert_int_equal(wait_s, 50);
    assert_true(rate_take(r, "a", 1, 60, 65000, &wait_s));
    rate_free(&r);
}

static void
test_shares(void **state)
{
    struct rate *r = rate_new(4);

    (void)state;
    assert_int_equal(taken(r, "a", 10, 60, 0), 3);
    assert_int_equal(taken(r, "one", 1, 60, 0), 1);
    rate_free(&r);
}

static void
test_many_users(void **state)
{
    struct rate *r = rate_new(1);
    char user[32];

    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 20000; i++) {
            snprintf(user, sizeof(user), "user%u", i);
            assert_int_equal(taken(r, user, 2, 10, round * 100000), 2);
        }
    }
    rate_free(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fills_evenly),
        cmocka_unit_test(test_wait),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_many_users),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
