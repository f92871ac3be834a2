/*
 * confine - what a process may still do once it has all that it needs: files
 * by Landlock, TCP ports by Landlock, system calls by seccomp.
 *
 * No privilege is needed. It can't be taken back, and holds for threads that
 * are started later: call it from a process with one thread. What the kernel
 * lacks is left out and logged; the service runs without it.
 *
 * A call that no part of ours makes answers ENOSYS; one that only an intruder
 * makes (execve, ptrace, mount, bpf ...) ends the process.
 */
#ifndef PROXY_CONFINE_CONFINE_H
#define PROXY_CONFINE_CONFINE_H

#include <proxy/config/conf.h>

enum confine_process {
    CONFINE_WORKER, /* TCP, UDP and unix sockets; no threads */
    CONFINE_KEEPER  /* unix sockets only; threads */
};

/* A file, or a folder and all below it. One that is missing is left out. */
struct confine_place {
    const char *path;
    bool write; /* else read only */
};

struct confine_rules {
    enum confine_process process;
    const struct confine_place *places;
    size_t place_count;
    const uint16_t *ports; /* TCP ports it may connect to, anywhere */
    size_t port_count;
};

/* What came of it is one log line. */
void confine(const struct confine_rules *rules);

/*
 * The rules of this configuration: its worker reads certificates, keys and
 * passwords that [listen] and [upstream] name, and their folders, so that
 * renewed files are found; it writes to the spool. The keeper has the state
 * directory alone. Both call confine().
 */
void confine_worker(const struct conf *conf);
void confine_keeper(const struct conf *conf);

/* --- the parts: landlock.c, syscalls.c ---------------------------------- */

/* The kernel's Landlock version that holds now; 0: none, errno says why. */
int confine_landlock(const struct confine_rules *rules);
/* False: errno says why. */
bool confine_syscalls(enum confine_process process);

#endif
