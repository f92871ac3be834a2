/*
 * sockets - see sockets.h.
 */
#include "proxy/process/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    BACKLOG = 1024
};

union address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

struct endpoint {
    struct endpoint *next;
    union address wanted; /* as configured: port 0 may stand there */
    union address bound;
    int *fds; /* one a slot */
    size_t slots;
    bool committed;
};

struct sockets {
    struct endpoint *endpoints;
};

struct sockets *
sockets_new(void)
{
    return calloc(1, sizeof(struct sockets));
}

static bool
parse(const struct conf_address *a, union address *out)
{
    memset(out, 0, sizeof(*out));
    if (inet_pton(AF_INET, a->host, &out->in.sin_addr) == 1) {
        out->in.sin_family = AF_INET;
        out->in.sin_port = htons(a->port);
        return true;
    }
    if (inet_pton(AF_INET6, a->host, &out->in6.sin6_addr) == 1) {
        out->in6.sin6_family = AF_INET6;
        out->in6.sin6_port = htons(a->port);
        return true;
    }
    return false;
}

static socklen_t
length(const union address *a)
{
    return a->any.sa_family == AF_INET ? sizeof(a->in) : sizeof(a->in6);
}

static struct endpoint *
find(const struct sockets *s, const struct conf_address *address)
{
    union address wanted;

    if (!parse(address, &wanted)) {
        return NULL;
    }
    for (struct endpoint *e = s->endpoints; e != NULL; e = e->next) {
        /* NOLINTNEXTLINE(*-memory-comparison,cert-*): zeroed before */
        if (memcmp(&e->wanted, &wanted, sizeof(wanted)) == 0) {
            return e;
        }
    }
    return NULL;
}

static struct endpoint *
at(const struct sockets *s, const union address *address)
{
    struct endpoint *e = s->endpoints;

    /* NOLINTNEXTLINE(*-memory-comparison,cert-*): zeroed before */
    while (e != NULL && memcmp(&e->bound, address, sizeof(*address)) != 0) {
        e = e->next;
    }
    return e;
}

/* NULL: no memory, as errno says. */
static struct endpoint *
add_at(struct sockets *s, const union address *address)
{
    struct endpoint *e = calloc(1, sizeof(*e));

    if (e != NULL) {
        e->wanted = e->bound = *address;
        e->next = s->endpoints;
        s->endpoints = e;
    }
    return e;
}

static bool
add_slot(struct endpoint *e, int fd)
{
    int *more = realloc(e->fds, (e->slots + 1) * sizeof(*more));

    if (more == NULL) {
        return false;
    }
    e->fds = more;
    e->fds[e->slots++] = fd;
    return true;
}

/* A stream socket that listens, on an IP address. */
static bool
is_listener(int fd, union address *address_out)
{
    socklen_t len = sizeof(*address_out), int_len = sizeof(int);
    int type = 0, listens = 0;

    memset(address_out, 0, sizeof(*address_out));
    return getsockname(fd, &address_out->any, &len) == 0 &&
           (address_out->any.sa_family == AF_INET ||
            address_out->any.sa_family == AF_INET6) &&
           getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &int_len) == 0 &&
           type == SOCK_STREAM &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &int_len) == 0 &&
           listens != 0;
}

bool
sockets_adopt(struct sockets *s, int fd, struct buf *error)
{
    union address address;
    struct endpoint *e;

    if (!is_listener(fd, &address)) {
        buf_printf(error,
                   "descriptor %d from the service manager is no listening "
                   "TCP socket; ListenStream=ADDRESS:PORT makes one",
                   fd);
        (void)close(fd);
        return false;
    }
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    e = at(s, &address);
    e = e == NULL ? add_at(s, &address) : e;
    if (e == NULL || !add_slot(e, fd)) {
        buf_puts(error, "out of memory");
        (void)close(fd);
        return false;
    }
    e->committed = true; /* not ours to close when a configuration fails */
    return true;
}

void
sockets_every(const struct sockets *s, sockets_callback *cb, void *arg)
{
    for (const struct endpoint *e = s->endpoints; e != NULL; e = e->next) {
        for (size_t i = 0; i < e->slots; i++) {
            cb(e->fds[i], arg);
        }
    }
}

/* A bound socket, not listening; -1 and errno. */
static int
bind_socket(const union address *a, bool share)
{
    int fd =
        socket(a->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int yes = 1;
    int error;

    if (fd < 0) {
        return -1;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0 ||
        (share &&
         setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes)) != 0) ||
        (a->any.sa_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes)) != 0) ||
        bind(fd, &a->any, length(a)) != 0) {
        error = errno;
        (void)close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/*
 * With SO_REUSEPORT a second program of the same user could share the port,
 * and mail would go to either one: so first an attempt that does not share.
 */
static bool
probe(const union address *a)
{
    int fd = bind_socket(a, false);
    bool free_port;
    int error;

    if (fd < 0) {
        return false;
    }
    free_port = listen(fd, 1) == 0;
    error = errno;
    (void)close(fd);
    errno = error;
    return free_port;
}

static bool
open_slot(struct endpoint *e)
{
    socklen_t len = sizeof(e->bound);
    int fd = bind_socket(&e->bound, true);
    int error;

    if (fd < 0) {
        return false;
    }
    if (getsockname(fd, &e->bound.any, &len) != 0 || listen(fd, BACKLOG) != 0 ||
        !add_slot(e, fd)) {
        error = errno;
        (void)close(fd);
        errno = error;
        return false;
    }
    return true;
}

/*
 * Only an address that is new: its slots are as many as there are workers
 * now, for ever. A port under 1024 can't be opened again after root was
 * dropped, nor may another account join the group of sockets on a port; and
 * when new workers do not start, no socket with waiting clients is closed.
 */
static bool
open_slots(struct endpoint *e, size_t slots)
{
    if (e->slots > 0) {
        return true;
    }
    if (!probe(&e->bound)) {
        return false;
    }
    while (e->slots < slots) {
        if (!open_slot(e)) {
            return false;
        }
    }
    return true;
}

static struct endpoint *
add(struct sockets *s, const struct conf_address *address)
{
    union address wanted;

    if (!parse(address, &wanted)) {
        errno = EINVAL;
        return NULL;
    }
    return add_at(s, &wanted);
}

static const char *
mend(int error)
{
    switch (error) {
    case EADDRINUSE:
        return "; another program listens there: ss -ltnp names it";
    case EACCES:
        return "; ports under 1024 need a start by root, or "
               "CAP_NET_BIND_SERVICE";
    case EADDRNOTAVAIL:
        return "; this machine does not have that address";
    default:
        return "";
    }
}

bool
sockets_open(struct sockets *s, const struct conf *conf, struct buf *error)
{
    for (size_t i = 0; i < conf->listen_count; i++) {
        const struct listen_conf *l = &conf->listens[i];

        for (size_t k = 0; k < l->addresses.count; k++) {
            const struct conf_address *a = &l->addresses.list[k];
            struct endpoint *e = find(s, a);

            e = e == NULL ? add(s, a) : e;
            if (e == NULL || !open_slots(e, conf->server.workers)) {
                int number = errno;

                buf_printf(error,
                           "cannot listen on %s port %u for [listen %s]: "
                           "%s%s",
                           a->host, (unsigned)a->port, l->name,
                           strerror(number), mend(number));
                sockets_abort(s);
                return false;
            }
        }
    }
    return true;
}

static void
close_slots(struct endpoint *e)
{
    while (e->slots > 0) {
        (void)close(e->fds[--e->slots]);
    }
}

/* Endpoints without a slot go. */
static void
sweep(struct sockets *s)
{
    struct endpoint **link = &s->endpoints;

    while (*link != NULL) {
        struct endpoint *e = *link;

        if (e->slots > 0) {
            link = &e->next;
            continue;
        }
        *link = e->next;
        free(e->fds);
        free(e);
    }
}

void
sockets_abort(struct sockets *s)
{
    for (struct endpoint *e = s->endpoints; e != NULL; e = e->next) {
        if (!e->committed) {
            close_slots(e);
        }
    }
    sweep(s);
}

static bool
is_configured(const struct sockets *s, const struct endpoint *e,
              const struct conf *conf)
{
    for (size_t i = 0; i < conf->listen_count; i++) {
        const struct conf_addresses *list = &conf->listens[i].addresses;

        for (size_t k = 0; k < list->count; k++) {
            if (find(s, &list->list[k]) == e) {
                return true;
            }
        }
    }
    return false;
}

void
sockets_commit(struct sockets *s, const struct conf *conf)
{
    for (struct endpoint *e = s->endpoints; e != NULL; e = e->next) {
        if (!is_configured(s, e, conf)) {
            close_slots(e);
        }
        e->committed = true;
    }
    sweep(s);
}

void
sockets_free(struct sockets **s)
{
    if (*s == NULL) {
        return;
    }
    for (struct endpoint *e = (*s)->endpoints; e != NULL; e = e->next) {
        close_slots(e);
    }
    sweep(*s);
    free(*s);
    *s = NULL;
}

void
sockets_each(const struct sockets *s, const struct listen_conf *listen,
             unsigned slot, unsigned workers, sockets_callback *cb, void *arg)
{
    for (size_t k = 0; k < listen->addresses.count; k++) {
        const struct endpoint *e = find(s, &listen->addresses.list[k]);
        size_t i = slot;

        if (e == NULL || e->slots == 0) {
            continue;
        }
        do {
            cb(e->fds[i % e->slots], arg);
            i += workers;
        } while (i < e->slots);
    }
}

static void
describe(const struct endpoint *e, struct buf *out)
{
    char text[INET6_ADDRSTRLEN];

    if (e->bound.any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &e->bound.in.sin_addr, text, sizeof(text));
        buf_printf(out, "%s:%u", text, (unsigned)ntohs(e->bound.in.sin_port));
    } else {
        inet_ntop(AF_INET6, &e->bound.in6.sin6_addr, text, sizeof(text));
        buf_printf(out, "[%s]:%u", text,
                   (unsigned)ntohs(e->bound.in6.sin6_port));
    }
}

bool
sockets_stray(const struct sockets *s, const struct conf *conf, struct buf *out)
{
    for (const struct endpoint *e = s->endpoints; e != NULL; e = e->next) {
        if (!is_configured(s, e, conf)) {
            describe(e, out);
            return true;
        }
    }
    return false;
}

void
sockets_describe(const struct sockets *s, const struct conf *conf,
                 struct buf *out)
{
    for (size_t i = 0; i < conf->listen_count; i++) {
        const struct listen_conf *l = &conf->listens[i];

        buf_printf(out, "%s%s=", i == 0 ? "" : " ", l->name);
        for (size_t k = 0; k < l->addresses.count; k++) {
            const struct endpoint *e = find(s, &l->addresses.list[k]);

            buf_puts(out, k == 0 ? "" : ",");
            if (e != NULL) {
                describe(e, out);
            }
        }
    }
}
