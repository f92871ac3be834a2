/*
 * trace - the header fields that we make: Received, Date, Message-ID.
 *
 * Pure: time and names are arguments.
 */
#ifndef PROXY_TRACE_H
#define PROXY_TRACE_H

#include <base/buf.h>
#include <base/bytes.h>

struct trace {
    const char *helo;     /* clean, or NULL: not repeated */
    const char *address;  /* the client's, as text */
    const char *hostname; /* ours */
    const char *tls;      /* "TLSv1.3/TLS_AES_256_GCM_SHA384", or "-" */
    const char *id;
    struct bytes recipient; /* the only one, or empty */
    bool esmtp;
    bool authenticated;
    bool utf8;      /* SMTPUTF8: "with UTF8SMTPSA" (RFC 6531 3.7.3) */
    uint64_t now_s; /* seconds since 1970 */
};

/* "Received: from ... by ... with ESMTPSA id ...; date\r\n" (RFC 5321 4.4,
 * 3848), folded. */
void trace_received(struct buf *out, const struct trace *t);

/* "Date: ...\r\n" (RFC 5322 3.3), in UTC. */
void trace_date(struct buf *out, uint64_t now_s);

/* "Message-ID: <ID@HOSTNAME>\r\n". */
void trace_message_id(struct buf *out, const char *id, const char *hostname);

#endif
