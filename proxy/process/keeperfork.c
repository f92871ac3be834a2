/*
 * keeperfork - the keepers' parent as a child of the master; see keepers.h.
 */
#include "proxy/log/log.h"
#include "proxy/process/background.h"
#include "proxy/process/control.h"
#include "proxy/process/keepers.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

/* Nothing of the master's stays open but what is named here. */
static void
close_others(const struct keepers_conf *conf, int control)
{
    const int keep[] = { control, conf->listen_fds[0], conf->listen_fds[1],
                         conf->log_fd };
    int max = (int)sysconf(_SC_OPEN_MAX);

    for (int fd = 3; fd < max && fd < 1024; fd++) {
        bool named = false;

        for (size_t i = 0; i < sizeof(keep) / sizeof(keep[0]); i++) {
            named = named || keep[i] == fd;
        }
        if (!named) {
            (void)close(fd);
        }
    }
    (void)close_range(1024, ~0u, 0);
}

static void
run(const struct keepers_conf *conf, int control)
{
    struct buf error = BUF_INIT;

    (void)prctl(PR_SET_NAME, "sealpost-keys");
    /* A SIGTERM to the master's whole group: workers still need keepers. */
    (void)setpgid(0, 0);
    log_open(conf->log_fd, conf->log_format, "keepers");
    background_close(conf->keep_stderr);
    close_others(conf, control);
    if (!account_become(&conf->account, &error)) {
        log_event(LOG_LEVEL_ERROR, "keepers-failed", "%s", buf_str(&error));
        _exit(EX_NOPERM);
    }
    keepers_serve(conf, control);
    _exit(0);
}

pid_t
keepers_fork(const struct keepers_conf *conf, int *control_out,
             struct buf *error)
{
    int ours, theirs;
    pid_t pid;

    if (!control_pair(&ours, &theirs)) {
        buf_printf(error, "cannot start the keeper: %s", strerror(errno));
        return -1;
    }
    pid = fork();
    if (pid == 0) {
        run(conf, theirs);
    }
    (void)close(theirs);
    if (pid < 0) {
        buf_printf(error, "cannot start the keeper: %s", strerror(errno));
        (void)close(ours);
        return -1;
    }
    *control_out = ours;
    return pid;
}
