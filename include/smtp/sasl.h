/*
 * sasl - the framing of AUTH: base64 lines to credentials and back.
 *
 * Judges nothing: who may log in is others' business. Decoded secrets live in
 * caller-owned structs that the caller wipes.
 *
 *   PLAIN, LOGIN          DONE with user and password
 *   OAUTHBEARER, XOAUTH2  DONE with user and token
 *   SCRAM-SHA-256[-PLUS]  STEP twice, with the client's message; what the
 *                         judge answers goes out as 334. Behind the second,
 *                         which says that the proof was right, DONE
 *
 *   EXTERNAL              DONE with user, which may be empty: who TLS says
 *
 * RFC 4422 A (EXTERNAL), 4616 (PLAIN), 5802 (SCRAM), 7628 (OAUTHBEARER), 4954 4 (in SMTP).
 */
#ifndef SMTP_SASL_H
#define SMTP_SASL_H

#include <base/buf.h>
#include <base/bytes.h>

enum {
    SMTP_SASL_USER_MAX = 255,    /* octets */
    SMTP_SASL_SECRET_MAX = 1024, /* octets of a password, or of a message */
    SMTP_SASL_TOKEN_MAX = 9000   /* octets; the longest line holds no more */
};

enum smtp_sasl_result {
    SMTP_SASL_MORE,    /* send 334 with prompt, feed the next line */
    SMTP_SASL_DONE,    /* credentials are whole */
    SMTP_SASL_STEP,    /* secret is a message for the judge */
    SMTP_SASL_CANCEL,  /* "*": 501 5.7.0 */
    SMTP_SASL_BASE64,  /* not base64: 501 5.5.2 */
    SMTP_SASL_INVALID  /* bad message, NUL, empty, too long, authzid differs:
                          535 5.7.8, after the same work as a wrong password */
};

/* Caller-allocated; holds secrets: wipe() the whole of it. */
struct smtp_sasl {
    unsigned mech; /* one of enum smtp_mech */
    unsigned step; /* private */
    char user[SMTP_SASL_USER_MAX + 1];
    char secret[SMTP_SASL_TOKEN_MAX + 1];
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
