/*
 * raw - an answer as one server gave it, nothing followed and nothing judged.
 *
 * For who surveys servers: the resolver's own reader is records.h. Kept are
 * the TXT, CNAME, NS and SOA records of the answer and authority sections.
 */
#ifndef PROXY_DNS_RAW_H
#define PROXY_DNS_RAW_H

#include <base/bytes.h>

enum {
    RAW_RECORDS_MAX = 64, /* kept of one answer; more are passed over */
    RAW_NOERROR = 0,      /* RCODE (1035 4.1.1) */
    RAW_SERVFAIL = 2,
    RAW_NXDOMAIN = 3,
    RAW_REFUSED = 5,
    RAW_BADVERS = 16, /* 6891 9 */
    RAW_TYPE_NS = 2,
    RAW_TYPE_CNAME = 5,
    RAW_TYPE_SOA = 6,
    RAW_TYPE_TXT = 16
};

struct raw_record {
    bool authority; /* section; else the answer section */
    unsigned type;  /* RAW_TYPE_* */
    uint32_t ttl_s;
    const char *owner; /* lower case, no final dot; "" is the root */
    /*
     * TXT: the strings as they stand in RDATA, each with its length octet,
     * whole. CNAME and NS: the name, as owner is, with a NUL behind it.
     * SOA: empty.
     */
    struct bytes data;
    uint32_t minimum_s; /* SOA: its last field */
};

struct raw_answer {
    unsigned refs;  /* private */
    unsigned rcode; /* with the upper bits of EDNS */
    bool authoritative;
    size_t count;
    struct raw_record *records; /* in the same block, as all they point to */
};

/* An answer without records. NULL: no memory. */
struct raw_answer *raw_new(unsigned rcode);
/* message: header and question are known to be right. NULL: broken. */
struct raw_answer *raw_read(struct bytes message);
struct raw_answer *raw_ref(struct raw_answer *a);
/* With the last reference the answer goes. NULL is fine. */
void raw_free(struct raw_answer **a);

/* The first record of that kind whose owner is name; NULL: none. */
const struct raw_record *raw_find(const struct raw_answer *a, const char *name,
                                  unsigned type);

/*
 * How long resolvers may keep "it is not there": the smaller of the TTL of
 * the SOA in the authority section and its last field (2308 5); 0: no SOA.
 */
uint32_t raw_negative_s(const struct raw_answer *a);

/* The strings of a TXT record's data, joined, appended to text. */
struct buf;
void raw_join(struct bytes strings, struct buf *text);

#endif
