/*
 * check - may this line be said now, and if not, how it is refused.
 *
 * Private to the room.
 */
#ifndef SMTP_CHECK_H
#define SMTP_CHECK_H

#include <smtp/server.h>

enum refusal {
    NOTHING_REFUSED,
    REFUSE_CONTROL,
    REFUSE_LONG,
    REFUSE_LONG_AUTH,
    REFUSE_FLOOD,
    REFUSE_ERRORS,
    REFUSE_JUNK,
    REFUSE_UNKNOWN,
    REFUSE_NOT_HERE,
    REFUSE_SYNTAX,
    REFUSE_SENDER,
    REFUSE_RECIPIENT,
    REFUSE_UTF8,
    REFUSE_PARAM,
    REFUSE_PARAM_VALUE,
    REFUSE_PARAM_TWICE,
    REFUSE_REQUIRETLS,
    REFUSE_REQUIRETLS_CLEAR,
    REFUSE_SIZE,
    REFUSE_EHLO_FIRST,
    REFUSE_NESTED_MAIL,
    REFUSE_NO_MAIL,
    REFUSE_NO_RCPT,
    REFUSE_IN_TRANSACTION,
    REFUSE_CHUNKS,
    REFUSE_CHUNK_SIZE,
    REFUSE_TLS_TWICE,
    REFUSE_TLS_AFTER_AUTH,
    REFUSE_AUTH_TWICE,
    REFUSE_AUTH_IN_CLEAR,
    REFUSE_NEEDS_TLS,
    REFUSE_NEEDS_AUTH,
    REFUSAL_COUNT
};

struct smtp_refusal {
    int code;
    const char *enhanced; /* RFC 3463, 5248 */
    const char *text;
    bool close;
};

/* Not for NOTHING_REFUSED. */
const struct smtp_refusal *smtp_refusal(enum refusal refusal);

/* Parses a line and judges it. *cmd_out holds at least the verb. */
enum refusal smtp_check_line(const struct smtp_server *s, struct bytes line,
                             struct smtp_command *cmd_out);

/* A browser or a TLS handshake talks to us, or is made to. */
bool smtp_check_foreign(struct bytes in);

/* conf.message_max, UINT64_MAX for none. */
uint64_t smtp_message_max(const struct smtp_server *s);

#endif
