/*
 * result - a DNS answer that owns its records, in one block of memory.
 *
 * The cache, a finished question and those who still wait for their call
 * share one; it goes with the last of them.
 */
#ifndef PROXY_DNS_RESULT_H
#define PROXY_DNS_RESULT_H

#include <dkim/dns.h>

struct dns_result {
    struct dns_answer answer; /* points into the same block */
    size_t octets;            /* what the block takes */
    unsigned refs;            /* private */
};

/* A record whose data still stands in a growing buffer. */
struct result_record {
    size_t offset;
    size_t len;
    uint16_t preference;
};

/* Copies; refs is 1. NULL: no memory. */
struct dns_result *result_new(enum dns_status status,
                              const struct result_record *records, size_t count,
                              struct bytes data);
struct dns_result *result_ref(struct dns_result *r);
void result_unref(struct dns_result **r); /* NULL is fine */

#endif
