/*
 * test_failures - who waits and who is shut out, with the time as a number.
 */
#include "tests/support/cmocka.h"

#include <proxy/failures.h>
#include <proxy/stats/tallies.h>
#include <stdio.h>

static const struct limits_conf conf = { .auth_delay_s = 1,
                                         .auth_lock_after = 5,
                                         .auth_lock_s = 600 };
enum {
    LOCK_MS = 600 * 1000
};

static struct stats *stats;

static struct failures *
begin(const struct limits_conf *limits)
{
    stats = stats_join(-1, STATS_NO_SLOT, 16);
    assert_non_null(stats);
    return failures_new(limits, stats);
}

static void
end(struct failures **f)
{
    failures_free(f);
    stats_free(&stats);
}

static union net_address
address(const char *text)
{
    union net_address a = { .any = { .sa_family = AF_UNSPEC } };

    assert_true(net_address_parse(strchr(text, ':') ? AF_INET6 : AF_INET,
                                  bytes_str(text), 25, &a));
    return a;
}

static void
fail_often(struct failures *f, const char *from, const char *user, unsigned n,
           uint64_t now_ms)
{
    union net_address a = address(from);

    for (unsigned i = 0; i < n; i++) {
        failures_add(f, &(struct failures_who){ &a, user }, now_ms);
    }
}

static bool
locked(const struct failures *f, const char *from, const char *user,
       uint64_t now_ms)
{
    union net_address a = address(from);

    return failures_locked(f, &(struct failures_who){ &a, user }, now_ms);
}

static unsigned
delay(const struct failures *f, const char *from, const char *user,
      uint64_t now_ms)
{
    union net_address a = address(from);

    return failures_delay_ms(f, &(struct failures_who){ &a, user }, now_ms);
}

static void
delays_double(void **state)
{
    static const unsigned want[] = {
        1000, 1000, 2000, 4000, 8000, 15000, 15000
    };
    struct failures *f = begin(&conf);

    (void)state;
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        assert_int_equal(delay(f, "192.0.2.1", "alice", 5), want[i]);
        fail_often(f, "192.0.2.1", "alice", 1, 5);
    }
    for (int i = 0; i < 100; i++) {
        fail_often(f, "192.0.2.1", "alice", 1, 5);
    }
    assert_int_equal(delay(f, "192.0.2.1", "x", 5), 15000);     /* by address */
    assert_int_equal(delay(f, "192.0.2.2", "alice", 5), 15000); /* by user */
    assert_int_equal(delay(f, "192.0.2.2", "bob", 5), 1000);
    assert_int_equal(delay(f, "192.0.2.1", "x", 5 + LOCK_MS), 1000);
    end(&f);
    assert_null(f);
}

static void
locks_come_and_go(void **state)
{
    struct failures *f = begin(&conf);

    (void)state;
    fail_often(f, "192.0.2.1", "alice", 4, 5);
    assert_false(locked(f, "192.0.2.1", "alice", 5));
    fail_often(f, "192.0.2.1", "alice", 1, 10);
    assert_true(locked(f, "192.0.2.1", "alice", 10));
    assert_true(locked(f, "192.0.2.1", "bob", 10)); /* the address */
    assert_true(locked(f, "::ffff:192.0.2.1", "bob", 10));
    assert_true(locked(f, "2001:db8::1", "alice", 10)); /* the user */
    assert_false(locked(f, "192.0.2.2", "bob", 10));
    assert_true(locked(f, "192.0.2.1", "alice", 9 + LOCK_MS));
    assert_false(locked(f, "192.0.2.1", "alice", 10 + LOCK_MS));
    end(&f);
}

/* One subscriber has a /64 of IPv6. */
static void
networks_of_ipv6(void **state)
{
    struct failures *f = begin(&conf);

    (void)state;
    fail_often(f, "2001:db8:0:1::1", "", 5, 5);
    assert_true(locked(f, "2001:db8:0:1:ffff::", "", 5));
    assert_false(locked(f, "2001:db8:0:2::1", "", 5));
    end(&f);
}

/* Nobody can lock her out where she usually is. */
static void
known_addresses_are_spared(void **state)
{
    struct failures *f = begin(&conf);
    union net_address home = address("198.51.100.7");
    struct failures_who alice = { &home, "alice" };

    (void)state;
    failures_forget(f, &alice, 5); /* she logged in */
    fail_often(f, "192.0.2.1", "alice", 5, 10);
    assert_false(locked(f, "198.51.100.7", "alice", 10));
    assert_int_equal(delay(f, "198.51.100.7", "alice", 10), 1000);
    assert_true(locked(f, "198.51.100.8", "alice", 10));
    assert_false(locked(f, "198.51.100.7", "bob", 10));
    /* But her own failures count. */
    fail_often(f, "198.51.100.7", "alice", 5, 10);
    assert_true(locked(f, "198.51.100.7", "alice", 10));
    failures_forget(f, &alice, 10);
    assert_false(locked(f, "198.51.100.8", "alice", 10));
    /* A day later the address is anybody's. */
    fail_often(f, "192.0.2.1", "alice", 5, 10 + FAILURES_KNOWN_MS);
    assert_true(locked(f, "198.51.100.7", "alice", 10 + FAILURES_KNOWN_MS));
    end(&f);
}

/* One telephone with an old password behind the office's address. */
static void
an_office_goes_on(void **state)
{
    struct failures *f = begin(&conf);
    union net_address office = address("198.51.100.7");

    (void)state;
    failures_forget(f, &(struct failures_who){ &office, "alice" }, 5);
    fail_often(f, "198.51.100.7", "phone", 5, 10);
    assert_true(locked(f, "198.51.100.7", "phone", 10));
    assert_false(locked(f, "198.51.100.7", "alice", 10));
    assert_int_equal(delay(f, "198.51.100.7", "alice", 10), 1000);
    /* Her login does not open the address for guessing. */
    failures_forget(f, &(struct failures_who){ &office, "alice" }, 10);
    assert_true(locked(f, "198.51.100.7", "bob", 10));
    end(&f);
}

static void
what_is_not_counted(void **state)
{
    static const struct limits_conf off = { .auth_lock_s = 600 };
    struct failures *f = begin(&conf);
    struct failures_who nobody = { NULL, "" };
    union net_address unix_socket = { .any = { .sa_family = AF_UNIX } };

    (void)state;
    for (int i = 0; i < 10; i++) {
        failures_add(f, &nobody, 5);
    }
    assert_false(failures_locked(f, &nobody, 5));
    assert_false(
        failures_locked(f, &(struct failures_who){ &unix_socket, "a" }, 5));
    assert_int_equal(failures_delay_ms(f, &nobody, 5), 1000);
    end(&f);
    f = begin(&off);
    fail_often(f, "192.0.2.1", "alice", 1000, 5);
    assert_false(locked(f, "192.0.2.1", "alice", 5));
    assert_int_equal(delay(f, "192.0.2.1", "alice", 5), 0);
    end(&f);
    assert_false(locked(NULL, "192.0.2.1", "alice", 5));
    assert_int_equal(delay(NULL, "192.0.2.1", "alice", 5), 0);
    fail_often(NULL, "192.0.2.1", "alice", 1, 5);
}

/* A flood of names and addresses throws nothing out that counts much. */
static void
a_flood_does_not_unlock(void **state)
{
    struct failures *f = begin(&conf);
    char from[64], user[64];

    (void)state;
    fail_often(f, "192.0.2.1", "alice", 5, 5);
    for (unsigned i = 0; i < 4 * STATS_TALLIES_MAX; i++) {
        (void)snprintf(from, sizeof(from), "10.%u.%u.%u", i >> 16, i >> 8 & 255,
                       i & 255);
        (void)snprintf(user, sizeof(user), "user%u", i);
        fail_often(f, from, user, 1, 6);
    }
    assert_true(locked(f, "192.0.2.1", "bob", 6));
    assert_true(locked(f, "192.0.2.2", "alice", 6));
    end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delays_double),
        cmocka_unit_test(locks_come_and_go),
        cmocka_unit_test(networks_of_ipv6),
        cmocka_unit_test(known_addresses_are_spared),
        cmocka_unit_test(an_office_goes_on),
        cmocka_unit_test(what_is_not_counted),
        cmocka_unit_test(a_flood_does_not_unlock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
