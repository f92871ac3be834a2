/*
 * keeperchild - a keeper from fork to its end; see keeperchild.h.
 */
#include "proxy/process/keeperchild.h"

#include "proxy/keeper/keeper.h"
#include "proxy/log/log.h"
#include "proxy/process/account.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

/* --- before exec ---------------------------------------------------------- */

/* fd becomes number, open across exec. */
static void
place(int fd, int number)
{
    if (fd == number) {
        (void)fcntl(fd, F_SETFD, 0);
    } else if (fd >= 0) {
        (void)dup2(fd, number);
    } else {
        (void)close(number);
    }
}

void
keeperchild_exec(const struct keeperchild *child)
{
    const int first = CHILD_FDS + CHILD_FD_COUNT; /* above what is placed */
    char program[] = "sealpostd", option[] = "--keeper-child";
    char uid[24], pid[24], format[24];
    char *argv[] = { program, option, uid, pid, format, NULL };
    int exe = fcntl(child->program_fd, F_DUPFD_CLOEXEC, first);
    int fds[CHILD_FD_COUNT];
    sigset_t none;

    (void)snprintf(uid, sizeof(uid), "%lu", (unsigned long)child->worker_uid);
    (void)snprintf(pid, sizeof(pid), "%lu", (unsigned long)child->parent);
    (void)snprintf(format, sizeof(format), "%d", (int)child->log_format);
    for (int i = 0; i < CHILD_FD_COUNT; i++) {
        fds[i] = child->fds[i] < 0 ? -1 : fcntl(child->fds[i], F_DUPFD, first);
    }
    for (int i = 0; i < CHILD_FD_COUNT; i++) {
        place(fds[i], CHILD_FDS + i);
    }
    (void)close_range((unsigned)first, ~0u, CLOSE_RANGE_CLOEXEC);
    account_drop_capabilities();
    sigemptyset(&none); /* whatever the one who started our parent blocked */
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)fexecve(exe, argv, environ);
    _exit(EX_OSERR);
}

/* --- behind it ------------------------------------------------------------ */

static void
close_on_exec(void)
{
    for (int i = 0; i < CHILD_FD_COUNT; i++) {
        (void)fcntl(CHILD_FDS + i, F_SETFD, FD_CLOEXEC);
    }
}

/* argv: as keeperchild_exec() made it, behind the option. */
static bool
parse(int argc, char **argv, struct keeper_conf *keeper,
      enum conf_log_format *format_out)
{
    uint64_t uid, parent, format;

    if (argc != 3 || !bytes_to_u64(bytes_str(argv[0]), UINT32_MAX, &uid) ||
        !bytes_to_u64(bytes_str(argv[1]), INT32_MAX, &parent) ||
        !bytes_to_u64(bytes_str(argv[2]), CONF_JSON, &format)) {
        return false;
    }
    keeper->worker_uid = (uid_t)uid;
    keeper->parent = (pid_t)parent;
    *format_out = (enum conf_log_format)format;
    return true;
}

int
keepers_child(int argc, char **argv)
{
    struct conf_errors *errors = NULL;
    struct conf *conf = NULL;
    struct keeper_conf keeper = { .listen_fd = CHILD_FDS + CHILD_FD_LISTEN,
                                  .ready_fd = CHILD_FDS + CHILD_FD_READY };
    int log_fd = CHILD_FDS + CHILD_FD_LOG;
    enum conf_log_format format;
    int code;

    if (!parse(argc, argv, &keeper, &format)) {
        return EX_USAGE;
    }
    (void)prctl(PR_SET_NAME, "sealpost-keeper");
    close_on_exec();
    log_open(fcntl(log_fd, F_GETFD) < 0 ? -1 : log_fd, format, "keeper");
    conf_load_fd(CHILD_FDS + CHILD_FD_CONF, &conf, &errors);
    conf_errors_free(&errors);
    (void)close(CHILD_FDS + CHILD_FD_CONF);
    if (conf == NULL) {
        log_event(LOG_LEVEL_ERROR, "keeper-failed",
                  "the configuration that the master sent is of no use");
        return EX_SOFTWARE;
    }
    keeper.conf = conf;
    code = keeper_run(&keeper);
    conf_free(&conf);
    return code;
}
