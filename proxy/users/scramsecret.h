/*
 * scramsecret - what users.conf keeps for SCRAM-SHA-256 (RFC 5803):
 *
 *   SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY
 *
 * Salt and keys in base64. Whoever has it can pass for the server, and try
 * passwords, but can't log in.
 */
#ifndef PROXY_USERS_SCRAMSECRET_H
#define PROXY_USERS_SCRAMSECRET_H

#include <base/bytes.h>

enum {
    SCRAM_ITERATIONS = 4096, /* RFC 7677 4: at least; what we write */
    SCRAM_ITERATIONS_MAX = 10000000,
    SCRAM_SALT_OCTETS = 16, /* what we write */
    SCRAM_SALT_MAX = 64,
    SCRAM_KEY_OCTETS = 32
};

struct scram_secret {
    unsigned iterations;
    struct bytes salt; /* base64, a view; so are the keys */
    size_t salt_octets;
    struct bytes stored_key;
    struct bytes server_key;
};

/* Views into text. False: not such a string, or beyond the limits. */
bool scram_secret_parse(struct bytes text, struct scram_secret *secret_out);

#endif
