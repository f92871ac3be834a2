/*
 * outfit - see outfit.h.
 */
#include "proxy/process/outfit.h"

#include "proxy/log/log.h"
#include "proxy/process/keepers.h"
#include "proxy/stats/stats.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void
outfit_send_keeper(const struct outfit *o, int control)
{
    const char *name = o->env->keeper_names[o->keeper];
    int fd = keepers_connect(o->env->keeper_dir, name);

    if (fd < 0 || !control_send(control, CONTROL_KEEPER, 0, fd)) {
        log_event(LOG_LEVEL_WARN, "keeper-unreachable", "%s/%s: %s",
                  o->env->keeper_dir, name, strerror(errno));
    }
    if (fd >= 0) {
        (void)close(fd);
    }
}

bool
outfit_send_tickets(const struct outfit *o, int control)
{
    int fd = o->env->tickets_fd;

    return fd < 0 || control_send(control, CONTROL_TICKETS, 0, fd);
}

struct listen_target {
    int control;
    uint32_t index;
    bool sent; /* all of them */
};

static void
send_socket(int fd, void *arg)
{
    struct listen_target *t = arg;

    t->sent = t->sent && control_send(t->control, CONTROL_LISTEN, t->index, fd);
}

static bool
send_sockets(const struct outfit *o, int control, unsigned slot)
{
    struct listen_target target = { control, 0, true };

    for (size_t i = 0; i < o->conf->listen_count; i++) {
        target.index = (uint32_t)i;
        sockets_each(o->env->sockets, &o->conf->listens[i], slot, o->workers,
                     send_socket, &target);
    }
    return target.sent;
}

bool
outfit_send(const struct outfit *o, int control, unsigned slot,
            unsigned *stats_out)
{
    const struct generation_env *env = o->env;

    if (!control_send(control, CONTROL_CONF, 0, o->conf_fd) ||
        !control_send(control, CONTROL_LOG, 0, env->log_fd) ||
        !send_sockets(o, control, slot)) {
        return false;
    }
    outfit_send_keeper(o, control);
    *stats_out = stats_slot_take(env->stats);
    return control_send(control, CONTROL_STATS, *stats_out,
                        stats_fd(env->stats)) &&
           outfit_send_tickets(o, control) &&
           control_send(control, CONTROL_GO, env->keep_stderr, -1);
}
