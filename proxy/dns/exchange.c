/*
 * exchange - one question until a server answers; see exchange.h.
 *
 * One try is one server over UDP, then TCP if need be; next_try() is the only
 * place where one begins, finish() the only one where the exchange ends.
 */
#include "proxy/dns/exchange.h"

#include "proxy/clock.h"
#include "proxy/dns/tcp.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum {
    UDP_BUFFER = 4096, /* more than our OPT allows: then it is TCP */
    FOREIGN_MAX = 32   /* somebody is guessing: TCP cannot be guessed */
};

struct exchange {
    struct exchange_options o;
    struct packet_question q;
    struct packet_query query;
    struct event *timer;
    struct event *udp_event;
    struct dns_tcp *tcp;
    size_t server; /* asked now */
    uint64_t asked_ms;
    unsigned tried; /* bit a server: in this round */
    unsigned spent; /* not to be asked again */
    unsigned foreign;
    int udp;
};

static void
close_sockets(struct exchange *x)
{
    if (x->udp_event != NULL) {
        event_free(x->udp_event);
        x->udp_event = NULL;
    }
    if (x->udp >= 0) {
        close(x->udp);
        x->udp = -1;
    }
    dns_tcp_free(&x->tcp);
}

void
exchange_free(struct exchange **x)
{
    if (*x == NULL) {
        return;
    }
    close_sockets(*x);
    if ((*x)->timer != NULL) {
        event_free((*x)->timer);
    }
    free(*x);
    *x = NULL;
}

/* The last line of every path through here. */
static void
finish(struct exchange *x, enum packet_verdict verdict,
       struct packet_answer *answer)
{
    close_sockets(x);
    evtimer_del(x->timer);
    x->o.cb(verdict, answer, x->o.arg);
}

/* --- one try -------------------------------------------------------------- */

static void
server_failed(struct exchange *x)
{
    servers_failed(x->o.servers, x->server, clock_ms());
}

/* A server that was silent is asked again once all have had their turn. */
static bool
choose_server(struct exchange *x)
{
    uint64_t now_ms = clock_ms();

    if (!servers_choose(x->o.servers, x->tried | x->spent, now_ms,
                        &x->server)) {
        x->tried = 0;
        if (!servers_choose(x->o.servers, x->spent, now_ms, &x->server)) {
            return false;
        }
    }
    x->tried |= 1u << x->server;
    x->asked_ms = now_ms;
    return true;
}

static void next_try(struct exchange *x);
static void start_udp(struct exchange *x);
static void start_tcp(struct exchange *x);

static void
/* NOLINTNEXTLINE(misc-no-recursion): a server less */
give_up_server(struct exchange *x)
{
    x->spent |= 1u << x->server;
    next_try(x);
}

static void
on_message(struct exchange *x, struct bytes message, bool tcp)
{
    struct packet_answer answer;
    enum packet_verdict verdict =
        packet_read(&x->q, &x->query, message, tcp, x->o.hops_left, &answer);

    switch (verdict) {
    case PACKET_ANSWER:
    case PACKET_ALIAS:
        servers_answered(x->o.servers, x->server, clock_ms());
        answer.authenticated = answer.authenticated && x->o.servers->trust_ad;
        finish(x, verdict, &answer);
        break;
    case PACKET_NO_EDNS:
        x->q.edns = false;
        start_udp(x);
        break;
    case PACKET_TRUNCATED:
    case PACKET_OTHER_CASE:
        start_tcp(x);
        break;
    case PACKET_FOREIGN:
        if (tcp) {
            give_up_server(x);
        } else if (++x->foreign >= FOREIGN_MAX) {
            start_tcp(x);
        }
        break;
    case PACKET_FAILED:
        give_up_server(x);
        break;
    }
}

/* One datagram a turn: level-triggered, and nobody can hold the loop. */
static void
on_udp(evutil_socket_t fd, short what, void *arg)
{
    struct exchange *x = arg;
    uint8_t data[UDP_BUFFER];
    ssize_t n = recv(fd, data, sizeof(data), MSG_TRUNC);

    (void)what;
    if (n < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
            server_failed(x); /* ICMP: nobody is there */
            give_up_server(x);
        }
        return;
    }
    if ((size_t)n > sizeof(data)) {
        start_tcp(x);
        return;
    }
    on_message(x, bytes_make(data, (size_t)n), false);
}

static void
on_tcp(struct bytes message, void *arg)
{
    struct exchange *x = arg;

    if (message.ptr == NULL) {
        give_up_server(x);
    } else {
        on_message(x, message, true);
    }
}

/* The try's time starts again with each socket, within the deadline. */
static bool
arm_timer(struct exchange *x)
{
    uint64_t now_ms = clock_ms();
    uint64_t left_ms =
        x->o.deadline_ms > now_ms ? x->o.deadline_ms - now_ms : 0;
    struct timeval tv;

    if (left_ms > x->o.try_ms) {
        left_ms = x->o.try_ms;
    }
    tv.tv_sec = (time_t)(left_ms / 1000);
    tv.tv_usec = (suseconds_t)(left_ms % 1000 * 1000);
    return evtimer_add(x->timer, &tv) == 0;
}

/* New id and new case for each packet that leaves. */
static bool
make_query(struct exchange *x)
{
    struct packet_seed seed;

    return getrandom(&seed, sizeof(seed), 0) == (ssize_t)sizeof(seed) &&
           packet_query_make(&x->q, &seed, &x->query);
}

static bool
send_udp(struct exchange *x)
{
    const struct sockaddr_storage *to = &x->o.servers->list[x->server].addr;

    x->udp =
        socket(to->ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (x->udp < 0 || connect(x->udp, (const struct sockaddr *)to,
                              servers_address_len(to)) != 0) {
        return false;
    }
    x->udp_event =
        event_new(x->o.base, x->udp, EV_READ | EV_PERSIST, on_udp, x);
    return x->udp_event != NULL && event_add(x->udp_event, NULL) == 0 &&
           send(x->udp, x->query.data, x->query.len, MSG_NOSIGNAL) ==
               (ssize_t)x->query.len;
}

/* Our own want, which no other server can mend. */
static bool
no_sockets_left(const struct exchange *x)
{
    return x->udp < 0 && (errno == EMFILE || errno == ENFILE ||
                          errno == ENOBUFS || errno == ENOMEM);
}

static void
/* NOLINTNEXTLINE(misc-no-recursion): a server less each time */
start_udp(struct exchange *x)
{
    bool sent;

    close_sockets(x);
    x->foreign = 0;
    if (!make_query(x) || !arm_timer(x)) {
        finish(x, PACKET_FAILED, NULL);
        return;
    }
    sent = send_udp(x);
    if (!sent && no_sockets_left(x)) {
        finish(x, PACKET_FAILED, NULL);
    } else if (!sent) {
        server_failed(x);
        give_up_server(x);
    }
}

static void
start_tcp(struct exchange *x)
{
    close_sockets(x);
    if (!make_query(x) || !arm_timer(x)) {
        finish(x, PACKET_FAILED, NULL);
        return;
    }
    x->tcp = dns_tcp_start(x->o.base, &x->o.servers->list[x->server].addr,
                           bytes_make(x->query.data, x->query.len), on_tcp, x);
    if (x->tcp == NULL) {
        give_up_server(x);
    }
}

static void
/* NOLINTNEXTLINE(misc-no-recursion): a server less each time */
next_try(struct exchange *x)
{
    close_sockets(x);
    if (clock_ms() >= x->o.deadline_ms || !choose_server(x)) {
        finish(x, PACKET_FAILED, NULL);
        return;
    }
    x->q.edns = true;
    start_udp(x);
}

/* The start, and each time that a server stayed silent. */
static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct exchange *x = arg;

    (void)fd;
    (void)what;
    if (x->tried != 0) {
        servers_silent(x->o.servers, x->server, x->asked_ms, clock_ms());
    }
    next_try(x);
}

struct exchange *
exchange_start(const struct exchange_options *options)
{
    static const struct timeval at_once;
    struct exchange *x = calloc(1, sizeof(*x));

    if (x == NULL) {
        return NULL;
    }
    x->o = *options;
    x->o.name = NULL; /* copied: */
    x->q.name = *options->name;
    x->q.type = options->type;
    x->q.want_ad = options->servers->trust_ad;
    x->q.check_disabled = options->check_disabled;
    x->udp = -1;
    x->timer = evtimer_new(options->base, on_timer, x);
    if (x->timer == NULL || evtimer_add(x->timer, &at_once) != 0) {
        exchange_free(&x);
    }
    return x;
}
