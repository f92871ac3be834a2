/*
 * check - one inbound message checked: DKIM, SPF, DMARC, ARC, and a verdict.
 *
 * Questions leave as soon as the header is known, while the body arrives. What
 * is not answered within the budget counts as a temporary error: DNS that is
 * slow never holds a message for longer, and never loses it. Two thirds of the
 * budget are for keys and SPF, whose names a stranger chooses; what they leave,
 * and at least a third, is for the author's policy, so that nobody's slow
 * nameserver can hide another domain's `p=reject`. A body that takes longer
 * than all that costs nothing of it.
 */
#ifndef PROXY_CHECK_H
#define PROXY_CHECK_H

#include <base/buf.h>

#include <dkim/header.h>

#include <event2/event.h>

#include <proxy/config/conf.h>
#include <proxy/dns/resolver.h>

struct check;

/* All borrowed until check_free(). */
struct check_input {
    struct event_base *base;
    struct resolver *resolver;
    const struct check_conf *conf;
    const char *hostname;
    const char *authserv_id;
    const struct dkim_header *header;
    const struct sockaddr *peer;
    const char *address; /* the same as text */
    bool anonymous;      /* peer is not the client's: trusted for nothing */
    struct bytes helo;
    struct bytes mail_from; /* without brackets; empty for <> */
    uint64_t now_s;
    unsigned budget_ms; /* DNS for the message, all told */
};

/* Everything is known, or the budget is over. Never from inside a call. */
typedef void check_callback(void *arg);

/* NULL: no memory. */
struct check *check_new(const struct check_input *input, check_callback *cb,
                        void *arg);
/* The body as received. */
void check_body(struct check *c, struct bytes octets);
/* The body is over. The verdict is ready now if this returns true, else the
 * callback comes. */
bool check_end(struct check *c);

struct check_verdict {
    int code; /* 0: goes on; else the reply's */
    const char *enhanced;
    const char *text;    /* lent by the check */
    bool quarantine;     /* DMARC asks for it */
    const char *summary; /* "dkim=pass spf=fail dmarc=pass", for the log */
};

/* Lent until check_free(). */
const struct check_verdict *check_verdict(const struct check *c);
/* The whole Authentication-Results field; empty: no memory. */
struct bytes check_field(const struct check *c);
void check_free(struct check **c);

#endif
