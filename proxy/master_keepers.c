/*
 * master_keepers - what the master and the keepers' parent say to each other.
 *
 * The parent is forked by us (keepers_pid), or a service of its own that
 * comes and goes: then it is called again until it answers, and told what
 * runs here.
 */
#include "proxy/log/log.h"
#include "proxy/master_private.h"

#include <errno.h>
#include <fcntl.h>
#include <sysexits.h>
#include <unistd.h>

static const struct timeval again_after = { 0, 500 * 1000 };
static const struct timeval stop_again_after = { 5, 0 };

bool
master_keepers_tell(struct master *m, enum control_kind kind, unsigned number,
                    int fd)
{
    if (m->keepers_control < 0 ||
        control_send(m->keepers_control, kind, number, fd)) {
        if (kind == CONTROL_KEEPER_START) {
            m->keepers_to_stop[number] = false; /* the older one ends by it */
        }
        return true;
    }
    log_event(LOG_LEVEL_ERROR, "keepers-deaf",
              "the keeper's parent does not take a message: %s",
              strerror(errno));
    return false;
}

void
master_keepers_stop(struct master *m, unsigned keeper)
{
    m->keepers_to_stop[keeper] =
        !master_keepers_tell(m, CONTROL_KEEPER_STOP, keeper, -1);
    if (m->keepers_to_stop[keeper]) {
        event_add(m->keepers_stop_again, &stop_again_after);
    }
}

static void
on_stop_again(evutil_socket_t fd, short what, void *arg)
{
    struct master *m = arg;

    (void)fd;
    (void)what;
    for (unsigned i = 0; i < KEEPERS; i++) {
        if (m->keepers_to_stop[i]) {
            master_keepers_stop(m, i);
        }
    }
}

void
master_keepers_died(struct master *m)
{
    /* As another user it can't be started again from here. */
    log_event(LOG_LEVEL_ERROR, "keepers-died",
              "the keeper's parent is gone; ending, to be started again");
    m->keepers_pid = 0;
    m->code = EX_SOFTWARE;
    master_stop(m);
}

bool
master_keepers_call(struct master *m)
{
    m->keepers_control =
        keepers_connect(m->options->keeper_dir, keepers_masters);
    return m->keepers_control >= 0;
}

static void
lost(struct master *m)
{
    event_free(m->keepers_event);
    m->keepers_event = NULL;
    if (m->keepers_again == NULL) {
        return; /* SIGCHLD tells the rest */
    }
    log_event(LOG_LEVEL_ERROR, "keepers-died",
              "the keeper's service is gone; calling again until it is back");
    (void)close(m->keepers_control);
    m->keepers_control = -1;
    event_add(m->keepers_again, &again_after);
}

static struct generation *
of_keeper(const struct master *m, unsigned keeper)
{
    struct generation *all[] = { m->next, m->current, m->old };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (all[i] != NULL && generation_keeper(all[i]) == keeper) {
            return all[i];
        }
    }
    return NULL;
}

static void
on_message(evutil_socket_t fd, short what, void *arg)
{
    struct master *m = arg;
    struct control_message msg;
    struct generation *g;

    (void)what;
    switch (control_receive(fd, &msg)) {
    case CONTROL_END:
        lost(m);
        return;
    case CONTROL_MORE:
        return;
    default:
        break;
    }
    if (msg.fd >= 0) {
        (void)close(msg.fd);
    }
    g = of_keeper(m, msg.number % KEEPERS);
    if (g != NULL && msg.kind == CONTROL_KEEPER_READY) {
        generation_keeper_ready(g);
    } else if (g != NULL && msg.kind == CONTROL_KEEPER_FAILED) {
        generation_keeper_failed(g, (int)(msg.number / KEEPERS));
    }
}

static bool
listen_to(struct master *m)
{
    (void)fcntl(m->keepers_control, F_SETFL, O_NONBLOCK);
    m->keepers_event = event_new(m->base, m->keepers_control,
                                 EV_READ | EV_PERSIST, on_message, m);
    return m->keepers_event != NULL && event_add(m->keepers_event, NULL) == 0;
}

static void
on_again(evutil_socket_t fd, short what, void *arg)
{
    struct master *m = arg;
    struct generation *all[] = { m->old, m->current, m->next };

    (void)fd;
    (void)what;
    if (!master_keepers_call(m) || !listen_to(m)) {
        event_add(m->keepers_again, &again_after);
        return;
    }
    log_event(LOG_LEVEL_INFO, "keepers-back", "the keeper's service answers");
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (all[i] != NULL) {
            (void)master_keepers_tell(m, CONTROL_KEEPER_START,
                                      generation_keeper(all[i]),
                                      generation_conf_fd(all[i]));
        }
    }
}

bool
master_keepers_events(struct master *m)
{
    if (m->options->keeper_dir != NULL) {
        m->keepers_again = evtimer_new(m->base, on_again, m);
        if (m->keepers_again == NULL) {
            return false;
        }
    }
    m->keepers_stop_again = evtimer_new(m->base, on_stop_again, m);
    return m->keepers_stop_again != NULL && listen_to(m);
}

void
master_keepers_free(struct master *m)
{
    if (m->keepers_stop_again != NULL) {
        event_free(m->keepers_stop_again);
    }
    if (m->keepers_event != NULL) {
        event_free(m->keepers_event);
    }
    if (m->keepers_again != NULL) {
        event_free(m->keepers_again);
    }
}
