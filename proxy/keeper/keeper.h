/*
 * keeper - the process that holds the secrets: private keys, password hashes.
 *
 * keeper_run() is the whole life of that process. It loads users.conf and
 * keys/ of conf->server.state_dir, tells that it is ready, and then checks
 * passwords and signs digests for workers (protocol.h) until SIGTERM.
 *
 * It takes over the process: signals (it blocks and reads them itself),
 * limits (RLIMIT_CORE), dumpable and no_new_privs flags. Call it in a process
 * of its own that has dropped to its user and has called log_open().
 *
 *   SIGHUP   load users and keys beside the old ones; all or nothing
 *   SIGTERM  end, after what is being computed has been answered; so does
 *            the death of the parent (PR_SET_PDEATHSIG)
 *   SIGINT, SIGUSR1, SIGUSR2, SIGPIPE  ignored: they are the master's
 */
#ifndef PROXY_KEEPER_KEEPER_H
#define PROXY_KEEPER_KEEPER_H

#include <proxy/config/conf.h>
#include <sys/types.h>

struct keeper_conf {
    const struct conf *conf; /* borrowed; state_dir, listens, sign are used */

    /*
     * A listening SOCK_SEQPACKET unix socket, one connection a worker; -1:
     * none. Borrowed (not closed). Peers are let in by SO_PEERCRED: root,
     * this process's own uid, and worker_uid.
     */
    int listen_fd;
    uid_t worker_uid;

    /* Ready-made connected sockets, not checked by uid. Each is taken. */
    const int *connected_fds;
    size_t connected_count;

    /*
     * Taken; -1: none. One octet '1' is written once the data is loaded and
     * requests are answered; then, or on failure without it, it is closed.
     */
    int ready_fd;

    pid_t parent;     /* ends at once when getppid() is not this; 0: any */
    unsigned threads; /* 0: one a CPU; at least 2 are started */
};

/*
 * Returns the exit code: 0 after SIGTERM; 78 (EX_CONFIG) when users.conf or
 * keys/ can't be used, each mistake logged as FILE:LINE; 71 (EX_OSERR) when
 * the system refuses threads, memory or descriptors.
 */
int keeper_run(const struct keeper_conf *conf);

#endif
