/*
 * connections - the keeper's sockets; see server.h.
 *
 * A descriptor is closed only when nobody holds the connection, so no thread
 * can ever use a number that the system has given to another file. Events
 * name a place and a generation, so an event that comes late hits nothing.
 */
#include <errno.h>
#include <proxy/keeper/server.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

uint64_t
connection_id(const struct server *s, const struct connection *c)
{
    return (uint64_t)c->generation << 32 | (uint64_t)(c - s->connections);
}

struct connection *
connection_hold(struct server *s, uint64_t id)
{
    struct connection *c = &s->connections[id % CONNECTIONS_MAX];

    if (!c->open || connection_id(s, c) != id) {
        return NULL;
    }
    c->refs++;
    return c;
}

static void
forget_unsent(struct connection *c)
{
    struct unsent *u;

    while ((u = STAILQ_FIRST(&c->unsent)) != NULL) {
        STAILQ_REMOVE_HEAD(&c->unsent, link);
        wipe(u->packet, u->len);
        free(u);
    }
    c->unsent_count = 0;
}

void
connection_drop(struct connection **cp)
{
    struct connection *c = *cp;

    *cp = NULL;
    if (c != NULL && --c->refs == 0) {
        forget_unsent(c);
        close(c->fd);
        c->fd = -1;
        c->generation++;
    }
}

void
connection_close(struct server *s, struct connection *c)
{
    struct connection *open = c;

    if (!c->open) {
        return;
    }
    c->open = false;
    (void)epoll_ctl(s->packets_epoll, EPOLL_CTL_DEL, c->fd, NULL);
    if (c->watched) {
        (void)epoll_ctl(s->main_epoll, EPOLL_CTL_DEL, c->fd, NULL);
    }
    (void)shutdown(c->fd, SHUT_RDWR);
    handles_free(&c->handles);
    exchanges_free(&c->exchanges);
    connection_drop(&open);
}

static struct connection *
free_place(struct server *s)
{
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        if (s->connections[i].refs == 0) {
            return &s->connections[i];
        }
    }
    return NULL;
}

bool
connection_open(struct server *s, int fd)
{
    struct connection *c = free_place(s);
    struct handles *handles = c == NULL ? NULL : handles_new();
    struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET };
    uint32_t generation;

    if (handles == NULL) {
        close(fd);
        return false;
    }
    generation = c->generation;
    *c = (struct connection){ .fd = fd,
                              .generation = generation,
                              .refs = 1,
                              .open = true,
                              .handles = handles };
    STAILQ_INIT(&c->unsent);
    event.data.u64 = connection_id(s, c);
    if (epoll_ctl(s->packets_epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        connection_close(s, c);
        return false;
    }
    return true;
}

/* Locked. Tells the main thread to flush when the socket has room. */
static void
watch(struct server *s, struct connection *c)
{
    struct epoll_event event = { .events = EPOLLOUT | EPOLLONESHOT,
                                 .data.u64 = connection_id(s, c) };
    int op = c->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

    c->watched = true;
    if (epoll_ctl(s->main_epoll, op, c->fd, &event) != 0) {
        connection_close(s, c);
    }
}

static void
keep_unsent(struct server *s, struct connection *c, const uint8_t *packet,
            size_t len)
{
    struct unsent *u = malloc(sizeof(*u) + len);

    server_lock(s);
    if (u == NULL || !c->open) {
        connection_close(s, c);
        free(u);
    } else {
        u->len = len;
        memcpy(u->packet, packet, len);
        STAILQ_INSERT_TAIL(&c->unsent, u, link);
        c->unsent_count++;
        watch(s, c);
    }
    server_unlock(s);
}

static void
close_unlocked(struct server *s, struct connection *c)
{
    server_lock(s);
    connection_close(s, c);
    server_unlock(s);
}

void
connection_send(struct server *s, struct connection *c,
                const struct keeper_answer *answer)
{
    uint8_t packet[KEEPER_REPLY_MAX];
    size_t len = keeper_answer_encode(answer, packet);

    if (send(c->fd, packet, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        if (errno == EAGAIN || errno == ENOBUFS) {
            keep_unsent(s, c, packet, len);
        } else {
            close_unlocked(s, c);
        }
    }
    wipe(packet, len);
}

/* One packet with a descriptor; false and errno: not sent. */
static bool
send_with_fd(int to, struct bytes packet, int fd)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
    uint8_t octets[KEEPER_REPLY_MAX];
    struct iovec vector = { octets, packet.len };
    struct msghdr message = { .msg_iov = &vector,
                              .msg_iovlen = 1,
                              .msg_control = control,
                              .msg_controllen = sizeof(control) };
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);

    memcpy(octets, packet.ptr, packet.len);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof(int));
    return sendmsg(to, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

void
connection_send_view(struct server *s, struct connection *c,
                     const struct keeper_data *data)
{
    struct keeper_answer answer = { .op = KEEPER_OP_VIEW,
                                    .epoch = data->epoch };
    uint8_t packet[KEEPER_REPLY_MAX];
    size_t len = keeper_answer_encode(&answer, packet);
    bool sent = send_with_fd(c->fd, bytes_make(packet, len), data->view_fd);
    int error = errno;

    server_lock(s);
    c->view_due = !sent;
    if (!sent && c->open && (error == EAGAIN || error == ENOBUFS)) {
        watch(s, c);
    } else if (!sent) {
        connection_close(s, c);
    }
    server_unlock(s);
}

/* Locked. Sends what waits; false: the socket is full again. */
static bool
flush_unsent(struct server *s, struct connection *c)
{
    struct unsent *u;

    while (c->open && (u = STAILQ_FIRST(&c->unsent)) != NULL) {
        if (send(c->fd, u->packet, u->len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
            if (errno != EAGAIN && errno != ENOBUFS) {
                connection_close(s, c);
            }
            return false;
        }
        STAILQ_REMOVE_HEAD(&c->unsent, link);
        c->unsent_count--;
        wipe(u->packet, u->len);
        free(u);
    }
    return true;
}

void
connection_flush(struct server *s, struct connection *c)
{
    struct keeper_data *data = NULL;

    server_lock(s);
    if (!flush_unsent(s, c) && c->open) {
        watch(s, c);
    } else if (c->open && c->view_due) {
        data = server_data(s);
    }
    server_unlock(s);
    if (data != NULL) {
        connection_send_view(s, c, data);
        data_drop(&data);
    }
}
