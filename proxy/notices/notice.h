/*
 * notice - something that the operator should hear of ([notify]).
 *
 * Sent by commands and their timer, never by a process that handles mail: to a
 * program (JSON on stdin) and by mail through the relay itself. The same
 * notice (kind, subject and selector) is sent once a day at most, however
 * often it is given; one that a domain is green forgets that it was red, and
 * the other way round. What was sent is kept in STATE_DIR/notices.
 */
#ifndef PROXY_NOTICES_NOTICE_H
#define PROXY_NOTICES_NOTICE_H

#include <proxy/config/conf.h>

enum notice_kind {
    NOTICE_DOMAIN_GREEN,
    NOTICE_DOMAIN_RED,
    NOTICE_ROTATION_STUCK,
    NOTICE_KEY_CHANGED, /* the record of a key in use is gone or differs */
    NOTICE_CERTIFICATE, /* runs out soon */
    NOTICE_TEST         /* of [notify]; as often as it is given */
};

struct notice {
    enum notice_kind kind;
    const char *subject;  /* a domain, or a certificate's file */
    const char *selector; /* "" when none is meant */
    const char *text;     /* what happened and what to do, in sentences */
    uint64_t time_s;
};

/* False: could not be sent; what failed is logged. Nothing set: true. */
bool notice_send(const struct conf *conf, const struct notice *notice);

/*
 * A NOTICE_CERTIFICATE for each certificate of a listener that runs out
 * within [notify] expiry, or has. False: one could not be sent. A file that
 * cannot be read is none of ours: sealpostd -t says so.
 */
bool notice_certificates(const struct conf *conf, uint64_t now_s);

#endif
