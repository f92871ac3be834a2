/*
 * direct - one question put to one server, and what came back.
 *
 * UDP from a fresh socket each try, without EDNS where the server is from
 * before it, TCP where the answer is cut. Nothing is cached or followed.
 *
 * RFC 1035 4.2, 5452 9 (id, port, case), 6891 (EDNS), 7766 (TCP).
 */
#ifndef PROXY_DNS_DIRECT_H
#define PROXY_DNS_DIRECT_H

#include "proxy/dns/packet.h"
#include "proxy/dns/raw.h"

#include <event2/event.h>

#include <sys/socket.h>

enum direct_end {
    DIRECT_ANSWERED, /* whatever it says: see rcode */
    DIRECT_SILENT,   /* nothing in time */
    DIRECT_NOBODY,   /* the host says that nothing listens there */
    DIRECT_NO_ROUTE, /* this machine cannot send there at all */
    DIRECT_NO_TCP,   /* UDP does not do (cut, letters changed, somebody
                        guesses), and TCP gives no answer */
    DIRECT_GARBLED,  /* what came is no sound DNS message */
    DIRECT_OURS      /* no memory or no sockets here */
};

struct direct;

/* answer: with DIRECT_ANSWERED, lent for the call, kept by raw_ref(). Called
 * once and last: the direct may be freed inside. */
typedef void direct_callback(enum direct_end end, struct raw_answer *answer,
                             void *arg);

struct direct_options {
    struct event_base *base; /* borrowed */
    struct sockaddr_storage server;
    struct packet_question question; /* edns: try it first */
    unsigned try_ms;                 /* one packet, one connection */
    unsigned tries;      /* packets to a silent server; at least 1 */
    direct_callback *cb; /* never called inside direct_start() */
    void *arg;
};

/* NULL: no memory. */
struct direct *direct_start(const struct direct_options *options);
void direct_free(struct direct **d); /* no callback after this; NULL is fine */

#endif
