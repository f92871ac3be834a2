/*
 * check - see proxy/check.h.
 *
 * Each evaluator is pure and names its questions; this file carries them to
 * the resolver and the answers back. DKIM's and ARC's keys and SPF's first
 * question go out at once, and so does the author's DMARC record, for the
 * cache: DMARC can only be judged when the other two are.
 */
#include "proxy/check_private.h"
#include "proxy/clock.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <time.h>

static const struct dns_answer no_answer = { .status = DNS_TEMPFAIL };

static void go_on(struct check *c);

/* --- questions ------------------------------------------------------------ */

static void
on_key(const struct dns_answer *answer, void *arg)
{
    struct asked *a = arg;

    a->query = NULL;
    dkim_verify_answer(a->check->dkim, a->id, answer);
    go_on(a->check);
}

static void
ask_keys(struct check *c)
{
    struct dns_question q;
    unsigned id;

    for (size_t n = 0; dkim_verify_question(c->dkim, &q, &id); n++) {
        if (n < METHODS_KEYS_MAX) {
            c->keys[n] = (struct asked){ .check = c, .id = id };
            c->keys[n].query = dns_ask(c->in.resolver, &q, on_key, &c->keys[n]);
        }
        if (n >= METHODS_KEYS_MAX || c->keys[n].query == NULL) {
            dkim_verify_answer(c->dkim, id, &no_answer);
        }
    }
}

static void
on_seal(const struct dns_answer *answer, void *arg)
{
    struct asked *a = arg;

    a->query = NULL;
    arc_answer(a->check->arc, a->id, answer);
    go_on(a->check);
}

static void
ask_seals(struct check *c)
{
    struct dns_question q;
    unsigned id;

    for (size_t n = 0; arc_question(c->arc, &q, &id); n++) {
        if (n < METHODS_SEALS_MAX) {
            c->seals[n] = (struct asked){ .check = c, .id = id };
            c->seals[n].query =
                dns_ask(c->in.resolver, &q, on_seal, &c->seals[n]);
        }
        if (n >= METHODS_SEALS_MAX || c->seals[n].query == NULL) {
            arc_answer(c->arc, id, &no_answer);
        }
    }
}

static void step_spf(struct check *c);

static void
on_spf(const struct dns_answer *answer, void *arg)
{
    struct asked *a = arg;

    a->query = NULL;
    spf_answer(a->check->spf, answer);
    step_spf(a->check);
    go_on(a->check);
}

static void
step_spf(struct check *c)
{
    struct dns_question q;

    while (spf_run(c->spf, &q) == SPF_ASK) {
        c->spf_asked.check = c;
        c->spf_asked.query =
            c->evidence ? NULL
                        : dns_ask(c->in.resolver, &q, on_spf, &c->spf_asked);
        if (c->spf_asked.query != NULL) {
            return;
        }
        spf_answer(c->spf, &no_answer);
    }
    c->spf_done = true;
}

static bool step_policy(struct check *c, struct policy *p);

static struct policy *
policy_of(struct asked *a)
{
    struct check *c = a->check;

    return a == &c->ahead.asked    ? &c->ahead
           : a == &c->policy.asked ? &c->policy
                                   : &c->doubted;
}

static void
on_dmarc(const struct dns_answer *answer, void *arg)
{
    struct asked *a = arg;
    struct policy *p = policy_of(a);

    a->query = NULL;
    dmarc_answer(p->dmarc, answer);
    if (p == &a->check->ahead) {
        (void)step_policy(a->check, p);
    } else {
        go_on(a->check);
    }
}

/* True: judged. */
static bool
step_policy(struct check *c, struct policy *p)
{
    struct dns_question q;

    if (p->asked.query != NULL) {
        return false;
    }
    while (dmarc_run(p->dmarc, &q) == DMARC_ASK) {
        p->asked.check = c;
        p->asked.query = c->policy_late
                             ? NULL
                             : dns_ask(c->in.resolver, &q, on_dmarc, &p->asked);
        if (p->asked.query != NULL) {
            return false;
        }
        dmarc_answer(p->dmarc, &no_answer);
    }
    return true;
}

/* The policy without anything that passed: the same records are asked for
 * again when the rest is known, and are in the cache then. */
static bool
look_ahead(struct check *c)
{
    if (c->in.conf->dmarc == CONF_DMARC_OFF) {
        return true;
    }
    c->ahead.dmarc = methods_dmarc(c->author, NULL, NULL, false);
    if (c->ahead.dmarc != NULL) {
        (void)step_policy(c, &c->ahead);
    }
    return c->ahead.dmarc != NULL;
}

static void
cancel_evidence(struct check *c)
{
    for (size_t i = 0; i < METHODS_KEYS_MAX; i++) {
        dns_cancel(&c->keys[i].query);
    }
    for (size_t i = 0; i < METHODS_SEALS_MAX; i++) {
        dns_cancel(&c->seals[i].query);
    }
    dns_cancel(&c->spf_asked.query);
}

static void
cancel_policy(struct check *c)
{
    dns_cancel(&c->ahead.asked.query);
    dns_cancel(&c->policy.asked.query);
    dns_cancel(&c->doubted.asked.query);
}

/* --- the budget ----------------------------------------------------------- */

static bool
arm(struct check *c, uint64_t ms)
{
    struct timeval in = { (time_t)(ms / 1000),
                          (suseconds_t)(ms % 1000 * 1000) };

    return event_add(c->timer, &in) == 0;
}

static uint64_t
evidence_ms(const struct check *c)
{
    return (uint64_t)c->in.budget_ms * 2 / 3;
}

/* From here on no time is spent until the body is over. */
static void
evidence_complete(struct check *c)
{
    uint64_t spent = clock_ms() - c->start_ms;

    c->evidence = true;
    c->spent_ms = spent < evidence_ms(c) ? spent : evidence_ms(c);
    (void)event_del(c->timer);
}

/* --- the end -------------------------------------------------------------- */

/* DMARC can be judged: begins it. */
static void
begin_policy(struct check *c)
{
    dkim_verify_end(c->dkim);
    arc_end(c->arc);
    if (c->in.conf->dmarc == CONF_DMARC_OFF) {
        return;
    }
    c->policy.dmarc = methods_dmarc(c->author, c->dkim, c->spf, false);
    c->doubted.dmarc = methods_dmarc(c->author, c->dkim, c->spf, true);
    c->policy_late = !arm(c, c->in.budget_ms - c->spent_ms);
    c->no_memory = c->policy.dmarc == NULL || c->doubted.dmarc == NULL;
    if (c->no_memory) {
        dmarc_free(&c->policy.dmarc); /* without an outcome */
        dmarc_free(&c->doubted.dmarc);
    }
}

static bool
step_policies(struct check *c)
{
    return c->policy.dmarc == NULL || c->doubted.dmarc == NULL ||
           (step_policy(c, &c->policy) &&
            (!check_doubts(c) || step_policy(c, &c->doubted)));
}

static void
finish(struct check *c)
{
    c->done = true;
    (void)event_del(c->timer);
    cancel_policy(c);
    check_judge(c);
    if (!c->ending) {
        c->cb(c->arg);
    }
}

/* Everything that can go on does; the callback comes at the end. */
static void
go_on(struct check *c)
{
    bool waits = dkim_verify_waiting(c->dkim) > 0 || arc_waiting(c->arc) > 0 ||
                 !c->spf_done;

    if (!c->evidence && !waits) {
        evidence_complete(c);
    }
    if (c->done || !c->body_ended || !c->evidence) {
        return;
    }
    if (!c->judging) {
        c->judging = true;
        begin_policy(c);
    }
    if (step_policies(c)) {
        finish(c);
    }
}

static void
evidence_late(struct check *c)
{
    cancel_evidence(c);
    evidence_complete(c);
    if (!c->spf_done) {
        spf_answer(c->spf, &no_answer);
        step_spf(c);
    }
}

static void
policy_late(struct check *c)
{
    struct policy *open =
        c->policy.asked.query != NULL ? &c->policy : &c->doubted;

    c->policy_late = true;
    cancel_policy(c);
    dmarc_answer(open->dmarc, &no_answer);
}

static void
on_budget(evutil_socket_t fd, short what, void *arg)
{
    struct check *c = arg;

    (void)fd;
    (void)what;
    if (!c->evidence) {
        evidence_late(c);
    } else {
        policy_late(c);
    }
    go_on(c);
}

/* --- from the session ----------------------------------------------------- */

static bool
start_spf(struct check *c)
{
    const struct sockaddr_in6 *six = (const void *)c->in.peer;
    const struct sockaddr_in *four = (const void *)c->in.peer;
    struct spf_input input = {
        .helo = c->in.helo,
        .mail_from = c->in.mail_from,
        .receiver = c->in.hostname,
        .now_s = c->in.now_s,
    };

    if (c->in.peer->sa_family == AF_INET6) {
        memcpy(input.ip, &six->sin6_addr, 16);
        input.ip_octets = 16;
    } else {
        memcpy(input.ip, &four->sin_addr, 4);
        input.ip_octets = 4;
    }
    c->spf = methods_spf(&input);
    if (c->spf == NULL) {
        return false;
    }
    step_spf(c);
    return true;
}

static bool
start(struct check *c)
{
    struct dkim_verify_conf conf = {
        .now_s = c->in.now_s,
        .signatures_max = c->in.conf->max_signatures,
    };

    methods_author(c->in.header, c->author);
    c->start_ms = clock_ms();
    c->dkim = dkim_verify_new(c->in.header, &conf);
    c->timer = event_new(c->in.base, -1, 0, on_budget, c);
    c->arc = arc_new(c->in.header);
    if (c->dkim == NULL || c->arc == NULL || c->timer == NULL ||
        !arm(c, evidence_ms(c))) {
        return false;
    }
    ask_keys(c);
    ask_seals(c);
    return start_spf(c) && look_ahead(c);
}

struct check *
check_new(const struct check_input *input, check_callback *cb, void *arg)
{
    struct check *c = calloc(1, sizeof(*c));

    if (c == NULL) {
        return NULL;
    }
    c->in = *input;
    c->cb = cb;
    c->arg = arg;
    if (!start(c)) {
        check_free(&c);
        return NULL;
    }
    go_on(c); /* perhaps nothing had to be asked */
    return c;
}

void
check_body(struct check *c, struct bytes octets)
{
    dkim_verify_body(c->dkim, octets);
    arc_body(c->arc, octets);
}

bool
check_end(struct check *c)
{
    c->body_ended = true;
    c->ending = true;
    go_on(c);
    c->ending = false;
    return c->done;
}

const struct check_verdict *
check_verdict(const struct check *c)
{
    return &c->verdict;
}

struct bytes
check_field(const struct check *c)
{
    return c->field_text;
}

void
check_free(struct check **cp)
{
    struct check *c = *cp;

    if (c == NULL) {
        return;
    }
    cancel_evidence(c);
    cancel_policy(c);
    if (c->timer != NULL) {
        event_free(c->timer);
    }
    dkim_verify_free(&c->dkim);
    if (c->arc != NULL) {
        arc_free(&c->arc);
    }
    if (c->spf != NULL) {
        spf_free(&c->spf);
    }
    dmarc_free(&c->ahead.dmarc);
    dmarc_free(&c->policy.dmarc);
    dmarc_free(&c->doubted.dmarc);
    dkim_authres_free(&c->field);
    free(c);
    *cp = NULL;
}
