/*
 * ways - how a notice goes out; see notice.h.
 */
#ifndef PROXY_NOTICES_WAYS_H
#define PROXY_NOTICES_WAYS_H

#include <base/buf.h>

#include <proxy/notices/notice.h>

/* [notify] command. False: why_out says why, in one line. */
bool notice_command(const struct conf *conf, const struct notice *n,
                    struct buf *why_out);

/* One message, its envelope, and the way that mail of our own takes. */
struct letter {
    const char *from; /* LOCAL@DOMAIN, both */
    const char *to;
    struct bytes message; /* with CRLF (RFC 5322 2.1), no dots doubled */
};

/*
 * Sends it through conf_notify_listen(), as [notify] username if there is one.
 * True: the upstream has taken it. False: why_out says where it went and what
 * was answered, in one line. Blocks for a minute at the most.
 */
bool notice_letter(const struct conf *conf, const struct letter *letter,
                   struct buf *why_out);

/* [notify] mail, through our own listener. */
bool notice_mail(const struct conf *conf, const struct notice *n,
                 struct buf *why_out);

#endif
