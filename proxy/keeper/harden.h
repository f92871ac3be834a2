/*
 * harden - makes the process a poor place to steal secrets from.
 */
#ifndef PROXY_KEEPER_HARDEN_H
#define PROXY_KEEPER_HARDEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * No core files, not dumpable (nobody of the same account may trace it or
 * read /proc/PID/mem), no new privileges, and SIGTERM when the parent dies.
 * False: the parent (0: any) is dead already.
 */
bool harden_process(pid_t parent);

/*
 * Locked memory, as far as RLIMIT_MEMLOCK goes, and says in the log how far.
 * Returns how many parsed keys have room in it.
 */
size_t harden_memory(void);

#endif
