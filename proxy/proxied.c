/*
 * proxied - see proxy/proxied.h.
 *
 * Octets are looked at (MSG_PEEK) before they are taken: the parser then says
 * how many of them belong to the header, which is all of them until it ends.
 */
#include "proxy/proxied.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    HEADER_S = 5 /* for the whole header, from accept() on */
};

struct proxied {
    struct proxied *next;
    struct proxied *prev;
    struct proxied **list;
    struct event *readable;
    struct event *deadline;
    proxied_callback *callback;
    void *arg;
    int fd;
    union net_address peer;
    size_t len;
    uint8_t octets[PROXYPROTO_MAX]; /* of the header, taken so far */
};

/* Gives back all but the socket. */
static void
proxied_free(struct proxied *p)
{
    if (p->prev != NULL) {
        p->prev->next = p->next;
    } else {
        *p->list = p->next;
    }
    if (p->next != NULL) {
        p->next->prev = p->prev;
    }
    if (p->readable != NULL) {
        event_free(p->readable);
    }
    if (p->deadline != NULL) {
        event_free(p->deadline);
    }
    free(p);
}

/* The one end. Frees p, then tells; result->fd < 0: the socket is closed. */
static void
finish(struct proxied *p, const struct proxied_result *result)
{
    proxied_callback *callback = p->callback;
    void *arg = p->arg;

    if (result->fd < 0) {
        (void)close(p->fd);
    }
    proxied_free(p);
    callback(result, arg);
}

static void
fail(struct proxied *p, const char *why)
{
    const struct proxied_result result = { .fd = -1,
                                           .peer = p->peer,
                                           .why = why };

    finish(p, &result);
}

static void
succeed(struct proxied *p, enum proxyproto_result kind,
        const struct proxyproto *header)
{
    const bool client = kind == PROXYPROTO_CLIENT;
    const struct proxied_result result = {
        .fd = p->fd,
        .peer = client ? header->source : p->peer,
        .anonymous = !client,
    };

    finish(p, &result);
}

/* Takes n octets that were seen to be there. */
static bool
take(struct proxied *p, size_t n)
{
    ssize_t taken = recv(p->fd, p->octets + p->len, n, MSG_DONTWAIT);

    if (taken < 0 || (size_t)taken != n) {
        return false;
    }
    p->len += n;
    return true;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct proxied *p = arg;
    enum proxyproto_result kind;
    struct proxyproto header;
    ssize_t seen = recv(fd, p->octets + p->len, sizeof(p->octets) - p->len,
                        MSG_PEEK | MSG_DONTWAIT);

    (void)what;
    if (seen < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (seen <= 0) {
        fail(p, p->len == 0 ? NULL : "the PROXY header is cut short");
        return;
    }
    kind =
        proxyproto_parse(bytes_make(p->octets, p->len + (size_t)seen), &header);
    if (kind == PROXYPROTO_BAD) {
        fail(p, "no PROXY header, which proxy_protocol_from asks of it");
    } else if (!take(p, kind == PROXYPROTO_MORE ? (size_t)seen
                                                : header.octets - p->len)) {
        fail(p, "reading the PROXY header failed");
    } else if (kind != PROXYPROTO_MORE) {
        succeed(p, kind, &header);
    }
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    fail(arg, "no PROXY header within 5 s");
}

struct proxied *
proxied_new(struct proxied **list, struct event_base *base, int fd,
            const union net_address *peer, proxied_callback *cb, void *arg)
{
    static const struct timeval deadline = { HEADER_S, 0 };
    struct proxied *p = calloc(1, sizeof(*p));

    if (p == NULL) {
        (void)close(fd);
        return NULL;
    }
    *p = (struct proxied){ .next = *list,
                           .list = list,
                           .callback = cb,
                           .arg = arg,
                           .fd = fd,
                           .peer = *peer };
    if (p->next != NULL) {
        p->next->prev = p;
    }
    *list = p;
    p->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, p);
    p->deadline = evtimer_new(base, on_deadline, p);
    if (p->readable == NULL || p->deadline == NULL ||
        event_add(p->readable, NULL) != 0 ||
        event_add(p->deadline, &deadline) != 0) {
        proxied_free(p);
        (void)close(fd);
        return NULL;
    }
    return p;
}

void
proxied_free_all(struct proxied **list)
{
    while (*list != NULL) {
        struct proxied *p = *list;

        (void)close(p->fd);
        proxied_free(p);
        assert(*list != p);
    }
}
