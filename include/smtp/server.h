/*
 * server - the server's side of one SMTP connection: what may be said now.
 *
 * Bytes in, events out. It holds the phase, the limits on lines, errors and
 * junk, and the decoder of message data; it writes nothing, owns no memory and
 * takes no decision about mail. The caller answers each command in its own
 * time and tells the answer's code, and only that moves the phase.
 *
 *   loop: smtp_server_next(s, &in, &ev)
 *     MORE     wait for input
 *     COMMAND  decide, send a reply, smtp_server_answered(s, code)
 *     REFUSED  send ev.code/enhanced/text, smtp_server_answered(s, ev.code);
 *              then close when ev.close. It also ends an AUTH exchange: wipe
 *              what was gathered for it
 *     SASL     one line of an AUTH exchange: feed it, answer as a command
 *     DATA     take ev.data
 *     END      look at ev.faults, deliver, answer with the final code
 *     CLOSE    close without a word
 *
 * A command waits for its answer before the next is taken: until then next()
 * says MORE and leaves the input alone. RCPT is the one exception: several may
 * be outstanding, and answers are told in their order. While some are, next()
 * takes only another RCPT that it does not refuse; all else, a malformed RCPT
 * too, is taken when they are answered, so that replies keep their order.
 * smtp_server_peek() tells what is waiting there.
 *
 * After QUIT is answered 221, or anything 421, next() says CLOSE for ever;
 * after STARTTLS is answered 220, MORE until smtp_server_tls_started(). Drop
 * the plain text that is left then (RFC 3207 4). A connection under TLS from
 * its first octet calls smtp_server_tls_started() behind init. XCLIENT that is
 * answered 220 begins the session again, under TLS if it was.
 *
 * BDAT n: DATA for the chunk's octets, then, when the reply is due, COMMAND
 * with cmd.chunk octets or, with LAST, END. A refused chunk's octets are
 * swallowed before REFUSED. Answering a chunk with 4yz or 5yz refuses all
 * later ones with 503 until RSET.
 *
 * RFC 5321 4.1.4 (order of commands), 3.3, 4.5.3; 2920; 3207 4; 4954 4.
 */
#ifndef SMTP_SERVER_H
#define SMTP_SERVER_H

#include <smtp/caps.h>
#include <smtp/command.h>
#include <smtp/data.h>

enum smtp_event_type {
    SMTP_EV_MORE,
    SMTP_EV_COMMAND,
    SMTP_EV_REFUSED,
    SMTP_EV_SASL,
    SMTP_EV_DATA,
    SMTP_EV_END,
    SMTP_EV_CLOSE
};

enum smtp_limit {
    SMTP_LIMIT_NONE,
    SMTP_LIMIT_ERRORS,
    SMTP_LIMIT_JUNK
};

/* Views are lent until the input that was given to next() changes. */
struct smtp_event {
    enum smtp_event_type type;
    struct smtp_command cmd; /* COMMAND; REFUSED: its verb */
    struct bytes data;       /* DATA: decoded octets; SASL: the line */
    unsigned faults;         /* END, BDAT: enum smtp_data_fault so far */
    int code;                /* REFUSED */
    const char *enhanced;    /* REFUSED: static */
    const char *text;        /* REFUSED: static */
    bool close;              /* REFUSED: reply, then close */
    enum smtp_limit limit;   /* REFUSED: it was this one */
};

enum smtp_phase {
    SMTP_PHASE_CONNECTED, /* before EHLO or HELO */
    SMTP_PHASE_READY,
    SMTP_PHASE_SASL,
    SMTP_PHASE_MAIL,
    SMTP_PHASE_RCPT, /* at least one recipient accepted */
    SMTP_PHASE_DATA,
    SMTP_PHASE_BDAT,
    SMTP_PHASE_END /* data is over, its reply is not given yet */
};

/* What this connection may do; the caller changes it at EHLO, TLS, AUTH. */
struct smtp_server_conf {
    size_t line_max;      /* octets with CRLF: 2048 */
    size_t auth_line_max; /* octets with CRLF: 12288 */
    unsigned errors_max;  /* 20 */
    unsigned junk_max;    /* 100 between transactions */
    uint64_t message_max; /* octets; 0: no limit */
    bool normalize;       /* bare line ends: see smtp/data.h */
    bool starttls;        /* STARTTLS is offered (before TLS) */
    bool auth;            /* AUTH is offered at all */
    bool auth_needs_tls;  /* AUTH before TLS: 538 5.7.11 */
    bool mail_needs_tls;  /* MAIL before TLS: 530 5.7.0 */
    bool mail_needs_auth; /* MAIL before AUTH: 530 5.7.0 */
    bool chunking;        /* BDAT is offered */
    bool smtputf8;        /* SMTPUTF8 is offered: 8-bit paths may come */
    unsigned offers;      /* SMTP_CAP_DSN, SMTP_CAP_REQUIRETLS: parameters of
                             what is not offered are refused (555);
                             SMTP_CAP_XCLIENT, SMTP_CAP_XFORWARD: or verbs */
};

/* Caller-allocated so that it can live inside a session; fields private
 * but for conf, which the caller may change between events. */
struct smtp_server {
    struct smtp_server_conf conf;
    struct smtp_data_decoder decoder;
    enum smtp_phase phase;
    enum smtp_verb pending; /* waits for its answer; COUNT: a refusal does */
    unsigned rcpt_pending;  /* RCPTs that wait for theirs */
    unsigned errors;
    unsigned junk;
    unsigned refusal;      /* to be given when discarding or the chunk ends */
    size_t discarded;      /* octets of an overlong line thrown away */
    uint64_t chunk_octets; /* of this BDAT chunk */
    uint64_t chunk_left;   /* still to come */
    bool chunk_open;
    bool chunk_last;
    bool chunk_failed; /* RFC 3030 2: no more chunks in this transaction */
    bool utf8;         /* MAIL had SMTPUTF8 */
    bool esmtp;        /* EHLO, not HELO */
    bool tls;
    bool authenticated;
    bool discarding;
    bool closing;
};

void smtp_server_init(struct smtp_server *s, const struct smtp_server_conf *c);

/* Takes the next event off *in; see the head of this file. */
void smtp_server_next(struct smtp_server *s, struct bytes *in,
                      struct smtp_event *ev_out);

/*
 * The verb of the next whole line without taking it; SMTP_VERB_COUNT when
 * there is none yet or when it is not a command line (SASL, data).
 * SMTP_VERB_UNKNOWN: it is malformed, or a RCPT that will be refused.
 */
enum smtp_verb smtp_server_peek(const struct smtp_server *s, struct bytes in);

/*
 * The reply with this code to the oldest unanswered command was given. Moves
 * the phase: EHLO/HELO 250, MAIL 250, RCPT 25x, DATA 354, AUTH 334/235, RSET
 * 250, XCLIENT 220, and the final reply at END (any code), which empties the
 * transaction.
 */
void smtp_server_answered(struct smtp_server *s, int code);

/* TLS is up (RFC 3207 4.2): forgets EHLO, AUTH and any transaction. For a
 * connection under TLS from its first octet, call it behind init. */
void smtp_server_tls_started(struct smtp_server *s);

/* A transaction is going on: MAIL was answered 250, its end was not. */
bool smtp_server_in_transaction(const struct smtp_server *s);

#endif
