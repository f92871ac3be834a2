/*
 * session_message - content from the client, what becomes of it and what is
 * counted. Private to session*.c.
 */
#ifndef PROXY_SESSION_MESSAGE_H
#define PROXY_SESSION_MESSAGE_H

#include <base/buf.h>

#include <proxy/transaction.h>

/* session_message.c */
bool session_message_begin(struct session *s);
void session_message_data(struct session *s, struct bytes octets);
/* So many octets of content came: how long the next may take. */
void session_message_pace(struct session *s, size_t octets);
/* One BDAT chunk of so many octets, not the last, is here: answers it. */
void session_message_chunk(struct session *s, uint64_t octets);
void session_message_whole(struct session *s, unsigned faults);
/* Adds octets to a header whose end is looked for. ENDED: *body_out is what
 * stands behind it, a view into octets; head holds the block alone. */
enum head_step {
    HEAD_MORE,
    HEAD_ENDED,
    HEAD_TOO_BIG,
    HEAD_NO_MEMORY
};
enum head_step session_gather_head(struct buf *head, struct bytes octets,
                                   struct bytes *body_out);
/* The client was silent, or sent content too slowly. */
void session_timed_out(struct session *s);
/* Content as it will go upstream. */
void session_message_take(struct session *s, struct bytes octets);

/* session_sign.c */
/* Decides and asks the keeper, or ends the transaction. */
void session_sign(struct session *s);
/* Every answer is in: builds the header that goes out, or ends it. */
void session_signed(struct session *s);

/* session_check.c */
/* The header as received is parsed: questions leave. Borrowed by tx->check. */
void session_check_begin(struct session *s, const struct dkim_header *header);
/* The body is over. */
void session_check_end(struct session *s);
/* The verdict is there: refuses, or builds the header that goes out. */
void session_checked(struct session *s);

/* session_header.c */
void session_header_remove(struct session *s);
/* Date and Message-ID; false: no memory. */
bool session_header_add_missing(struct session *s);
/* The last step before the message may go. */
void session_header_build(struct session *s);

/* session_stats.c */
void session_count_begin(struct session *s);
void session_count_end(struct session *s, enum outcome outcome);
/* No connection to this transaction's upstream was to be had. */
void session_count_unreachable(struct session *s);
void session_count_spool(struct session *s);

#endif
