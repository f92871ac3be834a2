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

#include <event2/event.h>

#include <proxy/dns/packet.h>
#include <sys/socket.h>

enum {
    DNS_SERVERS_MAX = 8,
    DNS_BACKOFF_MS = 30000
};

struct dns_server {
    struct sockaddr_storage addr;
    uint64_t bad_until_ms; /* asked last until then */
};

/* Shared by all exchanges of a resolver. */
struct dns_servers {
    struct event_base *base; /* borrowed */
    struct dns_server list[DNS_SERVERS_MAX];
    size_t count;
    unsigned try_ms;
    bool trust_ad;
};

struct exchange;

/*
 * answer NULL: no server gave one in time. Else verdict says PACKET_ANSWER
 * or PACKET_ALIAS; answer->result then belongs to the one who is called.
 * Called once and last: the exchange may be freed inside.
 */
typedef void exchange_callback(enum packet_verdict verdict,
                               struct packet_answer *answer, void *arg);

/*
 * Nothing is called from inside. deadline_ms is of dns_now_ms(); hops_left as
 * of packet_read(). NULL: no memory.
 */
struct exchange *exchange_start(struct dns_servers *servers,
                                const struct packet_name *name,
                                enum dns_type type, unsigned hops_left,
                                uint64_t deadline_ms, exchange_callback *cb,
                                void *arg);
void exchange_free(struct exchange **x);

/* Monotonic milliseconds. */
uint64_t dns_now_ms(void);

#endif
