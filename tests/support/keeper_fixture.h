/*
 * keeper_fixture - one keeper for all tests of a program, and what they ask of
 * it.
 *
 * Its world stands from start() to stop(), and keeps what a test did to it:
 * users and keys are each changed by one test alone, by their number.
 */
#ifndef TESTS_SUPPORT_KEEPER_FIXTURE_H
#define TESTS_SUPPORT_KEEPER_FIXTURE_H

#include "tests/support/keeper_world.h"

enum {
    USERS = 50,
    RSA_USERS = 4, /* the first ones; the others have Ed25519 */
    THREADS = 3
};

extern struct world *world;
extern const uint8_t digest[32]; /* what is signed */

/* For cmocka: before the first test of the group, after the last. */
int start(void **state);
int stop(void **state);

enum dkim_alg alg_of(unsigned user);
/* Asks for a signature of digest with the key of that user. */
struct answer sign_as(struct worker_end *e, const struct keeper_handle *handle,
                      unsigned user);
/* With the right password; fails the test when that is refused. */
struct keeper_handle login(struct worker_end *e, unsigned user);

/* A test, the last one of each program. */
void sigterm_ends_well(void **state);

#endif
