/*
 * replies - what a connection of the load generator does when it is answered;
 * see sessions.h.
 */
#include "sessions.h"

#include <stdlib.h>

static void
log_in(struct session *s)
{
    char line[600];

    if (load.user == NULL) {
        session_next_message(s);
        return;
    }
    load_login(s->user, line, sizeof(line));
    s->step = LOGIN;
    session_say(s, line);
}

static void
greet(struct session *s)
{
    s->step = EHLO;
    session_say(s, "EHLO load.example\r\n");
}

static void
secured(struct session *s)
{
    session_result.resumed += (size_t)SSL_session_reused(s->wire.ssl);
    if (load.tls == LOAD_IMPLICIT) {
        s->step = GREETING;
    } else {
        greet(s);
    }
}

void
session_shake(struct session *s)
{
    int n = wire_shake(&s->wire);

    if (n < 0) {
        session_fail(s, "the handshake failed");
    }
    session_watch(s, s->wire.wants_write);
    if (n > 0) {
        secured(s);
    }
}

/* A server that goes may end a connection where no message is under way. */
static bool
between_messages(const struct session *s)
{
    return s->step == WAITING || s->step == GREETING || s->step == EHLO ||
           s->step == LOGIN || s->step == MAIL;
}

static void
reply(struct session *s, int code)
{
    if (code == 421 && between_messages(s)) {
        session_reconnect(s);
        return;
    }
    if (s->step != CONTENT && code >= 400) {
        session_fail(s, "refused");
    }
    switch (s->step) {
    case GREETING:
        greet(s);
        break;
    case EHLO:
        if (load.tls == LOAD_STARTTLS && s->wire.ssl == NULL) {
            s->step = STARTTLS;
            session_say(s, "STARTTLS\r\n");
        } else {
            log_in(s);
        }
        break;
    case STARTTLS:
        s->step = SHAKING;
        wire_tls(&s->wire, session_context, s->resume, false);
        session_shake(s);
        break;
    case LOGIN:
        session_next_message(s);
        break;
    case MAIL:
        s->step = RCPT;
        session_say(s, "RCPT TO:<sink@example.net>\r\n");
        break;
    case RCPT:
        session_ask_for_data(s);
        break;
    case DATA:
        session_begin_content(s);
        break;
    case CONTENT:
        session_message_done(s, code);
        break;
    default:
        break;
    }
}

static void
take_line(struct session *s, char c)
{
    if (s->held < sizeof(s->line) - 1) {
        s->line[s->held++] = c;
    }
    if (c == '\n') {
        s->line[s->held] = '\0';
        if (s->held > 3 && s->line[3] == ' ') {
            reply(s, atoi(s->line));
        }
        s->held = 0;
    }
}

void
session_readable(struct session *s)
{
    char in[16384];
    ssize_t n;

    do {
        n = wire_recv(&s->wire, in, sizeof(in));
        if (n < 0 && between_messages(s)) {
            session_reconnect(s);
            return;
        }
        if (n < 0) {
            session_fail(s, "connection lost");
        }
        for (ssize_t i = 0; i < n && s->step != OVER; i++) {
            take_line(s, in[i]);
        }
    } while (n > 0 && s->step != OVER && s->step != SHAKING &&
             s->wire.ssl != NULL && SSL_pending(s->wire.ssl) > 0);
}
