/*
 * keeper - the process with the secrets: start, signals, end; see keeper.h.
 *
 * This is the main thread. It accepts workers, loads data anew, sends late
 * packets, and computes nothing, so that a signal is always heard.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <proxy/confine/confine.h>
#include <proxy/keeper/harden.h>
#include <proxy/keeper/keeper.h>
#include <proxy/keeper/server.h>
#include <proxy/keeper/upkeep.h>
#include <proxy/log/log.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

enum {
    THREADS_MAX = 256,
    EVENTS = 16,
    ACCEPT_PAUSE_MS = 200,
    LISTEN_EVENT = CONNECTIONS_MAX, /* not the place of a connection */
    SIGNAL_EVENT,
    NEWS_EVENT
};

struct keeper {
    struct keeper_conf conf;
    struct server *server;
    struct thread *threads;
    unsigned started;
    int signal_fd;
};

/* --- start and end -------------------------------------------------------- */

static unsigned
thread_count(unsigned wanted)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned n = wanted > 0 ? wanted : cpus > 0 ? (unsigned)cpus : 1;

    n = n > THREADS_MAX ? THREADS_MAX : n;
    return n < 2 ? 2 : n; /* one is always for signatures with fast keys */
}

static int
open_signals(void)
{
    const int ignored[] = { SIGINT, SIGUSR1, SIGUSR2, SIGPIPE };
    sigset_t set;

    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++) {
        (void)signal(ignored[i], SIG_IGN);
    }
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGTERM);
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0) {
        return -1;
    }
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static bool
watch(int epoll, int fd, uint32_t what, uint64_t name)
{
    struct epoll_event event = { .events = what, .data.u64 = name };

    return fd >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void
server_free(struct server **sp)
{
    struct server *s = *sp;
    struct queue_job *job;

    *sp = NULL;
    if (s == NULL) {
        return;
    }
    while (s->queue != NULL && (job = queue_drain(s->queue)) != NULL) {
        job_drop(s, job);
    }
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        connection_close(s, &s->connections[i]);
    }
    queue_free(&s->queue);
    keycache_free(&s->keys);
    identities_free(&s->identities);
    passwords_free(&s->passwords);
    faults_free(&s->faults);
    books_free(&s->books);
    scram_free(&s->scram);
    data_drop(&s->data);
    close(s->packets_epoll);
    close(s->main_epoll);
    close(s->wake_fd);
    close(s->news_fd);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

static bool
make_parts(struct server *s, const struct keeper_conf *conf, size_t keys_max)
{
    struct keycache_conf keys = { .loaded_max = keys_max,
                                  .threads = s->threads };

    keystore_conf_init(&keys.store, &conf->conf->server,
                       conf->conf->sign.allow_short_keys);
    s->queue = queue_new(s->threads);
    s->keys = keycache_new(&keys);
    s->identities = identities_new();
    s->passwords = passwords_new();
    s->packets_epoll = epoll_create1(EPOLL_CLOEXEC);
    s->main_epoll = epoll_create1(EPOLL_CLOEXEC);
    s->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    s->news_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    s->faults = faults_new();
    s->books = books_new(&conf->conf->server);
    return s->queue != NULL && s->keys != NULL && s->identities != NULL &&
           s->passwords != NULL && request_scram_open(s, &keys.store) &&
           s->packets_epoll >= 0 && s->main_epoll >= 0 && s->faults != NULL &&
           s->books != NULL &&
           watch(s->main_epoll, s->news_fd, EPOLLIN | EPOLLET, NEWS_EVENT) &&
           watch(s->packets_epoll, s->wake_fd, EPOLLIN | EPOLLET, UINT64_MAX);
}

static struct server *
server_new(const struct keeper_conf *conf, size_t keys_max)
{
    struct server *s = calloc(1, sizeof(*s));

    if (s != NULL) {
        s->conf = conf->conf;
        s->threads = thread_count(conf->threads);
        s->packets_epoll = s->main_epoll = s->wake_fd = s->news_fd = -1;
        (void)pthread_mutex_init(&s->lock, NULL);
    }
    if (s != NULL && !make_parts(s, conf, keys_max)) {
        int error = errno;

        server_free(&s);
        errno = error;
    }
    return s;
}

static bool
start_threads(struct keeper *k)
{
    k->threads = calloc(k->server->threads, sizeof(*k->threads));
    for (unsigned i = 0; k->threads != NULL && i < k->server->threads; i++) {
        k->threads[i] = (struct thread){ .server = k->server, .number = i };
        if (pthread_create(&k->threads[i].id, NULL, thread_run,
                           &k->threads[i]) != 0) {
            return false;
        }
        k->started++;
    }
    return k->threads != NULL;
}

static void
stop_threads(struct keeper *k)
{
    server_lock(k->server);
    k->server->stopping = true;
    server_wake(k->server); /* the one woken wakes the next */
    server_unlock(k->server);
    for (unsigned i = 0; i < k->started; i++) {
        (void)pthread_join(k->threads[i].id, NULL);
    }
    free(k->threads);
    k->threads = NULL;
}

/* --- workers -------------------------------------------------------------- */

/* Everything a file mode can't say: who is at the other end. */
static bool
peer_allowed(const struct keeper *k, int fd)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0) {
        return false;
    }
    if (peer.uid == 0 || peer.uid == geteuid() ||
        peer.uid == k->conf.worker_uid) {
        return true;
    }
    log_event(LOG_LEVEL_WARN, "worker",
              "uid %lu may not connect to the keeper; only root, uid %lu and "
              "`user` of sealpost.conf (uid %lu) may",
              (unsigned long)peer.uid, (unsigned long)geteuid(),
              (unsigned long)k->conf.worker_uid);
    return false;
}

static void
open_connection(struct keeper *k, int fd)
{
    bool opened;

    server_lock(k->server);
    opened = connection_open(k->server, fd);
    server_unlock(k->server);
    if (!opened) {
        log_event(LOG_LEVEL_ERROR, "worker",
                  "no room for another worker; %d are the limit",
                  CONNECTIONS_MAX);
    }
}

static void
accept_all(struct keeper *k)
{
    int fd;

    while ((fd = accept4(k->conf.listen_fd, NULL, NULL,
                         SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        if (peer_allowed(k, fd)) {
            open_connection(k, fd);
        } else {
            close(fd);
        }
    }
    if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
        /* No descriptors, no memory: not a busy loop until there are some. */
        log_event(LOG_LEVEL_ERROR, "worker", "a worker can't be accepted: %s",
                  strerror(errno));
        (void)poll(NULL, 0, ACCEPT_PAUSE_MS);
    }
}

/* --- the main thread ------------------------------------------------------ */

/* False: SIGTERM. */
static bool
take_signals(struct keeper *k)
{
    struct signalfd_siginfo info;
    bool go_on = true, hup = false;

    while (read(k->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        go_on = go_on && info.ssi_signo != SIGTERM;
        hup = hup || info.ssi_signo == SIGHUP;
    }
    if (go_on && hup) {
        reload_all(k->server);
    }
    return go_on;
}

static void
flush(struct server *s, uint64_t id)
{
    struct connection *c;

    server_lock(s);
    c = connection_hold(s, id);
    server_unlock(s);
    if (c != NULL) {
        connection_flush(s, c);
        server_lock(s);
        connection_drop(&c);
        server_unlock(s);
    }
}

static void
serve(struct keeper *k)
{
    struct epoll_event events[EVENTS];
    struct upkeep upkeep = { 0 };
    bool go_on = true;

    while (go_on) {
        int n = epoll_wait(k->server->main_epoll, events, EVENTS,
                           upkeep_run(k->server, &upkeep));

        for (int i = 0; i < n; i++) {
            if (events[i].data.u64 == LISTEN_EVENT) {
                accept_all(k);
            } else if (events[i].data.u64 == SIGNAL_EVENT) {
                go_on = take_signals(k) && go_on;
            } else if (events[i].data.u64 != NEWS_EVENT) {
                flush(k->server, events[i].data.u64);
            }
        }
    }
}

static void
tell_ready(const struct keeper *k)
{
    if (k->conf.ready_fd >= 0) {
        (void)!write(k->conf.ready_fd, "1", 1);
        close(k->conf.ready_fd);
    }
}

static bool
open_doors(struct keeper *k)
{
    int fd = k->conf.listen_fd;

    for (size_t i = 0; i < k->conf.connected_count; i++) {
        open_connection(k, k->conf.connected_fds[i]);
    }
    return fd < 0 ||
           (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0 &&
            watch(k->server->main_epoll, fd, EPOLLIN, LISTEN_EVENT));
}

static void
log_end_of_life(const struct server *s)
{
    struct log_line l;

    log_begin(&l, LOG_LEVEL_INFO, "stopped");
    log_number(&l, "logins", s->logins);
    log_number(&l, "signatures", s->signatures);
    log_number(&l, "refusals", s->refusals);
    log_number(&l, "self_verify_failures", s->self_verify_failures);
    log_end(&l);
}

/* Data is loaded; the exit code. */
static int
run(struct keeper *k)
{
    int code = EX_OSERR;

    if (watch(k->server->main_epoll, k->signal_fd, EPOLLIN, SIGNAL_EVENT) &&
        start_threads(k) && open_doors(k)) {
        reload_log(k->server->data);
        tell_ready(k);
        k->conf.ready_fd = -1;
        serve(k);
        code = EX_OK;
    } else {
        log_event(LOG_LEVEL_ERROR, "start", "the keeper can't start: %s",
                  strerror(errno));
    }
    stop_threads(k);
    upkeep_end(k->server);
    log_end_of_life(k->server);
    return code;
}

int
keeper_run(const struct keeper_conf *conf)
{
    struct keeper k = { .conf = *conf, .signal_fd = -1 };
    int code = EX_OSERR;

    k.signal_fd = open_signals(); /* first: SIGHUP would end us */
    if (!harden_process(conf->parent)) {
        goto out;
    }
    k.server = server_new(conf, harden_memory());
    if (k.server == NULL) {
        log_event(LOG_LEVEL_ERROR, "start", "the keeper can't start: %s",
                  strerror(errno));
        goto out;
    }
    confine_keeper(conf->conf);
    k.server->data = data_load(conf->conf, 1);
    code = k.server->data == NULL ? EX_CONFIG : run(&k);
out:
    if (k.conf.ready_fd >= 0) {
        close(k.conf.ready_fd);
    }
    if (k.signal_fd >= 0) {
        close(k.signal_fd);
    }
    server_free(&k.server);
    return code;
}
