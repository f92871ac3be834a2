/*
 * domain_check - what the files of `sealpost domain check` share.
 */
#ifndef PROXY_CLI_DOMAIN_CHECK_H
#define PROXY_CLI_DOMAIN_CHECK_H

#include <proxy/cli/ask.h>
#include <proxy/cli/domain.h>
#include <proxy/survey/facts.h>
#include <proxy/survey/findings.h>

/* One selector of one domain. */
struct check_key {
    const struct keystore_key *key; /* lent; NULL: not ours, or a free slot */
    struct buf target;              /* owns what facts.key.target lends */
    struct facts facts;
    struct findings findings;
};

struct check_domain {
    char name[DKIM_DOMAIN_MAX + 1];
    struct domain_file *file; /* owns; NULL: there is none */
    struct check_key *keys;   /* owns */
    size_t count;
    struct mail_facts mail;
    struct seenfrom_line *subdomains; /* owns */
    struct findings findings;         /* of mail, and of having no key */
};

struct domain_check {
    struct cli cli;
    const char *selector;   /* --selector, or NULL: those of the key store */
    const char *from;       /* --from, or NULL: the domain itself */
    const char *nameserver; /* --nameserver, or NULL */
    uint64_t interval_s;    /* --interval */
    bool watch;
    char from_domain[DKIM_DOMAIN_MAX + 1];
    char selector_name[DKIM_DOMAIN_MAX + 1];
    struct cli_data data;
    struct cli_dns *dns;
    struct check_domain *domains; /* owns */
    size_t count;
};

/* Which domains and keys are to be looked at: those that the words name, or
 * all that there are. CLI_GO_ON, or an exit code. */
int domain_check_choose(struct domain_check *dc);
/* Asks DNS about all of them and judges. CLI_GO_ON, or an exit code. */
int domain_check_look(struct domain_check *dc);
/* Forgets what was seen, for the next look. */
void domain_check_forget(struct domain_check *dc);
/* SPF and DMARC of all domains, whose mail.domain and mail.from are set.
 * False: no memory. */
bool domain_check_mail(struct domain_check *dc);

/* The whole report, as text or JSON, to stdout. EX_OK or an exit code. */
int domain_check_report(const struct domain_check *dc);
/* "red, 2 errors (record-missing, ...)", for the progress of --watch. */
void domain_check_summary(const struct check_domain *d, struct buf *out);
/* The worst finding of a domain. */
enum finding_severity domain_check_worst(const struct check_domain *d);

#endif
