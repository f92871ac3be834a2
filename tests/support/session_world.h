/*
 * session_world - a worker's sessions in one process, without a network.
 *
 * Sessions, the pool of upstream connections, checks and signing are the real
 * ones. What stands around them is played here, on socket pairs:
 *
 *   world_client.c    the client, and who judges what it is told
 *   world_message.c   what a message is, and whether the upstream has it
 *   world_dial.c      connections to the upstream
 *   world_upstream.c  an upstream that reads strictly
 *   world_keeper.c    keeper, resolver, listener: answers from tables
 *
 * Whatever is done, these hold, or the program ends with abort():
 *   - replies are as many as commands, whole, and in their order;
 *   - a 2yz to an end of data comes after the upstream has read that very
 *     message whole, once, and has said 2yz;
 *   - nothing is completed upstream that its client did not end;
 *   - the upstream reads nothing but our commands, CRLF lines, no NUL;
 *   - its recipients are those that the client was promised;
 *   - a session holds a bounded number of octets;
 *   - at the end handles, requests, spool and connections are given back.
 */
#ifndef TESTS_SUPPORT_SESSION_WORLD_H
#define TESTS_SUPPORT_SESSION_WORLD_H

#include "proxy/session_state.h"
#include "proxy/upstream/link.h"

#include <proxy/dns/file.h>
#include <proxy/listener.h>

enum {
    WORLD_CLIENTS = 2,
    WORLD_TIMERS = 256,
    WORLD_SCRIPT_MAX = 64
};

/* The listeners of its configuration, by index. */
enum world_listener {
    WORLD_SUBMISSION, /* alice logs in with "secret" */
    WORLD_TRUSTED,    /* 127.0.0.0/8 is alice */
    WORLD_INBOUND,    /* for example.com */
    WORLD_LISTENERS
};

/* What the upstream does instead of answering a command well. */
enum far_action {
    FAR_OK,
    FAR_LINES,    /* a good answer of two lines */
    FAR_TEMP,     /* 450 */
    FAR_PERM,     /* 550 */
    FAR_421,      /* and closes */
    FAR_OK_CLOSE, /* answers well and closes */
    FAR_CLOSE,
    FAR_SPLIT, /* half of the answer now, the rest in the next turn */
    FAR_TWICE, /* from here on: does not keep to the protocol */
    FAR_3YZ,
    FAR_JUNK,
    FAR_SILENT,
    FAR_EARLY, /* 354 and 250 at once, to DATA */
    FAR_ACTIONS
};

/* How a client stands in what it sent. */
enum client_mode {
    CLIENT_COMMAND,
    CLIENT_SASL,
    CLIENT_DATA
};

struct session_world;
struct world_client {
    struct session_world *world;
    int fd; /* -1: closed */
    enum world_listener listener;
    struct buf sent;   /* all of it */
    size_t at;         /* what follows is not answered yet */
    struct buf heard;  /* not a whole reply yet */
    struct buf rcpts;  /* promised in this transaction, a line each */
    struct buf chunks; /* content of the BDATs that got 250 */
    enum client_mode mode;
    unsigned replies;
    unsigned delivered; /* 2yz to an end of data */
    unsigned refused;   /* other answers to one */
    unsigned seen;      /* this message, whole, by the upstream */
    int last_code;
    bool accepted; /* the upstream has said 2yz to it */
    bool greeted;
    bool over;    /* 421 or 221 was read */
    bool stalled; /* does not read */
    bool blind;   /* was stalled or closed: replies are unknown */
    bool unknown; /* was told 451 4.4.2: the message may still come */
    bool ended;   /* sends no more */
};

/* A deadline, and when it comes in the time that is not waited for. */
struct world_timer {
    const struct event *event; /* NULL: free */
    uint64_t at_us, due_us;
    bool seen;
};

struct far;
struct world_query;

struct session_world {
    struct worker worker;
    struct upstream *upstreams[2];
    struct worker_listener listeners[WORLD_LISTENERS];
    struct world_client clients[WORLD_CLIENTS];
    /* the upstream */
    struct far *fars;
    uint8_t script[WORLD_SCRIPT_MAX]; /* enum far_action, one a command */
    size_t script_at, script_len;
    unsigned offers;    /* enum smtp_cap */
    unsigned dial_fail; /* so many connections are refused */
    bool dial_hold;
    bool far_hold;       /* reads nothing, answers nothing */
    struct buf last;     /* the last whole message */
    unsigned deliveries; /* messages that got 2yz */
    struct dial *dials;
    /* keeper, resolver */
    struct world_query *queries;
    struct dns_file *dns;
    bool dns_hold;
    bool keeper_hold;
    bool keeper_wrong;   /* its public key is not that of its signatures */
    bool keeper_trusted; /* gives no public key: no signature is due */
    unsigned handles;    /* given out and not void */
    unsigned connected;  /* sessions that have not ended */
    struct world_timer timers[WORLD_TIMERS];
    uint64_t skipped_us;
    bool orphans;       /* messages of clients that were forgotten may come */
    bool small_buffers; /* of the sockets; and one connection upstream */
    bool no_memory;     /* sessions may end without a word */
    bool moved;         /* something happened in this turn */
};

/* Only while sessions' own code runs: true. For allocators of tests. */
extern bool session_world_running;
/* Ends the program: an invariant does not hold. */
__attribute__((format(printf, 1, 2), noreturn)) void
world_fail(const char *format, ...);

/* offers: of the upstream's EHLO. */
void world_open(struct session_world *w, unsigned offers, bool small_buffers);
/* Every session is told to end, then everything must be given back. */
void world_close(struct session_world *w);
/* Two turns of the loop, nobody else moves. */
void world_loop(struct session_world *w);
/* Runs until nothing moves any more, and checks. */
void world_settle(struct session_world *w);
/* The same, a few turns of the loop only. */
void world_turn(struct session_world *w);
/* Time passes until the next deadline. False: there is none. */
bool world_next_timer(struct session_world *w);
void world_check(struct session_world *w);
void world_drain(struct session_world *w, bool stopping);
/* No hold is left, clients read: then nothing may be owed to them. */
void world_release(struct session_world *w);

/* world_client.c; n: which client */
void world_connect(struct session_world *w, unsigned n,
                   enum world_listener listener);
void world_say(struct session_world *w, unsigned n, struct bytes octets);
void world_hang_up(struct session_world *w, unsigned n);
void world_end_input(struct session_world *w, unsigned n);
void world_clients_read(struct session_world *w);
/* Is a reply due that has not come? */
bool world_client_waits(const struct world_client *c);
void world_client_free(struct world_client *c);

/* world_upstream.c */
void world_far_says(struct session_world *w, struct bytes octets);
void world_far_closes(struct session_world *w);
/* Is there one that does not keep to the protocol? */
bool world_far_lies(const struct session_world *w);
/* What was closed is read to its end. */
void world_far_settled(struct session_world *w);
void world_far_forget(struct session_world *w, const struct world_client *c);
void world_far_next(struct session_world *w, enum far_action action);
void world_far_run(struct session_world *w);
void world_far_free(struct session_world *w);
void world_dial_release(struct session_world *w, bool hold); /* world_dial.c */

/* world_keeper.c */
bool world_keeper_open(struct session_world *w);
void world_keeper_lose(struct session_world *w);
/* New users and keys; alice is locked or not. */
void world_keeper_reload(struct session_world *w, bool locked);
void world_keeper_release(struct session_world *w, bool hold);
void world_dns_release(struct session_world *w, bool hold);
void world_keeper_free(struct session_world *w);
/* alice's public key, for a key record. */
void world_public_key(uint8_t out[32]);

#endif
