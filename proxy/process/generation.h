/*
 * generation - the workers of one configuration, from their start until the
 * last of them has ended.
 *
 * A worker that dies is replaced as long as the generation serves; the
 * listening sockets are the master's, so that what waits in them is not lost.
 */
#ifndef PROXY_PROCESS_GENERATION_H
#define PROXY_PROCESS_GENERATION_H

#include <event2/event.h>

#include <proxy/config/conf.h>
#include <proxy/process/control.h>
#include <proxy/process/handover.h>
#include <proxy/process/sockets.h>
#include <sys/types.h>

struct stats;

/* What the master lends to its generations. */
struct generation_env {
    struct event_base *base;
    const struct sockets *sockets;
    struct stats *stats;
    int log_fd;             /* -1: syslog */
    int tickets_fd;         /* what CONTROL_TICKETS carries; -1: none */
    bool keep_stderr;       /* false: workers leave it when they are ready */
    const char *keeper_dir; /* where the keepers' sockets are */
    const char *keeper_names[2];
};

enum generation_event {
    GENERATION_READY,  /* every worker serves */
    GENERATION_FAILED, /* it can't be started; generation_code() says how */
    GENERATION_ENDED   /* no worker is left, after drain or stop */
};

struct generation;
typedef void generation_callback(struct generation *g,
                                 enum generation_event event, void *arg);

/*
 * Takes conf and conf_fd. keeper: 0 or 1, which of the two keepers is its.
 * Nothing runs before generation_keeper_ready(). NULL: no memory; both were
 * freed.
 */
struct generation *generation_new(const struct generation_env *env,
                                  struct conf *conf, int conf_fd,
                                  unsigned keeper, generation_callback *cb,
                                  void *arg);
/*
 * One that serves already: the workers that a master before us has started.
 * Takes conf and conf_fd; h's workers are its. NULL: as above.
 */
struct generation *generation_adopt(const struct generation_env *env,
                                    struct conf *conf, const struct handover *h,
                                    generation_callback *cb, void *arg);
/* Adds its workers, keeper and configuration. False: no memory. */
bool generation_hand_over(const struct generation *g, struct handover *h);

/* Kills what still runs. */
void generation_free(struct generation **g);

const struct conf *generation_conf(const struct generation *g);
int generation_conf_fd(const struct generation *g);
unsigned generation_keeper(const struct generation *g);
int generation_code(const struct generation *g); /* a sysexits.h code */

/* Its keeper answers: starts the workers, or connects them anew. */
void generation_keeper_ready(struct generation *g);
/* Its keeper can't be started. */
void generation_keeper_failed(struct generation *g, int code);

/* To every worker. */
void generation_send(struct generation *g, enum control_kind kind,
                     uint32_t number, int fd);
/* env->tickets_fd to every worker but those of a master before us, which may
 * not know the word. */
void generation_send_tickets(struct generation *g);
/* CONTROL_DRAIN or CONTROL_STOP: workers are not replaced any more.
 * GENERATION_ENDED follows, never from inside the call. */
void generation_end(struct generation *g, enum control_kind kind,
                    unsigned seconds);
/* SIGKILL to all. */
void generation_kill(struct generation *g);

/* A child has ended; true: it was a worker of this generation. The callback
 * may have freed it then. */
bool generation_reap(struct generation *g, pid_t pid, int status);

#endif
