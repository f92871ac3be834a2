/*
 * dns_server - a nameserver that does what a test tells it; see dns_server.h.
 */
#include "dns_server_private.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    LATE_MAX = 16
};

struct client {
    LIST_ENTRY(client) link;
    struct dns_script *script;
    struct event *event;
    struct buf out;
    size_t done;
    int fd;
};

struct late {
    struct dns_script *script;
    struct event *timer;
    struct sockaddr_in to;
    struct buf out;
};

struct dns_script {
    struct event_base *base;
    struct event *udp_event;
    struct event *tcp_event;
    LIST_HEAD(, client) clients;
    struct late late[LATE_MAX];
    size_t late_count;
    struct dns_server_counts counts;
    bool silent;
    uint16_t port;
    int udp;
    int tcp;
    int other;
};

/* --- answers -------------------------------------------------------------- */

static enum manner
answer(struct dns_script *s, struct bytes query, bool tcp, struct message *m)
{
    struct asked a = { .tcp = tcp };

    message_begin(m, query);
    if (!dns_read_asked(query, &a) || s->silent) {
        return SILENT;
    }
    s->counts.no_opt += a.opt ? 0 : 1;
    return dns_answer(m, &a);
}

/* --- UDP ------------------------------------------------------------------ */

static void
send_late(evutil_socket_t fd, short what, void *arg)
{
    struct late *l = arg;

    (void)fd;
    (void)what;
    (void)sendto(l->script->udp, l->out.ptr, l->out.len, 0,
                 (struct sockaddr *)&l->to, sizeof(l->to));
    buf_free(&l->out);
}

static void
keep_for_later(struct dns_script *s, struct message *m,
               const struct sockaddr_in *to, enum manner manner)
{
    struct timeval tv = { 0, manner == LATE_IN ? 60000 : 250000 };
    struct late *l = &s->late[s->late_count];

    if (s->late_count == LATE_MAX) {
        return;
    }
    s->late_count++;
    *l = (struct late){ .script = s, .to = *to, .out = m->b };
    m->b = (struct buf)BUF_INIT;
    l->timer = evtimer_new(s->base, send_late, l);
    evtimer_add(l->timer, &tv);
}

static void
on_udp(evutil_socket_t fd, short what, void *arg)
{
    struct dns_script *s = arg;
    struct sockaddr_in from;
    socklen_t from_len = sizeof(from);
    struct message m;
    uint8_t data[1024];
    enum manner manner;
    ssize_t n = recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&from,
                         &from_len);

    (void)what;
    if (n < 12) {
        return;
    }
    if (s->counts.udp < 64) {
        s->counts.ids[s->counts.udp] = (unsigned)(data[0] << 8 | data[1]);
        s->counts.ports[s->counts.udp] = ntohs(from.sin_port);
    }
    s->counts.udp++;
    manner = answer(s, bytes_make(data, (size_t)n), false, &m);
    if (manner == SEND || manner == OTHER_PORT) {
        (void)sendto(manner == SEND ? fd : s->other, m.b.ptr, m.b.len, 0,
                     (struct sockaddr *)&from, from_len);
    } else if (manner == LATE_IN || manner == LATE_OUT) {
        keep_for_later(s, &m, &from, manner);
    }
    buf_free(&m.b);
}

/* --- TCP ------------------------------------------------------------------ */

static void
client_free(struct client *c)
{
    LIST_REMOVE(c, link);
    event_free(c->event);
    close(c->fd);
    buf_free(&c->out);
    free(c);
}

static void
send_slowly(evutil_socket_t fd, short what, void *arg)
{
    struct timeval tv = { 0, 20000 };
    struct client *c = arg;

    (void)what;
    if (c->done == c->out.len ||
        send(c->fd, c->out.ptr + c->done, 1, MSG_NOSIGNAL) != 1) {
        client_free(c);
        return;
    }
    c->done++;
    (void)fd;
    evtimer_add(c->event, &tv);
}

static void
send_all(struct client *c, size_t len)
{
    size_t done = 0;

    /* Blocking: loopback's buffers take 64 KiB. */
    while (done < len) {
        ssize_t n = send(c->fd, c->out.ptr + done, len - done, MSG_NOSIGNAL);

        if (n <= 0) {
            break;
        }
        done += (size_t)n;
    }
}

static void
reply_tcp(struct client *c, struct message *m, enum manner manner)
{
    struct linger hard = { 1, 0 };

    put_u16(&c->out, manner == TCP_ZERO ? 0 : (unsigned)m->b.len);
    buf_put(&c->out, buf_bytes(&m->b));
    switch (manner) {
    case TCP_SLOW:
        event_free(c->event);
        c->event = evtimer_new(c->script->base, send_slowly, c);
        send_slowly(-1, 0, c);
        return;
    case SILENT:
        return;
    case TCP_RESET:
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
        break;
    case TCP_HALF:
        send_all(c, c->out.len / 2);
        break;
    default:
        send_all(c, c->out.len);
        break;
    }
    client_free(c);
}

static void
on_client(evutil_socket_t fd, short what, void *arg)
{
    struct client *c = arg;
    struct message m;
    uint8_t data[1024];
    enum manner manner;
    ssize_t n = recv(fd, data, sizeof(data), 0);

    (void)what;
    if (n < 14) {
        client_free(c);
        return;
    }
    c->script->counts.tcp++;
    manner = answer(c->script, bytes_make(data + 2, (size_t)n - 2), true, &m);
    reply_tcp(c, &m, manner);
    buf_free(&m.b);
}

static void
on_accept(evutil_socket_t fd, short what, void *arg)
{
    struct dns_script *s = arg;
    struct client *c = calloc(1, sizeof(*c));

    (void)what;
    if (c == NULL) {
        abort();
    }
    c->script = s;
    c->fd = accept(fd, NULL, NULL);
    c->event = event_new(s->base, c->fd, EV_READ | EV_PERSIST, on_client, c);
    event_add(c->event, NULL);
    LIST_INSERT_HEAD(&s->clients, c, link);
}

/* --- birth and death ------------------------------------------------------ */

static int
bound(int type, uint16_t port)
{
    struct sockaddr_in in = { .sin_family = AF_INET,
                              .sin_port = htons(port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, type, 0);

    if (fd >= 0 && bind(fd, (struct sockaddr *)&in, sizeof(in)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static uint16_t
port_of(int fd)
{
    struct sockaddr_in in = { 0 };
    socklen_t len = sizeof(in);

    getsockname(fd, (struct sockaddr *)&in, &len);
    return ntohs(in.sin_port);
}

struct dns_script *
dns_script_new(struct event_base *base)
{
    struct dns_script *s = calloc(1, sizeof(*s));

    if (s == NULL) {
        abort();
    }
    s->base = base;
    do { /* a port that is free for both */
        s->tcp = bound(SOCK_STREAM, 0);
        s->port = port_of(s->tcp);
        s->udp = bound(SOCK_DGRAM, s->port);
        if (s->udp < 0) {
            close(s->tcp);
        }
    } while (s->udp < 0);
    s->other = bound(SOCK_DGRAM, 0);
    listen(s->tcp, 16);
    s->udp_event = event_new(base, s->udp, EV_READ | EV_PERSIST, on_udp, s);
    s->tcp_event = event_new(base, s->tcp, EV_READ | EV_PERSIST, on_accept, s);
    event_add(s->udp_event, NULL);
    event_add(s->tcp_event, NULL);
    return s;
}

void
dns_script_free(struct dns_script **script)
{
    struct dns_script *s = *script;

    while (!LIST_EMPTY(&s->clients)) {
        client_free(LIST_FIRST(&s->clients));
    }
    for (size_t i = 0; i < s->late_count; i++) {
        event_free(s->late[i].timer);
        buf_free(&s->late[i].out);
    }
    event_free(s->udp_event);
    event_free(s->tcp_event);
    close(s->udp);
    close(s->tcp);
    close(s->other);
    free(s);
    *script = NULL;
}

void
dns_script_silence(struct dns_script *s)
{
    s->silent = true;
}

uint16_t
dns_script_port(const struct dns_script *s)
{
    return s->port;
}

struct dns_server_counts *
dns_script_counts(struct dns_script *s)
{
    return &s->counts;
}
