/*
 * threads - receive, take, compute, answer; see server.h.
 *
 * There is no thread that only receives: each looks for packets before it
 * takes a job, so that the queue knows of all that waits, and sleeps for
 * packets when there is no job for it. The one that takes a job wakes another
 * when more can be done; what was woken in vain does no harm.
 */
#include <errno.h>
#include <proxy/clock.h>
#include <proxy/keeper/server.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    BATCH = 16,  /* packets taken with one system call */
    EVENTS = 16, /* connections looked at in one turn */
    SLEEP_MS = -1
};

/* One octet more than a packet may have: what was cut does not decode. */
struct batch {
    struct mmsghdr messages[BATCH];
    struct iovec vectors[BATCH];
    uint8_t packets[BATCH][KEEPER_REQUEST_MAX + 1];
};

uint64_t
server_now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

struct keeper_data *
server_data(struct server *s)
{
    return data_hold(s->data);
}

void
server_wake(struct server *s)
{
    const uint64_t one = 1;

    if (s->stopping || (s->idle > 0 && queue_ready(s->queue))) {
        /* Never read: edge-triggered, each write is one event. */
        (void)!write(s->wake_fd, &one, sizeof(one));
    }
}

static int
receive(int fd, struct batch *b)
{
    for (size_t i = 0; i < BATCH; i++) {
        b->vectors[i] = (struct iovec){ b->packets[i], sizeof(b->packets[i]) };
        /* No room for descriptors: the system closes what comes. */
        b->messages[i].msg_hdr =
            (struct msghdr){ .msg_iov = &b->vectors[i], .msg_iovlen = 1 };
    }
    return recvmmsg(fd, b->messages, BATCH, MSG_DONTWAIT, NULL);
}

/* True: the connection has ended. */
static bool
take_batch(struct server *s, struct connection *c, struct batch *b, int count)
{
    bool ended = false;

    for (int i = 0; i < count; i++) {
        size_t len = b->messages[i].msg_len;

        ended = ended || len == 0; /* no packet is empty */
        if (!ended) {
            request_take(s, c, bytes_make(b->packets[i], len));
        }
        wipe(b->packets[i], len);
    }
    return ended;
}

/*
 * All packets that are there: events are edge-triggered, so none may be left.
 * A batch that is not full was the last one; only an error may still be
 * behind it, and that (hung_up) comes as an event of its own.
 */
static void
drain(struct server *s, struct connection *c, struct batch *b, bool hung_up)
{
    bool ended = false, more = true;

    while (more && !ended) {
        int n = receive(c->fd, b);

        more = n == BATCH || (hung_up && n > 0) || (n < 0 && errno == EINTR);
        ended = n > 0 ? take_batch(s, c, b, n)
                      : n == 0 || (errno != EAGAIN && errno != EINTR);
    }
    if (ended) {
        server_lock(s);
        connection_close(s, c);
        server_unlock(s);
    }
}

/* timeout_ms: 0 or SLEEP_MS. */
static void
look_for_packets(struct server *s, struct batch *b, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(s->packets_epoll, events, EVENTS, timeout_ms);

    for (int i = 0; i < n; i++) {
        struct connection *c;

        if (events[i].data.u64 == UINT64_MAX) {
            continue; /* wake_fd */
        }
        server_lock(s);
        c = connection_hold(s, events[i].data.u64);
        server_unlock(s);
        if (c != NULL) {
            drain(s, c, b,
                  (events[i].events & (EPOLLHUP | EPOLLRDHUP | EPOLLERR)) != 0);
            server_lock(s);
            connection_drop(&c);
            server_unlock(s);
        }
    }
}

/* The next job; NULL: none now (*idle_out: then count as idle) or the end. */
static struct queue_job *
take(struct server *s, bool *stopping_out)
{
    struct queue_job *job = NULL;

    server_lock(s);
    *stopping_out = s->stopping;
    if (!s->stopping) {
        job = queue_take(s->queue, clock_ms());
    }
    if (job == NULL) {
        s->idle++;
    }
    server_wake(s);
    server_unlock(s);
    return job;
}

void *
thread_run(void *arg)
{
    const struct thread *t = arg;
    struct server *s = t->server;
    struct batch batch;
    bool stopping = false;

    while (!stopping) {
        struct queue_job *job = take(s, &stopping);

        if (job != NULL) {
            job_run(s, job, t->number);
            look_for_packets(s, &batch, 0);
        } else if (!stopping) {
            look_for_packets(s, &batch, SLEEP_MS);
            server_lock(s);
            s->idle--;
            server_unlock(s);
        }
    }
    return NULL;
}
