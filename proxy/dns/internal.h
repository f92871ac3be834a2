/*
 * internal - a resolver with settings that the configuration does not have.
 *
 * For resolver.c itself and for tests: times in milliseconds, files by name.
 */
#ifndef PROXY_DNS_INTERNAL_H
#define PROXY_DNS_INTERNAL_H

#include "proxy/dns/exchange.h"
#include "proxy/dns/resolver.h"

struct hosts;

struct resolver_options {
    const struct conf_addresses *nameservers; /* empty: resolv_conf */
    const char *resolv_conf;                  /* path */
    const char *hosts;                        /* path */
    unsigned try_ms;
    unsigned question_ms; /* all tries and CNAMEs together */
    bool check_disabled;  /* CD=1: answers though DNSSEC says bogus */
};

struct resolver *resolver_new_with(struct event_base *base,
                                   const struct resolver_options *options);

struct event_base *resolver_base(struct resolver *r);
const struct hosts *resolver_hosts(const struct resolver *r);

#endif
