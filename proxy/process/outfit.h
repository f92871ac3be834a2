/*
 * outfit - what a worker of a generation is given over its control pair.
 */
#ifndef PROXY_PROCESS_OUTFIT_H
#define PROXY_PROCESS_OUTFIT_H

#include <proxy/process/generation.h>

/* The same for all workers of a generation; all borrowed. */
struct outfit {
    const struct generation_env *env;
    const struct conf *conf;
    int conf_fd;
    unsigned keeper;
    unsigned workers; /* how many share the sockets */
};

/*
 * All that the worker needs, and CONTROL_GO. *stats_out: its slot of the
 * shared memory, once it has one. False: not all of it was sent.
 */
bool outfit_send(const struct outfit *o, int control, unsigned slot,
                 unsigned *stats_out);

/* A connection to the keeper; for want of it the worker asks again. */
void outfit_send_keeper(const struct outfit *o, int control);
/* The secret of TLS tickets. False: it was not sent. */
bool outfit_send_tickets(const struct outfit *o, int control);

#endif
