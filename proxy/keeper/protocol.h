/*
 * protocol - what worker and keeper say to each other.
 *
 * A packet of a SOCK_SEQPACKET socket is one request or one reply. Replies
 * come in any order; the id says to what. Integers are big-endian:
 *
 *   octets  0 version | 1 operation | 2 status (requests: 0) | 3 zero | 4-7 id
 *
 *   AUTH     user length 2, secret length 2, user, secret  -> handle 16, text
 *   ASSERT   listener 4, user length 2, user               -> handle 16, text
 *   SIGN     handle 16, algorithm 1, domain length 1, selector length 1,
 *            digest 32, domain, selector -> signature length 2, signature,
 *            public key length 2, public key, text
 *   SCRAM    flags 1, binding 32, message length 2, message
 *   PROOF    handle 16, message length 2, message
 *                            -> handle 16, message length 2, message, text
 *   RELEASE  handle 16                                     -> no reply
 *   SEEN     word 1, domain length 1, selector length 1, public hash 32,
 *            domain, selector                              -> no reply
 *   FROM     count 4, domain length 1, domain              -> no reply
 *   VIEW     nothing                                       -> epoch 8
 *
 * text is length 1 and characters. A VIEW reply carries the packed view in a
 * sealed memfd (SCM_RIGHTS) and comes again, with id 0, at each new epoch.
 * RELEASE may overtake other requests: wait for their replies first.
 *
 * SCRAM's flags: 1 with channel binding, 2 that was offered. Its answer names
 * the exchange as a handle, for one PROOF or RELEASE; PROOF's is of the user.
 *
 * Either side takes a packet that does not decode for the end of the
 * connection. Decoded text never holds NUL. Nothing here allocates.
 */
#ifndef PROXY_KEEPER_PROTOCOL_H
#define PROXY_KEEPER_PROTOCOL_H

#include <base/bytes.h>

#include <proxy/keeper/client.h>

enum {
    KEEPER_VERSION = 1,
    KEEPER_USER_MAX = 255,      /* octets, as SMTP_SASL_USER_MAX */
    KEEPER_SECRET_MAX = 1024,   /* as SMTP_SASL_SECRET_MAX */
    KEEPER_MESSAGE_MAX = 1024,  /* of SCRAM, either way */
    KEEPER_BINDING_OCTETS = 32, /* tls-exporter, RFC 9266 2 */
    KEEPER_DOMAIN_MAX = 253,
    KEEPER_SELECTOR_MAX = 63,
    KEEPER_SIGNATURE_MAX = 512, /* RSA-4096 */
    KEEPER_PUBLIC_MAX = 640,    /* the same key's SubjectPublicKeyInfo: 550 */
    KEEPER_TEXT_MAX = 255,
    KEEPER_DIGEST_OCTETS = 32,
    KEEPER_REQUEST_MAX = 1536, /* no packet is longer */
    KEEPER_REPLY_MAX = 1536,
    /* Unanswered requests of a connection; what is more waits in the client.
     * The keeper closes a connection that exceeds it. */
    KEEPER_IN_FLIGHT_MAX = 1024
};

enum keeper_op {
    KEEPER_OP_AUTH = 1,
    KEEPER_OP_ASSERT,
    KEEPER_OP_SIGN,
    KEEPER_OP_RELEASE,
    KEEPER_OP_VIEW,
    KEEPER_OP_SEEN,
    KEEPER_OP_FROM,
    KEEPER_OP_SCRAM,
    KEEPER_OP_PROOF,
    KEEPER_OPS
};

/* Only the fields of its operation mean something. */
struct keeper_ask {
    enum keeper_op op;
    uint32_t id;
    struct bytes user;           /* AUTH: 1 to KEEPER_USER_MAX octets; ASSERT:
                                    0 (a trusted network) to the same */
    struct bytes secret;         /* AUTH: up to KEEPER_SECRET_MAX */
    uint32_t listener;           /* ASSERT */
    struct keeper_handle handle; /* SIGN, RELEASE; PROOF: the exchange */
    enum dkim_alg alg;           /* SIGN: one of the two we sign with */
    struct bytes domain;         /* SIGN, SEEN, FROM: 1 to KEEPER_DOMAIN_MAX */
    struct bytes selector;       /* SIGN, SEEN: 1 to KEEPER_SELECTOR_MAX */
    uint8_t digest[KEEPER_DIGEST_OCTETS];
    enum keeper_seen word;                 /* SEEN: not REFUSED */
    uint8_t public_hash[VIEW_PUBLIC_HASH]; /* SEEN: which key was meant */
    uint32_t count;                        /* FROM: 1 or more */
    bool plus;                             /* SCRAM: the mechanism is -PLUS */
    bool plus_offered;                     /* SCRAM */
    struct bytes message; /* SCRAM, PROOF: up to KEEPER_MESSAGE_MAX */
    uint8_t binding[KEEPER_BINDING_OCTETS]; /* SCRAM, when offered */
};

struct keeper_answer {
    enum keeper_op op;
    uint32_t id;
    enum keeper_status status; /* never KEEPER_GONE on the wire */
    struct keeper_handle handle;
    struct bytes signature;
    struct bytes public_key; /* SIGN: up to KEEPER_PUBLIC_MAX */
    struct bytes message;    /* SCRAM, PROOF */
    struct bytes text;
    uint64_t epoch;
};

/*
 * Writes the packet to out (KEEPER_REQUEST_MAX or KEEPER_REPLY_MAX octets of
 * room) and returns its length. 0: a field is out of its range.
 */
size_t keeper_ask_encode(const struct keeper_ask *ask, uint8_t *out);
/* A text that is too long is cut. */
size_t keeper_answer_encode(const struct keeper_answer *answer, uint8_t *out);

/* Views into packet. False, *_out untouched: not a packet of this protocol. */
bool keeper_ask_decode(struct bytes packet, struct keeper_ask *ask_out);
bool keeper_answer_decode(struct bytes packet,
                          struct keeper_answer *answer_out);

#endif
