/*
 * packet - DNS messages: a query made, an answer judged and read.
 *
 * Pure: octets in, verdict out; randomness is an argument. libresolv is the
 * codec; what it lets pass (forward pointers, data behind RDLENGTH) is
 * refused here.
 *
 * RFC 1035 4, 2308 (negative answers), 5452 9 (what must match), 6891 (OPT).
 */
#ifndef PROXY_DNS_PACKET_H
#define PROXY_DNS_PACKET_H

#include "proxy/dns/result.h"

enum {
    PACKET_TEXT_MAX = 1025,   /* a name with \DDD escapes, and NUL */
    PACKET_HOPS_MAX = 8,      /* CNAMEs in a row */
    PACKET_RECORDS_MAX = 256, /* looked at in one answer */
    PACKET_UDP_OCTETS = 1232  /* what our OPT record offers */
};

/* A name as libresolv prints it: the one form in which names are compared. */
struct packet_name {
    char text[PACKET_TEXT_MAX];
};

/* False: no such name can exist (empty, label over 63 octets, too long). */
bool packet_name_make(const char *name, struct packet_name *name_out);
bool packet_name_eq(const struct packet_name *a, const char *text);

/* name is zone or below it; both in that form. "" is the root. */
bool packet_name_below(const char *name, const char *zone);

struct packet_seed {
    uint16_t id;
    uint8_t flips[32]; /* a bit a letter: 0x20 */
};

struct packet_question {
    struct packet_name name;
    enum dns_type type;
    bool edns;
    bool want_ad; /* the server's AD will be believed: ask for it (6840 5.7) */
    bool no_recurse;     /* RD=0: what the server itself is authority for */
    bool check_disabled; /* CD=1: answer though DNSSEC says bogus (4035) */
};

struct packet_query {
    uint8_t data[12 + 255 + 4 + 11]; /* header, question, OPT */
    size_t len;
    size_t name_len; /* octets of the encoded name, behind the header */
};

/* False: the name cannot be encoded; packet_name_make() made it, so never. */
bool packet_query_make(const struct packet_question *q,
                       const struct packet_seed *seed,
                       struct packet_query *query_out);

enum packet_verdict {
    PACKET_FOREIGN,    /* not an answer to this query; go on waiting */
    PACKET_OTHER_CASE, /* right but for the case of letters; UDP only */
    PACKET_TRUNCATED,  /* TC: ask over TCP */
    PACKET_NO_EDNS,    /* ask again without OPT */
    PACKET_FAILED,     /* the server refuses, fails, or the packet is broken */
    PACKET_ALIAS,      /* ends in a CNAME whose target is not in it */
    PACKET_ANSWER
};

struct packet_answer {
    struct dns_result *result; /* ANSWER: caller owns it */
    struct packet_name target; /* ALIAS: what to ask next */
    unsigned hops;             /* CNAMEs followed in this packet */
    uint32_t ttl_s;            /* smallest of the chain, as sent */
    bool authenticated;        /* AD bit, as sent */
};

/* hops_left: how many CNAMEs may still be followed. */
enum packet_verdict packet_read(const struct packet_question *q,
                                const struct packet_query *query,
                                struct bytes message, bool tcp,
                                unsigned hops_left,
                                struct packet_answer *answer_out);

/*
 * The same for who wants to see what stands in the packet: any RCODE, no
 * CNAME followed. ANSWER (answer_out is the caller's, raw_free()), FOREIGN,
 * OTHER_CASE, TRUNCATED, NO_EDNS, or FAILED: broken, or no memory.
 */
struct raw_answer;
enum packet_verdict packet_read_raw(const struct packet_question *q,
                                    const struct packet_query *query,
                                    struct bytes message, bool tcp,
                                    struct raw_answer **answer_out);

#endif
