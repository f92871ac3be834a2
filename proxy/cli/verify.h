/*
 * verify - what the methods of `sealpost verify` share.
 *
 * A method is one row of the table in verify.c: it asks what it needs, adds
 * its results to the Authentication-Results field and to the JSON, and says
 * how it came out.
 */
#ifndef PROXY_CLI_VERIFY_H
#define PROXY_CLI_VERIFY_H

#include <dkim/authres.h>

#include <proxy/cli/ask.h>
#include <proxy/cli/message.h>

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
};

/* Lets everything that was asked be answered, then judges. -1: no memory. */
typedef int verify_method(struct verification *v);

verify_method verify_dkim;

#endif
