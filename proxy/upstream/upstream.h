/*
 * upstream - the connections to one [upstream NAME]: made, kept, lent.
 *
 * A session asks for a link, is given a connection that is ready for MAIL,
 * and gives it back or drops it. Links are reused only when their last reply
 * was whole and nothing unread is left, and only for who would have made the
 * same: one login is never lent to another. Which address is tried is
 * balance.h's; beyond `max_connections` who asks waits in a queue.
 */
#ifndef PROXY_UPSTREAM_UPSTREAM_H
#define PROXY_UPSTREAM_UPSTREAM_H

#include <base/buf.h>

#include <smtp/caps.h>

#include <proxy/config/conf.h>
#include <proxy/net/conn.h>

struct smtp_xattrs;
struct worker;
struct upstream;
struct upstream_link;
struct upstream_wait;

/* conf and w are borrowed. NULL: error names the file and the mend. */
struct upstream *upstream_new(struct worker *w,
                              const struct upstream_conf *conf,
                              struct buf *error);
/* Password and certificates again; on failure error is filled, the old stay. */
void upstream_reload(struct upstream *u, struct buf *error);
/* Closes idle links; lent ones must have come back. */
void upstream_free(struct upstream **u);

const struct upstream_conf *upstream_settings(const struct upstream *u);
/*
 * What all its addresses offered when they were last greeted, behind TLS and
 * AUTH: what one of them lacks is not in it, and `size` is the smallest. NULL:
 * none was ever reached. Kept across outages.
 */
const struct smtp_caps *upstream_caps(const struct upstream *u);

/* What an upstream said to credentials that are not ours. */
enum upstream_verdict {
    UPSTREAM_NOT_REFUSED,
    UPSTREAM_REFUSED,     /* 5yz */
    UPSTREAM_REFUSED_NOW, /* 4yz: nothing was judged */
    UPSTREAM_NO_MECHANISM
};
enum {
    UPSTREAM_SAID_MAX = 200
};
struct upstream_refusal {
    enum upstream_verdict what;
    int code;
    char said[UPSTREAM_SAID_MAX + 1]; /* printable */
};

/*
 * For whom a connection is. Zero is: as the configuration says. Everything is
 * borrowed for the call.
 */
struct upstream_wish {
    const char *username;    /* NULL: the upstream's own */
    const char *secret_file; /* with username: whose first line counts */
    const char *secret;      /* with username, in the file's place: the client's
                                own credentials; the connection is never lent to
                                anybody else, upstream_put() closes it */
    unsigned mechs;          /* with secret: enum smtp_mech; 0: as configured */
    const struct smtp_xattrs *client; /* for XCLIENT; NULL: nobody */
    /* With secret: filled before the callback when the credentials were
     * refused; no other address is tried then, and none counts as failed.
     * Lent until the callback or upstream_cancel(). */
    struct upstream_refusal *refusal;
};

/*
 * link NULL: no connection to be had; error says why in one sentence, lent for
 * the call.
 */
typedef void upstream_callback(struct upstream_link *link, const char *error,
                               void *arg);

/*
 * A kept connection, or NULL. The caller sets itself as the owner of its conn
 * before it returns to the loop. wish NULL: as a zero one.
 */
struct upstream_link *upstream_take(struct upstream *u,
                                    const struct upstream_wish *wish);
/*
 * Asks for a connection: a new one, or the one that is given back next when
 * there may be no more. The callback comes later, never from inside the call;
 * at the latest when `queue_timeout` and the tries behind it are over. NULL:
 * no memory.
 */
struct upstream_wait *upstream_get(struct upstream *u,
                                   const struct upstream_wish *wish,
                                   upstream_callback *cb, void *arg);
/* No callback after this. *wait is NULL afterwards; NULL is fine. */
void upstream_cancel(struct upstream_wait **wait);

/* The connection; its owner is the caller (conn_set_owner). */
struct conn *upstream_link_conn(const struct upstream_link *link);
const struct smtp_caps *upstream_link_caps(const struct upstream_link *link);
/* "smtp1.example.net[192.0.2.1]:587", for the log. */
const char *upstream_link_name(const struct upstream_link *link);

/*
 * Gives a link back whose last reply was whole. reset: a transaction is open
 * on it, RSET is sent first. *link is NULL afterwards.
 */
void upstream_put(struct upstream_link **link, bool reset);
/* Closes at once, without QUIT: nothing half-sent is completed. */
void upstream_drop(struct upstream_link **link);

#endif
