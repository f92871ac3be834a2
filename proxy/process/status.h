/*
 * status - the master's socket where `sealpost status` gets the counters.
 *
 * Who connects is given one descriptor to read the shared memory by, and the
 * connection is closed: nothing is read from it. The socket's mode (0660, of
 * `user` and its group) says who may.
 */
#ifndef PROXY_PROCESS_STATUS_H
#define PROXY_PROCESS_STATUS_H

#include <event2/event.h>

#define STATUS_SOCKET "status.sock" /* in state_dir */

struct stats;
struct status;

/* Takes listening, of keepers_listen(); stats is borrowed. NULL: no memory. */
struct status *status_new(struct event_base *base, int listening,
                          const struct stats *stats);
void status_free(struct status **s);

/* What a daemon that uses state_dir gives. -1: errno says why. */
int status_ask(const char *state_dir);

#endif
