/*
 * child - starts a worker, again if need be: fork and exec of our own program,
 * so that it inherits nothing but standard error and its end of a control pair.
 */
#ifndef PROXY_PROCESS_CHILD_H
#define PROXY_PROCESS_CHILD_H

#include "proxy/log/log.h"

#include <stdint.h>
#include <sys/types.h>

enum {
    CHILD_CONTROL_FD = 3
}; /* where the worker finds it */

/*
 * How long to wait before a process that has ended is started again: longer
 * each time that it lived for less than 5 s. started_ms is of clock_ms(),
 * last_ms the last such pause, 0 for none.
 */
unsigned child_pause_ms(uint64_t started_ms, unsigned last_ms, unsigned max_ms);

/* *control_out is our end, nonblocking. -1: errno says why. */
pid_t child_start_worker(unsigned slot, int *control_out);

/* How a process ended, as keys of its line; status is waitpid()'s. */
void child_log_status(struct log_line *l, int status);

#endif
