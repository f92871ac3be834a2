/*
 * master_private - what master.c (start and end) and master_signals.c (what
 * happens in between) share. Nobody else includes it.
 */
#ifndef PROXY_MASTER_PRIVATE_H
#define PROXY_MASTER_PRIVATE_H

#include "proxy/master.h"
#include "proxy/process/account.h"
#include "proxy/process/generation.h"
#include "proxy/process/keepers.h"

enum {
    MASTER_SIGNALS = 5
};

struct master {
    const struct master_options *options;
    struct account user, keys;
    int lock_fd;
    int ready_fd; /* of background_start(); -1: in the foreground, or told */
    int log_fd;   /* -1: syslog */
    int log_pipe; /* the keepers' lines for a log file; -1: none */
    pid_t keepers_pid; /* 0: a service of its own */
    int keepers_control;
    char keeper_dir[512];
    int status_fd; /* until status has it */
    struct status *status;
    struct sockets *sockets;
    struct event_base *base;
    struct event *signals[MASTER_SIGNALS];
    struct event *keepers_event;
    struct event *keepers_again; /* the next call to the service */
    struct event *log_event;
    struct generation_env env;
    struct generation *next;    /* starting; NULL: none */
    struct generation *current; /* serving; NULL: not yet */
    struct generation *old;     /* draining; NULL: none */
    bool reload_later;          /* asked for while one was under way */
    bool stopping;
    int code; /* the exit code */
};

/* Begins to start a generation: its keeper first. Takes conf and conf_fd. */
bool master_begin(struct master *m, struct conf *conf, int conf_fd,
                  unsigned keeper);
/* Also when the service can be started again by a service manager only. */
void master_stop(struct master *m);

/* --- master_keepers.c ---------------------------------------------------- */

/* Calls the service in options->keeper_dir. False: errno says why. */
bool master_keepers_call(struct master *m);
bool master_keepers_events(struct master *m);
void master_keepers_free(struct master *m);
void master_keepers_tell(struct master *m, enum control_kind kind,
                         unsigned number, int fd);
/* The parent that was forked has died. */
void master_keepers_died(struct master *m);

/* Adds the events of signals, keepers and the keepers' log. */
bool master_events_new(struct master *m);
void master_events_free(struct master *m);

#endif
