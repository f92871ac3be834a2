/*
 * client - the client's side until the connection is ready for MAIL.
 *
 * Replies in, lines out: greeting, EHLO (HELO on 5yz; LMTP: LHLO), STARTTLS,
 * EHLO again, XCLIENT and once more EHLO, AUTH with the strongest mechanism
 * that both sides know. What is sent for a transaction is put together with
 * smtp_mail_put() and smtp_rcpt_put(). It owns no memory and knows no socket;
 * what SCRAM computes is the caller's.
 *
 * THE CALLER CHECKS that nothing is read ahead: each time a reply was taken,
 * the input behind it is empty, else the upstream speaks out of turn and the
 * connection is dropped. Above all before the TLS handshake: what came in
 * clear behind the 220 must not be read as if it came under TLS (RFC 3207 4).
 *
 * RFC 5321 3.1, 3.2; 2033 4.1; 3207 4; 4954 4; 7628 3; XCLIENT_README.
 */
#ifndef SMTP_CLIENT_H
#define SMTP_CLIENT_H

#include <smtp/caps.h>
#include <smtp/command.h>
#include <smtp/reply.h>

struct smtp_xattrs;

enum smtp_client_tls {
    SMTP_CLIENT_TLS_NONE,     /* never, or already on (implicit) */
    SMTP_CLIENT_TLS_REQUIRED, /* STARTTLS or failure */
    SMTP_CLIENT_TLS_MAY       /* STARTTLS when it is offered; without it no
                                 AUTH: NO_STARTTLS */
};

enum smtp_scram_result {
    SMTP_SCRAM_MORE,  /* send the response, wait for the next challenge */
    SMTP_SCRAM_DONE,  /* the same, and the server has proved itself */
    SMTP_SCRAM_FAILED /* not what a server that knows the password says */
};

/*
 * One step of SCRAM-SHA-256 or -PLUS. challenge: base64 as it came, empty
 * before the first message. The response is put in base64, maybe empty.
 * RFC 5802, 7677.
 */
typedef enum smtp_scram_result smtp_scram_step(void *ctx, enum smtp_mech mech,
                                               struct bytes challenge,
                                               struct buf *response);

/* All of it borrowed until READY or FAILED. */
struct smtp_client_conf {
    const char *hostname;     /* for EHLO */
    enum smtp_client_tls tls;
    bool lmtp;                /* RFC 2033: LHLO, and never HELO */
    const struct smtp_xattrs *xclient; /* NULL: nothing is said */
    bool xclient_needed;      /* not offered or refused: failure */
    const char *user;         /* NULL: no AUTH */
    const char *secret;       /* password; token of XOAUTH2, OAUTHBEARER */
    unsigned mechs;           /* may be used; 0: PLAIN and LOGIN */
    const char *host;         /* OAUTHBEARER names where it was meant to go */
    uint16_t port;
    smtp_scram_step *scram;   /* NULL: SCRAM is not used */
    void *scram_ctx;
};

enum smtp_client_action {
    SMTP_CLIENT_WAIT,  /* out was filled (maybe); wait for the next reply */
    SMTP_CLIENT_TLS,   /* start TLS now, then smtp_client_tls_started() */
    SMTP_CLIENT_READY, /* caps are known, MAIL may be sent */
    SMTP_CLIENT_FAILED /* see failure; out may hold QUIT; drop the connection */
};

enum smtp_client_failure {
    SMTP_CLIENT_NO_FAILURE,
    SMTP_CLIENT_GREETING,    /* not 220 */
    SMTP_CLIENT_EHLO,        /* EHLO and HELO refused */
    SMTP_CLIENT_NO_STARTTLS, /* required and not offered, or refused */
    SMTP_CLIENT_NO_MECH,     /* no mechanism in common */
    SMTP_CLIENT_AUTH,        /* credentials refused */
    SMTP_CLIENT_AUTH_LATER,  /* AUTH answered with 4yz: nothing is judged */
    SMTP_CLIENT_TOKEN,       /* token refused */
    SMTP_CLIENT_SCRAM,       /* the server does not know the password either */
    SMTP_CLIENT_NO_XCLIENT,  /* needed and not offered, or refused */
    SMTP_CLIENT_FAILURES
};

enum {
    SMTP_CLIENT_SAID_MAX = 200
};

/* Caller-allocated; fields private but for caps, failure, code, said, mech. */
struct smtp_client {
    struct smtp_client_conf conf;
    struct smtp_caps caps; /* of the last EHLO */
    enum smtp_client_failure failure;
    int code; /* of the reply that made it fail, else 0 */
    char said[SMTP_CLIENT_SAID_MAX + 1]; /* what it said, printable; or "" */
    enum smtp_mech mech;                 /* of AUTH, once begun; else 0 */
    unsigned step;
    bool tls;
    unsigned forbidden; /* enum smtp_mech */
    bool introduced;    /* XCLIENT was said */
    bool proved;     /* SCRAM: by the server */
};

/* tls: the connection is under TLS from its first octet (implicit). */
void smtp_client_init(struct smtp_client *c, const struct smtp_client_conf *conf,
                      bool tls);

/*
 * Mechanisms (enum smtp_mech) that this connection turned out not to be for,
 * before a reply is read: -PLUS where TLS gives no channel binding.
 */
void smtp_client_forbid(struct smtp_client *c, unsigned mechs);

/* One whole reply came. What is to be sent is put to out. */
enum smtp_client_action smtp_client_reply(struct smtp_client *c,
                                          const struct smtp_reply *reply,
                                          struct buf *out);

/* The handshake is done: EHLO is put to out, old caps are forgotten. */
void smtp_client_tls_started(struct smtp_client *c, struct buf *out);

/* One sentence, without a full stop. */
const char *smtp_client_failure_text(enum smtp_client_failure failure);

/*
 * "MAIL FROM:<path> PARAMS\r\n". Only what the upstream offers is put:
 * SIZE (size, 0: none), BODY=8BITMIME when body asks for it, SMTPUTF8, RET,
 * ENVID, REQUIRETLS as present in params; AUTH=<> is never sent.
 * False, nothing put: the path or a value holds CR, LF or NUL (our bug).
 */
bool smtp_mail_put(struct buf *out, const struct smtp_caps *caps,
                   struct bytes path, const struct smtp_params *params,
                   uint64_t size);

/* "RCPT TO:<path> PARAMS\r\n": NOTIFY and ORCPT when DSN is offered. */
bool smtp_rcpt_put(struct buf *out, const struct smtp_caps *caps,
                   struct bytes path, const struct smtp_params *params);

#endif
