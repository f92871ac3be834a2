/*
 * background - leaving the terminal: the start command returns when the
 * service is ready, or with its exit code and errors when it is not.
 */
#ifndef PROXY_PROCESS_BACKGROUND_H
#define PROXY_PROCESS_BACKGROUND_H

#include <stdbool.h>

/*
 * Forks; returns in the child only, in a session of its own, with a
 * descriptor for background_ready(). The parent waits and exits: 0 when the
 * child was ready, else with the child's exit code. -1: errno says why.
 */
int background_start(void);

/* Tells the parent, which exits 0. fd is closed. */
void background_ready(int fd);

/* stdin and stdout, and stderr unless it is kept, become /dev/null: who waits
 * for the end of our output waits no longer. */
void background_close(bool keep_stderr);

#endif
