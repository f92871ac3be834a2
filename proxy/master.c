/*
 * master - see master.h.
 *
 * The order of the start matters: what needs root (ports, the keepers'
 * parent, directories) comes before the account is dropped; nothing of the
 * network is looked at before.
 */
#include "proxy/master.h"

#include "proxy/log/log.h"
#include "proxy/master_private.h"
#include "proxy/process/activation.h"
#include "proxy/process/background.h"
#include "proxy/process/handover.h"
#include "proxy/process/lock.h"
#include "proxy/process/logfile.h"
#include "proxy/process/notify.h"
#include "proxy/process/status.h"
#include "proxy/stats/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

static int
complain(struct buf *error, int code)
{
    const char *text = buf_str(error);

    fprintf(stderr, "sealpostd: %s\n", text == NULL ? "out of memory" : text);
    buf_free(error);
    return code;
}

/* Made when missing; its owner is the one who writes there. */
static bool
make_directory(const char *path, mode_t mode, uid_t uid, gid_t gid,
               struct buf *error)
{
    struct stat st;

    if (mkdir(path, mode) == 0) {
        if (chmod(path, mode) == 0 && /* whatever the umask is */
            (geteuid() != 0 || chown(path, uid, gid) == 0)) {
            return true;
        }
    } else if (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        return true;
    }
    buf_printf(error, "cannot make the directory %s: %s", path,
               strerror(errno));
    return false;
}

/*
 * Where the keeper writes what commands read (keeper/daybook.h): the state
 * directory itself is not its own. A keeper that we do not start, or that is
 * our own account, makes it itself. Without it only those books are missing.
 */
static void
make_keepers_directory(const struct master *m, const struct conf *conf)
{
    struct buf path = BUF_INIT, error = BUF_INIT;

    buf_printf(&path, "%s/keeper", conf->server.state_dir);
    if (geteuid() == 0 && m->options->keeper_dir == NULL &&
        buf_str(&path) != NULL) {
        (void)make_directory(buf_str(&path), 0750, m->keys.uid, m->keys.gid,
                             &error);
    }
    buf_free(&path);
    buf_free(&error);
}

static int
make_directories(const struct master *m, const struct conf *conf)
{
    struct buf error = BUF_INIT;

    if (!make_directory(conf->server.state_dir, 0771, geteuid(), m->user.gid,
                        &error) ||
        !make_directory(conf->spool.directory, 0700, m->user.uid, m->user.gid,
                        &error)) {
        return complain(&error, EX_CANTCREAT);
    }
    make_keepers_directory(m, conf);
    return 0;
}

static int
open_log(struct master *m, const struct conf *conf)
{
    struct buf error = BUF_INIT;

    m->log_fd = logfile_open(&conf->server, m->options->foreground, m->user.uid,
                             m->user.gid, &error);
    if (m->log_fd == LOGFILE_ERROR) {
        return complain(&error, EX_CANTCREAT);
    }
    m->env.log_fd = m->log_fd;
    m->env.keep_stderr =
        m->options->foreground || strcmp(conf->server.log, "stderr") == 0;
    log_open(m->log_fd, conf->server.log_format, "master");
    return 0;
}

/* In the state directory, which we have locked, only what is left of a daemon
 * that was killed can still listen, and not for long. */
static int
listen_at(const struct conf *conf, const char *directory, const char *name,
          uid_t uid, gid_t gid, struct buf *error)
{
    const struct timespec pause = { 0, 100 * 1000 * 1000 };
    int tries = strcmp(directory, conf->server.state_dir) == 0 ? 20 : 1;
    int fd;

    for (;;) {
        buf_clear(error);
        fd = keepers_listen(directory, name, uid, gid, error);
        if (fd >= 0 || errno != EADDRINUSE || --tries == 0) {
            return fd;
        }
        (void)nanosleep(&pause, NULL);
    }
}

/*
 * The keepers' socket: /run/sealpost when that is there and writable for us
 * and no other daemon's socket lives in it; else the state directory.
 */
static bool
listen_for_keepers(struct master *m, const struct conf *conf, int fds[KEEPERS],
                   struct buf *error)
{
    const char *places[] = { "/run/sealpost", conf->server.state_dir };
    struct stat st;

    for (size_t i = 0; i < 2; i++) {
        if (i == 0 && (stat(places[0], &st) != 0 || st.st_uid != geteuid() ||
                       access(places[0], W_OK | X_OK) != 0)) {
            continue;
        }
        fds[0] = listen_at(conf, places[i], keepers_names[0], m->keys.uid,
                           m->user.gid, error);
        if (fds[0] < 0) {
            continue;
        }
        fds[1] = listen_at(conf, places[i], keepers_names[1], m->keys.uid,
                           m->user.gid, error);
        if (fds[1] >= 0) {
            return bytes_copy(bytes_str(places[i]), m->keeper_dir,
                              sizeof(m->keeper_dir));
        }
        (void)close(fds[0]);
    }
    return false;
}

/* A log file is opened again by the master alone: the keepers write to it. */
static bool
make_log_pipe(struct master *m, const struct conf *conf, int *log_fd_out)
{
    int fds[2];

    *log_fd_out = m->log_fd;
    if (!logfile_is_file(&conf->server)) {
        return true;
    }
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0) {
        return false;
    }
    m->log_pipe = fds[0];
    *log_fd_out = fds[1];
    return true;
}

static int
call_keepers(struct master *m)
{
    struct buf error = BUF_INIT;

    if (bytes_copy(bytes_str(m->options->keeper_dir), m->keeper_dir,
                   sizeof(m->keeper_dir)) &&
        master_keepers_call(m)) {
        return 0;
    }
    buf_printf(&error,
               "no keeper answers in %s: %s; start sealpostd --keeper (the "
               "unit sealpost-keeper.service) first",
               m->options->keeper_dir, strerror(errno));
    return complain(&error, EX_UNAVAILABLE);
}

static int
fork_keepers(struct master *m, const struct conf *conf)
{
    struct keepers_conf k = { .account = m->keys,
                              .worker_uid = m->user.uid,
                              .log_format = conf->server.log_format,
                              .masters_fd = -1,
                              .keep_stderr = m->env.keep_stderr };
    struct buf error = BUF_INIT;

    if (!listen_for_keepers(m, conf, k.listen_fds, &error)) {
        return complain(&error, EX_CANTCREAT);
    }
    if (!make_log_pipe(m, conf, &k.log_fd)) {
        buf_printf(&error, "cannot make a pipe: %s", strerror(errno));
        return complain(&error, EX_OSERR);
    }
    m->keepers_pid = keepers_fork(&k, &m->keepers_control, &error);
    for (size_t i = 0; i < KEEPERS; i++) {
        (void)close(k.listen_fds[i]);
    }
    if (k.log_fd != m->log_fd) {
        (void)close(k.log_fd);
    }
    if (m->keepers_pid < 0) {
        return complain(&error, EX_OSERR);
    }
    return 0;
}

static int
start_keepers(struct master *m, const struct conf *conf)
{
    return m->options->keeper_dir != NULL ? call_keepers(m)
                                          : fork_keepers(m, conf);
}

/* What the service manager has opened. */
static bool
adopt_sockets(struct master *m, const struct conf *conf, struct buf *error)
{
    struct buf stray = BUF_INIT;

    for (size_t i = 0; i < m->options->inherited; i++) {
        if (!sockets_adopt(m->sockets, ACTIVATION_FIRST_FD + (int)i, error)) {
            return false;
        }
    }
    if (m->options->inherited > 0 && sockets_stray(m->sockets, conf, &stray)) {
        buf_printf(error,
                   "the service manager listens on %s, which is no address "
                   "of a [listen NAME]; make sealpost.socket and the "
                   "configuration agree",
                   buf_str(&stray));
        buf_free(&stray);
        return false;
    }
    return true;
}

static int
open_sockets(struct master *m, const struct conf *conf)
{
    struct buf error = BUF_INIT;

    if (!adopt_sockets(m, conf, &error) ||
        !sockets_open(m->sockets, conf, &error)) {
        return complain(&error, EX_UNAVAILABLE);
    }
    return 0;
}

static int
listen_for_status(struct master *m, const struct conf *conf)
{
    struct buf error = BUF_INIT;

    m->status_fd = listen_at(conf, conf->server.state_dir, STATUS_SOCKET,
                             m->user.uid, m->user.gid, &error);
    if (m->status_fd < 0) {
        return complain(&error, EX_CANTCREAT);
    }
    buf_free(&error);
    return 0;
}

static int
find_accounts(struct master *m, const struct conf *conf)
{
    struct buf error = BUF_INIT;

    return accounts_find(&conf->server, &m->user, &m->keys, &error)
               ? 0
               : complain(&error, EX_CONFIG);
}

static int
drop_root(struct master *m)
{
    struct buf error = BUF_INIT;

    return account_become(&m->user, &error) ? 0 : complain(&error, EX_NOPERM);
}

static int
take_lock(struct master *m, const struct conf *conf)
{
    struct buf error = BUF_INIT;

    m->lock_fd = lock_take(conf->server.state_dir, &error);
    return m->lock_fd >= 0 ? 0 : complain(&error, EX_TEMPFAIL);
}

static int
make_stats(struct master *m, const struct conf *conf)
{
    struct buf error = BUF_INIT;

    m->env.stats = stats_new(conf->limits.connections);
    if (m->env.stats == NULL) {
        buf_printf(&error, "cannot make shared memory: %s", strerror(errno));
        return complain(&error, EX_OSERR);
    }
    return 0;
}

static int
resume(struct master *m, const struct conf *conf, const struct handover *h)
{
    struct buf error = BUF_INIT;
    int code = open_log(m, conf);

    if (code == 0 && !master_resume(m, h, &error)) {
        code = complain(&error, EX_OSERR);
    }
    /* In a directory that is root's, ours stays without: mail goes before. */
    if (code == 0 && listen_for_status(m, conf) != 0) {
        log_event(LOG_LEVEL_WARN, "no-status",
                  "%s/%s can't be made anew; restart for `sealpost status`",
                  conf->server.state_dir, STATUS_SOCKET);
    }
    return code != 0 ? code : open_sockets(m, conf);
}

static int
acquire(struct master *m, const struct conf *conf)
{
    int code = make_directories(m, conf);

    code = code != 0 ? code : take_lock(m, conf);
    code = code != 0 ? code : open_log(m, conf);
    code = code != 0 ? code : start_keepers(m, conf);
    code = code != 0 ? code : listen_for_status(m, conf);
    code = code != 0 ? code : open_sockets(m, conf);
    return code != 0 ? code : drop_root(m);
}

/* All that comes before the loop. 0, or the exit code. h NULL: a start. */
static int
prepare(struct master *m, const struct conf *conf, const struct handover *h)
{
    int code = find_accounts(m, conf);

    m->env.sockets = m->sockets = sockets_new();
    m->base = event_base_new();
    if (code != 0 || m->sockets == NULL || m->base == NULL) {
        return code != 0 ? code : EX_OSERR;
    }
    code = h == NULL ? acquire(m, conf) : resume(m, conf, h);
    code = code != 0 ? code : make_stats(m, conf);
    if (code != 0) {
        return code;
    }
    m->env.base = m->base;
    m->env.keeper_dir = m->keeper_dir;
    for (size_t i = 0; i < KEEPERS; i++) {
        m->env.keeper_names[i] = keepers_names[i];
    }
    if (!master_events_new(m) || (h != NULL && !master_resume_workers(m, h))) {
        return EX_OSERR;
    }
    if (m->status_fd >= 0) {
        m->status = status_new(m->base, m->status_fd, m->env.stats);
        m->status_fd = -1;
        return m->status == NULL ? EX_OSERR : 0;
    }
    return 0;
}

/* Its keepers answer what they compute, then end; not for ever. */
static void
wait_for_keepers(const struct master *m)
{
    const struct timespec pause = { 0, 20 * 1000 * 1000 };

    for (int i = 0; m->keepers_pid > 0 && i < 250; i++) {
        if (waitpid(m->keepers_pid, NULL, WNOHANG) != 0) {
            return;
        }
        (void)nanosleep(&pause, NULL);
    }
}

static void
finish(struct master *m)
{
    generation_free(&m->next);
    generation_free(&m->old);
    generation_free(&m->current);
    status_free(&m->status);
    stats_free(&m->env.stats);
    sockets_free(&m->sockets);
    master_events_free(m);
    if (m->keepers_control >= 0) {
        (void)close(m->keepers_control);
        wait_for_keepers(m);
    }
    if (m->base != NULL) {
        event_base_free(m->base);
    }
    if (m->lock_fd >= 0) {
        lock_release(m->lock_fd);
    }
}

static void
run(struct master *m, struct conf *conf, int conf_fd, const struct handover *h)
{
    m->code = prepare(m, conf, h);
    if (m->code != 0) {
        conf_free(&conf);
        (void)close(conf_fd);
    } else if (!master_begin(m, conf, conf_fd, h == NULL ? 0 : 1 - h->keeper)) {
        m->code = EX_OSERR;
    } else {
        event_base_dispatch(m->base);
        log_event(m->code == 0 ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, "ended",
                  "exit code %d", m->code);
    }
    finish(m);
}

int
master_run(const struct master_options *options, struct conf *conf, int conf_fd)
{
    struct master m = { .options = options,
                        .lock_fd = -1,
                        .ready_fd = -1,
                        .log_fd = -1,
                        .log_pipe = -1,
                        .status_fd = -1,
                        .keepers_control = -1,
                        .env.tickets_fd = -1 };
    struct handover h;
    bool resumed;

    (void)signal(SIGPIPE, SIG_IGN);
    if (!handover_take(&h, &resumed) && resumed) {
        fputs("sealpostd: what the last program left can't be read\n", stderr);
        return EX_SOFTWARE;
    }
    if (!resumed && !options->foreground &&
        (m.ready_fd = background_start()) < 0) {
        perror("sealpostd: cannot go to the background");
        return EX_OSERR;
    }
    run(&m, conf, conf_fd, resumed ? &h : NULL);
    handover_free(&h);
    return m.code;
}
