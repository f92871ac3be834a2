/*
 * handover - what a master leaves to the program that takes its place
 * (SIGUSR2): the same process, another executable. Descriptors stay open
 * across exec; their numbers and the workers' pids are lines of a memfd, which
 * a newer version can read.
 */
#ifndef PROXY_PROCESS_HANDOVER_H
#define PROXY_PROCESS_HANDOVER_H

#include <base/buf.h>

#include <sys/types.h>

struct handover_worker {
    unsigned slot;
    pid_t pid;
    int control;
};

struct handover {
    int lock_fd;
    int log_pipe; /* -1: none */
    int keepers_control;
    pid_t keepers_pid; /* 0: a service of its own */
    char keeper_dir[512];
    unsigned keeper; /* of the generation that serves */
    int conf_fd;     /* its configuration */
    struct handover_worker *workers;
    size_t worker_count;
    int *sockets;
    size_t socket_count;
};

/*
 * All that h names survives exec from now on, and the environment says where
 * it stands. False: errno says why, nothing has changed for children.
 */
bool handover_leave(const struct handover *h);
/* Undoes it: exec has failed. */
void handover_cancel(const struct handover *h);

/*
 * In the new program, once: takes it out of the environment. False with
 * *found_out false: nothing was left. False with true: what was left can't be
 * read.
 */
bool handover_take(struct handover *out, bool *found_out);

/* Memory; descriptors are the taker's. */
void handover_free(struct handover *h);
bool handover_add_worker(struct handover *h, struct handover_worker w);
bool handover_add_socket(struct handover *h, int fd);

#endif
