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
    MASTER_SIGNALS = 6
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
    struct event *keepers_stop_again;
    bool keepers_to_stop[KEEPERS]; /* it was not heard */
    struct event *log_event;
    struct event *tickets_timer;
    struct generation_env env;
    struct generation *next;    /* starting; NULL: none */
    struct generation *current; /* serving; NULL: not yet */
    struct generation *old;     /* draining; NULL: none */
    bool reload_later;          /* asked for while one was under way */
    bool upgrade_later;         /* the same */
    bool stopping;
    pid_t upgrade_pid; /* the new program's `-t`; 0: none runs */
    int code;          /* the exit code */
};

/* Begins to start a generation: its keeper first. Takes conf and conf_fd. */
bool master_begin(struct master *m, struct conf *conf, int conf_fd,
                  unsigned keeper);
/* Also when the service can be started again by a service manager only. */
void master_stop(struct master *m);

/* What happens to a generation. */
generation_callback master_on_generation;
/* What was asked for meanwhile, if it can be done now. */
void master_go_on(struct master *m);
/* One generation serves, none starts or drains. */
static inline bool
master_alone(const struct master *m)
{
    return m->current != NULL && m->next == NULL && m->old == NULL;
}

/* --- master_upgrade.c ---------------------------------------------------- */

/* SIGUSR2: tries the new program, then becomes it. */
void master_upgrade(struct master *m);
/* Its trial has ended. */
void master_upgrade_tried(struct master *m, int status);
/* In the new one: takes lock, keepers and sockets; then, with a base, the
 * workers. False: *error says why. */
bool master_resume(struct master *m, const struct handover *h,
                   struct buf *error);
bool master_resume_workers(struct master *m, const struct handover *h);

/* --- master_keepers.c ---------------------------------------------------- */

/* Calls the service in options->keeper_dir. False: errno says why. */
bool master_keepers_call(struct master *m);
bool master_keepers_events(struct master *m);
void master_keepers_free(struct master *m);
/* False: it did not take it, which is logged. True also while its service is
 * away: it is told what runs when it is back. */
bool master_keepers_tell(struct master *m, enum control_kind kind,
                         unsigned number, int fd);
/* Until it is heard, or another one starts in its place. */
void master_keepers_stop(struct master *m, unsigned keeper);
/* The parent that was forked has died. */
void master_keepers_died(struct master *m);

/* --- master_tickets.c ---------------------------------------------------- */

/* env.tickets_fd, and a new one from time to time. False: no memory. */
bool master_tickets_new(struct master *m);
void master_tickets_free(struct master *m);

/* Adds the events of signals, keepers and the keepers' log. */
bool master_events_new(struct master *m);
void master_events_free(struct master *m);

#endif
