/*
 * domain_check_mail - SPF and DMARC of a domain, as receivers see them.
 *
 * SPF is asked for a client that no record lists: what it says then is what
 * it says to a stranger, and an error is one for everybody.
 */
#include "proxy/cli/domain_check.h"
#include "proxy/cli/spf.h"

#include <stdio.h>
#include <sysexits.h>
#include <time.h>

#define STRANGER "192.0.2.1" /* RFC 5737: never anybody's */

/* TXT records that begin with a word; the first one is kept. */
struct counting {
    const char *begins;
    size_t count;
    char *text; /* MAIL_TEXT_MAX */
    bool failed;
};

static void
on_txt(const struct dns_answer *answer, void *arg)
{
    struct counting *c = arg;
    size_t n = strlen(c->begins);

    c->failed = answer->status == DNS_TEMPFAIL;
    for (size_t i = 0; i < answer->count; i++) {
        struct bytes text = answer->records[i].data;

        if (!bytes_eq_ci(bytes_take(text, n), bytes_make(c->begins, n))) {
            continue;
        }
        if (c->count++ == 0) {
            (void)bytes_copy(bytes_take(text, MAIL_TEXT_MAX - 1), c->text,
                             MAIL_TEXT_MAX);
        }
    }
}

static void
count_txt(struct domain_check *dc, const char *prefix, const char *domain,
          struct counting *c)
{
    struct dns_question q = { .type = DNS_TXT };

    if (snprintf(q.name, sizeof(q.name), "%s%s", prefix, domain) >=
        (int)sizeof(q.name)) {
        return; /* no such name can exist */
    }
    cli_dns_ask(dc->dns, &q, on_txt, c);
    cli_dns_wait(dc->dns);
}

static bool
look_at_spf(struct domain_check *dc, struct mail_facts *m)
{
    struct counting c = { .begins = "v=spf1", .text = m->spf_text };
    struct buf sender = BUF_INIT;
    struct cli_spf_conf conf = { .ip = STRANGER,
                                 .helo = m->domain,
                                 .time_s = (uint64_t)time(NULL) };
    const struct spf_outcome *outcome;
    struct spf *spf = NULL;
    bool good;

    count_txt(dc, "", m->domain, &c);
    m->spf_records = c.count;
    buf_printf(&sender, "postmaster@%s", m->domain);
    conf.mail_from = buf_str(&sender);
    good = conf.mail_from != NULL &&
           cli_spf_run(&dc->cli, dc->dns, &conf, &spf) == EX_OK;
    if (good) {
        outcome = spf_outcome(spf, SPF_MAIL_FROM);
        m->spf_result = outcome->result;
        m->spf_failed = c.failed || outcome->result == SPF_TEMPERROR;
        snprintf(m->spf_reason, sizeof(m->spf_reason), "%.200s%s%.120s",
                 outcome->reason, outcome->term[0] == '\0' ? "" : ": ",
                 outcome->term);
    }
    spf_free(&spf);
    buf_free(&sender);
    return good;
}

static void
on_dmarc(const struct dns_answer *answer, void *arg)
{
    dmarc_answer(arg, answer);
}

/* signer: whose signature passes; NULL: nothing passes. */
static struct dmarc *
evaluate(struct domain_check *dc, const char *from, const char *signer)
{
    struct dmarc_input input = { .author = from,
                                 .dkim = &signer,
                                 .dkim_count = signer == NULL ? 0 : 1 };
    struct dmarc *d = dmarc_new(&input);
    struct dns_question q;

    while (d != NULL && dmarc_run(d, &q) == DMARC_ASK) {
        cli_dns_ask(dc->dns, &q, on_dmarc, d);
        cli_dns_wait(dc->dns);
    }
    return d;
}

static bool
look_at_dmarc(struct domain_check *dc, struct mail_facts *m)
{
    struct counting c = { .begins = "v=DMARC1", .text = m->dmarc_text };
    struct dmarc *signed_one = evaluate(dc, m->from, m->domain);
    struct dmarc *stranger = evaluate(dc, m->from, NULL);
    const struct dmarc_outcome *o;

    count_txt(dc, "_dmarc.", m->from, &c);
    m->dmarc_records = c.count;
    if (signed_one != NULL && stranger != NULL) {
        o = dmarc_outcome(stranger);
        m->dmarc_failed = c.failed || o->result == DMARC_TEMPERROR;
        m->dmarc_policy = o->published;
        m->dmarc_testing = o->testing;
        m->dmarc_strict = o->dkim_strict;
        snprintf(m->dmarc_domain, sizeof(m->dmarc_domain), "%s",
                 o->policy_domain);
        m->aligned = dmarc_outcome(signed_one)->dkim_aligned;
    }
    dmarc_free(&signed_one);
    dmarc_free(&stranger);
    return true;
}

bool
domain_check_mail(struct domain_check *dc, struct check_domain *d)
{
    return look_at_spf(dc, &d->mail) && look_at_dmarc(dc, &d->mail);
}
