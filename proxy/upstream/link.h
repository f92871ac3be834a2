/*
 * link - one connection to an upstream, up to the point where MAIL may be sent,
 * and the upstream that it belongs to.
 *
 * Private to proxy/upstream: dial.c finds addresses, handshake.c makes links,
 * pool.c keeps them.
 */
#ifndef PROXY_UPSTREAM_LINK_H
#define PROXY_UPSTREAM_LINK_H

#include "proxy/upstream/balance.h"
#include "proxy/upstream/login.h"
#include "proxy/upstream/upstream.h"

#include <smtp/client.h>

#include <openssl/ssl.h>

struct upstream_link {
    struct upstream *upstream;  /* borrowed */
    struct upstream_link *next; /* in the list of idle or resetting ones */
    struct conn *conn;          /* owns */
    struct smtp_caps caps;
    char *name;    /* owns; "HOST[ADDRESS]:PORT" */
    char *key;     /* owns; for whom it is, see login_key(); NULL: as "" */
    size_t target; /* of the upstream's */
    uint64_t made_ms;
    unsigned uses; /* transactions so far */
    bool counted;  /* among the upstream's connections */
    bool own;      /* somebody's own credentials: not to be kept */
};

enum {
    UPSTREAM_HOSTS_MAX = 16
};

/* One of the addresses that a name has, and how it has been lately. */
struct upstream_host {
    struct sockaddr_storage address;
    struct balance_target balance;
};

/* One address of the configuration. */
struct upstream_target {
    const struct conf_address *address;
    struct smtp_caps caps; /* of its last EHLO */
    bool caps_known;
    struct upstream_host hosts[UPSTREAM_HOSTS_MAX]; /* of a name, a few */
    size_t host_count;
    size_t turn; /* which of its hosts is tried first */
};

struct health;

struct upstream {
    struct worker *worker; /* borrowed */
    const struct upstream_conf *conf;
    struct balance_conf balance;
    SSL_CTX *tls;   /* owns; NULL with tls = none */
    char *password; /* owns, wiped; NULL without login = password */
    struct smtp_caps caps;
    bool caps_known;
    struct upstream_target *targets; /* owns; as conf->addresses */
    struct balance_target *balances; /* owns; the same */
    size_t *order;                   /* owns; room for as many */
    struct upstream_link *idle;      /* the last one used first */
    unsigned idle_count;
    struct upstream_link *resetting; /* given back, RSET not answered yet */
    struct upstream_wait *waits;     /* the oldest first */
    struct event *serve;             /* owns; a connection may be had */
    unsigned connections;            /* lent, kept, under way */
    unsigned connections_max;        /* this worker's share; 0: no limit */
    struct health *health;           /* owns; NULL: no checks */
};

/* waits.c: before the first connection, and when all have come back. */
bool upstream_pool_open(struct upstream *u);
void upstream_pool_close(struct upstream *u);

/* Takes link and everything in it away; closes the connection. */
void upstream_link_free(struct upstream_link **link);

/* upstream-up, or upstream-down with the error that it was; by: who found it
 * out, "mail" or "check". */
void upstream_log_target(const struct upstream *u, size_t target,
                         const char *by, const char *error);

/* A target was reached (caps: what it offers behind AUTH), or was not. */
void upstream_target_good(struct upstream *u, size_t target,
                          const struct smtp_caps *caps);
void upstream_target_failed(struct upstream *u, size_t target,
                            const char *error);

/*
 * A connection under way: targets are tried in turn until one is ready. Ends
 * with done(link or NULL, error), never from inside dial_start(). wish is
 * borrowed until then.
 */
struct dial;
typedef void dial_callback(struct upstream_link *link, const char *error,
                           void *arg);
struct dial *dial_start(struct upstream *u, const struct login_wish *wish,
                        dial_callback *done, void *arg);
/* One target only, greeted and put under TLS, nobody logs in. */
struct dial *dial_check(struct upstream *u, size_t target, dial_callback *done,
                        void *arg);
void dial_cancel(struct dial **dial);

#endif
