/*
 * keeper_fixture - one keeper for all tests of a program; see
 * keeper_fixture.h.
 */
#include "tests/support/keeper_fixture.h"

#include "tests/support/cmocka.h"

#include <signal.h>
#include <stdio.h>

struct world *world;

const uint8_t digest[32] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };

int
start(void **state)
{
    (void)state;
    world = world_new(USERS, RSA_USERS, 0, WORLD_CHEAP_HASH);
    assert_true(world_start(world, THREADS));
    return 0;
}

int
stop(void **state)
{
    (void)state;
    world_free(&world);
    return 0;
}

enum dkim_alg
alg_of(unsigned user)
{
    return user < RSA_USERS ? DKIM_ALG_RSA_SHA256 : DKIM_ALG_ED25519_SHA256;
}

struct answer
sign_as(struct worker_end *e, const struct keeper_handle *handle, unsigned user)
{
    char domain[64];

    (void)snprintf(domain, sizeof(domain), "user%u.example", user);
    return worker_sign(e, handle, domain, "s1", alg_of(user), digest);
}

struct keeper_handle
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

/* Also where a leak in the keeper shows, under the sanitizers. */
void
sigterm_ends_well(void **state)
{
    (void)state;
    world_signal(world, SIGTERM);
    assert_int_equal(world_wait(world), 0);
    assert_true(world_log_has(world, "event=stopped"));
}
