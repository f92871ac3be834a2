/*
 * world_upstream_private - the far end of a connection, which world_dial.c
 * makes and world_upstream.c plays.
 */
#ifndef TESTS_SUPPORT_WORLD_UPSTREAM_PRIVATE_H
#define TESTS_SUPPORT_WORLD_UPSTREAM_PRIVATE_H

#include "tests/support/session_world.h"

enum far_phase {
    FAR_COMMAND,
    FAR_DATA,
    FAR_CHUNK,
    FAR_CLOSED
};

struct far {
    struct far *next;
    struct session_world *world;
    int fd;
    enum far_phase phase;
    struct buf in;      /* not understood yet */
    struct buf content; /* of this message, decoded */
    struct buf rcpts;   /* accepted, a line each */
    struct buf late;    /* the second half of an answer */
    uint64_t chunk_left;
    bool mail, mail_refused;
    bool lies; /* has broken the protocol: answers may be misread */
    bool after_cr;
    struct world_client *whole; /* whose message waits for its answer */
    bool late_is_good;          /* `late` completes a 2yz to it */
    bool said;                  /* something, since the message was whole */
};

#endif
