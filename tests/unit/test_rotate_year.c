/*
 * test_rotate_year - a simulated year of runs with failures at every step.
 *
 * tests/support/year.h has the world and judges after every run: no key
 * begins to sign whose condition was not shown, no domain is unsigned once a
 * key was proved, no two keys sign, no record leaves the zone too early.
 *
 * In the environment: SEALPOST_YEARS=N, N seeds instead of the usual few;
 * SEALPOST_YEAR=N, that seed alone, with every event.
 */
#include "tests/support/cmocka.h"
#include "tests/support/tempdir.h"
#include "tests/support/year.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    HOUR_S = 3600,
    DAY_S = 86400,
    YEAR_S = 365 * DAY_S
};

static char dir[64];

static int
begin(void **state)
{
    (void)state;
    tempdir_in_memory(dir, sizeof(dir));
    return 0;
}

static int
end(void **state)
{
    (void)state;
    return tempdir_erase(dir);
}

static unsigned
count_active(struct year *y, const char *domain)
{
    unsigned n = 0;

    for (size_t i = 0; i < y->name_count; i++) {
        n += strcmp(y->names[i].domain, domain) == 0 && y->names[i].was_active;
    }
    return n;
}

/* All is well: runs until nothing is left to do, then none may write. */
static void
expect_peace(struct year *y)
{
    memset(&y->faults, 0, sizeof(y->faults));
    for (size_t i = 0; i < 4; i++) {
        y->outage_until_s[i] = 0;
    }
    for (unsigned i = 0; i < 60; i++) {
        year_pass(y, DAY_S);
        (void)year_run(y, NULL);
    }
    assert_int_equal(year_run(y, NULL), ROTATE_OK);
    assert_int_equal(year_run(y, NULL), ROTATE_OK);
    assert_int_equal(y->writes, 0);
}

static void
live(struct year *y)
{
    uint64_t passed_s = 0;

    while (passed_s < YEAR_S) {
        uint64_t step_s = HOUR_S + year_random(y, 23 * HOUR_S);

        passed_s += step_s;
        year_pass(y, step_s);
        (void)year_run(y, NULL);
        if (year_random(y, 1000) < y->faults.emergency) {
            year_condemn(y, "a.example");
        }
    }
}

static void
spend(uint64_t seed, const struct year_faults *faults, struct year *y)
{
    year_begin(y, seed, dir, faults);
    year_add_delegated(y, "a.example", false);
    year_add_delegated(y, "b.example", true);
    year_add_own(y, "c.example");
    live(y);
    expect_peace(y);
    for (const char *d = "abc"; *d != '\0'; d++) {
        char domain[16];

        snprintf(domain, sizeof(domain), "%c.example", *d);
        assert_string_not_equal(year_signer(y, domain), "");
    }
}

/* --- years -------------------------------------------------------------- */

static void
test_quiet(void **state)
{
    static const struct year_faults none = { 0 };
    static struct year y;

    (void)state;
    spend(1, &none, &y);
    /* a: first, and every 90 days; b: from its own key; c: like a */
    assert_true(y.activations >= 12);
    assert_true(count_active(&y, "b.example") >= 2);
    assert_int_equal(y.stand_ins, 0);
}

static void
fresh(void)
{
    assert_int_equal(tempdir_erase(dir), 0);
    assert_int_equal(mkdir(dir, 0700), 0);
}

static void
test_bad_years(void **state)
{
    static const struct year_faults kinds[] = {
        { .silent = 3,
          .lying = 1,
          .unknown = 1,
          .publisher = 10,
          .death = 10,
          .jump = 0,
          .outage = 2,
          .emergency = 10 },
        { .silent = 1,
          .lying = 3,
          .unknown = 5,
          .publisher = 30,
          .death = 40,
          .jump = 0,
          .outage = 5,
          .emergency = 20 },
        { .silent = 2,
          .lying = 1,
          .unknown = 1,
          .publisher = 20,
          .death = 20,
          .jump = 2,
          .outage = 3,
          .emergency = 10 },
    };
    const char *years = getenv("SEALPOST_YEARS");
    const char *year = getenv("SEALPOST_YEAR");
    unsigned long count = years == NULL ? 6 : strtoul(years, NULL, 10);
    unsigned activations = 0, deaths = 0, stand_ins = 0;
    static struct year y;

    (void)state;
    if (year != NULL) {
        unsigned long seed = strtoul(year, NULL, 10);

        y.talks = true;
        spend(seed, &kinds[seed % 3], &y);
        return;
    }
    for (unsigned long seed = 1; seed <= count; seed++) {
        fresh();
        print_message("seed %lu\n", seed);
        spend(seed, &kinds[seed % 3], &y);
        activations += y.activations;
        deaths += y.deaths;
        stand_ins += y.stand_ins;
    }
    print_message("%u activations, %u deaths, %u stand-ins\n", activations,
                  deaths, stand_ins);
    assert_true(activations >= 5 * count && deaths >= 10 * count);
    assert_true(stand_ins > 0);
}

/* --- two at once -------------------------------------------------------- */

static void
test_two_runners(void **state)
{
    static const struct year_faults none = { 0 };
    static struct year y;

    (void)state;
    year_begin(&y, 7, dir, &none);
    year_add_delegated(&y, "a.example", false);
    for (unsigned day = 0; day < 40; day++) {
        pid_t other;
        int status;

        year_pass(&y, (day % 5 + 1) * HOUR_S * 4);
        other = fork();
        assert_true(other >= 0);
        if (other == 0) {
            (void)year_run(&y, NULL);
            _exit(0); /* an assertion that failed has left already */
        }
        (void)year_run(&y, NULL);
        assert_int_equal(waitpid(other, &status, 0), other);
        assert_int_equal(status, 0);
        /* What the other published is in the zone here, too. */
        (void)year_run(&y, NULL);
    }
    assert_string_not_equal(year_signer(&y, "a.example"), "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_quiet, begin, end),
        cmocka_unit_test_setup_teardown(test_bad_years, begin, end),
        cmocka_unit_test_setup_teardown(test_two_runners, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
