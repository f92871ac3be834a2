/*
 * spawn - a program of the operator's, run to its end.
 *
 * For commands only (`sealpost key`, `domain`), which have one thread and may
 * wait; no process that handles mail starts programs.
 *
 * The program gets an environment as cron gives one (PATH, HOME, LOGNAME,
 * SHELL, LC_ALL=C) and what the caller adds, descriptors 0 to 2, `/` as its
 * directory, and a session of its own. When it ends, or its time is up, all
 * that is left of its process group is killed.
 */
#ifndef PROXY_SPAWN_SPAWN_H
#define PROXY_SPAWN_SPAWN_H

#include <base/buf.h>

enum {
    SPAWN_LINE_MAX = 300
};

struct spawn {
    const char *const *argv;  /* argv[0]: an absolute path; ends with NULL */
    const char *const *extra; /* "NAME=value", ends with NULL; NULL: none */
    struct bytes input;       /* on its stdin, a file that it may seek */
    unsigned timeout_s;
};

enum spawn_end {
    SPAWN_GOOD,    /* exit 0 */
    SPAWN_EXIT,    /* another code */
    SPAWN_SIGNAL,  /* ended by a signal */
    SPAWN_TIMEOUT, /* still ran after timeout_s */
    SPAWN_START    /* could not be started: errno in code */
};

struct spawn_result {
    enum spawn_end end;
    int code; /* exit code, signal or errno */
    /* The last line that is not blank on stderr; when there is none, on
     * stdout. Octets outside 0x20-0x7e are '?'. */
    char line[SPAWN_LINE_MAX];
};

/* Waits for it. */
enum spawn_end spawn_run(const struct spawn *s, struct spawn_result *result);

/* The same with a command line, which /bin/sh -c reads. */
enum spawn_end spawn_shell(const char *command, const struct spawn *s,
                           struct spawn_result *result);

/*
 * "ended with 3: LINE", "did not end within 60 s", "cannot be started: ...".
 * result is that of s.
 */
void spawn_explain(const struct spawn *s, const struct spawn_result *result,
                   struct buf *out);

/* Where the program of that name is in PATH; false: nowhere. */
bool spawn_find(const char *name, struct buf *path_out);

#endif
