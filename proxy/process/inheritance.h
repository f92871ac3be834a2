/*
 * inheritance - what the master sends a worker before it starts.
 */
#ifndef PROXY_PROCESS_INHERITANCE_H
#define PROXY_PROCESS_INHERITANCE_H

#include <stdbool.h>
#include <stddef.h>

/* The descriptors belong to the worker; -1: none was sent. */
struct inheritance {
    int conf_fd;
    int log_fd;
    int keeper_fd;
    int stats_fd;
    int tickets_fd;
    unsigned stats_slot;
    struct inherited_socket {
        unsigned listener; /* index in conf->listens */
        int fd;
    } * sockets; /* owns */
    size_t count;
    bool keep_stderr;
};

/* Blocks until CONTROL_GO. False: the master has gone, or no memory. */
bool inheritance_take(struct inheritance *out);
/* Of the memory; descriptors stay open. */
void inheritance_free(struct inheritance *in);

#endif
