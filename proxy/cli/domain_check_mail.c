/*
 * domain_check_mail - SPF and DMARC of domains, as receivers see them.
 *
 * SPF is asked for a client that no record lists: what it says then is what
 * it says to a stranger, and an error is one for everybody. Many domains
 * are asked about at once; each evaluator goes on when its answer has come.
 */
#include "proxy/cli/domain_check.h"

#include <stdio.h>
#include <time.h>

enum {
    AT_ONCE_MAX = 200 /* domains: the resolver lets no more than so many wait */
};

/* RFC 5737: never anybody's. */
static const uint8_t stranger_ip[] = { 192, 0, 2, 1 };

/* TXT records that begin with a word; the first one is kept. */
struct counting {
    const char *begins;
    size_t count;
    char *text; /* MAIL_TEXT_MAX */
    bool failed;
    bool no_name; /* NXDOMAIN */
};

struct look;

struct dmarc_walk {
    struct look *look;
    struct dmarc *dmarc; /* owns */
};

/* One domain. */
struct look {
    struct domain_check *dc;
    struct mail_facts *mail;
    struct counting spf_txt, dmarc_txt;
    struct spf *spf;         /* owns */
    struct dmarc_walk own;   /* a signature of the domain passes */
    struct dmarc_walk plain; /* nothing passes */
};

/* --- records, counted ----------------------------------------------------- */

static void
on_txt(const struct dns_answer *answer, void *arg)
{
    struct counting *c = arg;
    size_t n = strlen(c->begins);

    c->failed = answer->status == DNS_TEMPFAIL;
    c->no_name = answer->status == DNS_NXDOMAIN;
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
count_txt(struct look *l, const char *prefix, const char *domain,
          struct counting *c)
{
    struct dns_question q = { .type = DNS_TXT };

    if (snprintf(q.name, sizeof(q.name), "%s%s", prefix, domain) <
        (int)sizeof(q.name)) { /* else no such name can exist */
        cli_dns_ask(l->dc->dns, &q, on_txt, c);
    }
}

/* --- evaluators ----------------------------------------------------------- */

static void on_spf(const struct dns_answer *answer, void *arg);
static void on_dmarc(const struct dns_answer *answer, void *arg);

static void
step_spf(struct look *l)
{
    struct dns_question q;

    if (spf_run(l->spf, &q) == SPF_ASK) {
        cli_dns_ask(l->dc->dns, &q, on_spf, l);
    }
}

static void
on_spf(const struct dns_answer *answer, void *arg)
{
    struct look *l = arg;

    spf_answer(l->spf, answer);
    step_spf(l);
}

static void
step_dmarc(struct dmarc_walk *w)
{
    struct dns_question q;

    if (dmarc_run(w->dmarc, &q) == DMARC_ASK) {
        cli_dns_ask(w->look->dc->dns, &q, on_dmarc, w);
    }
}

static void
on_dmarc(const struct dns_answer *answer, void *arg)
{
    struct dmarc_walk *w = arg;

    dmarc_answer(w->dmarc, answer);
    step_dmarc(w);
}

static struct spf *
new_spf(const struct mail_facts *m)
{
    struct spf_input input = {
        .ip_octets = sizeof(stranger_ip),
        .helo = bytes_str(m->domain),
        .receiver = m->domain,
        .now_s = (uint64_t)time(NULL),
    };
    struct buf sender = BUF_INIT;
    struct spf *spf = NULL;

    memcpy(input.ip, stranger_ip, sizeof(stranger_ip));
    buf_printf(&sender, "postmaster@%s", m->domain);
    input.mail_from = buf_bytes(&sender);
    if (!buf_failed(&sender)) {
        spf = spf_new(&input); /* copies */
    }
    buf_free(&sender);
    return spf;
}

/* signer: whose signature passes; NULL: nothing passes. */
static struct dmarc *
new_dmarc(const struct mail_facts *m, const char *signer)
{
    struct dmarc_input input = { .author = m->from,
                                 .dkim = &signer,
                                 .dkim_count = signer == NULL ? 0 : 1 };

    return dmarc_new(&input);
}

static bool
start(struct look *l, struct domain_check *dc, struct mail_facts *m)
{
    l->dc = dc;
    l->mail = m;
    l->spf_txt = (struct counting){ .begins = "v=spf1", .text = m->spf_text };
    l->dmarc_txt =
        (struct counting){ .begins = "v=DMARC1", .text = m->dmarc_text };
    l->spf = new_spf(m);
    l->own = (struct dmarc_walk){ l, new_dmarc(m, m->domain) };
    l->plain = (struct dmarc_walk){ l, new_dmarc(m, NULL) };
    if (l->spf == NULL || l->own.dmarc == NULL || l->plain.dmarc == NULL) {
        return false;
    }
    count_txt(l, "", m->domain, &l->spf_txt);
    count_txt(l, "_dmarc.", m->from, &l->dmarc_txt);
    step_spf(l);
    step_dmarc(&l->own);
    step_dmarc(&l->plain);
    return true;
}

/* --- what came of it ------------------------------------------------------ */

static void
take_spf(const struct look *l)
{
    const struct spf_outcome *o = spf_outcome(l->spf, SPF_MAIL_FROM);
    struct mail_facts *m = l->mail;

    m->missing = l->spf_txt.no_name;
    m->spf_records = l->spf_txt.count;
    m->spf_result = o->result;
    m->spf_failed = l->spf_txt.failed || o->result == SPF_TEMPERROR;
    snprintf(m->spf_reason, sizeof(m->spf_reason), "%.200s%s%.120s", o->reason,
             o->term[0] == '\0' ? "" : ": ", o->term);
}

static void
take_dmarc(const struct look *l)
{
    const struct dmarc_outcome *o = dmarc_outcome(l->plain.dmarc);
    struct mail_facts *m = l->mail;

    m->dmarc_records = l->dmarc_txt.count;
    m->dmarc_failed = l->dmarc_txt.failed || o->result == DMARC_TEMPERROR;
    m->dmarc_policy = o->published;
    m->dmarc_testing = o->testing;
    m->dmarc_strict = o->dkim_strict;
    snprintf(m->dmarc_domain, sizeof(m->dmarc_domain), "%s", o->policy_domain);
    m->aligned = dmarc_outcome(l->own.dmarc)->dkim_aligned;
}

static void
look_free(struct look *l)
{
    spf_free(&l->spf);
    dmarc_free(&l->own.dmarc);
    dmarc_free(&l->plain.dmarc);
}

/* Domains begin .. end of them, at once. */
static bool
look_at(struct domain_check *dc, struct look *looks, size_t begin, size_t end)
{
    bool good = true;

    for (size_t i = begin; good && i < end; i++) {
        good = start(&looks[i], dc, &dc->domains[i].mail);
    }
    cli_dns_wait(dc->dns); /* also when not all have begun */
    for (size_t i = begin; i < end; i++) {
        if (good) {
            take_spf(&looks[i]);
            take_dmarc(&looks[i]);
        }
        look_free(&looks[i]);
    }
    return good;
}

bool
domain_check_mail(struct domain_check *dc)
{
    struct look *looks = calloc(dc->count + 1, sizeof(*looks));
    bool good = looks != NULL;

    for (size_t i = 0; good && i < dc->count; i += AT_ONCE_MAX) {
        size_t left = dc->count - i;

        good = look_at(dc, looks, i,
                       i + (left < AT_ONCE_MAX ? left : AT_ONCE_MAX));
    }
    free(looks);
    return good;
}
