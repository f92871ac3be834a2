/*
 * dns_server - a nameserver on loopback that does what a test tells it.
 *
 * It runs on the test's own event loop: UDP and TCP on one free port. What it
 * does is chosen by the first label of the name that it is asked for; see the
 * table in dns_server_answers.c.
 */
#ifndef TESTS_SUPPORT_DNS_SERVER_H
#define TESTS_SUPPORT_DNS_SERVER_H

#include <event2/event.h>

#include <stdint.h>

struct dns_server_counts {
    unsigned udp; /* queries seen */
    unsigned tcp;
    unsigned no_opt;  /* of these without OPT */
    unsigned ids[64]; /* and ports, of the first ones */
    unsigned ports[64];
};

struct dns_script;

struct dns_script *dns_script_new(struct event_base *base);
void dns_script_free(struct dns_script **s);
void dns_script_silence(struct dns_script *s); /* counts, never answers */
uint16_t dns_script_port(const struct dns_script *s);
struct dns_server_counts *dns_script_counts(struct dns_script *s);

#endif
