/*
 * asker - many questions to many servers, a bounded number at a time.
 */
#ifndef PROXY_SURVEY_ASKER_H
#define PROXY_SURVEY_ASKER_H

#include "proxy/dns/direct.h"

enum {
    ASKER_IN_FLIGHT_MAX = 200, /* sockets */
    ASKER_TRIES = 2            /* packets to a silent server */
};

struct asker;

/* What is to be asked of whom. */
struct asker_question {
    struct sockaddr_storage server;
    const char *name; /* borrowed for the call */
    unsigned type;    /* RAW_TYPE_*, or any enum dns_type */
    bool recurse;     /* a resolver: RD=1, and its AD is wanted */
    bool check_disabled;
};

/* try_ms: a packet. NULL: no memory. */
struct asker *asker_new(struct event_base *base, unsigned try_ms);
void asker_free(struct asker **a); /* cancels all */

/*
 * cb comes once, never from inside; it may ask again. False: no memory, or no
 * such name can exist.
 */
bool asker_ask(struct asker *a, const struct asker_question *q,
               direct_callback *cb, void *arg);

/* Why there was no answer, one phrase without a full stop. */
const char *asker_end_text(enum direct_end end);
/* "NXDOMAIN"; another code has its number. text: room for 16. */
const char *asker_rcode_text(unsigned rcode, char *text);

#endif
