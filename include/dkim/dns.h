/*
 * dns - the shape of DNS questions and answers, as the evaluators ask them.
 *
 * Evaluators (verify, spf, dmarc) are pure: they name a question and are given
 * its answer later, by proxy/dns, a file or a test.
 */
#ifndef DKIM_DNS_H
#define DKIM_DNS_H

#include <base/bytes.h>

enum dns_type {
    DNS_A = 1,
    DNS_NS = 2,
    DNS_CNAME = 5,
    DNS_PTR = 12,
    DNS_MX = 15,
    DNS_TXT = 16,
    DNS_AAAA = 28,
    DNS_TLSA = 52
};

enum dns_status {
    DNS_OK,       /* at least one record */
    DNS_NXDOMAIN, /* the name does not exist */
    DNS_NODATA,   /* the name exists, no record of this type */
    DNS_TEMPFAIL  /* SERVFAIL, REFUSED, timeout, malformed, chain too long */
};

enum {
    DNS_NAME_MAX = 253
}; /* octets in text form, without a final dot */

struct dns_question {
    enum dns_type type;
    char name[DNS_NAME_MAX + 1]; /* lower case, no final dot */
};

/*
 * One record. data is: TXT the joined strings; A 4 octets, AAAA 16 octets,
 * network order; TLSA as it stands there (RFC 6698 2.1), at least 4 octets; NS,
 * PTR, CNAME and MX the name in text, lower case, no final dot.
 */
struct dns_record {
    struct bytes data;
    uint16_t preference; /* MX */
};

/* Lent for the call that it is an argument of. */
struct dns_answer {
    enum dns_status status;
    const struct dns_record *records;
    size_t count;
    uint32_t ttl_s;     /* the smallest along the chain, or negative TTL */
    bool authenticated; /* AD from a resolver that we trust */
};

#endif
