/*
 * check_private - what check.c and check_verdict.c share.
 */
#ifndef PROXY_CHECK_PRIVATE_H
#define PROXY_CHECK_PRIVATE_H

#include "proxy/check.h"

#include <dkim/address.h>
#include <dkim/arc.h>
#include <dkim/authres.h>
#include <dkim/dmarc.h>
#include <dkim/spf.h>
#include <dkim/verify.h>

enum {
    TEXT_MAX = 400,
    SUMMARY_MAX = 160,
    KEYS_MAX = 8,  /* DKIM questions at the most */
    SEALS_MAX = 16 /* ARC questions at the most */
};

/* One question under way. */
struct asked {
    struct check *check;     /* borrowed */
    struct dns_query *query; /* NULL: free */
    unsigned id;             /* DKIM's or ARC's own */
};

struct check {
    struct check_input in;
    check_callback *cb;
    void *arg;
    struct dkim_author author;
    enum dkim_from_result from;
    struct dkim_verify *dkim;
    struct arc *arc;
    struct spf *spf;
    struct dmarc *dmarc;
    struct asked keys[KEYS_MAX];
    struct asked seals[SEALS_MAX];
    struct asked spf_asked;
    struct asked dmarc_asked;
    struct asked warming; /* the author's record, into the cache */
    struct event *timer;
    struct dkim_authres field;
    struct bytes field_text;
    struct check_verdict verdict;
    char text[TEXT_MAX];
    char summary[SUMMARY_MAX];
    bool spf_done;
    bool body_ended;
    bool late; /* the budget is over: what is open is temperror */
    bool done;
    bool ending; /* inside check_end(): its result says it, not cb */
};

/* Every evaluator is done: writes the field, settles the verdict. */
void check_judge(struct check *c);

#endif
