/*
 * test_keeper_trouble - a real keeper process in trouble: a key that is none,
 * more requests than it takes, workers gone mad, its own end.
 */
#include "tests/support/cmocka.h"
#include "tests/support/keeper_fixture.h"

#include <errno.h>
#include <poll.h>
#include <proxy/keeper/protocol.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CROWD = 1000
};

static void
broken_key_is_said(void **state)
{
    struct worker_end e;
    struct keeper_handle handle;
    char path[400];
    FILE *f;

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/keys/user11.example/s1.pem",
                   world->dir);
    f = fopen(path, "we");
    assert_non_null(f);
    (void)fputs("not a key\n", f);
    (void)fclose(f);
    worker_end_open(&e, world);
    handle = login(&e, 11);
    assert_int_equal(sign_as(&e, &handle, 11).status, KEEPER_BAD_KEY);
    assert_int_equal(sign_as(&e, &handle, 11).status, KEEPER_BAD_KEY);
    assert_true(world_log_has(world, path));
    worker_end_close(&e);
}

/* --- many at once --------------------------------------------------------- */

struct asked {
    unsigned user;
    uint8_t digest[32];
    struct crowd *crowd;
};

struct crowd {
    unsigned answered;
    unsigned good;
    bool done;
};

static void
on_signed(const struct keeper_reply *reply, void *arg)
{
    struct asked *a = arg;

    a->crowd->answered++;
    a->crowd->done = a->crowd->answered == 2 * CROWD;
    a->crowd->good +=
        reply->status == KEEPER_OK &&
        world_verify(world->keys[a->user], a->digest, reply->signature);
}

static void
crowd_is_served(void **state)
{
    struct worker_end ends[2];
    struct keeper_handle handles[2][USERS];
    struct crowd crowd = { 0 };
    static struct asked asked[2 * CROWD];

    (void)state;
    for (unsigned k = 0; k < 2; k++) {
        worker_end_open(&ends[k], world);
        for (unsigned i = 0; i < USERS; i++) {
            handles[k][i] = login(&ends[k], i);
        }
    }
    for (unsigned i = 0; i < 2 * CROWD; i++) {
        struct asked *a = &asked[i];
        char domain[64];

        a->user = i * 7 % USERS;
        a->user = a->user == 11 ? 12 : a->user; /* its key is broken */
        a->crowd = &crowd;
        memcpy(a->digest, &i, sizeof(i));
        (void)snprintf(domain, sizeof(domain), "user%u.example", a->user);
        assert_non_null(keeper_sign(ends[i % 2].client,
                                    &handles[i % 2][a->user], domain, "s1",
                                    alg_of(a->user), a->digest, on_signed, a));
    }
    while (!crowd.done) {
        assert_int_equal(event_base_loop(ends[0].base, EVLOOP_NONBLOCK), 0);
        assert_int_equal(event_base_loop(ends[1].base, EVLOOP_NONBLOCK), 0);
    }
    assert_int_equal(crowd.good, 2 * CROWD);
    worker_end_close(&ends[0]);
    worker_end_close(&ends[1]);
}

static void
count_answer(const struct keeper_reply *reply, void *arg)
{
    struct crowd *crowd = arg;

    crowd->answered++;
    crowd->good += reply->status == KEEPER_BUSY;
    crowd->done = crowd->answered == 400;
}

static void
flood_of_passwords_is_refused(void **state)
{
    struct crowd crowd = { 0 };
    struct keeper_handle handle;
    struct worker_end e;

    (void)state;
    worker_end_open(&e, world);
    handle = login(&e, 13);
    for (unsigned i = 0; i < 400; i++) {
        char secret[32];

        (void)snprintf(secret, sizeof(secret), "wrong-%u", i);
        assert_non_null(
            keeper_auth(e.client, "user1", secret, count_answer, &crowd));
    }
    assert_int_equal(sign_as(&e, &handle, 13).status, KEEPER_OK);
    worker_end_run(&e, &crowd.done);
    assert_in_range(crowd.good, 1, 300); /* busy: but not all of them */
    worker_end_close(&e);
}

static void
cancelled_requests_stay_silent(void **state)
{
    struct worker_end e;
    struct answer never = { 0 };
    struct keeper_request *r;

    (void)state;
    worker_end_open(&e, world);
    r = keeper_auth(e.client, "user1", "wrong", worker_answered, &never);
    assert_non_null(r);
    keeper_cancel(&r);
    assert_null(r);
    keeper_cancel(&r);
    (void)login(&e, 1);
    assert_int_equal(worker_auth(&e, "user1", "wrong too").status,
                     KEEPER_DENIED);
    assert_false(never.came);
    worker_end_close(&e);
}

/* --- workers gone mad ----------------------------------------------------- */

static uint32_t seed = 4711;

static uint8_t
any_octet(void)
{
    seed = seed * 1103515245u + 12345u;
    return (uint8_t)(seed >> 16);
}

/* Sends until the keeper has had enough, as it must. */
static void
send_nonsense(bool plausible)
{
    int fd = world_connect(world);

    for (unsigned i = 0; i < 1000; i++) {
        uint8_t packet[2000];
        size_t len = 1 + (any_octet() | (size_t)any_octet() << 8) % 1999;

        for (size_t k = 0; k < len; k++) {
            packet[k] = any_octet();
        }
        if (plausible && len >= 4) {
            packet[0] = KEEPER_VERSION;
            packet[1] = (uint8_t)(packet[1] % (KEEPER_OPS + 1));
            packet[2] = packet[3] = 0;
        }
        if (send(fd, packet, len, MSG_NOSIGNAL) < 0) {
            break;
        }
    }
    close(fd);
}

/* Good requests, no reading: the keeper must not keep answers for ever. */
static void
never_read(void)
{
    int fd = world_connect(world);
    uint8_t packet[KEEPER_REQUEST_MAX];
    struct keeper_ask ask = { .op = KEEPER_OP_ASSERT };
    struct pollfd p = { .fd = fd, .events = POLLOUT };
    unsigned sent = 0;

    while (sent < 100000 && poll(&p, 1, 20000) == 1 &&
           (p.revents & (POLLHUP | POLLERR)) == 0) {
        size_t len;

        ask.id = ++sent;
        len = keeper_ask_encode(&ask, packet);
        if (send(fd, packet, len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
            sent = errno == EAGAIN ? sent - 1 : sent;
            if (errno != EAGAIN) {
                break;
            }
        }
    }
    assert_true(sent < 100000);
    close(fd);
}

static void
hostile_workers_harm_nobody(void **state)
{
    struct worker_end e;
    struct keeper_handle handle;

    (void)state;
    worker_end_open(&e, world);
    handle = login(&e, 14);
    for (unsigned i = 0; i < 200; i++) {
        send_nonsense(i % 2 == 0);
        close(world_connect(world));
    }
    never_read();
    assert_int_equal(sign_as(&e, &handle, 14).status, KEEPER_OK);
    worker_end_close(&e);
}

/* --- the end -------------------------------------------------------------- */

static void
killed_keeper_is_gone(void **state)
{
    struct worker_end e;
    struct answer pending[3] = { 0 }, late = { 0 };
    struct keeper_handle old;

    (void)state;
    worker_end_open(&e, world);
    worker_end_views(&e, 1);
    old = login(&e, 15);
    world_signal(world, SIGSTOP);
    for (unsigned i = 0; i < 3; i++) {
        assert_non_null(keeper_sign(e.client, &old, "user15.example", "s1",
                                    DKIM_ALG_ED25519_SHA256, digest,
                                    worker_answered, &pending[i]));
        assert_false(pending[i].came);
    }
    world_signal(world, SIGKILL);
    assert_int_equal(world_wait(world), 128 + SIGKILL);
    for (unsigned i = 0; i < 3; i++) {
        worker_end_run(&e, &pending[i].came);
        assert_int_equal(pending[i].status, KEEPER_GONE);
    }
    assert_int_equal(e.gone, 1);
    assert_int_equal(keeper_client_life(e.client), 1);
    assert_non_null(keeper_client_view(e.client));
    assert_non_null(
        keeper_auth(e.client, "user1", "secret-1", worker_answered, &late));
    assert_false(late.came); /* never from inside the call */
    worker_end_run(&e, &late.came);
    assert_int_equal(late.status, KEEPER_GONE);

    assert_true(world_start(world, THREADS));
    keeper_client_reconnect(e.client, world_connect(world));
    worker_end_views(&e, 2);
    assert_int_equal(sign_as(&e, &old, 15).status, KEEPER_DENIED);
    old = login(&e, 15);
    assert_int_equal(sign_as(&e, &old, 15).status, KEEPER_OK);
    worker_end_close(&e);
}

static void
starts_again(void **state)
{
    (void)state;
    assert_true(world_start(world, THREADS));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_key_is_said),
        cmocka_unit_test(crowd_is_served),
        cmocka_unit_test(flood_of_passwords_is_refused),
        cmocka_unit_test(cancelled_requests_stay_silent),
        cmocka_unit_test(hostile_workers_harm_nobody),
        cmocka_unit_test(sigterm_ends_well),
        cmocka_unit_test(starts_again),
        cmocka_unit_test(killed_keeper_is_gone),
        cmocka_unit_test(sigterm_ends_well),
    };

    return cmocka_run_group_tests_name("keeper in trouble", tests, start, stop);
}
