/*
 * master_signals - reload, replacement and end: the master while it runs.
 *
 * At most two generations: a reload asked for while an older one drains, or a
 * new one starts, waits until that has ended.
 */
#include "proxy/log/log.h"
#include "proxy/master_private.h"
#include "proxy/process/background.h"
#include "proxy/process/logfile.h"
#include "proxy/process/notify.h"
#include "proxy/process/reload.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

bool
master_begin(struct master *m, struct conf *conf, int conf_fd, unsigned keeper)
{
    m->next =
        generation_new(&m->env, conf, conf_fd, keeper, master_on_generation, m);
    if (m->next == NULL) {
        log_event(LOG_LEVEL_ERROR, "start-failed", "out of memory");
        return false;
    }
    if (!master_keepers_tell(m, CONTROL_KEEPER_START, keeper, conf_fd)) {
        generation_free(&m->next); /* it would wait for a keeper */
        return false;
    }
    return true;
}

/* --- reload ------------------------------------------------------------- */

static void
reload_data(struct master *m)
{
    log_event(LOG_LEVEL_INFO, "reload",
              "users, keys and certificates are read again; the "
              "configuration has not changed");
    (void)master_keepers_tell(m, CONTROL_KEEPER_RELOAD, 0, -1);
    generation_send(m->current, CONTROL_DATA, 0, -1);
    if (m->old != NULL) {
        generation_send(m->old, CONTROL_DATA, 0, -1);
    }
    notify_ready();
}

static void
reload_refused(const char *why)
{
    log_event(LOG_LEVEL_ERROR, "reload-refused",
              "%s; the running configuration stays", why);
    notify_ready();
}

static void
reload_conf(struct master *m, int conf_fd)
{
    struct buf error = BUF_INIT;
    struct conf *conf = reload_load(conf_fd, generation_conf(m->current));

    if (conf == NULL) {
        (void)close(conf_fd);
        reload_refused("the new configuration has mistakes");
        return;
    }
    if (!sockets_open(m->sockets, conf, &error)) {
        reload_refused(buf_str(&error));
        buf_free(&error);
        conf_free(&conf);
        (void)close(conf_fd);
        return;
    }
    log_event(LOG_LEVEL_INFO, "reload", "a new configuration starts");
    if (!master_begin(m, conf, conf_fd, 1 - generation_keeper(m->current))) {
        sockets_abort(m->sockets);
        reload_refused("it cannot be started");
    }
}

static void
reload(struct master *m)
{
    int fd;

    if (m->stopping) {
        return;
    }
    if (m->next != NULL) {
        m->reload_later = true;
        return;
    }
    notify_reloading();
    fd = conf_pack(m->options->path);
    if (fd < 0) {
        log_event(LOG_LEVEL_ERROR, "conf", "%s: %s", m->options->path,
                  strerror(errno));
        reload_refused("the configuration can't be read");
        return;
    }
    if (reload_same(fd, generation_conf_fd(m->current))) {
        (void)close(fd);
        reload_data(m);
    } else if (m->old != NULL) {
        (void)close(fd);
        m->reload_later = true;
        log_event(LOG_LEVEL_WARN, "reload-later",
                  "workers of an earlier configuration still finish their "
                  "sessions; the reload follows then");
    } else {
        reload_conf(m, fd);
    }
}

/* A new program reads the configuration anew: the reload is done by that. */
void
master_go_on(struct master *m)
{
    if (m->upgrade_later && master_alone(m)) {
        m->upgrade_later = false;
        master_upgrade(m);
    } else if (m->reload_later) {
        m->reload_later = false;
        reload(m);
    }
}

/* --- generations come and go -------------------------------------------- */

static void
log_ready(struct master *m)
{
    struct buf text = BUF_INIT;
    struct log_line l;

    sockets_describe(m->sockets, generation_conf(m->current), &text);
    log_begin(&l, LOG_LEVEL_INFO, "ready");
    log_number(&l, "pid", (uint64_t)getpid());
    log_number(&l, "workers", generation_conf(m->current)->server.workers);
    log_bytes(&l, "listen", buf_bytes(&text));
    log_end(&l);
    buf_free(&text);
}

static void
on_ready(struct master *m)
{
    m->old = m->current;
    m->current = m->next;
    m->next = NULL;
    sockets_commit(m->sockets, generation_conf(m->current));
    if (m->old != NULL) {
        generation_end(m->old, CONTROL_DRAIN,
                       generation_conf(m->old)->server.drain_s);
    }
    log_ready(m);
    notify_ready();
    if (m->ready_fd >= 0) {
        background_close(m->env.keep_stderr);
        background_ready(m->ready_fd);
        m->ready_fd = -1;
    }
    master_go_on(m);
}

static void
on_failed(struct master *m)
{
    int code = generation_code(m->next);

    if (m->current == NULL) {
        log_event(LOG_LEVEL_ERROR, "start-failed", "exit code %d", code);
        if (m->log_fd < 0 ||
            logfile_is_file(&generation_conf(m->next)->server)) {
            fprintf(stderr, "sealpostd: not started; %s says why\n",
                    m->log_fd < 0 ? "syslog"
                                  : generation_conf(m->next)->server.log);
        }
        m->code = code;
        event_base_loopbreak(m->base);
        return;
    }
    master_keepers_stop(m, generation_keeper(m->next));
    generation_free(&m->next);
    sockets_abort(m->sockets);
    reload_refused("the new workers can't be started");
    master_go_on(m);
}

static void
on_ended(struct master *m, struct generation *g)
{
    master_keepers_stop(m, generation_keeper(g));
    if (g == m->old) {
        generation_free(&m->old);
    } else if (g == m->current) {
        generation_free(&m->current);
    } else {
        generation_free(&m->next);
    }
    if (m->stopping) {
        if (m->old == NULL && m->current == NULL && m->next == NULL) {
            event_base_loopbreak(m->base);
        }
    } else {
        master_go_on(m);
    }
}

void
master_on_generation(struct generation *g, enum generation_event event,
                     void *arg)
{
    struct master *m = arg;

    switch (event) {
    case GENERATION_READY:
        on_ready(m);
        break;
    case GENERATION_FAILED:
        on_failed(m);
        break;
    case GENERATION_ENDED:
        on_ended(m, g);
        break;
    }
}

/* --- the end ------------------------------------------------------------ */

static void
stop_generation(struct generation *g, unsigned seconds)
{
    if (g != NULL) {
        generation_end(g, CONTROL_STOP, seconds);
    }
}

void
master_stop(struct master *m)
{
    unsigned seconds = 0;

    if (m->stopping || m->current == NULL) {
        log_event(LOG_LEVEL_WARN, "stop", "at once");
        event_base_loopbreak(m->base);
        return;
    }
    seconds = generation_conf(m->current)->server.stop_deadline_s;
    log_event(LOG_LEVEL_INFO, "stop", "within %u s", seconds);
    m->stopping = true;
    notify_stopping();
    sockets_free(&m->sockets); /* from now on connections are refused */
    m->env.sockets = NULL;
    stop_generation(m->next, 0);
    stop_generation(m->old, seconds);
    stop_generation(m->current, seconds);
}

/* --- events ------------------------------------------------------------- */

static void
on_child(struct master *m)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == m->upgrade_pid) {
            master_upgrade_tried(m, status);
        } else if (pid == m->keepers_pid) {
            master_keepers_died(m);
        } else if ((m->next == NULL ||
                    !generation_reap(m->next, pid, status)) &&
                   (m->old == NULL || !generation_reap(m->old, pid, status)) &&
                   m->current != NULL) {
            (void)generation_reap(m->current, pid, status);
        }
    }
}

/* SIGUSR1: the file was moved away; every process gets the new one. */
static void
reopen_log(struct master *m)
{
    struct buf error = BUF_INIT;
    const struct server_conf *conf;
    int fd;

    if (m->current == NULL) {
        return;
    }
    conf = &generation_conf(m->current)->server;
    if (!logfile_is_file(conf)) {
        return;
    }
    fd = logfile_open(conf, m->options->foreground, m->user.uid, m->user.gid,
                      &error);
    if (fd < 0) {
        log_event(LOG_LEVEL_ERROR, "log", "%s", buf_str(&error));
        buf_free(&error);
        return;
    }
    log_set_fd(fd);
    (void)close(m->log_fd);
    m->log_fd = m->env.log_fd = fd;
    generation_send(m->current, CONTROL_LOG, 0, fd);
    if (m->old != NULL) {
        generation_send(m->old, CONTROL_LOG, 0, fd);
    }
    if (m->next != NULL) {
        generation_send(m->next, CONTROL_LOG, 0, fd);
    }
    log_event(LOG_LEVEL_INFO, "log", "opened again");
}

static void
on_signal(evutil_socket_t number, short what, void *arg)
{
    struct master *m = arg;

    (void)what;
    switch (number) {
    case SIGHUP:
        if (m->current != NULL || m->next != NULL) {
            reload(m);
        }
        break;
    case SIGUSR1:
        reopen_log(m);
        break;
    case SIGUSR2:
        master_upgrade(m);
        break;
    case SIGCHLD:
        on_child(m);
        break;
    default:
        master_stop(m);
        break;
    }
}

/* The keepers' whole lines into the log file, whichever it is now. */
static void
on_log_pipe(evutil_socket_t fd, short what, void *arg)
{
    struct master *m = arg;
    char text[4096]; /* PIPE_BUF: shorter lines are never split */
    ssize_t n = read(fd, text, sizeof(text));

    (void)what;
    if (n <= 0) {
        event_del(m->log_event);
        return;
    }
    if (write(m->log_fd, text, (size_t)n) != n) {
        /* The disk is full: the service goes on without these lines. */
    }
}

bool
master_events_new(struct master *m)
{
    static const int numbers[MASTER_SIGNALS] = { SIGHUP,  SIGUSR1, SIGUSR2,
                                                 SIGCHLD, SIGTERM, SIGINT };

    for (size_t i = 0; i < MASTER_SIGNALS; i++) {
        m->signals[i] = evsignal_new(m->base, numbers[i], on_signal, m);
        if (m->signals[i] == NULL || event_add(m->signals[i], NULL) != 0) {
            return false;
        }
    }
    if (!master_keepers_events(m) || !master_tickets_new(m)) {
        return false;
    }
    if (m->log_pipe >= 0) {
        m->log_event = event_new(m->base, m->log_pipe, EV_READ | EV_PERSIST,
                                 on_log_pipe, m);
        return m->log_event != NULL && event_add(m->log_event, NULL) == 0;
    }
    return true;
}

void
master_events_free(struct master *m)
{
    for (size_t i = 0; i < MASTER_SIGNALS; i++) {
        if (m->signals[i] != NULL) {
            event_free(m->signals[i]);
        }
    }
    master_keepers_free(m);
    master_tickets_free(m);
    if (m->log_event != NULL) {
        event_free(m->log_event);
    }
}
