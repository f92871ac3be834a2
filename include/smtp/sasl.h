/*
 * sasl - the framing of PLAIN and LOGIN: base64 lines to credentials and back.
 *
 * Judges nothing: who may log in is the keeper's business. Decoded secrets
 * live in caller-owned structs that the caller wipes.
 *
 * RFC 4616 (PLAIN), RFC 4954 4 (framing in SMTP).
 */
#ifndef SMTP_SASL_H
#define SMTP_SASL_H

#include <base/buf.h>
#include <base/bytes.h>

enum {
    SMTP_SASL_USER_MAX = 255,    /* octets */
    SMTP_SASL_SECRET_MAX = 1024  /* octets */
};

enum smtp_sasl_result {
    SMTP_SASL_MORE,    /* send 334 with prompt, feed the next line */
    SMTP_SASL_DONE,    /* credentials are whole */
    SMTP_SASL_CANCEL,  /* "*": 501 5.7.0 */
    SMTP_SASL_BASE64,  /* not base64: 501 5.5.2 */
    SMTP_SASL_INVALID  /* bad message, NUL, empty, too long, authzid differs:
                          535 5.7.8, after the same work as a wrong password */
};

/* Caller-allocated; holds secrets: wipe() the whole of it. */
struct smtp_sasl {
    unsigned mech; /* SMTP_MECH_PLAIN or SMTP_MECH_LOGIN */
    unsigned step; /* private */
    char user[SMTP_SASL_USER_MAX + 1];
    char secret[SMTP_SASL_SECRET_MAX + 1];
};

void smtp_sasl_init(struct smtp_sasl *s, unsigned mech);

/*
 * The initial response ("=" is an empty one), or has_initial false when
 * there was none. prompt_out: the base64 text behind "334 ", with MORE.
 */
enum smtp_sasl_result smtp_sasl_start(struct smtp_sasl *s, bool has_initial,
                                      struct bytes initial,
                                      const char **prompt_out);

/* One line of the client without its CRLF. */
enum smtp_sasl_result smtp_sasl_line(struct smtp_sasl *s, struct bytes line,
                                     const char **prompt_out);

/* The base64 initial response of PLAIN for an upstream. */
void smtp_sasl_plain_put(struct buf *out, const char *user, const char *secret);

#endif
