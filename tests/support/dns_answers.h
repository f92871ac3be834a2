/*
 * dns_answers - answers to one question, good and wrong in every way, and what
 * the reader of proxy/dns/packet.h has to make of each.
 */
#ifndef TESTS_SUPPORT_DNS_ANSWERS_H
#define TESTS_SUPPORT_DNS_ANSWERS_H

#include "dns_message.h"
#include "proxy/dns/packet.h"

/* The name asked for, of type TXT; the one record of a good answer is
 * "v=DKIM1". */
extern const char answer_name[];

/* craft() adds to what message_begin() made of the query. An ALIAS leads to
 * a.example.net. */
struct answer_case {
    const char *name;
    void (*craft)(struct message *m);
    bool tcp;
    enum packet_verdict verdict;
    enum dns_status status; /* of an ANSWER */
    uint32_t ttl_s;         /* 0: not compared */
    unsigned hops;
};

enum {
    ANSWER_CASES = 52
};

extern const struct answer_case answer_cases[ANSWER_CASES];

/* The longest of them: a DNAME, its CNAME, a TXT record, and signatures. */
void answer_dname_and_rrsig(struct message *m);

#endif
