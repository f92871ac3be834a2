/*
 * mailfacts - what receivers see of a domain besides its keys.
 *
 * Filled in by the command, which asks; judged by findings_mail.c.
 */
#ifndef PROXY_SURVEY_MAILFACTS_H
#define PROXY_SURVEY_MAILFACTS_H

#include <dkim/dmarc.h>
#include <dkim/spf.h>

#include <proxy/survey/seenfrom.h>

enum {
    MAIL_TEXT_MAX = 512
};

struct mail_facts {
    const char *domain; /* d= */
    const char *from;   /* the From domain that is looked at */
    bool no_mail;       /* the domain is to send nothing */
    bool has_keys;      /* some key is looked at */
    bool keys_expected; /* the domain is to have keys of ours */
    bool missing;       /* domain is no name in DNS, and nothing is below it */

    /* SPF of domain, for a client that nobody has ever listed (192.0.2.1) */
    bool spf_failed; /* nobody answered */
    size_t spf_records;
    char spf_text[MAIL_TEXT_MAX]; /* the first one, cut */
    enum spf_result_code spf_result;
    char spf_reason[MAIL_TEXT_MAX];

    /* DMARC of from */
    bool dmarc_failed;
    size_t dmarc_records; /* TXT at _dmarc.FROM that begin like one */
    char dmarc_text[MAIL_TEXT_MAX];
    char dmarc_domain[DNS_NAME_MAX + 1]; /* whose policy holds; "": none */
    enum dmarc_policy dmarc_policy;
    bool dmarc_testing, dmarc_strict;
    bool aligned; /* a signature d=domain counts for from */

    /* From domains below domain without a key, in 30 days; borrowed */
    const struct seenfrom_line *subdomains;
    size_t subdomain_count;
};

#endif
