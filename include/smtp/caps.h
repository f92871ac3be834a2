/*
 * caps - what an EHLO reply offers, ours or the upstream's.
 */
#ifndef SMTP_CAPS_H
#define SMTP_CAPS_H

#include <base/buf.h>

#include <smtp/reply.h>

enum smtp_cap {
    SMTP_CAP_PIPELINING = 1,          /* RFC 2920 */
    SMTP_CAP_SIZE = 2,                /* RFC 1870 */
    SMTP_CAP_8BITMIME = 4,            /* RFC 6152 */
    SMTP_CAP_ENHANCEDSTATUSCODES = 8, /* RFC 2034 */
    SMTP_CAP_STARTTLS = 16,           /* RFC 3207 */
    SMTP_CAP_AUTH = 32,               /* RFC 4954 */
    SMTP_CAP_SMTPUTF8 = 64,           /* RFC 6531 */
    SMTP_CAP_DSN = 128,               /* RFC 3461 */
    SMTP_CAP_CHUNKING = 256,          /* RFC 3030 */
    SMTP_CAP_REQUIRETLS = 512,        /* RFC 8689 */
    SMTP_CAP_LIMITS = 1024,           /* RFC 9422 */
    SMTP_CAP_XCLIENT = 2048,
    SMTP_CAP_XFORWARD = 4096
};

enum smtp_mech {
    SMTP_MECH_PLAIN = 1, /* RFC 4616 */
    SMTP_MECH_LOGIN = 2, /* draft-murchison-sasl-login */
    SMTP_MECH_SCRAM_SHA_256 = 4,
    SMTP_MECH_SCRAM_SHA_256_PLUS = 8,
    SMTP_MECH_EXTERNAL = 16,
    SMTP_MECH_XOAUTH2 = 32,
    SMTP_MECH_OAUTHBEARER = 64
};

struct smtp_caps {
    unsigned offers;          /* enum smtp_cap */
    unsigned mechs;           /* enum smtp_mech, with SMTP_CAP_AUTH */
    uint64_t size;            /* octets; 0: no fixed limit (RFC 1870 3) */
    unsigned rcpt_max;        /* LIMITS RCPTMAX; 0: none named */
    unsigned mail_max;        /* LIMITS MAILMAX; 0: none named */
    unsigned rcpt_domain_max; /* LIMITS RCPTDOMAINMAX; 0: none named */
    unsigned xclient;  /* attributes taken: 1u << enum smtp_xattr; read only */
    unsigned xforward; /* the same of XFORWARD */
};

/* What an EHLO reply offers. Unknown keywords are passed over. */
void smtp_caps_parse(const struct smtp_reply *reply,
                     struct smtp_caps *caps_out);

/*
 * Puts a whole 250 reply to EHLO: hostname, a space and greeting, then a line
 * for each offer.
 */
void smtp_caps_put(struct buf *out, const char *hostname, const char *greeting,
                   const struct smtp_caps *caps);

/* "SCRAM-SHA-256"; any case when parsing; 0 for an unknown one. */
const char *smtp_mech_name(enum smtp_mech mech);
unsigned smtp_mech_parse(struct bytes name);

#endif
