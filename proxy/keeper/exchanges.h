/*
 * exchanges - the SCRAM exchanges of one connection that wait for a proof.
 *
 * Each has a random name of 16 octets and EXCHANGES_LIFE_S to go on. A worker
 * has one for each of its sessions that is in the middle of SCRAM; beyond
 * EXCHANGES_MAX the next one is told to come later.
 *
 * No locks, no clock: the caller has both. OWNERSHIP: exchanges_add() takes
 * the exchange, exchanges_take() gives it back.
 */
#ifndef PROXY_KEEPER_EXCHANGES_H
#define PROXY_KEEPER_EXCHANGES_H

#include <proxy/keeper/client.h>
#include <proxy/keeper/scram.h>

enum {
    EXCHANGES_MAX = 4096,
    EXCHANGES_LIFE_S = 60
};

struct exchanges;

/* NULL: no memory. */
struct exchanges *exchanges_new(void);
/* Frees what is in it, too; NULL is fine. */
void exchanges_free(struct exchanges **x);

/* False: full, or no random octets; the exchange stays the caller's. */
bool exchanges_add(struct exchanges *x, struct scram_exchange *e,
                   uint64_t now_s, struct keeper_handle *name_out);
/* NULL: no such exchange, or its time is over. x may be NULL. */
struct scram_exchange *exchanges_take(struct exchanges *x,
                                      const struct keeper_handle *name,
                                      uint64_t now_s);

#endif
