/*
 * direct - one question put to one server; see direct.h.
 *
 * start_udp() and start_tcp() are the only places where something is sent,
 * finish() the only one where the question ends.
 */
#include "proxy/dns/direct.h"

#include "proxy/dns/servers.h"
#include "proxy/dns/tcp.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

enum {
    UDP_BUFFER = 4096,
    FOREIGN_MAX = 32 /* somebody is guessing: TCP cannot be guessed */
};

struct direct {
    struct direct_options o;
    struct packet_query query;
    struct event *timer;
    struct event *udp_event;
    struct dns_tcp *tcp;
    unsigned tries;
    unsigned foreign;
    int udp;
};

static void
close_sockets(struct direct *d)
{
    if (d->udp_event != NULL) {
        event_free(d->udp_event);
        d->udp_event = NULL;
    }
    if (d->udp >= 0) {
        close(d->udp);
        d->udp = -1;
    }
    dns_tcp_free(&d->tcp);
}

void
direct_free(struct direct **d)
{
    if (*d == NULL) {
        return;
    }
    close_sockets(*d);
    if ((*d)->timer != NULL) {
        event_free((*d)->timer);
    }
    free(*d);
    *d = NULL;
}

/* The last line of every path through here. */
static void
finish(struct direct *d, enum direct_end end, struct raw_answer *answer)
{
    close_sockets(d);
    evtimer_del(d->timer);
    d->o.cb(end, answer, d->o.arg);
}

static void start_udp(struct direct *d);
static void start_tcp(struct direct *d);

/* Callers return at once: the question may be over. */
static void
on_message(struct direct *d, struct bytes message, bool tcp)
{
    struct raw_answer *answer = NULL;

    switch (packet_read_raw(&d->o.question, &d->query, message, tcp, &answer)) {
    case PACKET_ALIAS: /* never: nothing is followed */
    case PACKET_ANSWER:
        finish(d, DIRECT_ANSWERED, answer);
        raw_free(&answer);
        break;
    case PACKET_NO_EDNS:
        d->o.question.edns = false;
        start_udp(d);
        break;
    case PACKET_TRUNCATED:
    case PACKET_OTHER_CASE:
        start_tcp(d);
        break;
    case PACKET_FOREIGN:
        if (tcp) {
            finish(d, DIRECT_GARBLED, NULL);
        } else if (++d->foreign >= FOREIGN_MAX) {
            start_tcp(d);
        }
        break;
    case PACKET_FAILED:
        finish(d, DIRECT_GARBLED, NULL);
        break;
    }
}

/* One datagram a turn. */
static void
on_udp(evutil_socket_t fd, short what, void *arg)
{
    struct direct *d = arg;
    uint8_t data[UDP_BUFFER];
    ssize_t n = recv(fd, data, sizeof(data), MSG_TRUNC);

    (void)what;
    if (n < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
            finish(d, errno == ECONNREFUSED ? DIRECT_NOBODY : DIRECT_NO_ROUTE,
                   NULL);
        }
    } else if ((size_t)n > sizeof(data)) {
        start_tcp(d);
    } else {
        on_message(d, bytes_make(data, (size_t)n), false);
    }
}

static void
on_tcp(struct bytes message, void *arg)
{
    struct direct *d = arg;

    if (message.ptr == NULL) {
        finish(d, DIRECT_NO_TCP, NULL);
    } else {
        on_message(d, message, true);
    }
}

/* A new id and new case for each packet, and the try's time anew. */
static bool
prepare(struct direct *d)
{
    struct packet_seed seed;
    struct timeval tv = {
        .tv_sec = (time_t)(d->o.try_ms / 1000),
        .tv_usec = (suseconds_t)(d->o.try_ms % 1000 * 1000),
    };

    return getrandom(&seed, sizeof(seed), 0) == (ssize_t)sizeof(seed) &&
           packet_query_make(&d->o.question, &seed, &d->query) &&
           evtimer_add(d->timer, &tv) == 0;
}

/* How a socket that could not be made or used ends the question. */
static enum direct_end
socket_end(int error)
{
    switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return DIRECT_OURS;
    case ECONNREFUSED:
        return DIRECT_NOBODY;
    default:
        return DIRECT_NO_ROUTE;
    }
}

static bool
send_udp(struct direct *d)
{
    d->udp = socket(d->o.server.ss_family,
                    SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (d->udp < 0 || connect(d->udp, (const struct sockaddr *)&d->o.server,
                              servers_address_len(&d->o.server)) != 0) {
        return false;
    }
    d->udp_event =
        event_new(d->o.base, d->udp, EV_READ | EV_PERSIST, on_udp, d);
    if (d->udp_event == NULL || event_add(d->udp_event, NULL) != 0) {
        errno = ENOMEM;
        return false;
    }
    return send(d->udp, d->query.data, d->query.len, MSG_NOSIGNAL) ==
           (ssize_t)d->query.len;
}

static void
start_udp(struct direct *d)
{
    close_sockets(d);
    d->foreign = 0;
    if (!prepare(d)) {
        finish(d, DIRECT_OURS, NULL);
    } else if (!send_udp(d)) {
        finish(d, socket_end(errno), NULL);
    }
}

static void
start_tcp(struct direct *d)
{
    close_sockets(d);
    if (!prepare(d)) {
        finish(d, DIRECT_OURS, NULL);
        return;
    }
    d->tcp = dns_tcp_start(d->o.base, &d->o.server,
                           bytes_make(d->query.data, d->query.len), on_tcp, d);
    if (d->tcp == NULL) {
        finish(d, DIRECT_NO_TCP, NULL);
    }
}

/* The start, and each time that the server stayed silent. */
static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct direct *d = arg;

    (void)fd;
    (void)what;
    if (d->tcp != NULL) {
        finish(d, DIRECT_NO_TCP, NULL);
    } else if (d->tries == d->o.tries) {
        finish(d, DIRECT_SILENT, NULL);
    } else {
        d->tries++;
        start_udp(d);
    }
}

struct direct *
direct_start(const struct direct_options *options)
{
    static const struct timeval at_once;
    struct direct *d = calloc(1, sizeof(*d));

    if (d == NULL) {
        return NULL;
    }
    d->o = *options;
    d->udp = -1;
    d->timer = evtimer_new(options->base, on_timer, d);
    if (d->timer == NULL || evtimer_add(d->timer, &at_once) != 0) {
        direct_free(&d);
    }
    return d;
}
