/*
 * master_upgrade - SIGUSR2: the installed program takes our place in the same
 * process. Lock, listening sockets, keepers' parent and workers stay; the new
 * program starts workers and a keeper of its own, and when these are ready
 * the old ones drain, as after a reload.
 */
#include "proxy/log/log.h"
#include "proxy/master_private.h"
#include "proxy/process/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

enum {
    NOT_STARTED = 127 /* as a shell says it */
};

static void
refused(const char *why)
{
    log_event(LOG_LEVEL_ERROR, "upgrade-refused",
              "%s; the running program stays", why);
}

/* --- the old program ------------------------------------------------------ */

static void
later(struct master *m)
{
    m->upgrade_later = true;
    log_event(LOG_LEVEL_WARN, "upgrade-later",
              "workers of an earlier configuration still finish their "
              "sessions; the upgrade follows then");
}

/* Between fork and exec. */
static void
become_trial(const struct master_options *o)
{
    char name[] = "sealpostd", test[] = "-t", file[] = "-c";
    char *argv[] = { name, test, file, (char *)(uintptr_t)o->path, NULL };
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    (void)dup2(null, STDOUT_FILENO);
    (void)execv(o->program, argv);
    _exit(NOT_STARTED);
}

void
master_upgrade(struct master *m)
{
    if (m->stopping || m->upgrade_pid != 0) {
        return;
    }
    if (!master_alone(m)) {
        later(m);
        return;
    }
    m->upgrade_pid = fork();
    if (m->upgrade_pid == 0) {
        become_trial(m->options);
    }
    if (m->upgrade_pid < 0) {
        m->upgrade_pid = 0;
        refused(strerror(errno));
        master_go_on(m);
    }
}

static void
leave_socket(int fd, void *arg)
{
    struct handover *h = arg;

    (void)handover_add_socket(h, fd);
}

static bool
fill(const struct master *m, struct handover *h)
{
    *h = (struct handover){ .lock_fd = m->lock_fd,
                            .log_pipe = m->log_pipe,
                            .keepers_control = m->keepers_control,
                            .keepers_pid = m->keepers_pid };
    sockets_every(m->sockets, leave_socket, h);
    return bytes_copy(bytes_str(m->keeper_dir), h->keeper_dir,
                      sizeof(h->keeper_dir)) &&
           generation_hand_over(m->current, h);
}

/* Returns when it fails only. Signals wait for the new program. */
static void
become(const struct master_options *o)
{
    char name[] = "sealpostd", file[] = "-c", foreground[] = "-f";
    char keeper[] = "--keeper-socket";
    char *argv[8] = { name, file, (char *)(uintptr_t)o->path };
    size_t n = 3;
    sigset_t all;

    if (o->foreground) {
        argv[n++] = foreground;
    }
    if (o->keeper_dir != NULL) {
        argv[n++] = keeper;
        argv[n++] = (char *)(uintptr_t)o->keeper_dir;
    }
    sigfillset(&all);
    (void)sigprocmask(SIG_BLOCK, &all, NULL);
    (void)execve(o->program, argv, environ);
    (void)sigprocmask(SIG_UNBLOCK, &all, NULL);
}

/* Returns when it fails only. */
static void
change(struct master *m)
{
    struct handover h;

    if (!fill(m, &h) || !handover_leave(&h)) {
        refused(strerror(errno));
        handover_free(&h);
        return;
    }
    log_event(LOG_LEVEL_INFO, "upgrade", "becoming %s", m->options->program);
    notify_reloading();
    notify_leave();
    become(m->options);
    handover_cancel(&h);
    handover_free(&h);
    refused(strerror(errno));
    notify_ready();
}

void
master_upgrade_tried(struct master *m, int status)
{
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;

    m->upgrade_pid = 0;
    if (m->stopping) {
        return;
    }
    if (code == EX_OK && !master_alone(m)) {
        later(m);
        return;
    }
    if (code == EX_OK) {
        change(m);
    } else {
        refused(code == NOT_STARTED
                    ? "the installed program cannot be started"
                    : "sealpostd -t of the installed program fails");
    }
    master_go_on(m);
}

/* --- the new program ------------------------------------------------------ */

bool
master_resume(struct master *m, const struct handover *h, struct buf *error)
{
    int program = open("/proc/self/exe", O_PATH | O_CLOEXEC);

    m->lock_fd = h->lock_fd;
    m->log_pipe = h->log_pipe;
    m->keepers_control = h->keepers_control;
    m->keepers_pid = h->keepers_pid;
    for (size_t i = 0; i < h->socket_count; i++) {
        if (!sockets_adopt(m->sockets, h->sockets[i], error)) {
            return false;
        }
    }
    if (program >= 0) {
        (void)master_keepers_tell(m, CONTROL_PROGRAM, 0, program);
        (void)close(program);
    }
    return bytes_copy(bytes_str(h->keeper_dir), m->keeper_dir,
                      sizeof(m->keeper_dir));
}

bool
master_resume_workers(struct master *m, const struct handover *h)
{
    struct conf_errors *errors = NULL;
    struct conf *conf = NULL;
    sigset_t all;

    conf_load_fd(h->conf_fd, &conf, &errors);
    conf_errors_free(&errors);
    if (conf != NULL) {
        m->current =
            generation_adopt(&m->env, conf, h, master_on_generation, m);
    } else {
        /* The old workers end as they do when their master dies. */
        log_event(LOG_LEVEL_ERROR, "upgrade",
                  "this version can't read the configuration that the last "
                  "one was started with");
    }
    sigfillset(&all);
    return sigprocmask(SIG_UNBLOCK, &all, NULL) == 0;
}
