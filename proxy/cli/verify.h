/*
 * verify - what the methods of `sealpost verify` share.
 *
 * A method is one row of the table in verify.c: it asks what it needs, leaves
 * its results for the Authentication-Results field, adds them to the JSON, and
 * says how it came out.
 */
#ifndef PROXY_CLI_VERIFY_H
#define PROXY_CLI_VERIFY_H

#include <proxy/cli/ask.h>
#include <proxy/cli/message.h>
#include <proxy/methods.h>

enum verify_outcome {
    VERIFY_FAIL, /* none passes */
    VERIFY_PASS,
    VERIFY_TEMPORARY /* none passes, and one could not be judged now */
};

struct verification {
    struct cli cli;
    const char *dns_path;
    const char *nameserver;
    const char *authserv_id;
    const char *only;    /* --only LIST, or NULL: all */
    const char *require; /* --require LIST, or NULL: dkim */
    const char *ip;      /* --ip, --helo, --mail-from: for SPF */
    const char *helo;
    const char *mail_from;
    bool allow_legacy;
    uint64_t time_s;
    struct cli_message message;
    struct cli_dns *dns;
    struct dkim_authres authres;
    struct buf json; /* the members of the one object, without braces */
    struct dkim_verify *dkim;       /* owns; for verify_dkim and verify_dmarc */
    struct spf *spf;                /* owns; for verify_spf and verify_dmarc */
    struct dmarc *dmarc;            /* owns */
    struct arc *arc;                /* owns */
    struct methods_results results; /* what the field is about */
};

/* Lets everything that was asked be answered, then judges; an enum
 * verify_outcome. -1: no memory. */
typedef int verify_method(struct verification *v);

verify_method verify_dkim;
verify_method verify_spf;
verify_method verify_dmarc;
verify_method verify_arc;

/* v->dkim, judged once however many ask. False: no memory. */
bool verification_dkim(struct verification *v);
/* v->spf likewise; it stays NULL without --ip. False: no memory. */
bool verification_spf(struct verification *v);
/* "NAME": of the JSON object, with a comma before it where one is due. */
void verification_member(struct verification *v, const char *name);

#endif
