/*
 * child - see child.h.
 */
#include "proxy/process/child.h"

#include "proxy/clock.h"
#include "proxy/process/account.h"
#include "proxy/process/control.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

enum {
    SHORT_LIFE_MS = 5000,
    PAUSE_FIRST_MS = 100
};

unsigned
child_pause_ms(uint64_t started_ms, unsigned last_ms, unsigned max_ms)
{
    bool short_life = clock_ms() - started_ms < SHORT_LIFE_MS;
    unsigned pause_ms =
        !short_life || last_ms == 0 ? PAUSE_FIRST_MS : last_ms * 2;

    return pause_ms < max_ms ? pause_ms : max_ms;
}

/* Between fork and exec: only what signal handlers may do. */
static void
become_worker(int control, char *slot)
{
    char program[] = "sealpostd", option[] = "--worker";
    char *argv[] = { program, option, slot, NULL };
    sigset_t none;

    if (control != CHILD_CONTROL_FD) {
        (void)dup2(control, CHILD_CONTROL_FD);
    } else {
        (void)fcntl(control, F_SETFD, 0);
    }
    (void)close_range(CHILD_CONTROL_FD + 1, ~0u, 0);
    account_drop_capabilities();
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    /* The very program that the master is, also after an upgrade on disk. */
    (void)execv("/proc/self/exe", argv);
    _exit(EX_OSERR);
}

pid_t
child_start_worker(unsigned slot, int *control_out)
{
    char text[16];
    int ours, theirs, error;
    pid_t pid;

    (void)snprintf(text, sizeof(text), "%u", slot);
    if (!control_pair(&ours, &theirs)) {
        return -1;
    }
    pid = fork();
    if (pid == 0) {
        become_worker(theirs, text);
    }
    error = errno;
    (void)close(theirs);
    if (pid < 0) {
        (void)close(ours);
        errno = error;
        return -1;
    }
    (void)fcntl(ours, F_SETFL, O_NONBLOCK);
    *control_out = ours;
    return pid;
}

void
child_log_status(struct log_line *l, int status)
{
    if (WIFSIGNALED(status)) {
        log_text(l, "signal", sigabbrev_np(WTERMSIG(status)));
    } else {
        log_number(l, "code", (uint64_t)WEXITSTATUS(status));
    }
}
