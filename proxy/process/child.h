/*
 * child - starts a worker: fork and exec of our own program, so that it
 * inherits nothing but standard error and its end of a control pair.
 */
#ifndef PROXY_PROCESS_CHILD_H
#define PROXY_PROCESS_CHILD_H

#include <sys/types.h>

enum {
    CHILD_CONTROL_FD = 3
}; /* where the worker finds it */

/* *control_out is our end, nonblocking. -1: errno says why. */
pid_t child_start_worker(unsigned slot, int *control_out);

#endif
