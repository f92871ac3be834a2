/*
 * server - what the threads of the keeper share; private to the keeper.
 *
 * One lock guards all of it. Nothing slow is done under it: no hash, no
 * signature, no file, no log line.
 *
 *   keeper.c       the main thread: start, signals, accept, late packets
 *   threads.c      the others: receive packets, take jobs
 *   connections.c  sockets and what is not sent yet
 *   requests.c     judges a packet: an answer at once, or a job
 *   requests_scram.c  the same for a SCRAM exchange
 *   jobs.c         computes: password checks and signatures
 *   reload.c, upkeep.c (upkeep.h)  the main thread: data and views
 */
#ifndef PROXY_KEEPER_SERVER_H
#define PROXY_KEEPER_SERVER_H

#include <base/wipe.h>

#include <proxy/config/conf.h>
#include <proxy/keeper/books.h>
#include <proxy/keeper/data.h>
#include <proxy/keeper/exchanges.h>
#include <proxy/keeper/faults.h>
#include <proxy/keeper/handles.h>
#include <proxy/keeper/identities.h>
#include <proxy/keeper/keycache.h>
#include <proxy/keeper/passwords.h>
#include <proxy/keeper/protocol.h>
#include <proxy/keeper/queue.h>
#include <proxy/keeper/scram.h>
#include <pthread.h>

enum {
    CONNECTIONS_MAX = 1024
};

/* A packet that the socket did not take at once. */
struct unsent {
    STAILQ_ENTRY(unsent) link;
    size_t len;
    uint8_t packet[];
};

STAILQ_HEAD(unsent_list, unsent);

/* A place in server.connections, used again under another generation. */
struct connection {
    int fd;
    uint32_t generation;
    unsigned refs; /* 0: free place; one for being open, one a user */
    bool open;
    bool watched;    /* known to the main thread's epoll */
    bool wants_view; /* it asked once: it gets each new one */
    bool view_due;   /* the socket was full */
    unsigned in_flight;
    unsigned unsent_count;
    struct unsent_list unsent;
    struct handles *handles;     /* owned while open */
    struct exchanges *exchanges; /* the same; NULL before the first */
    uint64_t refusals;
};

struct server {
    const struct conf *conf; /* borrowed, constant */
    unsigned threads;        /* constant */
    int packets_epoll;       /* threads: connections that have packets */
    int main_epoll;          /* main: the rest */
    int wake_fd;             /* eventfd in packets_epoll */
    int news_fd;             /* eventfd in main_epoll: upkeep_run() is due */
    struct scram *scram;     /* constant; NULL: no listener has it */

    pthread_mutex_t lock; /* guards all below */
    bool stopping;
    unsigned idle; /* threads that wait for packets */
    struct keeper_data *data;
    struct queue *queue;
    struct keycache *keys;
    struct identities *identities;
    struct passwords *passwords; /* has its own lock */
    struct faults *faults;
    struct books *books;
    bool faults_news; /* the view does not show them yet */
    uint64_t logins, signatures, refusals, self_verify_failures;
    struct connection connections[CONNECTIONS_MAX];
};

uint64_t server_now_ns(void); /* monotonic */

static inline void
server_lock(struct server *s)
{
    (void)pthread_mutex_lock(&s->lock);
}

static inline void
server_unlock(struct server *s)
{
    (void)pthread_mutex_unlock(&s->lock);
}

/* Locked. The present data; the caller drops it. */
struct keeper_data *server_data(struct server *s);
/* Locked. Wakes a thread, if one is idle and there is a job for it. */
void server_wake(struct server *s);

/* --- connections.c -------------------------------------------------------- */

/* Locked. Takes fd. False: no room or memory; fd is closed. */
bool connection_open(struct server *s, int fd);
/* Its name in epoll events, and back; locked. NULL: closed meanwhile. */
uint64_t connection_id(const struct server *s, const struct connection *c);
struct connection *connection_hold(struct server *s, uint64_t id);
/* Locked. *c is NULL afterwards. */
void connection_drop(struct connection **c);
/* Locked. No packets from it or to it any more. */
void connection_close(struct server *s, struct connection *c);
/* Unlocked; the caller holds c. Never waits. */
void connection_send(struct server *s, struct connection *c,
                     const struct keeper_answer *answer);
/* Unlocked; the caller holds c and data. */
void connection_send_view(struct server *s, struct connection *c,
                          const struct keeper_data *data);
/* Unlocked, main thread: the socket takes packets again. */
void connection_flush(struct server *s, struct connection *c);

/* --- requests.c ----------------------------------------------------------- */

/* Unlocked; the caller holds c. */
void request_take(struct server *s, struct connection *c, struct bytes packet);

/*
 * Locked. May this identity sign with this key, by the present data? OK:
 * *key_out is lent by the view. Else *why_out is a static sentence.
 */
enum keeper_status
request_judge(const struct server *s, const struct identity *identity,
              const char *domain, const char *selector, enum dkim_alg alg,
              const struct view_key **key_out, const char **why_out);
/* Locked. A handle for the identity, which may be NULL (no memory). */
void request_login(struct server *s, struct connection *c,
                   struct identity *identity, struct keeper_answer *answer);
/* --- requests_scram.c ----------------------------------------------------- */

/* Before the threads: s->scram, when a listener has it. False: no memory. */
bool request_scram_open(struct server *s, const struct keystore_conf *store);

/* Unlocked. SCRAM and PROOF; message: room for what the answer then lends. */
void request_scram(struct server *s, struct connection *c,
                   const struct keeper_ask *ask, struct keeper_answer *answer,
                   struct scram_message *message);

/*
 * A signature that was refused: noted under the lock, logged without it.
 * Zeroed: nothing to log.
 */
struct refusal {
    char user[KEEPER_USER_MAX + 1];
    char domain[KEEPER_DOMAIN_MAX + 1];
    char selector[KEEPER_SELECTOR_MAX + 1];
    const char *why; /* static */
    bool asserted;
    uint64_t count; /* of this worker; 0: not to be logged */
};

/* Locked. identity NULL: no such handle. */
void refusal_note(struct server *s, struct connection *c,
                  struct identity *identity, const char *domain,
                  const char *selector, const char *why,
                  struct refusal *refusal_out);
/* Unlocked. */
void refusal_log(const struct refusal *refusal);

/* --- jobs.c --------------------------------------------------------------- */

/* Locked. Queues; on false the answer says why. */
bool job_sign(struct server *s, struct connection *c,
              const struct keeper_ask *ask, struct identity *identity,
              const struct view_key *key, struct keeper_answer *answer);
bool job_check(struct server *s, struct connection *c,
               const struct keeper_ask *ask, struct keeper_answer *answer);
/* Unlocked. Computes what queue_take() gave, answers, frees it. */
void job_run(struct server *s, struct queue_job *job, unsigned thread);
/* Locked. Frees it unanswered. */
void job_drop(struct server *s, struct queue_job *job);

/* --- threads.c ------------------------------------------------------------ */

/* The body of one thread; arg is a struct thread. */
struct thread {
    struct server *server;
    unsigned number;
    pthread_t id;
};
void *thread_run(void *arg);

#endif
