/*
 * servers - which nameserver to ask, and which of them have failed lately.
 *
 * One that is silent or unreachable is asked last for 30 seconds; when that
 * begins and ends a line is logged, once in 30 seconds. Who answers others
 * meanwhile is not silent: it waits for another server itself.
 */
#ifndef PROXY_DNS_SERVERS_H
#define PROXY_DNS_SERVERS_H

#include "proxy/config/conf.h"

enum {
    DNS_SERVERS_MAX = 8,
    DNS_BACKOFF_MS = 30000
};

struct dns_server {
    struct sockaddr_storage addr;
    /* Asked last until then; 0: as far as we know good. */
    uint64_t bad_until_ms;
    uint64_t heard_ms; /* its last answer */
    uint64_t told_ms;  /* the last line that it does not answer; 0: none */
    bool told;         /* and none that it does again */
};

/* Shared by all exchanges of a resolver; fields read by anybody. */
struct dns_servers {
    struct dns_server list[DNS_SERVERS_MAX];
    size_t count;  /* at least one after servers_set() */
    bool trust_ad; /* all on loopback, or options trust-ad */
};

/* nameservers empty: those of the file resolv_conf, see resolvconf.h. */
void servers_set(struct dns_servers *s,
                 const struct conf_addresses *nameservers,
                 const char *resolv_conf);

/*
 * The best server whose bit in without is 0: the first good one, else the one
 * that failed longest ago. False: every bit is set.
 */
bool servers_choose(const struct dns_servers *s, unsigned without,
                    uint64_t now_ms, size_t *index_out);

/* It can't be reached. */
void servers_failed(struct dns_servers *s, size_t index, uint64_t now_ms);
/* The time of a question that was asked then is over. */
void servers_silent(struct dns_servers *s, size_t index, uint64_t asked_ms,
                    uint64_t now_ms);
void servers_answered(struct dns_servers *s, size_t index, uint64_t now_ms);

socklen_t servers_address_len(const struct sockaddr_storage *addr);

#endif
