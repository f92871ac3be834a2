/*
 * proxied - an accepted connection whose first octets name its client.
 *
 * The header is read to the octet and nothing behind it, so that the socket
 * is then as if the client had connected itself: TLS may follow at once.
 */
#ifndef PROXY_PROXIED_H
#define PROXY_PROXIED_H

#include <event2/event.h>

#include <proxy/net/proxyproto.h>

struct proxied;

struct proxied_result {
    int fd;                 /* the callback takes it; -1: it is closed */
    union net_address peer; /* the client's, or the balancer's own */
    bool anonymous;         /* the balancer's own: LOCAL or UNKNOWN */
    const char *why;        /* fd is -1: a static sentence, or NULL: the peer
                               left without a word, as health checks do */
};

typedef void proxied_callback(const struct proxied_result *result, void *arg);

/*
 * Takes fd, nonblocking, of a connection from peer. The callback comes once,
 * within 5 s, never from inside this call; *list, where it stands until then,
 * is the caller's. NULL: no memory, fd is closed.
 */
struct proxied *proxied_new(struct proxied **list, struct event_base *base,
                            int fd, const union net_address *peer,
                            proxied_callback *cb, void *arg);

/* Closes all of the list; no callback comes. */
void proxied_free_all(struct proxied **list);

#endif
