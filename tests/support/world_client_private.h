/*
 * world_client_private - how what a client sent is read, for what it hears
 * and for what the upstream has.
 */
#ifndef TESTS_SUPPORT_WORLD_CLIENT_PRIVATE_H
#define TESTS_SUPPORT_WORLD_CLIENT_PRIVATE_H

#include "tests/support/session_world.h"

extern const struct bytes world_crlf;

/* A BDAT line and what belongs to it. */
struct world_chunk {
    struct bytes octets; /* as far as they were sent */
    size_t taken;        /* line and octets */
    bool whole, last;
};

/* Where needle begins in b; b.len: nowhere. */
size_t world_find(struct bytes b, struct bytes needle);
/* What it sent behind the last reply. */
struct bytes world_unanswered(const struct world_client *c);
/* The octets of a message up to its end; false: it is not ended. */
bool world_read_message(struct bytes in, struct buf *content, size_t *taken);
/* The BDAT that is to be answered next; false: there is none. */
bool world_read_chunk(const struct world_client *c, struct world_chunk *out);
/* A NUL, or a bare CR or LF. */
bool world_has_fault(struct bytes content);
/* Its end was sent and not answered. */
bool world_has_ended(const struct world_client *c, struct buf *content);
/* The upstream has read a message whole; NULL: nobody knows whose it is. */
struct world_client *world_client_seen(struct session_world *w,
                                       struct bytes content, struct bytes rcpts,
                                       bool honest);

#endif
