/*
 * worker - see worker.h: starts from what the master sends, serves, and ends
 * when it is told to or the master has gone.
 */
#include "proxy/worker.h"

#include "proxy/confine/confine.h"
#include "proxy/failures.h"
#include "proxy/listener.h"
#include "proxy/log/log.h"
#include "proxy/process/background.h"
#include "proxy/process/child.h"
#include "proxy/process/control.h"
#include "proxy/process/inheritance.h"
#include "proxy/seenfrom.h"
#include "proxy/session.h"
#include "proxy/stats/stats.h"
#include "proxy/upstream/upstream.h"
#include "proxy/watch.h"
#include "proxy/worker_dovecots.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

/* A keeper that dies is there again before that, and the master tells. */
static const struct timeval keeperless_after = { 2, 0 };

struct process {
    struct worker worker; /* first: callbacks are given this */
    struct event *control;
    struct event *deadline;
    struct event *term;
    struct event *keeperless; /* since a while */
    int log_fd;
    bool keep_stderr;
    bool ready;
    bool cut; /* the deadline passed; clients that do not read are left */
    int code; /* of its exit */
};

/* --- the start ------------------------------------------------------------ */

/* Standard error is where the log goes anyway. */
static bool
logs_to_stderr(int log_fd)
{
    struct stat log, err;

    return log_fd >= 0 && fstat(log_fd, &log) == 0 &&
           fstat(STDERR_FILENO, &err) == 0 && log.st_dev == err.st_dev &&
           log.st_ino == err.st_ino;
}

/* For the one who starts it, as long as somebody looks. */
static int
give_up(int log_fd, struct buf *error, int code)
{
    const char *text = buf_str(error);

    text = text == NULL ? "out of memory" : text;
    log_event(LOG_LEVEL_ERROR, "worker-failed", "%s", text);
    if (!logs_to_stderr(log_fd)) {
        fprintf(stderr, "sealpostd: %s\n", text);
    }
    buf_free(error);
    return code;
}

/* --- the end -------------------------------------------------------------- */

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct process *p = arg;

    (void)fd;
    (void)what;
    log_event(LOG_LEVEL_WARN, "sessions-cut",
              "%zu sessions had not ended in time",
              listeners_connections(&p->worker));
    session_cut_all(&p->worker);
    p->cut = p->worker.session_count > 0;
    event_base_loopbreak(p->worker.base);
}

static void
end(struct process *p, bool stopping, unsigned seconds)
{
    struct timeval tv = { seconds, 0 };

    if (p->worker.stopping) {
        return; /* told twice: by the master and by a signal to the group */
    }
    p->worker.draining = true;
    watch_free(&p->worker.watch); /* the next generation watches */
    p->worker.stopping = stopping;
    event_add(p->deadline, &tv);
    listeners_stop(&p->worker);
    session_drain_all(&p->worker, seconds);
}

static void
on_term(evutil_socket_t number, short what, void *arg)
{
    struct process *p = arg;

    (void)number;
    (void)what;
    end(p, true, p->worker.conf->server.stop_deadline_s);
}

/* --- messages ------------------------------------------------------------- */

static void
reload_data(struct worker *w)
{
    struct buf error = BUF_INIT;

    if (!listeners_reload(w, &error)) {
        log_event(LOG_LEVEL_ERROR, "reload-refused",
                  "%s; the certificates in use stay", buf_str(&error));
    }
    for (size_t i = 0; i < w->conf->upstream_count; i++) {
        buf_clear(&error);
        upstream_reload(w->upstreams[i], &error);
        if (error.len > 0) {
            log_event(LOG_LEVEL_ERROR, "reload-refused",
                      "[upstream %s] %s; what was read before stays",
                      w->conf->upstreams[i].name, buf_str(&error));
        }
    }
    buf_free(&error);
}

static void
on_message(struct process *p, const struct control_message *m)
{
    struct worker *w = &p->worker;
    int fd = m->fd;

    switch (m->kind) {
    case CONTROL_LOG:
        log_set_fd(fd);
        if (p->log_fd >= 0) {
            (void)close(p->log_fd);
        }
        p->log_fd = fd;
        return;
    case CONTROL_KEEPER:
        keeper_client_reconnect(w->keeper, fd);
        return;
    case CONTROL_DATA:
        reload_data(w);
        break;
    case CONTROL_TICKETS:
        listeners_tickets(w, fd);
        break;
    case CONTROL_DRAIN:
        end(p, false, m->number);
        break;
    case CONTROL_STOP:
        end(p, true, m->number);
        break;
    default:
        break;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
}

static void
on_control(evutil_socket_t fd, short what, void *arg)
{
    struct process *p = arg;
    struct control_message m;

    (void)what;
    switch (control_receive(fd, &m)) {
    case CONTROL_MESSAGE:
        on_message(p, &m);
        break;
    case CONTROL_MORE:
        break;
    case CONTROL_END:
        log_event(LOG_LEVEL_ERROR, "master-died", "ending");
        event_del(p->control);
        end(p, true, p->worker.conf->server.stop_deadline_s);
        break;
    }
}

/* The connection alone is lost, and nobody else has seen it. */
static void
on_keeperless(evutil_socket_t fd, short what, void *arg)
{
    struct process *p = arg;

    (void)fd;
    (void)what;
    log_event(LOG_LEVEL_WARN, "keeper-lost",
              "no keeper answers; asking for another connection");
    (void)control_send(CHILD_CONTROL_FD, CONTROL_KEEPER_LOST, 0, -1);
    event_add(p->keeperless, &keeperless_after);
}

/* The first view has come. */
static void
begin(struct process *p)
{
    p->ready = true;
    if (!control_send(CHILD_CONTROL_FD, CONTROL_READY, 0, -1)) {
        log_event(LOG_LEVEL_ERROR, "worker-failed",
                  "the master does not hear that it is ready: %s",
                  strerror(errno));
        p->code = EX_OSERR; /* it would wait for us, in vain */
        event_base_loopbreak(p->worker.base);
        return;
    }
    if (!p->worker.draining) {
        listeners_start(&p->worker);
    }
    background_close(p->keep_stderr);
}

static void
on_view(const struct view *view, void *arg)
{
    struct process *p = arg;
    struct worker *w = &p->worker;

    if (view == NULL) {
        event_add(p->keeperless, &keeperless_after);
        session_keeper_lost(w);
        return;
    }
    event_del(p->keeperless);
    stats_set(w->stats, STATS_KEYS, view_key_count(view));
    stats_set(w->stats, STATS_KEYS_FAULTY, view_faulty_count(view));
    stats_set(w->stats, STATS_USERS, view_user_count(view));
    if (w->watch != NULL) {
        watch_view(w->watch, view);
    }
    if (!p->ready) {
        begin(p);
    }
}

/* --- making and unmaking it ----------------------------------------------- */

static bool
make_upstreams(struct worker *w, struct buf *error)
{
    size_t count = w->conf->upstream_count;

    w->upstreams = calloc(count + 1, sizeof(struct upstream *));
    for (size_t i = 0; w->upstreams != NULL && i < count; i++) {
        w->upstreams[i] = upstream_new(w, &w->conf->upstreams[i], error);
        if (w->upstreams[i] == NULL) {
            return false;
        }
    }
    return w->upstreams != NULL;
}

static bool
make_events(struct process *p)
{
    struct event_base *base = p->worker.base;

    (void)fcntl(CHILD_CONTROL_FD, F_SETFL, O_NONBLOCK);
    (void)fcntl(CHILD_CONTROL_FD, F_SETFD, FD_CLOEXEC);
    p->control =
        event_new(base, CHILD_CONTROL_FD, EV_READ | EV_PERSIST, on_control, p);
    p->deadline = evtimer_new(base, on_deadline, p);
    p->term = evsignal_new(base, SIGTERM, on_term, p);
    p->keeperless = evtimer_new(base, on_keeperless, p);
    return p->control != NULL && p->deadline != NULL && p->term != NULL &&
           p->keeperless != NULL && event_add(p->control, NULL) == 0 &&
           event_add(p->term, NULL) == 0;
}

/* One worker looks at our records in DNS, all at the From of mail. */
static bool
make_watchers(struct worker *w)
{
    unsigned period_s = w->conf->rotate.watch_s;

    w->seenfrom = seenfrom_new(w->base, w->keeper);
    if (w->slot == 0 && period_s != 0) {
        w->watch = watch_new(w->base, w->resolver, w->keeper, period_s);
        return w->seenfrom != NULL && w->watch != NULL;
    }
    return w->seenfrom != NULL;
}

static bool
make(struct process *p, struct inheritance *in, struct buf *error)
{
    struct worker *w = &p->worker;

    w->base = event_base_new();
    w->loop = w->base == NULL ? NULL : conn_loop_new(w->base);
    if (w->loop == NULL || !make_events(p)) {
        return false;
    }
    listeners_tickets(w, in->tickets_fd);
    if (in->tickets_fd >= 0) {
        (void)close(in->tickets_fd);
    }
    w->stats =
        stats_join(in->stats_fd, in->stats_slot, w->conf->limits.connections);
    w->failures = failures_new(&w->conf->limits, w->stats);
    w->resolver = resolver_new(w->base, &w->conf->dns);
    if (w->resolver == NULL || w->stats == NULL || w->failures == NULL ||
        !make_upstreams(w, error) || !worker_dovecots_new(w) ||
        !listeners_new(w, error)) {
        return false;
    }
    stats_set(w->stats, STATS_SESSIONS_MAX, w->conf->limits.connections);
    for (size_t i = 0; i < in->count; i++) {
        if (!listeners_add(w, in->sockets[i].listener, in->sockets[i].fd)) {
            return false;
        }
    }
    if (in->keeper_fd < 0) { /* the master had none to give */
        event_add(p->keeperless, &keeperless_after);
    }
    w->keeper = keeper_client_new(w->base, in->keeper_fd, on_view, p);
    in->keeper_fd = -1;
    return w->keeper != NULL && make_watchers(w);
}

static void
unmake(struct process *p)
{
    struct worker *w = &p->worker;
    struct event *events[] = { p->control, p->deadline, p->term,
                               p->keeperless };

    listeners_free(w);
    for (size_t i = 0; w->upstreams != NULL && i < w->conf->upstream_count;
         i++) {
        upstream_free(&w->upstreams[i]);
    }
    free(w->upstreams);
    worker_dovecots_free(w);
    watch_free(&w->watch);
    seenfrom_free(&w->seenfrom);
    keeper_client_free(&w->keeper);
    resolver_free(&w->resolver);
    failures_free(&w->failures);
    stats_free(&w->stats);
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        if (events[i] != NULL) {
            event_free(events[i]);
        }
    }
    conn_loop_free(&w->loop);
    if (w->base != NULL) {
        event_base_free(w->base);
    }
    conf_free(&w->conf);
}

/* Signals meant for the master reach the whole terminal group. */
static void
set_signals(void)
{
    static const int ignored[] = { SIGHUP, SIGINT, SIGUSR1, SIGUSR2, SIGPIPE };

    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++) {
        (void)signal(ignored[i], SIG_IGN);
    }
}

/* Freed memory stays ours, up to a bound: a message of 1 MB takes a third more
 * time when its pages go back to the kernel and are asked for anew. */
static void
keep_memory(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, 4 * 1024 * 1024);
    (void)mallopt(M_TRIM_THRESHOLD, 32 * 1024 * 1024);
}

static int
serve(struct process *p, struct inheritance *in)
{
    struct buf error = BUF_INIT;
    bool made = make(p, in, &error);

    inheritance_free(in);
    if (!made) {
        if (error.len == 0) {
            buf_puts(&error, "out of memory or descriptors");
        }
        p->code = give_up(p->log_fd, &error, EX_CONFIG);
        unmake(p);
        return p->code;
    }
    confine_worker(p->worker.conf);
    event_base_dispatch(p->worker.base);
    if (p->cut) {
        return 0; /* sessions go with the process */
    }
    unmake(p);
    return p->code;
}

int
worker_main(unsigned slot)
{
    struct process p = { .log_fd = -1 };
    struct conf_errors *errors = NULL;
    struct inheritance in;
    char name[32];

    (void)prctl(PR_SET_NAME, "sealpost-worker");
    /* TLS keys and passwords: no core file, no debugger of the same user. */
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    set_signals();
    keep_memory();
    if (!inheritance_take(&in)) {
        return EX_OSERR;
    }
    (void)snprintf(name, sizeof(name), "worker/%u", slot);
    conf_load_fd(in.conf_fd, &p.worker.conf, &errors);
    (void)close(in.conf_fd);
    p.log_fd = in.log_fd;
    p.keep_stderr = in.keep_stderr;
    p.worker.slot = slot;
    if (p.worker.conf == NULL) {
        struct buf error = BUF_INIT;

        inheritance_free(&in);
        log_open(in.log_fd, CONF_LOGFMT, name);
        buf_puts(&error, "the configuration that the master sent is of no "
                         "use");
        return give_up(in.log_fd, &error, EX_SOFTWARE);
    }
    conf_errors_free(&errors);
    log_open(in.log_fd, p.worker.conf->server.log_format, name);
    return serve(&p, &in);
}
