/*
 * transaction - one message on its way, from MAIL to its end.
 *
 * The data of a session that lives only as long as a transaction; what is
 * done with it is in session_*.c, and session_end() is its one end.
 */
#ifndef PROXY_TRANSACTION_H
#define PROXY_TRANSACTION_H

#include <base/buf.h>

#include <dkim/address.h>
#include <dkim/hash.h>
#include <dkim/header.h>
#include <smtp/command.h>
#include <smtp/data.h>

#include <event2/event.h>

#include <proxy/keeper/client.h>
#include <proxy/spool.h>
#include <proxy/upstream/upstream.h>
#include <proxy/users/decide.h>

struct session;

/* The upstream's side of a transaction. */
enum up_phase {
    UP_NONE,     /* nothing asked for */
    UP_DIALLING, /* the pool was asked for a connection */
    UP_READY,    /* a link is held, MAIL was not sent */
    UP_ENVELOPE, /* MAIL was sent; RCPTs follow as they come */
    UP_DATA,     /* DATA was sent, 354 is awaited */
    UP_CONTENT,  /* content is going out, the dot is not in it yet */
    UP_DOT,      /* the dot was written; the final reply is awaited */
    UP_DONE,     /* the final reply was read */
    UP_LOST      /* the connection is gone; may be replayed once */
};

/* Content from the client. */
enum message_phase {
    MESSAGE_NONE,
    MESSAGE_ARRIVING, /* 354 was given */
    MESSAGE_WHOLE,    /* the client's end of data was seen */
    MESSAGE_SIGNING,  /* the keeper was asked */
    MESSAGE_JUDGING,  /* inbound: the checks' answers are awaited */
    MESSAGE_READY     /* may go upstream */
};

enum outcome {
    OUTCOME_DELIVERED,
    OUTCOME_REFUSED, /* by us or by the upstream; the client was told */
    OUTCOME_UNKNOWN, /* the dot has left and no reply came */
    OUTCOME_ABORTED  /* by the client, or the client is gone */
};

enum rcpt_state {
    RCPT_NEW,
    RCPT_SENT,
    RCPT_ACCEPTED,
    RCPT_REFUSED
};

/* A path and its parameters, copied from the command. */
struct mail_path {
    uint8_t *memory; /* owns what the views point to */
    struct bytes mailbox;
    struct bytes local;
    struct bytes domain;
    struct smtp_params params;
};

/* Our own answer; its texts are static. */
struct refusal {
    int code;
    const char *enhanced;
    const char *text;
};

struct rcpt {
    struct mail_path path;
    enum rcpt_state state;
    /* refused here, without asking the upstream; NULL: not */
    const struct refusal *refusal;
};

struct signing {
    struct session *session; /* borrowed */
    struct buf field;
    struct keeper_request *request;
    char domain[DKIM_DOMAIN_MAX + 1];
    char selector[DKIM_DOMAIN_MAX + 1];
    bool failed;
};

struct transaction {
    char id[16];
    struct mail_path from;
    struct rcpt *rcpts; /* owns */
    size_t rcpt_count;
    size_t rcpt_cap;
    size_t rcpt_sent;     /* sent on this link, the refused ones skipped */
    size_t rcpt_replied;  /* the upstream's replies read on this link */
    size_t rcpt_answered; /* the client's answers given */
    size_t rcpt_accepted;

    struct upstream *upstream;
    struct upstream_wait *wait;
    struct upstream_link *link; /* lent by the pool */
    enum up_phase up;
    bool mail_sent, mail_replied, noop_sent;
    bool forward_sent, forward_replied; /* XFORWARD */
    bool link_ended;       /* closed by the upstream; replies may be unread */
    bool dot_left;         /* see session_dot_left() */
    bool replayed;         /* the one second try is used up */
    int mail_code;         /* of a refused MAIL, else 0 */
    struct buf mail_reply; /* its lines */
    const char *dead;  /* why this transaction can't succeed; NULL: it can */
    char *up_name;     /* owns; for the log */
    char *up_tls;      /* owns; for the log: how it was spoken to */
    char *unreachable; /* owns; why no connection was to be had, or NULL */

    enum message_phase message;
    struct buf head; /* the header as received, until its end is seen */
    struct dkim_header header;
    enum dkim_header_result header_result;
    bool head_done, head_too_big;
    bool eight_bit;       /* content has octets over 127 */
    bool chunk_refused;   /* a BDAT got 4yz or 5yz: only RSET leads on */
    uint64_t octets;      /* content as received */
    uint64_t patience_ms; /* for content, see session_message_pace() */
    uint64_t paced_ms;    /* when it was last looked at, monotonic */
    struct dkim_body_hash *body_hash;
    uint8_t body_digest[DKIM_HASH_OCTETS_MAX]; /* outbound, once it is over */
    size_t body_digest_len;
    struct spool *spool;
    enum spool_result spool_result;
    struct dkim_author author;
    struct buf added;    /* Date, Message-ID */
    struct buf out_head; /* the header as it goes upstream */
    struct decision decision;
    struct signing *signing; /* owns; NULL before the decision to sign */
    size_t signing_count;    /* of them; decision.count may fall */
    size_t signing_pending;
    struct check *check; /* inbound: owns */
    bool check_done;
    struct received *received; /* inbound and normalizing: owns */
    char *message_id;          /* owns; for the log */
    struct smtp_data_encoder encoder;
    bool bdat;          /* one BDAT chunk, not DATA */
    char bdat_line[40]; /* its command */
    struct bytes piece; /* lent by out_head or spool; not encoded yet */
    bool head_sent, body_sent;
    size_t turn_octets; /* content that left in this turn of the session */

    struct event *timer; /* the client's deadline for what we owe */
    uint64_t data_ms;    /* monotonic, as all these */
    uint64_t end_ms;
    uint64_t forward_ms;
    uint64_t done_ms;
    char *reply; /* owns; the final reply's first line, for the log */
    int reply_code;
};

#endif
