/*
 * tcp - one query over TCP; see tcp.h.
 */
#include "proxy/dns/tcp.h"

#include "proxy/dns/servers.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    LENGTH_OCTETS = 2,
    QUERY_MAX = 512
};

struct dns_tcp {
    struct event *event;
    dns_tcp_callback *cb;
    void *arg;
    uint8_t *in; /* owns; NULL until the length is known */
    size_t in_len;
    size_t in_want;
    size_t out_len;
    size_t out_done;
    uint8_t out[LENGTH_OCTETS + QUERY_MAX];
    uint8_t length[LENGTH_OCTETS];
    size_t length_len;
    int fd;
};

void
dns_tcp_free(struct dns_tcp **t)
{
    if (*t == NULL) {
        return;
    }
    if ((*t)->event != NULL) {
        event_free((*t)->event);
    }
    if ((*t)->fd >= 0) {
        close((*t)->fd);
    }
    free((*t)->in);
    free(*t);
    *t = NULL;
}

enum progress {
    PROGRESS_WAIT,
    PROGRESS_DONE,
    PROGRESS_FAILED
};

static bool
would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ||
           errno == EINPROGRESS;
}

static enum progress
send_query(struct dns_tcp *t)
{
    while (t->out_done < t->out_len) {
        ssize_t n = send(t->fd, t->out + t->out_done, t->out_len - t->out_done,
                         MSG_NOSIGNAL);

        if (n <= 0) {
            return would_block() ? PROGRESS_WAIT : PROGRESS_FAILED;
        }
        t->out_done += (size_t)n;
    }
    return PROGRESS_DONE;
}

/* Fills ptr up to want octets; *len is how many there are. */
static enum progress
receive(struct dns_tcp *t, uint8_t *ptr, size_t *len, size_t want)
{
    while (*len < want) {
        ssize_t n = recv(t->fd, ptr + *len, want - *len, 0);

        if (n <= 0) {
            return n < 0 && would_block() ? PROGRESS_WAIT : PROGRESS_FAILED;
        }
        *len += (size_t)n;
    }
    return PROGRESS_DONE;
}

static enum progress
receive_answer(struct dns_tcp *t)
{
    enum progress p;

    if (t->in == NULL) {
        p = receive(t, t->length, &t->length_len, LENGTH_OCTETS);
        if (p != PROGRESS_DONE) {
            return p;
        }
        t->in_want = (size_t)(t->length[0] << 8 | t->length[1]);
        t->in = t->in_want == 0 ? NULL : malloc(t->in_want);
        if (t->in == NULL) {
            return PROGRESS_FAILED;
        }
    }
    return receive(t, t->in, &t->in_len, t->in_want);
}

static bool wait_for(struct dns_tcp *t, struct event_base *base, short what);

static void
on_event(evutil_socket_t fd, short what, void *arg)
{
    struct dns_tcp *t = arg;
    enum progress p;

    (void)fd;
    if (what & EV_WRITE) {
        p = send_query(t);
        if (p == PROGRESS_DONE) {
            p = wait_for(t, event_get_base(t->event), EV_READ)
                    ? PROGRESS_WAIT
                    : PROGRESS_FAILED;
        }
    } else {
        p = receive_answer(t);
    }
    if (p == PROGRESS_DONE) {
        t->cb(bytes_make(t->in, t->in_len), t->arg);
    } else if (p == PROGRESS_FAILED) {
        t->cb(bytes_make(NULL, 0), t->arg);
    }
}

static bool
wait_for(struct dns_tcp *t, struct event_base *base, short what)
{
    if (t->event != NULL) {
        event_free(t->event);
    }
    t->event = event_new(base, t->fd, (short)(what | EV_PERSIST), on_event, t);
    return t->event != NULL && event_add(t->event, NULL) == 0;
}

struct dns_tcp *
dns_tcp_start(struct event_base *base, const struct sockaddr_storage *server,
              struct bytes query, dns_tcp_callback *cb, void *arg)
{
    struct dns_tcp *t = calloc(1, sizeof(*t));

    if (t == NULL) {
        return NULL;
    }
    t->cb = cb;
    t->arg = arg;
    t->fd = socket(server->ss_family,
                   SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    query = bytes_take(query, QUERY_MAX);
    t->out[0] = (uint8_t)(query.len >> 8);
    t->out[1] = (uint8_t)(query.len & 0xff);
    memcpy(t->out + LENGTH_OCTETS, query.ptr, query.len);
    t->out_len = LENGTH_OCTETS + query.len;
    if (t->fd < 0 ||
        (connect(t->fd, (const struct sockaddr *)server,
                 servers_address_len(server)) != 0 &&
         errno != EINPROGRESS) ||
        !wait_for(t, base, EV_WRITE)) {
        dns_tcp_free(&t);
    }
    return t;
}
