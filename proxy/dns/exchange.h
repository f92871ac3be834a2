/*
 * exchange - one question put to the nameservers until one answers.
 *
 * UDP from a fresh socket and port each time, TCP where it must be. A server
 * that refuses or fails is not asked again in this exchange, one that stays
 * silent may be; one that is silent or unreachable is asked last by the
 * exchanges of the next 30 seconds.
 *
 * RFC 1035 4.2, 5452 9 (id, port, case), 6891 (EDNS), 7766 (TCP).
 */
#ifndef PROXY_DNS_EXCHANGE_H
#define PROXY_DNS_EXCHANGE_H

#include "proxy/dns/packet.h"
#include "proxy/dns/servers.h"

#include <event2/event.h>

struct exchange;

/*
 * answer NULL: no server gave one in time. Else verdict says PACKET_ANSWER
 * or PACKET_ALIAS; answer->result then belongs to the one who is called.
 * Called once and last: the exchange may be freed inside.
 */
typedef void exchange_callback(enum packet_verdict verdict,
                               struct packet_answer *answer, void *arg);

struct exchange_options {
    struct event_base *base;        /* borrowed */
    struct dns_servers *servers;    /* borrowed */
    const struct packet_name *name; /* copied */
    enum dns_type type;
    bool check_disabled;   /* as of struct packet_question */
    unsigned hops_left;    /* as of packet_read() */
    unsigned try_ms;       /* one packet, one connection */
    uint64_t deadline_ms;  /* of clock_ms() */
    exchange_callback *cb; /* never called from inside exchange_start() */
    void *arg;
};

/* NULL: no memory. */
struct exchange *exchange_start(const struct exchange_options *options);
void exchange_free(struct exchange **x); /* no callback after this */

#endif
