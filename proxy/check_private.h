/*
 * check_private - what check.c and check_verdict.c share.
 */
#ifndef PROXY_CHECK_PRIVATE_H
#define PROXY_CHECK_PRIVATE_H

#include "proxy/check.h"

#include <proxy/methods.h>

enum {
    TEXT_MAX = 400,
    SUMMARY_MAX = 160
};

/* One question under way. */
struct asked {
    struct check *check;     /* borrowed */
    struct dns_query *query; /* NULL: free */
    unsigned id;             /* DKIM's or ARC's own */
};

/* One evaluation of DMARC, which asks one question after the other. */
struct policy {
    struct dmarc *dmarc; /* owns; NULL: not begun */
    struct asked asked;
};

struct check {
    struct check_input in;
    check_callback *cb;
    void *arg;
    char author[DNS_NAME_MAX + 1]; /* A-labels; "": no single one */
    struct dkim_verify *dkim;
    struct arc *arc;
    struct spf *spf;
    struct policy ahead;   /* the author's policy, into the cache */
    struct policy policy;  /* by what passed: the result */
    struct policy doubted; /* and if what is temperror had passed */
    struct asked keys[METHODS_KEYS_MAX];
    struct asked seals[METHODS_SEALS_MAX];
    struct asked spf_asked;
    struct event *timer;
    uint64_t start_ms;
    uint64_t spent_ms; /* of the budget, when evidence was complete */
    struct dkim_authres field;
    struct bytes field_text;
    struct check_verdict verdict;
    char text[TEXT_MAX];
    char summary[SUMMARY_MAX];
    bool spf_done;
    bool body_ended;
    bool evidence;    /* DKIM, ARC and SPF have all they get */
    bool policy_late; /* DMARC too has to do with what it has */
    bool judging;     /* DMARC has begun */
    bool no_memory;
    bool done;
    bool ending; /* inside check_end(): its result says it, not cb */
};

/* The verdict hangs on a policy of reject and on what may yet pass. */
bool check_doubts(const struct check *c);
/* Every evaluator is done: writes the field, settles the verdict. */
void check_judge(struct check *c);

#endif
