/*
 * sessions - what the load generator's connections and the replies that they
 * hear share.
 */
#ifndef TESTS_BENCH_SESSIONS_H
#define TESTS_BENCH_SESSIONS_H

#include "load.h"

#include <sys/queue.h>

enum {
    LINE_MAX_OCTETS = 2048
};

enum step {
    WAITING, /* logged in; no message is due */
    GREETING,
    EHLO,
    STARTTLS,
    SHAKING,
    LOGIN,
    MAIL,
    RCPT,
    DATA,
    CONTENT,
    OVER
};

struct session {
    TAILQ_ENTRY(session) link; /* WAITING */
    struct wire wire;
    enum step step;
    unsigned user;
    bool slow;
    bool put_off;  /* a message is due that 421 came before */
    bool closed;   /* WAITING: connects when a message is due */
    unsigned done; /* messages of this connection */
    size_t sent;   /* octets of the content */
    uint64_t due_us;
    uint64_t slow_us; /* when the next slow piece goes */
    size_t held;
    SSL_SESSION *resume;
    char line[LINE_MAX_OCTETS];
};

extern SSL_CTX *session_context;
extern struct load_result session_result; /* of this interval */

/* sessions.c. Says what went wrong, and ends the program. */
void session_fail(const struct session *s, const char *what);
/* Wait for what there is to read, and for room to write. */
void session_watch(struct session *s, bool out);
void session_say(struct session *s, const char *text);
/* The connection is gone: another one, at once or when a message is due. */
void session_reconnect(struct session *s);
/* The next message, when one is due, or the end. */
void session_next_message(struct session *s);
void session_ask_for_data(struct session *s); /* or begins with BDAT */
void session_begin_content(struct session *s);
void session_message_done(struct session *s, int code);

/* replies.c: goes on with the handshake; reads, and does what comes next. */
void session_shake(struct session *s);
void session_readable(struct session *s);

#endif
