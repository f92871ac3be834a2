/*
 * peers - two connections that talk to each other in one loop, for tests.
 *
 * Each side notes its events and what it reads. No clock and no sleep: the
 * loop turns until a fact holds, at most some seconds.
 */
#ifndef TESTS_SUPPORT_PEERS_H
#define TESTS_SUPPORT_PEERS_H

#include <base/buf.h>

#include <event2/event.h>

#include <proxy/net/conn.h>

struct peers;

struct peer {
    struct peers *all;
    struct conn *conn;
    struct buf got;                    /* all that was read */
    size_t take_max;                   /* octets consumed a callback */
    unsigned counts[CONN_TIMEOUT + 1]; /* events seen */
    void (*hook)(struct peer *p, enum conn_event event); /* NULL: none */
};

struct peers {
    struct event_base *base;
    struct conn_loop *loop;
    struct peer a, b;
    SSL_CTX *server, *client; /* a self-signed certificate; no check of it */
};

void peers_begin(struct peers *p);
/* a and b are two ends of a TCP connection over loopback. */
void peers_connect(struct peers *p);
/* a is a conn, the result is the other end as a bare nonblocking socket. */
int peers_connect_raw(struct peers *p);
/* b is the server. Both are done when it returns. */
void peers_start_tls(struct peers *p);
/* peers_begin() and peers_connect(), and TLS between them when tls. */
void peers_meet(struct peers *p, bool tls);
void peers_end(struct peers *p);

void peer_send(struct peer *p, const char *text);
/* p has read text and nothing else. */
bool peer_got(const struct peer *p, const char *text);
/* n octets, each known by its place. They live until a longer one is asked
 * for. */
struct bytes peers_pattern(size_t n);
/* Turns the loop until the fact holds; a failed assertion after 10 s. */
#define PEERS_UNTIL(p, fact)                 \
    do {                                     \
        peers_clock(true);                   \
        while (!(fact)) {                    \
            assert_true(peers_clock(false)); \
            peers_turn(p);                   \
        }                                    \
    } while (0)
bool peers_clock(bool start);
void peers_turn(struct peers *p);
/* Turns the loop until nothing is left to do at once. */
void peers_quiet(struct peers *p);

#endif
