/*
 * scram_users - users with SCRAM secrets, and the keeper's side of it, for the
 * tests of a program.
 */
#ifndef TESTS_SUPPORT_SCRAM_USERS_H
#define TESTS_SUPPORT_SCRAM_USERS_H

#include <gsasl.h>
#include <proxy/keeper/exchanges.h>

/* The key that scram was made with. */
extern const uint8_t install_key[SALTKEY_OCTETS];

struct world {
    struct scram *scram;
    struct keeper_data data;
    Gsasl *gsasl;
};

/* For cmocka: *state is a world whose users are make_users("pencil"). */
int setup(void **state);
int teardown(void **state);

/* A users.conf of this text; the caller frees it. */
struct userfile *users_of(const char *text);
/* alice with that password, bob with "other", mallory, who is locked, with
 * alice's, and plain without a secret. */
struct userfile *make_users(const char *password);

#endif
