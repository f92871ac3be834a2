/*
 * worker - one event loop and what all its sessions share.
 */
#ifndef PROXY_WORKER_H
#define PROXY_WORKER_H

#include <event2/event.h>

#include <proxy/config/conf.h>
#include <proxy/dns/resolver.h>
#include <proxy/keeper/client.h>
#include <proxy/net/conn.h>
#include <proxy/net/tls_tickets.h>

struct dovecot;
struct failures;
struct gate;
struct session;
struct seenfrom;
struct stats;
struct upstream;
struct watch;
struct worker_listener;

struct worker {
    struct event_base *base;
    struct conn_loop *loop;
    struct conf *conf;
    struct keeper_client *keeper;
    struct resolver *resolver;
    struct upstream **upstreams;       /* as conf->upstreams */
    struct worker_listener *listeners; /* as conf->listens */
    struct tls_ticket_secrets tickets; /* of all workers; wiped at the end */
    struct gate *gate;                 /* who may connect, see listener.c */
    struct watch *watch;               /* our records in DNS; mostly NULL */
    struct seenfrom *seenfrom;         /* From domains without a key */
    struct failures *failures;         /* of logins */
    struct dovecot **dovecots;         /* as conf->listens; mostly NULL */
    struct stats *stats;               /* counted by all workers together */
    struct session *sessions;          /* doubly linked, see session.h */
    struct session *walk; /* the next that a walk over all comes to */
    size_t session_count;
    size_t transactions;
    uint64_t spool_octets; /* held by all messages */
    uint64_t ids;          /* counts message ids */
    unsigned slot;         /* 0 .. workers - 1 */
    bool draining; /* sessions end at the next moment outside a transaction */
    bool stressed; /* connections run out, see limits.h */
    bool stopping; /* SIGTERM: also inside, before our dot, after 30 s */
};

/*
 * The whole life of a worker process: it is told the rest over the control
 * pair (process/control.h) at CHILD_CONTROL_FD. Returns the exit code.
 */
int worker_main(unsigned slot);

#endif
