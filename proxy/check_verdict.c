/*
 * check_verdict - what the results of a check mean for the message.
 *
 * The first cause that asks for a refusal gives the reply: DMARC, DKIM, SPF.
 * Enhanced codes: RFC 7372, 8601. A message without exactly one author has no
 * policy of its own, and could show the victim of its forgery beside another
 * name: where policies are enforced it is refused (RFC 9989; 5322 3.6.2).
 */
#include "proxy/check_private.h"

#include <stdio.h>

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

/* The message's DKIM in one word: pass when one passes, temperror when one may
 * yet, else the first. */
static enum dkim_verdict
dkim_overall(const struct check *c, const struct dkim_verify_result **out)
{
    size_t count = dkim_verify_count(c->dkim);

    *out = count == 0 ? NULL : dkim_verify_result(c->dkim, 0);
    for (size_t i = 0; i < count; i++) {
        const struct dkim_verify_result *r = dkim_verify_result(c->dkim, i);

        if (r->verdict == DKIM_PASS) {
            *out = r;
            return DKIM_PASS;
        }
        if (r->verdict == DKIM_TEMPERROR && (*out)->verdict != DKIM_TEMPERROR) {
            *out = r;
        }
    }
    return count == 0 ? DKIM_NONE : (*out)->verdict;
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

static bool
enforced(const struct check *c)
{
    const struct check_conf *conf = c->in.conf;

    return conf->dmarc == CONF_DMARC_ENFORCE &&
           (c->in.anonymous ||
            !conf_networks_has(&conf->trusted_forwarders, c->in.peer));
}

bool
check_doubts(const struct check *c)
{
    const struct dmarc_outcome *o = dmarc_outcome(c->policy.dmarc);

    return enforced(c) && o->result == DMARC_FAIL &&
           o->policy == DMARC_POLICY_REJECT;
}

/* A failed look-up is the reason. */
static void
refuse_dmarc_later(struct check *c, const char *text)
{
    enum conf_action action = c->in.conf->on_temperror;
    bool again = action == CONF_TEMPFAIL;

    refuse(c, action, again ? 451 : 550, again ? "4.4.3" : "5.7.26", text);
}

static void
judge_dmarc(struct check *c)
{
    const struct dmarc_outcome *o = dmarc_outcome(c->policy.dmarc);
    char text[TEXT_MAX];

    c->verdict.quarantine =
        o->result == DMARC_FAIL && o->policy != DMARC_POLICY_NONE;
    if (o->result == DMARC_TEMPERROR) {
        snprintf(text, sizeof(text), "DMARC policy of %s: %s", o->author,
                 o->reason);
        refuse_dmarc_later(c, text);
    } else if (o->result == DMARC_PERMERROR && enforced(c)) {
        refuse(c, CONF_REJECT, 550, "5.7.26",
               "From must name one author, in a domain that DNS can hold");
    } else if (check_doubts(c)) {
        snprintf(text, sizeof(text), "DMARC policy of %s is reject: %s",
                 o->policy_domain, o->reason);
        if (dmarc_outcome(c->doubted.dmarc)->result != DMARC_FAIL) {
            refuse_dmarc_later(c, text);
        } else {
            refuse(c, CONF_REJECT, 550, "5.7.26", text);
        }
    }
}

static void
make_field(struct check *c)
{
    const struct methods_results results = {
        .dkim = c->dkim,
        .spf = c->spf,
        .dmarc = c->policy.dmarc,
        .arc = c->arc,
        .address = c->in.address,
    };

    /* Without the field somebody else's would be believed. */
    if (!methods_field(&c->field, c->in.authserv_id, &results,
                       &c->field_text) ||
        c->no_memory) {
        c->field_text = bytes_make(NULL, 0);
        refuse(c, CONF_TEMPFAIL, 452, "4.3.1",
               "Out of memory, try again later");
    }
}

static void
summarize(struct check *c, enum dkim_verdict dkim)
{
    snprintf(c->summary, sizeof(c->summary), "dkim=%s spf=%s dmarc=%s arc=%s",
             dkim_verdict_name(dkim), spf_result_name(spf_result(c->spf)),
             c->policy.dmarc == NULL
                 ? "off"
                 : dmarc_result_name(dmarc_outcome(c->policy.dmarc)->result),
             arc_result_name(arc_result(c->arc)));
    c->verdict.summary = c->summary;
}

void
check_judge(struct check *c)
{
    const struct dkim_verify_result *r;
    enum dkim_verdict dkim = dkim_overall(c, &r);

    make_field(c);
    if (c->policy.dmarc != NULL && c->doubted.dmarc != NULL) {
        judge_dmarc(c);
    }
    judge_dkim(c, dkim, r);
    judge_spf(c);
    summarize(c, dkim);
}
