/*
 * compose - a notice as JSON and as a message.
 *
 * Only text: time and the message's name are given.
 */
#ifndef PROXY_NOTICES_COMPOSE_H
#define PROXY_NOTICES_COMPOSE_H

#include <base/buf.h>

#include <proxy/notices/notice.h>

/* "domain-red"; part of the contract with programs. */
const char *notice_kind_name(enum notice_kind kind);

/* The object that [notify] command gets; sealpost.conf(5), NOTICES. */
void notice_put_json(const struct notice *n, const char *hostname,
                     struct buf *out);

struct notice_mail {
    const char *from;
    const char *to;
    const char *hostname;
    uint64_t id[2]; /* chance, for Message-ID */
};

/* A message with CRLF (RFC 5322), Auto-Submitted (RFC 3834 5). */
void notice_put_mail(const struct notice *n, const struct notice_mail *m,
                     struct buf *out);

#endif
