/*
 * client - a worker's line to the keeper: passwords, handles, signatures.
 *
 * All calls are answered through callbacks from the event loop, never from
 * inside the call. When the keeper dies every pending request is answered
 * with KEEPER_GONE and every handle is void.
 */
#ifndef PROXY_KEEPER_CLIENT_H
#define PROXY_KEEPER_CLIENT_H

#include <base/bytes.h>

#include <dkim/sign.h>

#include <event2/event.h>

#include <proxy/users/view.h>

enum keeper_status {
    KEEPER_OK,
    KEEPER_DENIED,  /* wrong credentials, or no right to this key */
    KEEPER_LOCKED,  /* the user is locked */
    KEEPER_BUSY,    /* too many password checks wait: 454 4.7.0 */
    KEEPER_NO_KEY,  /* no such key, or not active */
    KEEPER_BAD_KEY, /* the key's file can't be used; text says why */
    KEEPER_FAILED,  /* signing or checking failed; text says why */
    KEEPER_GONE,    /* no keeper now */
    KEEPER_STATUSES
};

/* What was seen of a key. */
enum keeper_seen {
    KEEPER_SEEN_GOOD,    /* its record is in DNS, and is this key */
    KEEPER_SEEN_GONE,    /* there is no record */
    KEEPER_SEEN_DIFFERS, /* another key, or a record that nobody can use */
    KEEPER_SEEN_REFUSED, /* its public half refused its signature; the keeper
                            alone says that */
    KEEPER_SEEN_WORDS
};

/* One word, for logs: "denied". */
const char *keeper_status_text(enum keeper_status status);

struct keeper_handle {
    uint8_t octets[16]; /* all zero: none */
};

struct keeper_client;

/*
 * Called when a new view is here (at the start, and after each reload of
 * users or keys) and when the keeper is gone (view NULL). The client owns the
 * view and keeps the last one; pointers into an older one die with this call.
 */
typedef void keeper_view_callback(const struct view *view, void *arg);

/* fd: a connected SOCK_SEQPACKET socket, taken; -1: none yet. */
struct keeper_client *keeper_client_new(struct event_base *base, int fd,
                                        keeper_view_callback *cb, void *arg);
/* To a new keeper. fd is taken, and closed when the one that we have lives: it
 * was asked for and announced at once, and its handles hold. */
void keeper_client_reconnect(struct keeper_client *k, int fd);
/* NULL until the first view has come. */
const struct view *keeper_client_view(const struct keeper_client *k);
/* Counts up when the keeper was lost: handles of an older life are void. */
uint64_t keeper_client_life(const struct keeper_client *k);
void keeper_client_free(struct keeper_client **k);

struct keeper_reply {
    enum keeper_status status;
    struct keeper_handle handle; /* AUTH, ASSERT, PROOF; SCRAM: exchange */
    struct bytes signature;      /* SIGN; lent for the call */
    struct bytes public_key;     /* SIGN; what p= of the key's note stands for:
                                    check the field with it. Mostly empty;
                                    lent for the call */
    struct bytes message;        /* SCRAM, PROOF: for the client; lent */
    const char *text;            /* for the log; "" for none; lent */
};

typedef void keeper_callback(const struct keeper_reply *reply, void *arg);
struct keeper_request;

/* NULL: no memory. secret is wiped from the packet after sending. */
struct keeper_request *keeper_auth(struct keeper_client *k, const char *user,
                                   const char *secret, keeper_callback *cb,
                                   void *arg);
/* SCRAM-SHA-256, with or without -PLUS. */
struct keeper_scram {
    bool plus;              /* the mechanism that was asked for is -PLUS */
    const uint8_t *binding; /* tls-exporter, 32 octets, when -PLUS was offered;
                               else NULL */
};

/*
 * message: client-first-message. KEEPER_OK: the reply has server-first-message
 * and, as handle, the exchange's name, for one keeper_proof() or
 * keeper_release(); it is forgotten after 60 s. NULL: no memory, or a message
 * over 1024 octets.
 */
struct keeper_request *keeper_scram(struct keeper_client *k,
                                    const struct keeper_scram *scram,
                                    const char *message, keeper_callback *cb,
                                    void *arg);
/*
 * message: client-final-message. KEEPER_OK: the reply has
 * server-final-message and the user's handle.
 */
struct keeper_request *keeper_proof(struct keeper_client *k,
                                    const struct keeper_handle *exchange,
                                    const char *message, keeper_callback *cb,
                                    void *arg);
/*
 * The worker asserts who it is: listener is the index in conf->listens.
 * user "": a trusted network; the handle carries trusted_user's rights, or
 * those of the loopback identity. Else a user in lower case whom somebody
 * else has judged; KEEPER_DENIED unless this listener's configuration leaves
 * the judgement to others, or names the user in tls_client_users, and
 * users.conf knows the user.
 */
struct keeper_request *keeper_assert(struct keeper_client *k, unsigned listener,
                                     const char *user, keeper_callback *cb,
                                     void *arg);
struct keeper_request *keeper_sign(struct keeper_client *k,
                                   const struct keeper_handle *handle,
                                   const char *domain, const char *selector,
                                   enum dkim_alg alg, const uint8_t *digest,
                                   keeper_callback *cb, void *arg);
/*
 * What DNS was seen to say about a key of the view; GOOD, GONE or DIFFERS.
 * No reply: what follows from it comes with the next view.
 */
void keeper_seen(struct keeper_client *k, const struct view_key *key,
                 enum keeper_seen word);
/* So many messages with a From in a domain that has no key of its own. */
void keeper_from(struct keeper_client *k, const char *domain, uint32_t count);
/* The handle is not needed any more. */
void keeper_release(struct keeper_client *k,
                    const struct keeper_handle *handle);
/* No callback after this; NULL is fine. */
void keeper_cancel(struct keeper_request **request);

#endif
