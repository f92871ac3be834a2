/*
 * session_state - what the steps of a session share. Private to session*.c.
 *
 *   session.c              the loop, the end, timers
 *   session_client.c       commands of the client
 *   session_peer.c         its address; XCLIENT, XFORWARD
 *   session_auth.c         AUTH (session_login.h has its parts)
 *   session_transaction.c  a transaction's beginning and its one end
 *   session_rcpt.c         RCPT
 *   session_upstream.c     envelope to the upstream
 *   session_forward.c      what it is told of the client
 *   session_reply.c        the upstream's replies, told to the client
 *   session_content.c      content to the upstream
 *   session_message.c      content from the client, up to the decision
 *   session_sign.c         outbound: signatures
 *   session_check.c        inbound: checks
 *   session_received.c     inbound, normalizing: the octets as received
 *   session_stats.c        what is counted for the status
 *   session_log.c          what the log says
 *   session_header.c       the header as it goes upstream
 */
#ifndef PROXY_SESSION_STATE_H
#define PROXY_SESSION_STATE_H

#include "proxy/session.h"
#include "proxy/session_message.h"
#include "proxy/session_peer.h"
#include "proxy/transaction.h"

#include <base/buf.h>

#include <smtp/server.h>

#include <netinet/in.h>
#include <proxy/net/tls_peer.h>

enum {
    SESSION_COMMAND_S = 300, /* a silent client; RFC 5321 4.5.3.2.7 */
    SESSION_HANDSHAKE_S = 30,
    SESSION_LAST_WORD_S = 30 /* a client that does not read it */
};

enum session_identity {
    SESSION_NOBODY,
    SESSION_TRUSTED, /* by address: trusted_user, or nobody on loopback; by
                        certificate */
    SESSION_AUTHENTICATED
};

/* The command whose answer we owe; RCPTs are counted in the transaction. */
enum session_owed {
    OWED_NOTHING,
    OWED_MAIL,
    OWED_AUTH,
    OWED_END
};

struct session {
    struct session *next;
    struct session *prev;
    struct worker *worker;
    struct worker_listener *listener;
    const struct listen_conf *conf;
    struct conn *client;
    struct smtp_server server;
    struct buf out; /* replies of this turn */
    char id[SESSION_ID_SIZE];
    char address[INET6_ADDRSTRLEN];
    struct session_peer peer;        /* address is its text */
    struct tls_identity certificate; /* the client's, once under TLS */
    char *helo;                      /* owns; NULL before EHLO */
    char *user;                      /* owns; NULL: none */
    enum session_identity identity;
    enum session_owed owed;
    enum smtp_verb verb; /* of the last command */
    struct keeper_handle handle;
    uint64_t handle_life;           /* keeper_client_life() of the handle */
    uint64_t view_epoch;            /* of the view at the log-in; 0: none */
    struct keeper_request *request; /* AUTH or ASSERT under way */
    struct session_login *login;    /* owns, wiped; NULL outside AUTH */
    struct session_own *own;        /* owns; NULL: mail goes by the pool */
    struct transaction *tx;         /* owns; NULL outside */
    struct event *again;            /* goes on in the next turn of the loop */
    unsigned auth_failures;
    bool has_handle;
    bool counted_user; /* in connections_per_user, as s->user */
    bool mail_refused; /* what the client sent behind MAIL fails with it */
    bool client_gone;  /* no octet can reach the client any more */
    bool client_eof;   /* the client sends no more */
    bool closing;      /* said the last word: close when it has left */
    bool greeted, running;
    bool dead; /* no memory: end at once */
};

/* session.c */
void session_run(struct session *s);
/* Our own reply to the oldest unanswered command; ends in " [ID]". From 400
 * on it is a line of the log. */
void session_reply(struct session *s, int code, const char *enhanced,
                   const char *text);
/* The same without that line: another one says so. */
void session_answer(struct session *s, int code, const char *enhanced,
                    const char *text);
/* The same, then the connection ends. */
void session_bye(struct session *s, const char *enhanced, const char *text);
/* The upstream's reply; code may differ from the reply's own. */
void session_relay(struct session *s, const struct smtp_reply *reply, int code);
/* Whether the client's address may begin a TLS handshake now. */
bool session_may_handshake(struct session *s);
/* How long the client may be silent; 0: as long as we owe. */
void session_expect(struct session *s, unsigned seconds);
const struct view_user *session_user(const struct session *s);
/* The user was locked or deleted since the log-in. */
bool session_expelled(const struct session *s);

/* The steps: move one thing and return true, or wait and return false. */
bool session_step_client(struct session *s);
bool session_step_upstream(struct session *s);
/* After all others: what a client has pipelined leaves in one write. */
bool session_step_envelope(struct session *s);
bool session_step_message(struct session *s);

/* session_client.c */
void session_greet(struct session *s);
/* Forgets what was said in clear (RFC 3207 4.2). */
void session_tls_started(struct session *s);
void session_set_rules(struct session *s);

/* A copy that needs no quoting in Received and log; NULL: it would. */
char *session_clean_name(struct bytes name);

/* session_auth.c */
void session_auth_command(struct session *s, const struct smtp_command *cmd);
void session_auth_line(struct session *s, struct bytes line);
void session_auth_forget(struct session *s);
/* Counts no more as a connection of s->user, which stays. */
void session_auth_logout(struct session *s);
/* Asks for the handle of a trusted network's identity, once. */
void session_assert(struct session *s);
/* session_certificate.c: the handshake has shown who the client is. */
void session_certified(struct session *s);

/* session_rcpt.c */
void session_rcpt_command(struct session *s, const struct smtp_command *cmd);

/* session_transaction.c */
bool session_begin(struct session *s, const struct smtp_command *cmd);
bool session_add_rcpt(struct session *s, const struct smtp_command *cmd);
/* Gives back all that only sending it (again) needs. */
void session_content_free(struct session *s);
/* The one way out of a transaction: logs it, gives everything back. */
void session_end(struct session *s, enum outcome outcome);
/* Our own answer to end of data, and the end of the transaction. */
void session_finish(struct session *s, int code, const char *enhanced,
                    const char *text, enum outcome outcome);
/* The client's deadline of what we owe, ms from now. */
void session_set_timer(struct session *s, uint64_t ms);
void session_stop_timer(struct session *s);

/* session_upstream.c */
/* kept: a connection that was used before will do. */
void session_dial(struct session *s, bool kept);
/* The connection is of no more use. */
void session_link_lost(struct session *s, const char *why);
/* NOOP while the client uploads. */
void session_link_keep(struct session *s);
/* It can't succeed any more; the link is dropped. */
void session_give_up(struct session *s, const char *why);

/* Something that was sent on this link has no reply yet. */
bool session_replies_open(const struct transaction *tx);
/* Moves *at over refused recipients, up to end. */
void session_skip_refused(const struct transaction *tx, size_t *at, size_t end);

/* session_reply.c */
bool session_step_reply(struct session *s);
/* session_reply(), and the transaction's log line shows it. */
void session_reply_noted(struct session *s, int code, const char *enhanced,
                         const char *text);

/* session_content.c */
bool session_send_content(struct session *s);
/* Of the whole message as it goes out, not encoded. */
uint64_t session_content_octets(const struct transaction *tx);
/* All that was written has left. */
void session_content_drained(struct session *s);
/* The dot has left this process. */
bool session_dot_left(const struct session *s);

#endif
