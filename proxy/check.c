/*
 * check - see proxy/check.h.
 *
 * Each evaluator is pure and names its questions; this file carries them to
 * the resolver and the answers back. DKIM's keys and SPF's first question go
 * out at once, and so does the author's DMARC record, for the cache: DMARC can
 * only be judged when the other two are.
 */
#include "proxy/check_private.h"

#include <arpa/inet.h>
#include <stdlib.h>

enum {
    BUDGET_S = 15 /* DNS for one message, all told */
};

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
        if (n < KEYS_MAX) {
            c->keys[n] = (struct asked){ .check = c, .id = id };
            c->keys[n].query = dns_ask(c->in.resolver, &q, on_key, &c->keys[n]);
        }
        if (n >= KEYS_MAX || c->keys[n].query == NULL) {
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
        if (n < SEALS_MAX) {
            c->seals[n] = (struct asked){ .check = c, .id = id };
            c->seals[n].query =
                dns_ask(c->in.resolver, &q, on_seal, &c->seals[n]);
        }
        if (n >= SEALS_MAX || c->seals[n].query == NULL) {
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
            c->late ? NULL : dns_ask(c->in.resolver, &q, on_spf, &c->spf_asked);
        if (c->spf_asked.query != NULL) {
            return;
        }
        spf_answer(c->spf, &no_answer);
    }
    c->spf_done = true;
}

/* True: DMARC is judged. */
static bool step_dmarc(struct check *c);

static void
on_dmarc(const struct dns_answer *answer, void *arg)
{
    struct asked *a = arg;

    a->query = NULL;
    dmarc_answer(a->check->dmarc, answer);
    go_on(a->check);
}

static bool
step_dmarc(struct check *c)
{
    struct dns_question q;

    while (dmarc_run(c->dmarc, &q) == DMARC_ASK) {
        c->dmarc_asked.check = c;
        c->dmarc_asked.query =
            c->late ? NULL
                    : dns_ask(c->in.resolver, &q, on_dmarc, &c->dmarc_asked);
        if (c->dmarc_asked.query != NULL) {
            return false;
        }
        dmarc_answer(c->dmarc, &no_answer);
    }
    return true;
}

static void
on_warm(const struct dns_answer *answer, void *arg)
{
    struct asked *a = arg;

    (void)answer;
    a->query = NULL;
}

static void
warm_cache(struct check *c)
{
    struct dns_question q = { .type = DNS_TXT };
    int n = snprintf(q.name, sizeof(q.name), "_dmarc.%s", c->author.domain);

    if (c->from == DKIM_FROM_OK && c->in.conf->dmarc != CONF_DMARC_OFF &&
        n < (int)sizeof(q.name)) {
        c->warming.check = c;
        c->warming.query = dns_ask(c->in.resolver, &q, on_warm, &c->warming);
    }
}

static void
cancel_all(struct check *c)
{
    for (size_t i = 0; i < KEYS_MAX; i++) {
        dns_cancel(&c->keys[i].query);
    }
    for (size_t i = 0; i < SEALS_MAX; i++) {
        dns_cancel(&c->seals[i].query);
    }
    dns_cancel(&c->spf_asked.query);
    dns_cancel(&c->dmarc_asked.query);
    dns_cancel(&c->warming.query);
}

static bool
begin_dmarc(struct check *c)
{
    struct dmarc_input input = { 0 };
    const char *passing[DMARC_DKIM_MAX];

    for (size_t i = 0; i < dkim_verify_count(c->dkim); i++) {
        const struct dkim_verify_result *r = dkim_verify_result(c->dkim, i);

        if (r->verdict == DKIM_PASS && input.dkim_count < DMARC_DKIM_MAX) {
            passing[input.dkim_count++] = r->domain;
        }
    }
    input.author = c->from == DKIM_FROM_OK ? c->author.domain : "";
    input.dkim = passing;
    input.spf = spf_dmarc_domain(c->spf);
    c->dmarc = dmarc_new(&input);
    return c->dmarc != NULL;
}

static void
finish(struct check *c)
{
    c->done = true;
    (void)event_del(c->timer);
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

    if (c->done || !c->body_ended || (waits && !c->late)) {
        return;
    }
    if (c->dmarc == NULL) {
        dkim_verify_end(c->dkim);
        arc_end(c->arc);
        if (c->in.conf->dmarc != CONF_DMARC_OFF && !begin_dmarc(c)) {
            c->late = true; /* no memory: without DMARC */
        }
    }
    if (c->dmarc == NULL || step_dmarc(c)) {
        finish(c);
    }
}

static void
on_budget(evutil_socket_t fd, short what, void *arg)
{
    struct check *c = arg;

    (void)fd;
    (void)what;
    c->late = true;
    cancel_all(c);
    if (!c->spf_done) {
        spf_answer(c->spf, &no_answer);
        step_spf(c);
    }
    if (c->dmarc != NULL && !c->done) {
        dmarc_answer(c->dmarc, &no_answer);
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
    c->spf = spf_new(&input);
    if (c->spf == NULL) {
        return false;
    }
    step_spf(c);
    return true;
}

static bool
start(struct check *c)
{
    static const struct timeval budget = { BUDGET_S, 0 };
    struct dkim_verify_conf conf = {
        .now_s = c->in.now_s,
        .signatures_max = c->in.conf->max_signatures,
    };

    c->from = dkim_from_parse(c->in.header, &c->author);
    c->dkim = dkim_verify_new(c->in.header, &conf);
    c->timer = event_new(c->in.base, -1, 0, on_budget, c);
    c->arc = arc_new(c->in.header);
    if (c->dkim == NULL || c->arc == NULL || c->timer == NULL ||
        event_add(c->timer, &budget) != 0) {
        return false;
    }
    ask_keys(c);
    ask_seals(c);
    warm_cache(c);
    return start_spf(c);
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
    }
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
    cancel_all(c);
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
    if (c->dmarc != NULL) {
        dmarc_free(&c->dmarc);
    }
    dkim_authres_free(&c->field);
    free(c);
    *cp = NULL;
}
