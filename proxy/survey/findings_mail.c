/*
 * findings_mail - SPF, DMARC and alignment, as receivers will see them.
 */
#include "proxy/survey/findings_private.h"

struct judging {
    const struct mail_facts *facts;
    struct findings *out;
};

struct mail_rule {
    struct finding_kind kind;
    void (*check)(const struct judging *j, const struct mail_rule *rule);
};

/* RFC 8020: where a name does not exist, nothing below it does. */
static void
check_missing(const struct judging *j, const struct mail_rule *rule)
{
    struct finding *f;

    if (j->facts->missing) {
        f = finding_add(j->out, &rule->kind, "%.253s does not exist in DNS",
                        j->facts->domain);
        buf_puts(&f->mend, "correct the name, or register it and give it "
                           "name servers");
    }
}

static void
check_no_key(const struct judging *j, const struct mail_rule *rule)
{
    const struct mail_facts *m = j->facts;
    struct finding *f;

    if (m->has_keys || m->no_mail || !m->keys_expected || m->missing) {
        return;
    }
    f = finding_add(j->out, &rule->kind, "there is no key for %.253s here",
                    m->domain);
    buf_printf(&f->mend,
               "sealpost domain add %s\nor, to look at a key that another "
               "signer has: sealpost domain check %s --selector S",
               m->domain, m->domain);
}

/* --- SPF ------------------------------------------------------------------ */

static void
check_spf_failed(const struct judging *j, const struct mail_rule *rule)
{
    if (j->facts->spf_failed) {
        struct finding *f =
            finding_add(j->out, &rule->kind, "SPF of %.253s: %s",
                        j->facts->domain, j->facts->spf_reason);

        f->temporary = true;
        buf_puts(&f->mend, "look again later");
    }
}

static void
check_spf_missing(const struct judging *j, const struct mail_rule *rule)
{
    const struct mail_facts *m = j->facts;
    struct finding *f;

    if (m->spf_failed || m->spf_records > 0 || m->missing) {
        return;
    }
    f = finding_add(j->out, &rule->kind, "%.253s has no SPF record", m->domain);
    if (m->no_mail) {
        buf_printf(&f->mend, "%s. 300 IN TXT \"v=spf1 -all\"", m->domain);
    } else {
        buf_printf(&f->mend,
                   "%s. 300 IN TXT \"v=spf1 include:YOUR-SMARTHOST -all\" "
                   "(what your smarthost says to include)",
                   m->domain);
    }
}

static void
check_spf_several(const struct judging *j, const struct mail_rule *rule)
{
    struct finding *f;

    if (j->facts->spf_failed || j->facts->spf_records < 2) {
        return;
    }
    f = finding_add(j->out, &rule->kind, "%.253s has %zu SPF records",
                    j->facts->domain, j->facts->spf_records);
    buf_printf(&f->mend, "put all of them into one: %s. 300 IN TXT \"%s\"",
               j->facts->domain, j->facts->spf_text);
}

static void
check_spf_broken(const struct judging *j, const struct mail_rule *rule)
{
    struct finding *f;

    if (j->facts->spf_failed || j->facts->spf_records != 1 ||
        j->facts->spf_result != SPF_PERMERROR) {
        return;
    }
    f = finding_add(j->out, &rule->kind, "SPF of %.253s cannot be used: %.400s",
                    j->facts->domain, j->facts->spf_reason);
    buf_printf(&f->mend, "mend \"%s\" at %s", j->facts->spf_text,
               j->facts->domain);
}

static void
check_spf_open(const struct judging *j, const struct mail_rule *rule)
{
    struct finding *f;

    if (j->facts->spf_failed || j->facts->spf_result != SPF_PASS) {
        return;
    }
    f = finding_add(j->out, &rule->kind,
                    "SPF of %.253s lets anybody send: \"%.400s\"",
                    j->facts->domain, j->facts->spf_text);
    buf_printf(&f->mend,
               "end the record at %s in -all (or ~all), and list "
               "only your own senders before it",
               j->facts->domain);
}

/* --- DMARC ---------------------------------------------------------------- */

static void
check_dmarc_failed(const struct judging *j, const struct mail_rule *rule)
{
    if (j->facts->dmarc_failed) {
        struct finding *f =
            finding_add(j->out, &rule->kind,
                        "DMARC of %.253s could not be asked", j->facts->from);

        f->temporary = true;
        buf_puts(&f->mend, "look again later");
    }
}

static void
put_policy(const struct mail_facts *m, struct buf *out)
{
    buf_printf(out, "_dmarc.%s. 300 IN TXT \"v=DMARC1; p=%s\"", m->from,
               m->no_mail ? "reject" : "none");
}

static void
check_dmarc_missing(const struct judging *j, const struct mail_rule *rule)
{
    const struct mail_facts *m = j->facts;

    if (!m->dmarc_failed && m->dmarc_domain[0] == '\0' &&
        m->dmarc_records == 0 && !m->missing) {
        struct finding *f = finding_add(j->out, &rule->kind,
                                        "%.253s has no DMARC policy", m->from);

        put_policy(m, &f->mend);
    }
}

static void
check_dmarc_broken(const struct judging *j, const struct mail_rule *rule)
{
    const struct mail_facts *m = j->facts;

    if (!m->dmarc_failed && m->dmarc_records > 0 &&
        (m->dmarc_records > 1 || m->dmarc_domain[0] == '\0')) {
        struct finding *f =
            m->dmarc_records > 1
                ? finding_add(j->out, &rule->kind,
                              "_dmarc.%.253s has %zu DMARC records", m->from,
                              m->dmarc_records)
                : finding_add(j->out, &rule->kind,
                              "no receiver can use \"%.400s\" at "
                              "_dmarc.%.253s",
                              m->dmarc_text, m->from);

        put_policy(m, &f->mend);
    }
}

static void
check_dmarc_none(const struct judging *j, const struct mail_rule *rule)
{
    const struct mail_facts *m = j->facts;

    if (!m->dmarc_failed && !m->no_mail && m->dmarc_domain[0] != '\0' &&
        m->dmarc_policy == DMARC_POLICY_NONE) {
        struct finding *f = finding_add(
            j->out, &rule->kind, "DMARC policy of %.253s (at %.253s) is none",
            m->from, m->dmarc_domain);

        buf_printf(&f->mend,
                   "when the reports are clean: _dmarc.%s. 300 IN "
                   "TXT \"v=DMARC1; p=quarantine\"",
                   m->dmarc_domain);
    }
}

/* --- a domain that sends nothing ------------------------------------------ */

static void
check_silent_spf(const struct judging *j, const struct mail_rule *rule)
{
    const struct mail_facts *m = j->facts;
    struct finding *f;

    if (!m->no_mail || m->spf_failed || m->spf_records != 1 ||
        m->spf_result == SPF_FAIL || m->spf_result == SPF_PERMERROR) {
        return;
    }
    f = finding_add(j->out, &rule->kind,
                    "%.253s is to send no mail, but its SPF record does not "
                    "refuse it: \"%.400s\"",
                    m->domain, m->spf_text);
    buf_printf(&f->mend, "%s. 300 IN TXT \"v=spf1 -all\"", m->domain);
}

static void
check_silent_dmarc(const struct judging *j, const struct mail_rule *rule)
{
    const struct mail_facts *m = j->facts;
    struct finding *f;

    if (!m->no_mail || m->dmarc_failed || m->dmarc_domain[0] == '\0' ||
        m->dmarc_policy == DMARC_POLICY_REJECT) {
        return;
    }
    f = finding_add(j->out, &rule->kind,
                    "%.253s is to send no mail, but its DMARC policy (at "
                    "%.253s) is %s",
                    m->domain, m->dmarc_domain,
                    dmarc_policy_name(m->dmarc_policy));
    put_policy(m, &f->mend);
}

/* --- alignment ------------------------------------------------------------ */

static void
check_alignment(const struct judging *j, const struct mail_rule *rule)
{
    const struct mail_facts *m = j->facts;
    struct finding *f;

    if (m->dmarc_failed || m->dmarc_domain[0] == '\0' || m->aligned ||
        m->no_mail) {
        return;
    }
    f = finding_add(j->out, &rule->kind,
                    "d=%.253s does not align with From: %.253s%s", m->domain,
                    m->from, m->dmarc_strict ? " (adkim=s)" : "");
    buf_printf(&f->mend, "sealpost domain add %s (a key of its own)", m->from);
    if (m->dmarc_strict) {
        buf_puts(&f->mend, ", or remove adkim=s from the policy");
    }
}

static void
check_subdomains(const struct judging *j, const struct mail_rule *rule)
{
    for (size_t i = 0; i < j->facts->subdomain_count; i++) {
        const struct seenfrom_line *line = &j->facts->subdomains[i];
        struct finding *f = finding_add(
            j->out, &rule->kind,
            "%llu messages from %.253s in %d days, which has no "
            "key of its own",
            (unsigned long long)line->count, line->domain, SEENFROM_DAYS);

        buf_printf(&f->mend, "sealpost domain add %s", line->domain);
        if (!j->facts->has_keys || j->facts->dmarc_strict) {
            f->severity = FINDING_WARNING;
        }
    }
}

static const struct mail_rule rules[] = {
    { { "domain-missing", FINDING_ERROR,
        "Nobody can find a key, a policy or the way back to it." },
      check_missing },
    { { "no-key", FINDING_ERROR,
        "Mail of this domain leaves unsigned, or signed for another one." },
      check_no_key },
    { { "spf-unknown", FINDING_WARNING,
        "Receivers that cannot look SPF up put the mail off." },
      check_spf_failed },
    { { "spf-missing", FINDING_WARNING,
        "Large receivers ask for SPF besides DKIM from whoever sends much." },
      check_spf_missing },
    { { "spf-several", FINDING_ERROR,
        "With more than one record SPF is an error (RFC 7208 4.5)." },
      check_spf_several },
    { { "spf-broken", FINDING_ERROR,
        "Receivers treat the record as an error, and some refuse the mail." },
      check_spf_broken },
    { { "spf-open", FINDING_WARNING,
        "A record that lets everybody pass protects nobody." },
      check_spf_open },
    { { "dmarc-unknown", FINDING_WARNING,
        "What receivers see could not be looked at." },
      check_dmarc_failed },
    { { "dmarc-missing", FINDING_WARNING,
        "Without a policy nobody is asked to refuse forgeries, and large "
        "receivers ask for one from whoever sends much." },
      check_dmarc_missing },
    { { "dmarc-broken", FINDING_ERROR,
        "A policy that is not exactly one sound record does not count "
        "(RFC 9989)." },
      check_dmarc_broken },
    { { "dmarc-none", FINDING_NOTE,
        "p=none asks for reports only: forgeries are delivered." },
      check_dmarc_none },
    { { "no-mail-spf", FINDING_WARNING,
        "Who sends nothing should say so: v=spf1 -all." },
      check_silent_spf },
    { { "no-mail-dmarc", FINDING_WARNING,
        "Who sends nothing can have everything refused: p=reject." },
      check_silent_dmarc },
    { { "not-aligned", FINDING_ERROR,
        "The signature is good, but does not count for the domain in From: "
        "DMARC fails unless SPF helps." },
      check_alignment },
    { { "from-without-key", FINDING_NOTE,
        "Its mail is signed with the key of a parent domain at best." },
      check_subdomains },
};

void
findings_of_mail(const struct mail_facts *facts, struct findings *out)
{
    struct judging j = { .facts = facts, .out = out };

    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        rules[i].check(&j, &rules[i]);
    }
}
