/*
 * scram - what a SCRAM client says first; the exchange itself is others' work.
 *
 * Worker and keeper read it with the same eyes: the name that is looked up is
 * the name that is logged and counted.
 *
 * RFC 5802 7 (grammar), 5.1 (attributes).
 */
#ifndef SMTP_SCRAM_H
#define SMTP_SCRAM_H

#include <smtp/sasl.h>

enum {
    SMTP_SCRAM_NONCE_MAX = 256 /* octets of the client's part */
};

enum smtp_scram_binding {
    SMTP_SCRAM_NONE,    /* "n": the client has none */
    SMTP_SCRAM_UNUSED,  /* "y": it has, and believes that we have not */
    SMTP_SCRAM_EXPORTER /* "p=tls-exporter" (RFC 9266) */
};

struct smtp_scram_first {
    enum smtp_scram_binding binding;
    char user[SMTP_SASL_USER_MAX + 1];
};

/*
 * client-first-message. False: malformed, another channel binding than
 * tls-exporter, an extension that we must know and don't, or an authorization
 * identity that is not the user.
 */
bool smtp_scram_first_parse(struct bytes message,
                            struct smtp_scram_first *first_out);

#endif
