/*
 * failures - failed logins by address and by user: who must wait, who is shut
 * out for a while.
 *
 * Each failure doubles the time before the next one is told, up to
 * FAILURES_DELAY_MAX_MS. `auth_lock_after` of them from one address (of IPv6:
 * one /64) or for one name shut it out until `auth_lock` after the last. A
 * name is counted whether anybody has it or not. At an address from which the
 * user has logged in lately only failures in her name from there count: a lock
 * is no weapon against her, and an office does not suffer from one telephone
 * with an old password.
 *
 * They are tallies in the memory that all workers share (proxy/stats): a table
 * of fixed size, hashed under a key of this start: an attacker can neither make
 * it grow nor aim at an entry, nor begin anew at another worker.
 */
#ifndef PROXY_FAILURES_H
#define PROXY_FAILURES_H

#include <proxy/config/conf.h>
#include <proxy/net/address.h>

enum {
    FAILURES_DELAY_MAX_MS = 15 * 1000,
    FAILURES_KNOWN_MS = 24 * 3600 * 1000 /* an address of the user's */
};

struct failures;
struct stats;

/* One attempt. */
struct failures_who {
    const union net_address *address; /* NULL: one that is not counted */
    const char *user;                 /* lower case; "": nobody knows */
};

/* Both are borrowed. NULL: no memory. */
struct failures *failures_new(const struct limits_conf *conf,
                              struct stats *stats);
void failures_free(struct failures **f);

/* now_ms: monotonic. f may be NULL in all of these: nothing is counted. */
bool failures_locked(const struct failures *f, const struct failures_who *who,
                     uint64_t now_ms);
/* How long the answer to a failure waits, ms. */
unsigned failures_delay_ms(const struct failures *f,
                           const struct failures_who *who, uint64_t now_ms);
/* One more failure. Not for who is locked: locks end. */
void failures_add(struct failures *f, const struct failures_who *who,
                  uint64_t now_ms);
/* A login that was right. */
void failures_forget(struct failures *f, const struct failures_who *who,
                     uint64_t now_ms);

#endif
