/*
 * test_stats - what workers count together, with processes that are killed.
 */
#include "tests/support/cmocka.h"

#include <proxy/stats/stats.h>
#include <proxy/stats/tallies.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const struct bytes alice = { (const uint8_t *)"alice", 5 };

static struct stats *
join(const struct stats *master, unsigned slot)
{
    struct stats *s = stats_join(dup(stats_fd(master)), slot, 10);

    assert_non_null(s);
    return s;
}

static void
limits_are_of_all_workers(void **state)
{
    struct stats *m = stats_new(100);
    unsigned a = stats_slot_take(m), b = stats_slot_take(m);
    struct stats *one = join(m, a), *two = join(m, b);

    (void)state;
    assert_int_not_equal(a, b);
    assert_int_equal(stats_enter(one, STATS_BY_USER, alice, 3), STATS_OK);
    assert_int_equal(stats_enter(two, STATS_BY_USER, alice, 3), STATS_OK);
    assert_int_equal(stats_enter(one, STATS_BY_USER, alice, 3), STATS_OK);
    assert_int_equal(stats_enter(two, STATS_BY_USER, alice, 3), STATS_OVER);
    assert_int_equal(stats_enter(one, STATS_BY_USER, alice, 3), STATS_OVER);
    assert_int_equal(stats_entered(m, STATS_BY_USER, alice), 3);
    /* another kind of the same name, another name */
    assert_int_equal(stats_enter(one, STATS_BY_IP, alice, 1), STATS_OK);
    assert_int_equal(stats_enter(one, STATS_BY_USER, BYTES_LIT("bob"), 1),
                     STATS_OK);
    stats_leave(two, STATS_BY_USER, alice);
    assert_int_equal(stats_enter(one, STATS_BY_USER, alice, 3), STATS_OK);
    /* who has none can't give one back */
    stats_leave(two, STATS_BY_USER, alice);
    assert_int_equal(stats_entered(one, STATS_BY_USER, alice), 3);
    stats_free(&one);
    stats_slot_release(m, a);
    assert_int_equal(stats_entered(two, STATS_BY_USER, alice), 0);
    stats_free(&two);
    stats_free(&m);
}

static void
tables_are_bounded(void **state)
{
    struct stats *s = stats_join(-1, STATS_NO_SLOT, 16);
    unsigned entered = 0;
    char name[16];

    (void)state;
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(name, sizeof(name), "n%u", i);
        if (stats_enter(s, STATS_BY_IP, bytes_str(name), 1) == STATS_OK) {
            entered++;
        }
    }
    assert_in_range(entered, 512, 1024);
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(name, sizeof(name), "n%u", i);
        stats_leave(s, STATS_BY_IP, bytes_str(name));
        assert_int_equal(stats_entered(s, STATS_BY_IP, bytes_str(name)), 0);
    }
    assert_int_equal(stats_enter(s, STATS_BY_IP, alice, 1), STATS_OK);
    stats_free(&s);
}

/* Of all workers, each kind for itself, until its time is over. */
static void
tallies_are_of_all_workers(void **state)
{
    struct stats *m = stats_new(10);
    struct stats *one = join(m, stats_slot_take(m));
    struct stats *two = join(m, stats_slot_take(m));

    (void)state;
    assert_int_equal(stats_tally(one, STATS_FAILED_USER, alice, 5), 0);
    stats_tally_add(one, STATS_FAILED_USER, alice, 100, 5);
    stats_tally_add(two, STATS_FAILED_USER, alice, 100, 50);
    assert_int_equal(stats_tally(one, STATS_FAILED_USER, alice, 149), 2);
    assert_int_equal(stats_tally(two, STATS_FAILED_USER, alice, 149), 2);
    assert_int_equal(stats_tally(one, STATS_FAILED_USER, alice, 150), 0);
    assert_int_equal(stats_tally(one, STATS_FAILED_PAIR, alice, 50), 0);
    assert_int_equal(stats_tally(one, STATS_FAILED_USER, BYTES_LIT("alic"), 50),
                     0);
    stats_tally_add(one, STATS_FAILED_USER, alice, 100, 150); /* begins anew */
    assert_int_equal(stats_tally(two, STATS_FAILED_USER, alice, 150), 1);
    stats_tally_end(two, STATS_FAILED_USER, alice);
    assert_int_equal(stats_tally(one, STATS_FAILED_USER, alice, 150), 0);
    for (unsigned i = 0; i < (1u << 20) + 5; i++) {
        stats_tally_add(one, STATS_FAILED_USER, alice, 100, 150);
    }
    assert_int_equal(stats_tally(one, STATS_FAILED_USER, alice, 249),
                     (1u << 20) - 1); /* and its time is as it was */
    assert_int_equal(stats_tally(one, STATS_FAILED_USER, alice, 250), 0);
    stats_free(&one);
    stats_free(&two);
    stats_free(&m);
}

/* Who adds at once loses nothing. */
static void
tallies_of_many_at_once(void **state)
{
    enum {
        WORKERS = 4,
        TIMES = 20000
    };
    struct stats *m = stats_new(10);

    (void)state;
    stats_tally_add(m, STATS_FAILED_USER, alice, 1000, 5);
    for (unsigned i = 0; i < WORKERS; i++) {
        if (fork() == 0) {
            struct stats *s = stats_join(dup(stats_fd(m)), i + 1, 10);

            for (unsigned k = 0; k < TIMES; k++) {
                stats_tally_add(s, STATS_FAILED_USER, alice, 1000, 5);
            }
            _exit(0);
        }
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        (void)wait(NULL);
    }
    assert_int_equal(stats_tally(m, STATS_FAILED_USER, alice, 5),
                     WORKERS * TIMES + 1);
    stats_free(&m);
}

/* As many tokens as there are, however the time is cut. */
static void
buckets_fill_with_time(void **state)
{
    struct stats *m = stats_new(10);
    unsigned slot = stats_slot_take(m), wait = 0;
    struct stats *one = join(m, slot);

    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        assert_true(stats_take(i % 2 == 0 ? one : m, STATS_BUCKET_MESSAGES,
                               alice, 1, 10, 100, 5000, &wait));
    }
    assert_false(
        stats_take(one, STATS_BUCKET_MESSAGES, alice, 1, 10, 100, 5000, &wait));
    assert_int_equal(wait, 10);
    assert_true(stats_take(one, STATS_BUCKET_RECIPIENTS, alice, 4, 10, 100,
                           5000, &wait));
    assert_true(stats_take(one, STATS_BUCKET_MESSAGES, BYTES_LIT("bob"), 1, 10,
                           100, 5000, &wait));
    assert_false(stats_take(one, STATS_BUCKET_MESSAGES, alice, 1, 10, 100,
                            14999, &wait));
    assert_int_equal(wait, 1);
    assert_true(stats_take(one, STATS_BUCKET_MESSAGES, alice, 1, 10, 100, 15000,
                           &wait));
    assert_false(stats_take(one, STATS_BUCKET_MESSAGES, alice, 3, 10, 100,
                            44999, &wait));
    assert_true(stats_take(one, STATS_BUCKET_MESSAGES, alice, 3, 10, 100, 45000,
                           &wait));
    /* a long time fills it once, not twice */
    assert_true(stats_take(one, STATS_BUCKET_MESSAGES, alice, 10, 10, 100,
                           9000000, &wait));
    assert_false(stats_take(one, STATS_BUCKET_MESSAGES, alice, 1, 10, 100,
                            9000000, &wait));
    stats_free(&one);
    stats_free(&m);
}

/* The table full of others' buckets: a user's limit may be forgotten, it is
 * never made smaller. */
static void
buckets_give_way(void **state)
{
    struct stats *s = stats_join(-1, STATS_NO_SLOT, 16);
    unsigned wait = 0;
    char name[16];

    (void)state;
    for (unsigned i = 0; i < 50000; i++) {
        snprintf(name, sizeof(name), "n%u", i);
        assert_true(stats_take(s, STATS_BUCKET_HANDSHAKES, bytes_str(name), 1,
                               1, 100, 1000, &wait));
    }
    stats_free(&s);
}

static void
rows_are_merged(void **state)
{
    struct stats *m = stats_new(10);
    unsigned a = stats_slot_take(m), b = stats_slot_take(m);
    struct stats *one = join(m, a), *two = join(m, b), *reader;
    struct stats_row rows[600];

    (void)state;
    stats_note(one, STATS_ROW_USER, alice, STATS_ROW_DELIVERED, 2, 100);
    stats_note(two, STATS_ROW_USER, alice, STATS_ROW_DELIVERED, 3, 101);
    stats_note(two, STATS_ROW_USER, BYTES_LIT("bob"), STATS_ROW_OCTETS, 7, 50);
    stats_count(one, STATS_DELIVERED, 2);
    stats_count(two, STATS_DELIVERED, 3);
    stats_set(one, STATS_SESSIONS, 4);
    stats_set(two, STATS_SESSIONS, 1);
    stats_set(one, STATS_KEYS, 9);
    stats_set(two, STATS_KEYS, 9);
    reader = stats_open(stats_read_fd(m));
    assert_non_null(reader);
    assert_int_equal(stats_rows(reader, STATS_ROW_USER, rows, 600), 2);
    assert_string_equal(rows[0].name, "alice");
    assert_int_equal(rows[0].values[STATS_ROW_DELIVERED], 5);
    assert_int_equal(rows[0].last_s, 101);
    assert_int_equal(stats_counter(reader, STATS_DELIVERED), 5);
    assert_int_equal(stats_gauge(reader, STATS_SESSIONS), 5);
    assert_int_equal(stats_gauge(reader, STATS_KEYS), 9);
    assert_int_equal(stats_workers(reader), 2);
    /* what has ended is kept, what it had open is not */
    stats_free(&one);
    stats_slot_release(m, a);
    assert_int_equal(stats_counter(reader, STATS_DELIVERED), 5);
    assert_int_equal(stats_gauge(reader, STATS_SESSIONS), 1);
    assert_int_equal(stats_rows(reader, STATS_ROW_USER, rows, 600), 2);
    assert_int_equal(rows[0].values[STATS_ROW_DELIVERED], 5);
    /* also when the one that was seen last ends first */
    a = stats_slot_take(m);
    one = join(m, a);
    stats_note(one, STATS_ROW_USER, alice, STATS_ROW_OCTETS, 1, 99);
    stats_free(&one);
    stats_free(&two);
    stats_slot_release(m, b);
    stats_slot_release(m, a);
    (void)stats_rows(reader, STATS_ROW_USER, rows, 600);
    assert_int_equal(rows[0].last_s, 101);
    stats_free(&reader);
    stats_free(&m);
}

/* Long names are cut. */
static void
rows_are_bounded(void **state)
{
    struct stats *m = stats_new(10);
    struct stats *one = join(m, stats_slot_take(m));
    struct stats *reader = stats_open(stats_read_fd(m));
    struct stats_row rows[600];
    char name[80];

    (void)state;
    assert_non_null(reader);
    for (unsigned i = 0; i < 3000; i++) {
        snprintf(name, sizeof(name), "%070u", i);
        stats_note(one, STATS_ROW_DOMAIN, bytes_str(name), STATS_ROW_DELIVERED,
                   1, 200 + i);
    }
    assert_int_equal(stats_rows(reader, STATS_ROW_DOMAIN, rows, 600), 1);
    for (unsigned i = 0; i < 3000; i++) {
        snprintf(name, sizeof(name), "d%u", i);
        stats_note(one, STATS_ROW_UPSTREAM, bytes_str(name),
                   STATS_ROW_DELIVERED, 1, 200 + i);
    }
    assert_in_range(stats_rows(reader, STATS_ROW_UPSTREAM, rows, 600), 200,
                    256);
    stats_free(&reader);
    stats_free(&one);
    stats_free(&m);
}

/* Four processes that want one name all the time: never more than max have
 * it, and who is killed gives it back. */
static void
contend(struct stats *s, int out)
{
    for (unsigned n = 0;; n++) {
        unsigned wait;

        if (stats_enter(s, STATS_BY_IP, alice, 3) == STATS_OK) {
            if (stats_entered(s, STATS_BY_IP, alice) > 3 + 3) {
                _exit(1); /* 3 have it, 3 others look */
            }
            stats_leave(s, STATS_BY_IP, alice);
        }
        if (stats_take(s, STATS_BUCKET_MESSAGES, alice, 1, 1000, 1000000, 5,
                       &wait)) {
            (void)!write(out, "x", 1);
        }
        stats_note(s, STATS_ROW_USER, alice, STATS_ROW_DELIVERED, 1, 5);
    }
}

static void
killed_workers(void **state)
{
    const struct timespec pause = { 0, 200 * 1000 * 1000 };
    struct stats *m = stats_new(10);
    unsigned slots[4];
    pid_t pids[4];
    char taken[4096];
    int pipes[2];
    ssize_t n;

    (void)state;
    assert_int_equal(pipe(pipes), 0);
    for (int i = 0; i < 4; i++) {
        slots[i] = stats_slot_take(m);
        pids[i] = fork();
        if (pids[i] == 0) {
            contend(stats_join(dup(stats_fd(m)), slots[i], 10), pipes[1]);
        }
    }
    nanosleep(&pause, NULL);
    for (int i = 0; i < 4; i++) {
        int status;

        kill(pids[i], SIGKILL);
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(WIFSIGNALED(status));
        stats_slot_release(m, slots[i]);
    }
    assert_int_equal(stats_entered(m, STATS_BY_IP, alice), 0);
    n = read(pipes[0], taken, sizeof(taken));
    assert_in_range(n, 996, 1000); /* who was killed may not have told */
    close(pipes[0]);
    close(pipes[1]);
    stats_free(&m);
}

static void
what_is_no_region(void **state)
{
    FILE *f = tmpfile();
    struct stats *m = stats_new(10);
    int fd = stats_read_fd(m);

    (void)state;
    assert_null(stats_open(dup(fileno(f))));
    assert_int_equal(ftruncate(fileno(f), 1 << 22), 0);
    assert_null(stats_open(dup(fileno(f))));
    assert_null(stats_join(fd, 1, 10)); /* may be read only */
    /* all slots are taken: a worker counts alone */
    while (stats_slot_take(m) != STATS_NO_SLOT) {
    }
    assert_int_equal(stats_slot_take(m), STATS_NO_SLOT);
    stats_slot_release(m, 5);
    assert_int_equal(stats_slot_take(m), 5);
    stats_slot_release(m, STATS_NO_SLOT);
    for (unsigned i = 0; i < STATS_COUNTERS; i++) {
        assert_non_null(stats_counter_name((enum stats_counter)i));
    }
    for (unsigned i = 0; i < STATS_GAUGES; i++) {
        assert_non_null(stats_gauge_name((enum stats_gauge)i));
    }
    stats_free(&m);
    fclose(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_are_of_all_workers),
        cmocka_unit_test(tables_are_bounded),
        cmocka_unit_test(tallies_are_of_all_workers),
        cmocka_unit_test(tallies_of_many_at_once),
        cmocka_unit_test(buckets_fill_with_time),
        cmocka_unit_test(buckets_give_way),
        cmocka_unit_test(rows_are_merged),
        cmocka_unit_test(rows_are_bounded),
        cmocka_unit_test(killed_workers),
        cmocka_unit_test(what_is_no_region),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
