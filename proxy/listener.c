/*
 * listener - see listener.h.
 */
#include "proxy/listener.h"

#include "proxy/limits.h"
#include "proxy/listener_tls.h"
#include "proxy/log/log.h"
#include "proxy/proxied.h"
#include "proxy/session.h"
#include "proxy/stats/stats.h"

#include <base/wipe.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    ACCEPTS_A_TURN = 16,
    JUDGE_S = 1,
    PAUSE_MS = 100, /* when descriptors or memory are short */
    LOG_EACH_S = 1  /* a flood of refusals is one line a second */
};

struct gate {
    size_t connections;
    struct proxied *proxied; /* owns: not sessions yet */
    int reserve; /* a descriptor to give up when there is no other */
    bool open;
    struct event *resume;
    struct event *judge; /* connections of other workers come and go, too */
    time_t logged_s;
    uint64_t refused; /* since then */
};

/* --- refusals ------------------------------------------------------------- */

void
listener_log_refusal(struct worker_listener *l, const char *id,
                     const char *address, const char *why)
{
    struct gate *g = l->worker->gate;
    struct timespec now;
    struct log_line line;

    clock_gettime(CLOCK_MONOTONIC, &now);
    g->refused++;
    if (g->logged_s != 0 && now.tv_sec - g->logged_s < LOG_EACH_S) {
        return;
    }
    log_begin(&line, LOG_LEVEL_WARN, "refused");
    log_text(&line, "id", id);
    log_text(&line, "listener", l->conf->name);
    log_text(&line, "client", address);
    log_text(&line, "reason", why);
    log_number(&line, "count", g->refused);
    log_end(&line);
    g->logged_s = now.tv_sec;
    g->refused = 0;
}

/* What is too much: for the log, and for the client. */
static const struct excess {
    const char *reason;
    const char *status;
    const char *whose;
} excesses[] = {
    [LIMITS_OVER_CONNECTIONS] = { "connections", "4.3.2", "" },
    [LIMITS_OVER_IP] = { "connections_per_ip", "4.7.0", " from your address" },
    [LIMITS_OVER_NETWORK] = { "connections_per_network", "4.7.0",
                              " from your network" },
    [LIMITS_OVER_MEMORY] = { "memory", "4.3.2", "" },
    [LIMITS_OVER_DESCRIPTORS] = { "too many open files", "4.3.2", "" },
};

/* RFC 5321 3.1: a server that can't serve now says so and closes. */
static void
turn_away(struct worker_listener *l, int fd, const char *address,
          enum limits_over over)
{
    const struct excess *e = &excesses[over];
    char id[SESSION_ID_SIZE], line[512];
    int n;

    session_make_id(l->worker, id);
    listener_log_refusal(l, id, address, e->reason);
    n = snprintf(line, sizeof(line),
                 "421 %s %.253s too many connections%s, try again later "
                 "[%s]\r\n",
                 e->status, l->worker->conf->server.hostname, e->whose, id);
    if (l->conf->tls != CONF_TLS_IMPLICIT && n > 0) {
        (void)send(fd, line, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
        (void)shutdown(fd, SHUT_WR);
    }
    (void)close(fd);
}

/* --- accepting ------------------------------------------------------------ */

static void
watch(struct worker *w, bool on)
{
    for (size_t i = 0; i < w->conf->listen_count; i++) {
        struct worker_listener *l = &w->listeners[i];

        for (size_t k = 0; k < l->accept_count; k++) {
            if (on) {
                event_add(l->accepts[k], NULL);
            } else {
                event_del(l->accepts[k]);
            }
        }
    }
}

static void
on_resume(evutil_socket_t fd, short what, void *arg)
{
    struct worker *w = arg;

    (void)fd;
    (void)what;
    if (w->gate->open) {
        watch(w, true);
    }
}

static void
pause_accepting(struct worker *w)
{
    static const struct timeval pause = { 0, PAUSE_MS * 1000 };

    watch(w, false);
    event_add(w->gate->resume, &pause);
}

/*
 * No descriptor is left: the waiting client is told, with the one kept for
 * this; then a pause, for the loop would spin on a socket it can't accept.
 */
static void
out_of_descriptors(struct worker_listener *l, int listening)
{
    struct gate *g = l->worker->gate;
    int fd;

    if (g->reserve >= 0) {
        (void)close(g->reserve);
        fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            turn_away(l, fd, "-", LIMITS_OVER_DESCRIPTORS);
        }
    }
    g->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    pause_accepting(l->worker);
}

static void
end_when_empty(struct worker *w)
{
    if (!w->gate->open && w->gate->connections == 0) {
        event_base_loopexit(w->base, NULL);
    }
}

/* Trusted networks and who speaks for others by XCLIENT. */
static bool
is_spared(const struct listen_conf *conf, const union net_address *peer)
{
    return conf_networks_has(&conf->trusted_networks, &peer->any) ||
           conf_networks_has(&conf->xclient_from, &peer->any);
}

static void
plan_judgement(struct worker *w)
{
    static const struct timeval soon = { JUDGE_S, 0 };

    if ((w->gate->connections > 0 || w->stressed) && w->gate->open &&
        !event_pending(w->gate->judge, EV_TIMEOUT, NULL)) {
        event_add(w->gate->judge, &soon);
    }
}

static void
on_judge(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    limits_judge_stress(arg);
    plan_judgement(arg);
}

static void
counted(struct worker *w, size_t connections)
{
    w->gate->connections = connections;
    stats_set(w->stats, STATS_SESSIONS, connections);
    plan_judgement(w);
}

/* limits_connected() was asked and said yes. */
static void
admit(struct worker_listener *l, int fd, const union net_address *peer,
      bool anonymous)
{
    struct worker *w = l->worker;
    bool spared = !anonymous && is_spared(l->conf, peer);
    char address[INET6_ADDRSTRLEN];
    enum limits_over over;

    net_address_text(&peer->any, address);
    over = limits_address(w, address, spared);
    if (over != LIMITS_OVER_NONE) {
        limits_disconnected(w);
        turn_away(l, fd, address, over);
        return;
    }
    counted(w, w->gate->connections + 1);
    if (session_new(w, l, fd, peer, anonymous) == NULL) {
        listener_log_refusal(l, "-", address, "memory");
        listener_session_ended(w, address);
    }
}

static void
on_proxied(const struct proxied_result *result, void *arg)
{
    struct worker_listener *l = arg;
    char address[INET6_ADDRSTRLEN];

    counted(l->worker, l->worker->gate->connections - 1);
    if (result->fd >= 0) {
        admit(l, result->fd, &result->peer, result->anonymous);
    } else {
        limits_disconnected(l->worker);
    }
    if (result->fd < 0 && result->why != NULL) {
        net_address_text(&result->peer.any, address);
        listener_log_refusal(l, "-", address, result->why);
    }
    end_when_empty(l->worker);
}

/* It counts as a connection while its header is awaited. */
static void
await_header(struct worker_listener *l, int fd, const union net_address *peer)
{
    struct gate *g = l->worker->gate;

    if (proxied_new(&g->proxied, l->worker->base, fd, peer, on_proxied, l) !=
        NULL) {
        counted(l->worker, g->connections + 1);
    } else {
        limits_disconnected(l->worker);
    }
}

static void
arrived(struct worker_listener *l, int fd, const union net_address *peer)
{
    enum limits_over over = limits_connected(l->worker);
    char address[INET6_ADDRSTRLEN];

    if (over != LIMITS_OVER_NONE) {
        net_address_text(&peer->any, address);
        turn_away(l, fd, address, over);
    } else if (conf_networks_has(&l->conf->proxy_protocol_from, &peer->any)) {
        await_header(l, fd, peer);
    } else {
        admit(l, fd, peer, false);
    }
}

static void
on_accept(evutil_socket_t listening, short what, void *arg)
{
    struct worker_listener *l = arg;

    (void)what;
    for (int i = 0; i < ACCEPTS_A_TURN && l->worker->gate->open; i++) {
        union net_address peer;
        socklen_t len = sizeof(peer);
        int fd;

        memset(&peer, 0, sizeof(peer));
        fd = accept4(listening, &peer.any, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            arrived(l, fd, &peer);
        } else if (errno == EMFILE || errno == ENFILE) {
            out_of_descriptors(l, listening);
            return;
        } else if (errno == ENOBUFS || errno == ENOMEM) {
            pause_accepting(l->worker);
            return;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } /* else that one client is gone: accept(2), "Error handling" */
    }
}

/* --- the sessions' calls -------------------------------------------------- */

void
listener_session_ended(struct worker *w, const char *address)
{
    counted(w, w->gate->connections - 1);
    limits_disconnected(w);
    if (address != NULL) {
        limits_address_left(w, address);
    }
    end_when_empty(w);
}

void
listener_session_authenticated(struct worker *w, const char *address)
{
    limits_address_left(w, address);
}

/* --- the worker's calls --------------------------------------------------- */

static void
gate_free(struct gate **gp)
{
    struct gate *g = *gp;

    if (g == NULL) {
        return;
    }
    proxied_free_all(&g->proxied);
    if (g->reserve >= 0) {
        (void)close(g->reserve);
    }
    if (g->resume != NULL) {
        event_free(g->resume);
    }
    if (g->judge != NULL) {
        event_free(g->judge);
    }
    free(g);
    *gp = NULL;
}

static struct gate *
gate_new(struct worker *w)
{
    struct gate *g = calloc(1, sizeof(*g));

    if (g == NULL) {
        return NULL;
    }
    g->resume = evtimer_new(w->base, on_resume, w);
    g->judge = evtimer_new(w->base, on_judge, w);
    g->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (g->resume == NULL || g->judge == NULL) {
        gate_free(&g);
    }
    return g;
}

bool
listeners_new(struct worker *w, struct buf *error)
{
    const struct conf *conf = w->conf;

    w->gate = gate_new(w);
    w->listeners = calloc(conf->listen_count + 1, sizeof(*w->listeners));
    if (w->gate == NULL || w->listeners == NULL) {
        buf_puts(error, "out of memory");
        return false;
    }
    for (size_t i = 0; i < conf->listen_count; i++) {
        struct worker_listener *l = &w->listeners[i];

        l->conf = &conf->listens[i];
        l->worker = w;
        l->index = (unsigned)i;
        if (l->conf->tls != CONF_TLS_NONE) {
            l->tls = listener_tls_new(w, i, error);
            if (l->tls == NULL) {
                return false;
            }
        }
    }
    return true;
}

bool
listeners_add(struct worker *w, unsigned index, int fd)
{
    struct worker_listener *l = &w->listeners[index];
    struct event **accepts;
    struct event *event;

    if (index >= w->conf->listen_count) {
        (void)close(fd);
        return false;
    }
    accepts = realloc(l->accepts, (l->accept_count + 1) * sizeof(*accepts));
    if (accepts != NULL) {
        l->accepts = accepts;
    }
    event = event_new(w->base, fd, EV_READ | EV_PERSIST, on_accept, l);
    if (accepts == NULL || event == NULL) {
        if (event != NULL) {
            event_free(event);
        }
        (void)close(fd);
        return false;
    }
    l->accepts[l->accept_count++] = event;
    return true;
}

void
listeners_start(struct worker *w)
{
    if (!w->gate->open) {
        w->gate->open = true;
        watch(w, true);
    }
}

void
listeners_stop(struct worker *w)
{
    w->gate->open = false;
    event_del(w->gate->resume);
    event_del(w->gate->judge);
    for (size_t i = 0; i < w->conf->listen_count; i++) {
        struct worker_listener *l = &w->listeners[i];

        for (size_t k = 0; k < l->accept_count; k++) {
            (void)event_del(l->accepts[k]);
            (void)close(event_get_fd(l->accepts[k]));
            event_free(l->accepts[k]);
        }
        l->accept_count = 0;
    }
    if (w->gate->connections == 0) {
        event_base_loopexit(w->base, NULL);
    }
}

size_t
listeners_connections(const struct worker *w)
{
    return w->gate->connections;
}

void
listeners_free(struct worker *w)
{
    struct gate *g = w->gate;

    if (w->listeners != NULL && g != NULL) {
        listeners_stop(w);
    }
    for (size_t i = 0; w->listeners != NULL && i < w->conf->listen_count; i++) {
        SSL_CTX_free(w->listeners[i].tls);
        free(w->listeners[i].accepts);
    }
    free(w->listeners);
    w->listeners = NULL;
    wipe(&w->tickets, sizeof(w->tickets));
    gate_free(&w->gate);
}
