/*
 * resolver_world - a resolver on a loop of its own, asking the nameserver of
 * dns_server.h.
 *
 * Tries take 150 ms and a question 500 ms here, so that what never answers is
 * over soon.
 */
#ifndef TESTS_SUPPORT_RESOLVER_WORLD_H
#define TESTS_SUPPORT_RESOLVER_WORLD_H

#include "dns_server.h"
#include "proxy/dns/internal.h"

enum {
    TRY_MS = 150,
    QUESTION_MS = 500
};

/* Each test has one, as its state. */
struct world {
    struct event_base *base;
    struct dns_script *script;
    struct resolver *r;
    struct conf_address addresses[3]; /* the nameservers, the first is script */
    struct conf_addresses list;
    char host[3][16];
};

/* What came, kept beyond the callback. */
struct got {
    unsigned calls;
    enum dns_status status;
    size_t count;
    size_t octets; /* of the first record */
    char text[64];
    uint32_t ttl_s;
    bool authenticated;
    struct dns_query **cancel; /* at the call */
};

/* For cmocka_unit_test_setup_teardown(). */
int world_set_up(void **state);
int world_tear_down(void **state);

/* Another resolver, for w->r, which is freed before: it asks the servers that
 * w->list has now, and reads the file hosts. */
struct resolver *world_resolver_new(struct world *w, const char *hosts);

/* Asks for TXT; g has to live until the answer is in it. */
struct dns_query *world_ask(struct world *w, const char *name, struct got *g);

/* Turns the loop until *calls is want; a failed assertion after 3 s. */
void world_run_until(struct world *w, const unsigned *calls, unsigned want);

/* Both in one. */
struct got world_ask_and_wait(struct world *w, const char *name);

#endif
