/*
 * keepers - see keepers.h.
 */
#include "proxy/process/keepers.h"

#include "proxy/clock.h"
#include "proxy/log/log.h"
#include "proxy/process/child.h"
#include "proxy/process/control.h"
#include "proxy/process/keeperchild.h"
#include "proxy/process/reload.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

enum {
    DELAY_MAX_MS = 10000
};

struct keeper {
    unsigned number;
    int conf_fd;    /* owned; -1: not wanted */
    int ready_fd;   /* owned; -1: ready, or not running */
    pid_t pid;      /* 0: not running */
    bool was_ready; /* since CONTROL_KEEPER_START */
    bool ending;    /* was told to */
    uint64_t started_ms;
    uint64_t start_at_ms; /* when to start it again; 0: not planned */
    unsigned delay_ms;
};

struct parent {
    struct keepers_conf conf;
    int control; /* the master's; -1: none calls (a service only) */
    int signals;
    int program_fd; /* of sealpostd */
    bool ending;
    struct keeper keepers[KEEPERS];
};

static void
plan(struct keeper *k)
{
    k->delay_ms = child_pause_ms(k->started_ms, k->delay_ms, DELAY_MAX_MS);
    k->start_at_ms = clock_ms() + k->delay_ms;
}

static void
start(struct parent *p, struct keeper *k)
{
    pid_t parent = getpid();
    int fds[2];

    k->start_at_ms = 0;
    k->started_ms = clock_ms();
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0) {
        plan(k);
        return;
    }
    k->pid = fork();
    if (k->pid == 0) {
        const struct keeperchild child = {
            .fds = { [CHILD_FD_LISTEN] = p->conf.listen_fds[k->number],
                     [CHILD_FD_CONF] = k->conf_fd,
                     [CHILD_FD_READY] = fds[1],
                     [CHILD_FD_LOG] = p->conf.log_fd },
            .program_fd = p->program_fd,
            .worker_uid = p->conf.worker_uid,
            .parent = parent,
            .log_format = p->conf.log_format
        };

        (void)close(fds[0]);
        keeperchild_exec(&child);
    }
    (void)close(fds[1]);
    if (k->pid < 0) {
        log_event(LOG_LEVEL_ERROR, "keeper-failed", "cannot start it: %s",
                  strerror(errno));
        (void)close(fds[0]);
        k->pid = 0;
        plan(k);
        return;
    }
    k->ready_fd = fds[0];
}

static void
forget_conf(struct keeper *k)
{
    if (k->conf_fd >= 0) {
        (void)close(k->conf_fd);
    }
    k->conf_fd = -1;
    k->start_at_ms = 0;
}

static void
stop(struct keeper *k)
{
    forget_conf(k);
    if (k->pid > 0) {
        k->ending = true;
        (void)kill(k->pid, SIGTERM);
    }
}

/*
 * A service believes its own file only: who sends another one is out of date
 * or has no right to. *fd becomes -1 then.
 */
static bool
is_ours(const struct parent *p, int *fd)
{
    int own;
    bool same;

    if (*fd < 0 || p->conf.path == NULL) {
        return *fd >= 0;
    }
    own = conf_pack(p->conf.path);
    same = own >= 0 && reload_same(own, *fd);
    if (!same) {
        log_event(LOG_LEVEL_ERROR, "keeper-failed",
                  "the configuration that the master sent is not what %s "
                  "holds for this account; may it read the file and all that "
                  "it includes?",
                  p->conf.path);
        (void)close(*fd);
        *fd = -1;
    }
    if (own >= 0) {
        (void)close(own);
    }
    return same;
}

static bool
tell_master(const struct parent *p, enum control_kind kind, unsigned number)
{
    if (control_send(p->control, kind, number, -1)) {
        return true;
    }
    log_event(LOG_LEVEL_ERROR, "master-deaf",
              "the master does not take a message: %s", strerror(errno));
    return false;
}

static void
refuse(const struct parent *p, const struct keeper *k, int code)
{
    (void)tell_master(p, CONTROL_KEEPER_FAILED,
                      k->number + KEEPERS * (unsigned)code);
}

static void
on_message(struct parent *p, struct control_message m)
{
    struct keeper *k = &p->keepers[m.number % KEEPERS];

    switch (m.kind) {
    case CONTROL_KEEPER_START:
        stop(k);
        if (!is_ours(p, &m.fd)) {
            refuse(p, k, EX_CONFIG);
            return;
        }
        k->conf_fd = m.fd;
        k->was_ready = false;
        k->delay_ms = 0;
        if (k->pid == 0) {
            start(p, k);
        } /* else when the last one has ended */
        return;
    case CONTROL_PROGRAM:
        if (m.fd >= 0 && p->conf.path == NULL) {
            (void)close(p->program_fd);
            p->program_fd = m.fd;
            return;
        }
        break;
    case CONTROL_KEEPER_STOP:
        stop(k);
        break;
    case CONTROL_KEEPER_RELOAD:
        for (unsigned i = 0; i < KEEPERS; i++) {
            if (p->keepers[i].pid > 0) {
                (void)kill(p->keepers[i].pid, SIGHUP);
            }
        }
        break;
    default:
        break;
    }
    if (m.fd >= 0) {
        (void)close(m.fd);
    }
}

static void
log_death(const struct keeper *k, int status)
{
    struct log_line l;

    log_begin(&l, LOG_LEVEL_ERROR, "keeper-died");
    log_number(&l, "pid", (uint64_t)k->pid);
    child_log_status(&l, status);
    log_end(&l);
}

static void
on_death(struct parent *p, struct keeper *k, int status)
{
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;

    bool ending = k->ending;

    if (!ending) {
        log_death(k, status);
    }
    if (k->ready_fd >= 0) {
        (void)close(k->ready_fd);
        k->ready_fd = -1;
    }
    k->pid = 0;
    k->ending = false;
    if (ending && k->conf_fd >= 0) {
        start(p, k);
    } else if (k->conf_fd >= 0 && !k->was_ready) {
        forget_conf(k);
        refuse(p, k, code);
    } else if (k->conf_fd >= 0) {
        plan(k);
    }
}

static void
reap(struct parent *p)
{
    struct signalfd_siginfo info;
    int status;
    pid_t pid;

    if (read(p->signals, &info, sizeof(info)) < 0) {
        return;
    }
    p->ending =
        p->ending || info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (unsigned i = 0; i < KEEPERS; i++) {
            if (p->keepers[i].pid == pid) {
                on_death(p, &p->keepers[i], status);
            }
        }
    }
}

static void
on_ready(struct parent *p, struct keeper *k)
{
    char octet;
    ssize_t n = read(k->ready_fd, &octet, 1);

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    (void)close(k->ready_fd);
    k->ready_fd = -1;
    if (n != 1 || k->conf_fd < 0) {
        return;
    }
    if (tell_master(p, CONTROL_KEEPER_READY, k->number)) {
        k->was_ready = true;
    } else if (k->pid > 0) {
        (void)kill(k->pid, SIGKILL); /* nobody would use it */
    }
}

/* ms until something is planned; -1: nothing is. */
static int
next_start(const struct parent *p)
{
    uint64_t now = clock_ms(), first = UINT64_MAX;

    for (unsigned i = 0; i < KEEPERS; i++) {
        uint64_t at = p->keepers[i].start_at_ms;

        first = at != 0 && at < first ? at : first;
    }
    return first == UINT64_MAX ? -1 : first <= now ? 0 : (int)(first - now);
}

static void
start_planned(struct parent *p)
{
    for (unsigned i = 0; i < KEEPERS; i++) {
        struct keeper *k = &p->keepers[i];

        if (k->start_at_ms != 0 && k->start_at_ms <= clock_ms() &&
            k->pid == 0 && k->conf_fd >= 0) {
            start(p, k);
        }
    }
}

/* One master at a time, and only the network's account or root. */
static void
accept_master(struct parent *p)
{
    struct ucred who;
    socklen_t len = sizeof(who);
    int fd = accept4(p->conf.masters_fd, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0) {
        return;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) != 0 ||
        (who.uid != 0 && who.uid != p->conf.worker_uid &&
         who.uid != geteuid())) {
        log_event(LOG_LEVEL_WARN, "master-refused", "it runs as uid %ld",
                  (long)who.uid);
        (void)close(fd);
        return;
    }
    p->control = fd;
}

static void
drop_master(struct parent *p)
{
    for (unsigned i = 0; i < KEEPERS; i++) {
        stop(&p->keepers[i]);
    }
    (void)close(p->control);
    p->control = -1;
}

/* False: the end, or the master that forked us has gone. */
static bool
take_control(struct parent *p)
{
    struct control_message m;

    if (control_receive(p->control, &m) == CONTROL_MESSAGE) {
        on_message(p, m);
        return true;
    }
    drop_master(p);
    return p->conf.masters_fd >= 0;
}

enum {
    POLL_CONTROL,
    POLL_SIGNALS,
    POLL_MASTERS,
    POLL_KEEPERS,
    POLL_COUNT = POLL_KEEPERS + KEEPERS
};

/* False: the end. */
static bool
turn(struct parent *p)
{
    struct pollfd fds[POLL_COUNT] = {
        [POLL_CONTROL] = { p->control, POLLIN, 0 },
        [POLL_SIGNALS] = { p->signals, POLLIN, 0 },
        [POLL_MASTERS] = { p->control < 0 ? p->conf.masters_fd : -1, POLLIN,
                           0 },
    };

    for (unsigned i = 0; i < KEEPERS; i++) {
        fds[POLL_KEEPERS + i] =
            (struct pollfd){ p->keepers[i].ready_fd, POLLIN, 0 };
    }
    if (poll(fds, POLL_COUNT, next_start(p)) < 0 && errno != EINTR) {
        return false;
    }
    for (unsigned i = 0; i < KEEPERS; i++) {
        if (p->keepers[i].ready_fd >= 0 && fds[POLL_KEEPERS + i].revents != 0) {
            on_ready(p, &p->keepers[i]);
        }
    }
    if (fds[POLL_SIGNALS].revents != 0) {
        reap(p);
    }
    start_planned(p);
    if (fds[POLL_MASTERS].revents != 0) {
        accept_master(p);
    }
    return !p->ending && (fds[POLL_CONTROL].revents == 0 || take_control(p));
}

static void
parent_init(struct parent *p, const struct keepers_conf *conf, int control)
{
    *p = (struct parent){ .conf = *conf, .control = control, .program_fd = -1 };
    for (unsigned i = 0; i < KEEPERS; i++) {
        p->keepers[i] =
            (struct keeper){ .number = i, .conf_fd = -1, .ready_fd = -1 };
    }
}

void
keepers_serve(const struct keepers_conf *conf, int control)
{
    struct parent p;
    sigset_t mask;

    parent_init(&p, conf, control);
    sigfillset(&mask);
    (void)sigprocmask(SIG_BLOCK, &mask, NULL);
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    if (control < 0) { /* else the end of the master is ours */
        sigaddset(&mask, SIGTERM);
        sigaddset(&mask, SIGINT);
    }
    p.signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    p.program_fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
    while (turn(&p)) {
    }
    for (unsigned i = 0; i < KEEPERS; i++) {
        stop(&p.keepers[i]);
    }
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR) {
    }
}
