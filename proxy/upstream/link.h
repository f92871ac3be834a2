/*
 * link - one connection to an upstream, up to the point where MAIL may be sent.
 *
 * Private to proxy/upstream: dial.c makes links, upstream.c keeps them.
 */
#ifndef PROXY_UPSTREAM_LINK_H
#define PROXY_UPSTREAM_LINK_H

#include "proxy/upstream/upstream.h"

#include <smtp/client.h>

#include <openssl/ssl.h>

struct upstream_link {
    struct upstream *upstream;  /* borrowed */
    struct upstream_link *next; /* in the list of idle or resetting ones */
    struct conn *conn;          /* owns */
    struct smtp_caps caps;
    char *name; /* owns; "HOST[ADDRESS]:PORT" */
    uint64_t made_ms;
    unsigned uses; /* transactions so far */
};

/* One address of the configuration and how it has been lately. */
struct upstream_target {
    const struct conf_address *address;
    uint64_t bad_until_ms; /* 0: good */
};

struct upstream {
    struct worker *worker; /* borrowed */
    const struct upstream_conf *conf;
    SSL_CTX *tls;   /* owns; NULL with tls = none */
    char *password; /* owns, wiped; NULL without login */
    struct smtp_caps caps;
    bool caps_known;
    struct upstream_target *targets; /* owns; as conf->addresses */
    struct upstream_link *idle;      /* the last one used first */
    unsigned idle_count;
    struct upstream_link *resetting; /* given back, RSET not answered yet */
    struct upstream_wait *waits;
};

/* Takes link and everything in it away; closes the connection. */
void upstream_link_free(struct upstream_link **link);

/* Monotonic. */
uint64_t upstream_now_ms(void);

/*
 * A connection under way: targets are tried in turn until one is ready. Ends
 * with done(link or NULL, error), never from inside dial_start().
 */
struct dial;
typedef void dial_callback(struct upstream_link *link, const char *error,
                           void *arg);
struct dial *dial_start(struct upstream *u, dial_callback *done, void *arg);
void dial_cancel(struct dial **dial);

#endif
