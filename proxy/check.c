/*
 * check - see proxy/check.h.
 *
 * Each evaluator is pure and names its questions; this file carries them to
 * the resolver and the answers back. DKIM's keys and SPF's first question go
 * out at once, and so does the author's DMARC record, for the cache: DMARC can
 * only be judged when the other two are.
 */
#include "proxy/check.h"

#include <dkim/address.h>
#include <dkim/authres.h>
#include <dkim/dmarc.h>
#include <dkim/spf.h>
#include <dkim/verify.h>

#include <arpa/inet.h>
#include <stdlib.h>

enum {
    BUDGET_S = 15, /* security.md 6: DNS for one message */
    TEXT_MAX = 400,
    SUMMARY_MAX = 160,
    KEYS_MAX = 64 /* DKIM questions under way */
};

/* One question under way. */
struct asked {
    struct check *check;     /* borrowed */
    struct dns_query *query; /* NULL: free */
    unsigned id;             /* DKIM's own */
};

struct check {
    struct check_input in;
    check_callback *cb;
    void *arg;
    struct dkim_author author;
    enum dkim_from_result from;
    struct dkim_verify *dkim;
    struct spf *spf;
    struct dmarc *dmarc;
    struct asked keys[KEYS_MAX];
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
    dns_cancel(&c->spf_asked.query);
    dns_cancel(&c->dmarc_asked.query);
    dns_cancel(&c->warming.query);
}

/* --- the verdict ---------------------------------------------------------- */

static void
refuse(struct check *c, enum conf_action action, int code, const char *enhanced,
       const char *text)
{
    if (action == CONF_TAG || c->verdict.code != 0) {
        return;
    }
    c->verdict.code = action == CONF_TEMPFAIL ? code % 100 + 400 : code;
    c->verdict.enhanced = enhanced;
    snprintf(c->text, sizeof(c->text), "%s", text);
    c->verdict.text = c->text;
}

/* The message's DKIM in one word: pass when one passes, else the first. */
static enum dkim_verdict
dkim_overall(const struct check *c, const struct dkim_verify_result **out)
{
    enum dkim_verdict first = DKIM_NONE;

    *out = NULL;
    for (size_t i = 0; i < dkim_verify_count(c->dkim); i++) {
        const struct dkim_verify_result *r = dkim_verify_result(c->dkim, i);

        if (r->verdict == DKIM_PASS) {
            *out = r;
            return DKIM_PASS;
        }
        if (i == 0) {
            *out = r;
            first = r->verdict;
        }
    }
    return first;
}

static void
judge_dkim(struct check *c, enum dkim_verdict verdict,
           const struct dkim_verify_result *r)
{
    const struct check_conf *conf = c->in.conf;
    char text[TEXT_MAX];

    if (r == NULL || verdict == DKIM_PASS || verdict == DKIM_NONE) {
        return;
    }
    snprintf(text, sizeof(text), "DKIM signature of %s: %s, %s",
             r->domain[0] == '\0' ? "an unreadable domain" : r->domain,
             dkim_verdict_name(verdict), r->reason);
    if (verdict == DKIM_TEMPERROR) {
        bool again = conf->on_temperror == CONF_TEMPFAIL;

        refuse(c, conf->on_temperror, again ? 451 : 550,
               again ? "4.7.5" : "5.7.20", text);
    } else {
        bool again = conf->on_dkim_fail == CONF_TEMPFAIL;

        refuse(c, conf->on_dkim_fail, again ? 451 : 550,
               again ? "4.7.20" : "5.7.20", text);
    }
}

static void
judge_spf(struct check *c)
{
    const struct check_conf *conf = c->in.conf;
    enum spf_result_code result = spf_result(c->spf);
    const struct spf_outcome *o = spf_outcome(c->spf, spf_identity(c->spf));
    char text[TEXT_MAX];

    snprintf(text, sizeof(text), "SPF of %s: %s, %s", o->domain,
             spf_result_name(result), spf_reason(c->spf));
    if (result == SPF_TEMPERROR) {
        bool again = conf->on_temperror == CONF_TEMPFAIL;

        refuse(c, conf->on_temperror, again ? 451 : 550,
               again ? "4.4.3" : "5.7.24", text);
    } else if (result == SPF_FAIL) {
        bool again = conf->on_spf_fail == CONF_TEMPFAIL;

        refuse(c, conf->on_spf_fail, again ? 451 : 550,
               again ? "4.7.23" : "5.7.23", text);
    }
}

static void
judge_dmarc(struct check *c)
{
    const struct check_conf *conf = c->in.conf;
    const struct dmarc_outcome *o = dmarc_outcome(c->dmarc);
    bool forwarder = conf_networks_has(&conf->trusted_forwarders, c->in.peer);
    char text[TEXT_MAX];

    c->verdict.quarantine =
        o->result == DMARC_FAIL && o->policy != DMARC_POLICY_NONE;
    if (o->result == DMARC_TEMPERROR) {
        bool again = conf->on_temperror == CONF_TEMPFAIL;

        snprintf(text, sizeof(text), "DMARC policy of %s: %s", o->author,
                 o->reason);
        refuse(c, conf->on_temperror, again ? 451 : 550,
               again ? "4.4.3" : "5.7.26", text);
    } else if (conf->dmarc == CONF_DMARC_ENFORCE && o->result == DMARC_FAIL &&
               o->policy == DMARC_POLICY_REJECT && !forwarder) {
        snprintf(text, sizeof(text), "DMARC policy of %s is reject: %s",
                 o->policy_domain, o->reason);
        refuse(c, CONF_REJECT, 550, "5.7.26", text);
    }
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
make_field(struct check *c)
{
    dkim_authres_begin(&c->field, c->in.authserv_id);
    dkim_authres_dkim(&c->field, c->dkim);
    spf_authres(&c->field, c->spf);
    if (c->dmarc != NULL) {
        dmarc_authres(&c->field, c->dmarc);
    }
    if (!dkim_authres_end(&c->field, &c->field_text)) {
        c->field_text = bytes_make(NULL, 0);
    }
}

static void
finish(struct check *c)
{
    const struct dkim_verify_result *r;
    enum dkim_verdict dkim = dkim_overall(c, &r);

    c->done = true;
    (void)event_del(c->timer);
    make_field(c);
    if (c->dmarc != NULL) {
        judge_dmarc(c);
    }
    judge_dkim(c, dkim, r);
    judge_spf(c);
    snprintf(c->summary, sizeof(c->summary), "dkim=%s spf=%s dmarc=%s",
             dkim_verdict_name(dkim), spf_result_name(spf_result(c->spf)),
             c->dmarc == NULL
                 ? "off"
                 : dmarc_result_name(dmarc_outcome(c->dmarc)->result));
    c->verdict.summary = c->summary;
    if (!c->ending) {
        c->cb(c->arg);
    }
}

/* Everything that can go on does; the callback comes at the end. */
static void
go_on(struct check *c)
{
    bool waits = dkim_verify_waiting(c->dkim) > 0 || !c->spf_done;

    if (c->done || !c->body_ended || (waits && !c->late)) {
        return;
    }
    if (c->dmarc == NULL) {
        dkim_verify_end(c->dkim);
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
    if (c->dkim == NULL || c->timer == NULL ||
        event_add(c->timer, &budget) != 0) {
        return false;
    }
    ask_keys(c);
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
