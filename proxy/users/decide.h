/*
 * decide - which signature for whom: product.md's rules 1 to 4, nothing else.
 *
 * Pure: the same answer in the worker, in `sealpost user test` and in
 * `sealpost sign -u`. users_may_sign() is the keeper's own check of it.
 */
#ifndef PROXY_USERS_DECIDE_H
#define PROXY_USERS_DECIDE_H

#include <dkim/address.h>
#include <dkim/header.h>

#include <proxy/config/conf.h>
#include <proxy/users/view.h>

enum decide_kind {
    DECIDE_SIGN,
    DECIDE_UNSIGNED, /* reason: why */
    DECIDE_REFUSE    /* reply: code, enhanced, text */
};

enum {
    DECIDE_SIGNATURES_MAX = 4
};

struct decide_signature {
    const char *domain;   /* d=; lent by the view */
    const char *selector; /* s= */
    enum dkim_alg alg;
};

struct decision {
    enum decide_kind kind;
    struct decide_signature signatures[DECIDE_SIGNATURES_MAX];
    size_t count;
    bool aligned;       /* the first d= is the From domain or its parent */
    const char *rule;   /* for the log: "user-selector", "domain-key",
                           "parent-key", "user-domain", "no-key", ... */
    const char *reason; /* one static sentence for `user test` */
    const char *fault;  /* SIGN: "", or one about a key whose record is wrong */
    const char *fault_word; /* for the log: "", "stand-in", "last-proved" */
    int code;               /* REFUSE: 550 or 451 */
    const char *enhanced;
    const char *text;
};

struct decide_question {
    const struct view *view;
    const struct sign_conf *sign;
    const struct view_user *user;     /* NULL: a trusted network without
                                         trusted_user, loopback only */
    const struct dkim_author *author; /* the From field's only address */
    enum conf_signatures signatures;  /* the upstream's contract */
};

void decide(const struct decide_question *q, struct decision *decision_out);

/*
 * skip_aligned (conf_skips_signed()): a decision to sign becomes one not to
 * when the header, as it will be sent, has a DKIM-Signature that is aligned
 * with the From domain.
 */
void decide_signed(bool skip_aligned, const struct dkim_header *header,
                   const char *domain, struct decision *decision);

/* The user's `from` has addresses of this domain: all, or one. */
bool users_from_has(const struct view_user *user, const char *domain);
/* The user's `from` covers this address. */
bool users_from_covers(const struct view_user *user, const char *local,
                       const char *domain);

/*
 * May this identity sign with this key at all, now? user NULL: the anonymous
 * loopback identity, any active domain key. The keeper asks this for each
 * request, whatever the worker decided.
 */
bool users_may_sign(const struct view *view, const struct sign_conf *sign,
                    const struct view_user *user, const char *domain,
                    const char *selector);

#endif
