/*
 * inheritance - see inheritance.h.
 */
#include "proxy/process/inheritance.h"

#include "proxy/process/child.h"
#include "proxy/process/control.h"

#include <stdlib.h>

static bool
keep_socket(struct inheritance *in, const struct control_message *m)
{
    struct inherited_socket *more =
        realloc(in->sockets, (in->count + 1) * sizeof(*more));

    if (more == NULL) {
        return false;
    }
    in->sockets = more;
    in->sockets[in->count++] = (struct inherited_socket){ m->number, m->fd };
    return true;
}

bool
inheritance_take(struct inheritance *out)
{
    struct control_message m;

    *out = (struct inheritance){ .conf_fd = -1,
                                 .log_fd = -1,
                                 .keeper_fd = -1,
                                 .stats_fd = -1,
                                 .tickets_fd = -1,
                                 .keep_stderr = true };
    while (control_receive(CHILD_CONTROL_FD, &m) == CONTROL_MESSAGE) {
        switch (m.kind) {
        case CONTROL_CONF:
            out->conf_fd = m.fd;
            break;
        case CONTROL_LOG:
            out->log_fd = m.fd;
            break;
        case CONTROL_KEEPER:
            out->keeper_fd = m.fd;
            break;
        case CONTROL_STATS:
            out->stats_fd = m.fd;
            out->stats_slot = m.number;
            break;
        case CONTROL_TICKETS:
            out->tickets_fd = m.fd;
            break;
        case CONTROL_LISTEN:
            if (!keep_socket(out, &m)) {
                return false;
            }
            break;
        case CONTROL_GO:
            out->keep_stderr = m.number != 0;
            return true;
        default:
            break;
        }
    }
    return false;
}

void
inheritance_free(struct inheritance *in)
{
    free(in->sockets);
    in->sockets = NULL;
    in->count = 0;
}
