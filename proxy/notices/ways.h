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

/* [notify] mail, through our own listener. */
bool notice_mail(const struct conf *conf, const struct notice *n,
                 struct buf *why_out);

#endif
