/*
 * test_keeper - a real keeper process, asked through the real client.
 */
#include "tests/support/cmocka.h"
#include "tests/support/keeper_world.h"

#include <errno.h>
#include <poll.h>
#include <proxy/keeper/protocol.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    USERS = 50,
    RSA_USERS = 4,
    THREADS = 3,
    CROWD = 1000
};

static struct world *world;

static const uint8_t digest[32] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };

static int
start(void **state)
{
    (void)state;
    world = world_new(USERS, RSA_USERS, 0, WORLD_CHEAP_HASH);
    assert_true(world_start(world, THREADS));
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    world_free(&world);
    return 0;
}

static enum dkim_alg
alg_of(unsigned user)
{
    return user < RSA_USERS ? DKIM_ALG_RSA_SHA256 : DKIM_ALG_ED25519_SHA256;
}

static struct answer
sign_as(struct worker_end *e, const struct keeper_handle *handle, unsigned user)
{
    char domain[64];

    (void)snprintf(domain, sizeof(domain), "user%u.example", user);
    return worker_sign(e, handle, domain, "s1", alg_of(user), digest);
}

static struct keeper_handle
login(struct worker_end *e, unsigned user)
{
    char name[32], secret[32];
    struct answer a;

    (void)snprintf(name, sizeof(name), "user%u", user);
    (void)snprintf(secret, sizeof(secret), "secret-%u", user);
    a = worker_auth(e, name, secret);
    assert_int_equal(a.status, KEEPER_OK);
    return a.handle;
}

static void
view_comes_without_secrets(void **state)
{
    struct worker_end e;

    (void)state;
    worker_end_open(&e, world);
    worker_end_views(&e, 1);
    assert_int_equal(view_user_count(keeper_client_view(e.client)), USERS);
    assert_int_equal(view_key_count(keeper_client_view(e.client)), USERS);
    assert_int_equal(keeper_client_life(e.client), 0);
    worker_end_close(&e);
}

static void
passwords_are_checked(void **state)
{
    static const struct {
        const char *name;
        const char *user;
        const char *secret;
        enum keeper_status want;
    } cases[] = {
        { "right", "user1", "secret-1", KEEPER_OK },
        { "remembered", "user1", "secret-1", KEEPER_OK },
        { "any case", "USER1", "secret-1", KEEPER_OK },
        { "wrong", "user1", "secret-2", KEEPER_DENIED },
        { "wrong again", "user1", "secret-2", KEEPER_DENIED },
        { "another's", "user2", "secret-1", KEEPER_DENIED },
        { "empty", "user1", "", KEEPER_DENIED },
        { "longer", "user1", "secret-11", KEEPER_DENIED },
        { "unknown", "nobody", "secret-1", KEEPER_DENIED },
        { "unknown, empty", "nobody", "", KEEPER_DENIED },
    };
    char huge[KEEPER_SECRET_MAX + 1];
    struct worker_end e;

    (void)state;
    worker_end_open(&e, world);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct answer a = worker_auth(&e, cases[i].user, cases[i].secret);

        if (a.status != cases[i].want) {
            fail_msg("%s: %s", cases[i].name, keeper_status_text(a.status));
        }
    }
    memset(huge, 'a', sizeof(huge) - 1);
    huge[sizeof(huge) - 1] = '\0';
    assert_int_equal(worker_auth(&e, "user1", huge).status, KEEPER_DENIED);
    worker_end_close(&e);
}

static void
signatures_verify(void **state)
{
    struct worker_end e;

    (void)state;
    worker_end_open(&e, world);
    for (unsigned i = 0; i < 2 * RSA_USERS; i++) {
        struct keeper_handle handle = login(&e, i);
        struct answer a = sign_as(&e, &handle, i);

        assert_int_equal(a.status, KEEPER_OK);
        assert_true(world_verify(world->keys[i], digest,
                                 bytes_make(a.signature, a.len)));
        a.signature[a.len - 1] ^= 1;
        assert_false(world_verify(world->keys[i], digest,
                                  bytes_make(a.signature, a.len)));
    }
    worker_end_close(&e);
}

static void
keeper_is_no_oracle(void **state)
{
    struct keeper_handle handle, forged = { { 0 } };
    struct worker_end e, other;

    (void)state;
    worker_end_open(&e, world);
    worker_end_open(&other, world);
    handle = login(&e, 5);
    assert_int_equal(sign_as(&e, &handle, 5).status, KEEPER_OK);

    /* another user's key; another selector; another algorithm */
    assert_int_equal(sign_as(&e, &handle, 6).status, KEEPER_DENIED);
    assert_int_equal(worker_sign(&e, &handle, "user5.example", "s2",
                                 DKIM_ALG_ED25519_SHA256, digest)
                         .status,
                     KEEPER_NO_KEY);
    assert_int_equal(worker_sign(&e, &handle, "user5.example", "s1",
                                 DKIM_ALG_RSA_SHA256, digest)
                         .status,
                     KEEPER_NO_KEY);
    assert_int_equal(worker_sign(&e, &handle, "../../../etc", "passwd",
                                 DKIM_ALG_ED25519_SHA256, digest)
                         .status,
                     KEEPER_NO_KEY);

    /* no handle; one that is nearly right; that of another connection */
    assert_int_equal(sign_as(&e, &forged, 5).status, KEEPER_DENIED);
    forged = handle;
    forged.octets[15] ^= 1;
    assert_int_equal(sign_as(&e, &forged, 5).status, KEEPER_DENIED);
    assert_int_equal(sign_as(&other, &handle, 5).status, KEEPER_DENIED);

    /* given back */
    keeper_release(e.client, &handle);
    assert_int_equal(worker_auth(&e, "user5", "secret-5").status, KEEPER_OK);
    assert_int_equal(sign_as(&e, &handle, 5).status, KEEPER_DENIED);
    assert_true(world_log_has(world, "event=sign-refused"));
    worker_end_close(&other);
    worker_end_close(&e);
}

static void
listeners_carry_fixed_rights(void **state)
{
    struct worker_end e;
    struct answer user0, local, certified;

    (void)state;
    worker_end_open(&e, world);
    user0 = worker_assert(&e, WORLD_TRUSTS_USER0, "");
    assert_int_equal(user0.status, KEEPER_OK);
    assert_int_equal(sign_as(&e, &user0.handle, 0).status, KEEPER_OK);
    assert_int_equal(sign_as(&e, &user0.handle, 1).status, KEEPER_DENIED);
    local = worker_assert(&e, WORLD_TRUSTS_LOCAL, "");
    assert_int_equal(local.status, KEEPER_OK);
    assert_int_equal(sign_as(&e, &local.handle, 0).status, KEEPER_OK);
    assert_int_equal(sign_as(&e, &local.handle, 7).status, KEEPER_OK);
    assert_int_equal(worker_assert(&e, WORLD_TRUSTS_NOBODY, "").status,
                     KEEPER_DENIED);
    assert_int_equal(worker_assert(&e, WORLD_LISTENERS, "").status,
                     KEEPER_DENIED);
    assert_int_equal(worker_assert(&e, UINT32_MAX, "").status, KEEPER_DENIED);
    /* What the keeper judges itself nobody may assert. */
    assert_int_equal(worker_assert(&e, WORLD_TRUSTS_USER0, "user0").status,
                     KEEPER_DENIED);
    /* Unless a certificate of theirs counts there, and only theirs. */
    certified = worker_assert(&e, WORLD_TRUSTS_CERTIFICATE, "user1");
    assert_int_equal(certified.status, KEEPER_OK);
    assert_int_equal(sign_as(&e, &certified.handle, 1).status, KEEPER_OK);
    assert_int_equal(sign_as(&e, &certified.handle, 0).status, KEEPER_DENIED);
    assert_int_equal(
        worker_assert(&e, WORLD_TRUSTS_CERTIFICATE, "USER1").status, KEEPER_OK);
    assert_int_equal(
        worker_assert(&e, WORLD_TRUSTS_CERTIFICATE, "user0").status,
        KEEPER_DENIED);
    assert_int_equal(worker_assert(&e, WORLD_TRUSTS_CERTIFICATE, "").status,
                     KEEPER_DENIED);
    assert_int_equal(worker_assert(&e, WORLD_TRUSTS_NOBODY, "user1").status,
                     KEEPER_DENIED);
    worker_end_close(&e);
}

/* Whom others judged has the rights of users.conf, and no more. */
static void
judged_elsewhere(void **state)
{
    struct worker_end e;
    struct answer user1;

    (void)state;
    worker_end_open(&e, world);
    user1 = worker_assert(&e, WORLD_BELIEVES, "user1");
    assert_int_equal(user1.status, KEEPER_OK);
    assert_int_equal(sign_as(&e, &user1.handle, 1).status, KEEPER_OK);
    assert_int_equal(sign_as(&e, &user1.handle, 0).status, KEEPER_DENIED);
    assert_true(world_log_has(world, "user=user1 asserted=yes"));
    assert_int_equal(worker_assert(&e, WORLD_BELIEVES, "nobody").status,
                     KEEPER_DENIED);
    assert_int_equal(worker_assert(&e, WORLD_BELIEVES, "").status,
                     KEEPER_DENIED); /* it trusts no network */
    for (int i = 0; i <= WORLD_TRUSTS_NOBODY; i++) {
        assert_int_equal(worker_assert(&e, (unsigned)i, "user1").status,
                         KEEPER_DENIED);
    }
    worker_end_close(&e);
}

static void
reload_acts_at_once(void **state)
{
    struct keeper_handle eight, nine;
    struct worker_end e;

    (void)state;
    worker_end_open(&e, world);
    worker_end_views(&e, 1);
    eight = login(&e, 8);
    nine = login(&e, 9);
    assert_int_equal(sign_as(&e, &eight, 8).status, KEEPER_OK);

    world->locked[8] = true;
    world_write_users(world, "");
    world_signal(world, SIGHUP);
    worker_end_views(&e, 2);
    assert_true(
        view_user(keeper_client_view(e.client), bytes_str("user8"))->locked);
    assert_int_equal(sign_as(&e, &eight, 8).status, KEEPER_LOCKED);
    assert_int_equal(sign_as(&e, &nine, 9).status, KEEPER_OK);
    assert_int_equal(worker_auth(&e, "user8", "secret-8").status,
                     KEEPER_LOCKED);
    assert_int_equal(worker_auth(&e, "user8", "wrong").status, KEEPER_DENIED);

    world->locked[8] = false;
    world_write_users(world, "");
    world_signal(world, SIGHUP);
    worker_end_views(&e, 3);
    assert_int_equal(sign_as(&e, &eight, 8).status, KEEPER_OK);
    worker_end_close(&e);
}

static void
broken_reload_changes_nothing(void **state)
{
    struct keeper_handle handle;
    struct worker_end e;

    (void)state;
    worker_end_open(&e, world);
    worker_end_views(&e, 1);
    handle = login(&e, 10);
    world_write_users(world, "[new]\nfrom = new.example\nnonsense = 1\n");
    world_signal(world, SIGHUP);
    /* Good again: the next view says that the broken one has been seen. */
    while (!world_log_has(world, "event=reload")) {
        assert_int_equal(sign_as(&e, &handle, 10).status, KEEPER_OK);
    }
    assert_true(world_log_has(world, "users.conf:153"));
    assert_null(view_user(keeper_client_view(e.client), bytes_str("new")));
    world_write_users(world, "[new]\nfrom = new.example\n");
    world_signal(world, SIGHUP);
    worker_end_views(&e, 2);
    assert_non_null(view_user(keeper_client_view(e.client), bytes_str("new")));
    assert_int_equal(sign_as(&e, &handle, 10).status, KEEPER_OK);
    world_write_users(world, "");
    worker_end_close(&e);
}

/* The file is another one now: the parsed key of before is not used. */
static void
reload_meets_new_keys(void **state)
{
    struct worker_end e;
    struct keeper_handle handle;
    struct answer a;
    char path[400];

    (void)state;
    worker_end_open(&e, world);
    worker_end_views(&e, 1);
    handle = login(&e, 16);
    assert_int_equal(sign_as(&e, &handle, 16).status, KEEPER_OK);
    (void)snprintf(path, sizeof(path), "%s/keys/user16.example/s1.pem",
                   world->dir);
    assert_int_equal(unlink(path), 0);
    (void)snprintf(path, sizeof(path), "%s/keys/user16.example/s1.conf",
                   world->dir);
    assert_int_equal(unlink(path), 0);
    EVP_PKEY_free(world->keys[16]);
    world->keys[16] = world_add_key(world, "user16.example", "s1",
                                    DKIM_ALG_ED25519_SHA256, 0);
    world_signal(world, SIGHUP);
    worker_end_views(&e, 2);
    a = sign_as(&e, &handle, 16);
    assert_int_equal(a.status, KEEPER_OK);
    assert_true(
        world_verify(world->keys[16], digest, bytes_make(a.signature, a.len)));
    worker_end_close(&e);
}

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

/* Also where a leak in the keeper shows, under the sanitizers. */
static void
sigterm_ends_well(void **state)
{
    (void)state;
    world_signal(world, SIGTERM);
    assert_int_equal(world_wait(world), 0);
    assert_true(world_log_has(world, "event=stopped"));
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
        cmocka_unit_test(view_comes_without_secrets),
        cmocka_unit_test(passwords_are_checked),
        cmocka_unit_test(signatures_verify),
        cmocka_unit_test(keeper_is_no_oracle),
        cmocka_unit_test(listeners_carry_fixed_rights),
        cmocka_unit_test(judged_elsewhere),
        cmocka_unit_test(reload_acts_at_once),
        cmocka_unit_test(broken_reload_changes_nothing),
        cmocka_unit_test(reload_meets_new_keys),
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

    return cmocka_run_group_tests_name("keeper", tests, start, stop);
}
