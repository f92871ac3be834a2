/*
 * test_keeper_queue - turns, limits and patience, with a clock of our own.
 */
#include "tests/support/cmocka.h"

#include <proxy/keeper/queue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    US = 1000,
    MS = 1000 * 1000,
    JOBS = 4000
};

static struct queue *queue;
static struct queue_key light, other, heavy;
static struct queue_job jobs[JOBS];
static size_t used;

static int
set_up(void **state)
{
    (void)state;
    used = 0;
    queue_key_init(&light, false, 50 * US);
    queue_key_init(&other, false, 50 * US);
    queue_key_init(&heavy, true, 4 * MS);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    queue_free(&queue);
    assert_null(queue);
    return 0;
}

static struct queue_job *
job(void)
{
    assert_true(used < JOBS);
    return &jobs[used++];
}

static void
put(struct queue_key *key, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        assert_true(queue_put(queue, key, job()));
    }
}

static void
put_checks(unsigned count, uint64_t now_ms)
{
    for (unsigned i = 0; i < count; i++) {
        assert_true(queue_put_check(queue, job(), now_ms));
    }
}

/* 'l', 'o', 'h', 'c' for a check, '-' for none. The jobs stay running. */
static char
name_of(const struct queue_job *j)
{
    if (j == NULL) {
        return '-';
    }
    return j->key == &light   ? 'l'
           : j->key == &other ? 'o'
           : j->key == &heavy ? 'h'
                              : 'c';
}

static void
assert_takes(const char *want, uint64_t now_ms)
{
    char got[64] = "";

    for (size_t i = 0; i < strlen(want); i++) {
        got[i] = name_of(queue_take(queue, now_ms));
        got[i + 1] = '\0';
    }
    assert_string_equal(got, want);
}

/* One thread: takes a job and does it at its key's cost. */
static char
serve(uint64_t light_ns, uint64_t heavy_ns)
{
    struct queue_job *j = queue_take(queue, 0);
    char name = name_of(j);

    if (j != NULL) {
        queue_done(queue, j, j->key == &heavy ? heavy_ns : light_ns);
    }
    return name;
}

static void
order_within_a_key_stays(void **state)
{
    (void)state;
    queue = queue_new(4);
    put(&light, 3);
    assert_ptr_equal(queue_take(queue, 0), &jobs[0]);
    assert_ptr_equal(queue_take(queue, 0), &jobs[1]);
    assert_ptr_equal(queue_take(queue, 0), &jobs[2]);
    assert_null(queue_take(queue, 0));
}

static void
equal_keys_take_turns(void **state)
{
    (void)state;
    queue = queue_new(8);
    put(&light, 3);
    put(&other, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(queue_ready(queue));
        assert_int_equal(light.waiting, other.waiting);
        assert_non_null(queue_take(queue, 0));
        assert_non_null(queue_take(queue, 0));
    }
    assert_false(queue_ready(queue));
    assert_takes("-", 0);
}

/* Both always have work: equal time, so 80 light ones for one heavy. */
static void
time_is_shared_not_turns(void **state)
{
    unsigned l = 0, h = 0;

    (void)state;
    queue = queue_new(2);
    put(&heavy, 20);
    for (unsigned i = 0; i < 20; i++) {
        put(&light, 80);
        for (unsigned k = 0; k < 81; k++) {
            char name = serve(50 * US, 4 * MS);

            l += name == 'l';
            h += name == 'h';
        }
    }
    assert_in_range(h, 18, 20);
    assert_in_range(l, 1580, 1602);
}

/* A heavy user's queue does not hold up one who comes later. */
static void
newcomer_is_served_at_once(void **state)
{
    (void)state;
    queue = queue_new(2);
    put(&heavy, 100);
    assert_int_equal(serve(50 * US, 4 * MS), 'h');
    put(&light, 1);
    assert_int_equal(serve(50 * US, 4 * MS), 'l');
}

/* Being idle for long gives no credit. */
static void
idle_time_is_not_saved(void **state)
{
    char turns[41] = "";

    (void)state;
    queue = queue_new(2);
    put(&light, 500);
    for (unsigned i = 0; i < 400; i++) {
        assert_int_equal(serve(50 * US, 0), 'l');
    }
    put(&other, 20);
    for (unsigned i = 0; i < 40; i++) {
        turns[i] = serve(50 * US, 0);
    }
    assert_null(strstr(turns, "ooo"));
    assert_null(strstr(turns, "lll"));
}

/* Its estimate is charged when it is taken: a second thread goes elsewhere. */
static void
charge_comes_before_the_end(void **state)
{
    struct queue_job *first;

    (void)state;
    queue = queue_new(4);
    put(&light, 2);
    put(&other, 1);
    first = queue_take(queue, 0);
    assert_int_equal(name_of(first), 'l');
    assert_int_equal(name_of(queue_take(queue, 0)), 'o');
    /* and the truth replaces the estimate */
    queue_done(queue, first, 1 * US);
    assert_int_equal(light.estimate_ns, 1 * US);
    assert_int_equal(light.clock_ns, 1 * US);
}

static void
slow_keys_leave_a_thread(void **state)
{
    struct queue_job *slow;

    (void)state;
    queue = queue_new(4);
    put(&heavy, 5);
    slow = queue_take(queue, 0);
    assert_takes("hh-", 0);
    assert_false(queue_ready(queue));
    put(&light, 1);
    assert_true(queue_ready(queue));
    assert_takes("l-", 0);
    queue_done(queue, slow, 4 * MS);
    assert_true(queue_ready(queue));
    assert_takes("h-", 0);
}

static void
two_threads_are_the_least(void **state)
{
    (void)state;
    queue = queue_new(1);
    put(&heavy, 2);
    put_checks(1, 0);
    assert_takes("h--", 0);
}

static void
checks_take_half_the_threads(void **state)
{
    struct queue_job *check;

    (void)state;
    queue = queue_new(6);
    put_checks(10, 0);
    check = queue_take(queue, 0);
    assert_takes("cc-", 0);
    assert_false(queue_ready(queue));
    queue_done(queue, check, 18 * MS);
    assert_takes("c-", 0);
}

/* Checks and slow keys together: all threads but one. */
static void
heavy_work_leaves_a_thread(void **state)
{
    (void)state;
    queue = queue_new(4);
    put(&heavy, 5);
    put_checks(5, 0);
    assert_takes("hhh-", 0);
    put(&light, 1);
    assert_takes("l-", 10000);
}

static void
signatures_go_before_checks(void **state)
{
    (void)state;
    queue = queue_new(4);
    put_checks(2, 0);
    put(&light, 2);
    assert_takes("llcc", QUEUE_CHECK_PATIENCE_MS - 1);
}

static void
patience_ends(void **state)
{
    (void)state;
    queue = queue_new(4);
    put_checks(1, 100);
    put(&light, 2);
    assert_takes("l", 100 + QUEUE_CHECK_PATIENCE_MS - 1);
    assert_takes("cl", 100 + QUEUE_CHECK_PATIENCE_MS);
}

/* Two floods on the one heavy place of two threads: neither starves. */
static void
floods_take_turns(void **state)
{
    char turns[9] = "";

    (void)state;
    queue = queue_new(2);
    put_checks(20, 0);
    put(&heavy, 20);
    for (unsigned i = 0; i < 8; i++) {
        struct queue_job *j = queue_take(queue, 10000);

        turns[i] = name_of(j);
        assert_non_null(j);
        queue_done(queue, j, 4 * MS);
    }
    assert_string_equal(turns, "chchchch");
}

static void
queues_are_bounded(void **state)
{
    (void)state;
    queue = queue_new(2);
    put(&light, QUEUE_KEY_MAX);
    assert_false(queue_put(queue, &light, job()));
    put(&other, 1);
    put_checks(QUEUE_CHECKS_MAX, 0);
    assert_false(queue_put_check(queue, job(), 0));
    (void)queue_take(queue, 0);
    put(&light, 1);
}

static void
drain_gives_all(void **state)
{
    unsigned count = 0;

    (void)state;
    queue = queue_new(2);
    put(&light, 3);
    put(&heavy, 2);
    put_checks(4, 0);
    while (queue_drain(queue) != NULL) {
        count++;
    }
    assert_int_equal(count, 9);
    assert_false(queue_ready(queue));
}

/* 200 keys with random costs and loads: the heap never gives a wrong turn. */
static void
least_clock_is_always_next(void **state)
{
    static struct queue_key keys[200];
    uint32_t seed = 1;

    (void)state;
    queue = queue_new(2);
    for (size_t i = 0; i < 200; i++) {
        queue_key_init(&keys[i], false, (i + 1) * US);
        put(&keys[i], 10);
    }
    for (unsigned n = 0; n < 2000; n++) {
        struct queue_job *j;
        uint64_t least = UINT64_MAX, had;

        for (size_t i = 0; i < 200; i++) {
            if (keys[i].waiting > 0 && keys[i].clock_ns < least) {
                least = keys[i].clock_ns;
            }
        }
        j = queue_take(queue, 0);
        assert_non_null(j);
        had = j->key->clock_ns - j->charged_ns;
        assert_true(had == least);
        seed = seed * 1103515245u + 12345u;
        queue_done(queue, j, seed >> 16);
    }
    assert_null(queue_take(queue, 0));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(order_within_a_key_stays),
        TEST(equal_keys_take_turns),
        TEST(time_is_shared_not_turns),
        TEST(newcomer_is_served_at_once),
        TEST(idle_time_is_not_saved),
        TEST(charge_comes_before_the_end),
        TEST(slow_keys_leave_a_thread),
        TEST(two_threads_are_the_least),
        TEST(checks_take_half_the_threads),
        TEST(heavy_work_leaves_a_thread),
        TEST(signatures_go_before_checks),
        TEST(patience_ends),
        TEST(floods_take_turns),
        TEST(queues_are_bounded),
        TEST(drain_gives_all),
        TEST(least_clock_is_always_next),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
