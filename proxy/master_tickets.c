/*
 * master_tickets - the secret of session tickets, one for all workers.
 *
 * It lies in a sealed memfd that workers get a copy of: the master's own
 * memory has it while it makes the next one, no longer. After an upgrade there
 * is a new one, and clients make full handshakes once.
 */
#include "proxy/log/log.h"
#include "proxy/master_private.h"
#include "proxy/net/tls_tickets.h"

#include <base/wipe.h>

#include <errno.h>
#include <unistd.h>

static bool
renew(struct master *m)
{
    struct tls_ticket_secrets s = { .count = 0 };
    int fd = -1;

    (void)tls_tickets_unpack(m->env.tickets_fd, &s);
    if (tls_tickets_renew(&s)) {
        fd = tls_tickets_pack(&s);
    }
    wipe(&s, sizeof(s));
    if (fd < 0) {
        log_event(LOG_LEVEL_WARN, "tickets",
                  "no new secret for session tickets: %s; the last one stays",
                  strerror(errno));
        return false;
    }
    if (m->env.tickets_fd >= 0) {
        (void)close(m->env.tickets_fd);
    }
    m->env.tickets_fd = fd;
    return true;
}

/* The draining ones get no new clients. */
static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct master *m = arg;

    (void)fd;
    (void)what;
    if (!renew(m)) {
        return;
    }
    if (m->current != NULL) {
        generation_send_tickets(m->current);
    }
    if (m->next != NULL) {
        generation_send_tickets(m->next);
    }
}

bool
master_tickets_new(struct master *m)
{
    static const struct timeval each = { TLS_TICKETS_RENEW_S, 0 };

    (void)renew(m); /* without it each worker has its own */
    m->tickets_timer = event_new(m->base, -1, EV_PERSIST, on_timer, m);
    return m->tickets_timer != NULL && event_add(m->tickets_timer, &each) == 0;
}

void
master_tickets_free(struct master *m)
{
    if (m->tickets_timer != NULL) {
        event_free(m->tickets_timer);
    }
    if (m->env.tickets_fd >= 0) {
        (void)close(m->env.tickets_fd);
    }
}
