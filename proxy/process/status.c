/*
 * status - see status.h.
 */
#include "proxy/process/status.h"

#include "proxy/process/control.h"
#include "proxy/process/keepers.h"
#include "proxy/stats/stats.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ANSWER_MS = 5000
};

struct status {
    int listening;
    const struct stats *stats;
    struct event *event;
};

static void
on_connect(evutil_socket_t listening, short what, void *arg)
{
    const struct status *s = arg;
    int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    int memory = fd < 0 ? -1 : stats_read_fd(s->stats);

    (void)what;
    if (memory >= 0) {
        (void)control_send(fd, CONTROL_STATS, 0, memory);
        (void)close(memory);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
}

struct status *
status_new(struct event_base *base, int listening, const struct stats *stats)
{
    struct status *s = calloc(1, sizeof(*s));

    if (s == NULL) {
        (void)close(listening);
        return NULL;
    }
    s->listening = listening;
    s->stats = stats;
    s->event = event_new(base, listening, EV_READ | EV_PERSIST, on_connect, s);
    if (s->event == NULL || event_add(s->event, NULL) != 0) {
        status_free(&s);
    }
    return s;
}

void
status_free(struct status **sp)
{
    struct status *s = *sp;

    if (s == NULL) {
        return;
    }
    if (s->event != NULL) {
        event_free(s->event);
    }
    (void)close(s->listening);
    free(s);
    *sp = NULL;
}

int
status_ask(const char *state_dir)
{
    struct control_message m = { .fd = -1 };
    struct pollfd answer = { .fd = keepers_connect(state_dir, STATUS_SOCKET),
                             .events = POLLIN };
    bool good;

    if (answer.fd < 0) {
        return -1;
    }
    good = poll(&answer, 1, ANSWER_MS) == 1 &&
           control_receive(answer.fd, &m) == CONTROL_MESSAGE && m.fd >= 0;
    (void)close(answer.fd);
    if (!good) {
        errno = EPROTO;
    }
    return good ? m.fd : -1;
}
