/*
 * test_keeper_life - keepers that each have a world of their own: starts that
 * fail, the parent's death, what waits at a reload, and time.
 */
#include "tests/support/cmocka.h"
#include "tests/support/keeper_world.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    THREADS = 3
};

static const uint8_t digest[32] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };

struct waiting {
    unsigned answered;
    unsigned locked;
    unsigned late; /* OK after the first LOCKED */
    bool done;
};

enum {
    WAITING = 400
};

static void
on_waited(const struct keeper_reply *reply, void *arg)
{
    struct waiting *w = arg;

    w->answered++;
    w->locked += reply->status == KEEPER_LOCKED;
    w->late += reply->status == KEEPER_OK && w->locked > 0;
    w->done = w->answered == WAITING;
}

/* Signatures that already wait are not made any more either. */
static void
reload_meets_what_waits(void **state)
{
    struct world *w = world_new(1, 0, 1, WORLD_CHEAP_HASH);
    struct waiting waiting = { 0 };
    struct keeper_handle handle;
    struct worker_end e;

    (void)state;
    assert_true(world_start(w, THREADS));
    worker_end_open(&e, w);
    worker_end_views(&e, 1);
    handle = worker_auth(&e, "user0", "secret-0").handle;
    for (unsigned i = 0; i < WAITING; i++) {
        assert_non_null(keeper_sign(e.client, &handle, "user0.example", "s1",
                                    DKIM_ALG_RSA_SHA256, digest, on_waited,
                                    &waiting));
    }
    w->locked[0] = true;
    world_write_users(w, "");
    world_signal(w, SIGHUP);
    worker_end_run(&e, &waiting.done);
    assert_true(waiting.locked > 0);
    assert_true(waiting.late <= THREADS); /* those being computed */
    worker_end_close(&e);
    world_free(&w);
}

/* The keeper ends with the one who started it. */
static void
orphan_ends(void **state)
{
    struct world *w = world_new(1, 0, 0, WORLD_CHEAP_HASH);
    struct worker_end e;
    int status, hold[2], told[2];
    char octet;
    pid_t parent;

    (void)state;
    assert_int_equal(pipe(hold), 0);
    assert_int_equal(pipe(told), 0);
    parent = fork();
    if (parent == 0) {
        close(hold[1]);
        octet = world_start(w, 2) ? '1' : '0';
        (void)!write(told[1], &octet, 1);
        (void)!read(hold[0], &octet, 1);
        _exit(0);
    }
    close(hold[0]);
    close(told[1]);
    assert_int_equal(read(told[0], &octet, 1), 1);
    assert_int_equal(octet, '1');
    worker_end_open(&e, w);
    worker_end_views(&e, 1);
    close(hold[1]);
    assert_int_equal(waitpid(parent, &status, 0), parent);
    while (e.gone == 0) {
        assert_int_equal(event_base_loop(e.base, EVLOOP_ONCE), 0);
    }
    close(told[0]);
    worker_end_close(&e);
    world_free(&w);
}

static void
broken_users_refuse_the_start(void **state)
{
    struct world *w = world_new(1, 0, 0, WORLD_CHEAP_HASH);

    (void)state;
    world_write_users(w, "[x]\nfrom = example.com\nfrum = 1\n");
    assert_false(world_start(w, 2));
    assert_int_equal(world_wait(w), 78);
    assert_true(world_log_has(w, "users.conf:6"));
    world_write_users(w, "[x]\nfrom = x.example\npassword = "
                         "$2b$15$WUHhXETkX0fnYkrqZU3ta."
                         "V/MhsBGVkvl.skVEhBTiEdihFBnDQOa\n");
    assert_false(world_start(w, 2));
    assert_int_equal(world_wait(w), 78);
    assert_true(world_log_has(w, "takes too long"));
    world_free(&w);
}

/* --- time ----------------------------------------------------------------- */

static double
auth_ms(struct worker_end *e, const char *user, unsigned n)
{
    struct timespec from, to;
    char secret[32];

    (void)snprintf(secret, sizeof(secret), "wrong-%u", n);
    (void)clock_gettime(CLOCK_MONOTONIC, &from);
    assert_int_equal(worker_auth(e, user, secret).status, KEEPER_DENIED);
    (void)clock_gettime(CLOCK_MONOTONIC, &to);
    return (double)(to.tv_sec - from.tv_sec) * 1e3 +
           (double)(to.tv_nsec - from.tv_nsec) / 1e6;
}

static int
by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

enum {
    SAMPLES = 15
};

static double
median(double *ms)
{
    qsort(ms, SAMPLES, sizeof(ms[0]), by_size);
    return ms[SAMPLES / 2];
}

/* Asked in turns, so that other load on the machine meets both. */
static bool
cost_the_same(struct worker_end *e)
{
    double known[SAMPLES], unknown[SAMPLES];
    double difference;

    for (unsigned i = 0; i < SAMPLES; i++) {
        char user[32];

        (void)snprintf(user, sizeof(user), "user%u", i % 4);
        known[i] = auth_ms(e, user, i);
        (void)snprintf(user, sizeof(user), "nobody%u", i % 4);
        unknown[i] = auth_ms(e, user, i);
    }
    difference = median(known) - median(unknown);
    print_message("wrong password: known user %.1f ms, unknown %.1f ms\n",
                  median(known), median(unknown));
    assert_true(median(known) > 2 && median(unknown) > 2);
    return difference < 20 && difference > -20;
}

/* A difference that is the keeper's is there in every round; one that is the
 * machine's is not. */
static void
unknown_users_cost_the_same(void **state)
{
    struct world *w = world_new(4, 0, 0, WORLD_DEFAULT_HASH);
    struct worker_end e;

    (void)state;
    assert_true(world_start(w, 2));
    worker_end_open(&e, w);
    assert_true(cost_the_same(&e) || cost_the_same(&e) || cost_the_same(&e));
    worker_end_close(&e);
    world_free(&w);
}

/* --- memory --------------------------------------------------------------- */

enum {
    MAP_MAX = 64 * 1024 * 1024 /* a sanitizer's shadow is not looked at */
};

/* Does one mapping of the process hold the text? */
static bool
map_holds(int mem, unsigned long from, unsigned long to, struct bytes text)
{
    size_t len = to - from;
    char *copy = len > MAP_MAX ? NULL : malloc(len);
    ssize_t n = copy == NULL ? 0 : pread(mem, copy, len, (off_t)from);
    bool found = n > 0 && memmem(copy, (size_t)n, text.ptr, text.len) != NULL;

    free(copy);
    return found;
}

static bool
memory_holds(pid_t pid, struct bytes text)
{
    char path[64], line[512];
    bool found = false;
    FILE *maps;
    int mem;

    (void)snprintf(path, sizeof(path), "/proc/%ld/maps", (long)pid);
    maps = fopen(path, "re");
    (void)snprintf(path, sizeof(path), "/proc/%ld/mem", (long)pid);
    mem = open(path, O_RDONLY | O_CLOEXEC);
    if (maps == NULL || mem < 0) {
        skip(); /* it is not dumpable, and we are not root */
    }
    while (!found && fgets(line, sizeof(line), maps) != NULL) {
        char *end;
        unsigned long from = strtoul(line, &end, 16);
        unsigned long to = strtoul(end + 1, &end, 16);

        found = strncmp(end, " rw", 3) == 0 && map_holds(mem, from, to, text);
    }
    (void)fclose(maps);
    close(mem);
    return found;
}

/*
 * A password is nowhere in the keeper once it is checked. It is made after
 * the fork, and by turning octets, so that the test does not find itself.
 */
static void
passwords_leave_memory(void **state)
{
    struct world *w = world_new(2, 0, 0, WORLD_CHEAP_HASH);
    char secret[] = "Rvvq-ftnbsjn-Ebt-jtu-hfifjn-4711";
    struct worker_end e;

    (void)state;
    assert_true(world_start(w, 2));
    for (char *c = secret; *c != '\0'; c++) {
        (*c)++;
    }
    worker_end_open(&e, w);
    assert_int_equal(worker_auth(&e, "user1", secret).status, KEEPER_DENIED);
    assert_int_equal(worker_auth(&e, "nobody", secret).status, KEEPER_DENIED);
    assert_int_equal(worker_auth(&e, "user1", "secret-1").status, KEEPER_OK);
    assert_true(memory_holds(w->keeper, bytes_str(w->hashes[1])));
    assert_false(memory_holds(w->keeper, bytes_str(secret)));
    assert_false(world_log_has(w, secret));
    worker_end_close(&e);
    world_free(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reload_meets_what_waits),
        cmocka_unit_test(orphan_ends),
        cmocka_unit_test(broken_users_refuse_the_start),
        cmocka_unit_test(unknown_users_cost_the_same),
        cmocka_unit_test(passwords_leave_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
