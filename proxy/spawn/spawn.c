/*
 * spawn - a program of the operator's; see spawn.h.
 *
 * stdin is a sealed file in memory, so that nothing has to be written while
 * the program runs, and one that does not read its input is no trouble.
 */
#include "proxy/spawn/spawn.h"

#include "proxy/clock.h"
#include "proxy/spawn/tail.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define SPAWN_PATH \
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

enum {
    GRACE_MS = 2000, /* between SIGTERM and SIGKILL */
    VARIABLES_MAX = 32,
    TOLD_FD = 3 /* where the child says that it could not exec */
};

struct running {
    pid_t pid;
    int process;   /* pidfd */
    int output[2]; /* stdout, stderr: our ends */
    int told;      /* our end: an errno, or its end at exec */
    struct spawn_tail tails[2];
};

/* --- the child ---------------------------------------------------------- */

/* Pointers into text, which owns the strings. */
static bool
make_environment(const struct spawn *s, struct buf *text, char **out)
{
    const struct passwd *account = getpwuid(geteuid());
    size_t count = 0;
    char *at;

    buf_puts(text, "PATH=" SPAWN_PATH "\n");
    buf_puts(text, "SHELL=/bin/sh\nLC_ALL=C\n");
    buf_printf(text, "HOME=%s\n", account == NULL ? "/" : account->pw_dir);
    buf_printf(text, "LOGNAME=%s\n", account == NULL ? "" : account->pw_name);
    for (size_t i = 0; s->extra != NULL && s->extra[i] != NULL; i++) {
        buf_printf(text, "%s\n", s->extra[i]);
    }
    if (buf_str(text) == NULL) {
        return false;
    }
    for (at = (char *)text->ptr; *at != '\0' && count < VARIABLES_MAX - 1;) {
        char *end = strchr(at, '\n');

        out[count++] = at;
        *end = '\0';
        at = end + 1;
    }
    out[count] = NULL;
    return true;
}

static void
reset_signals(void)
{
    struct sigaction standard = { .sa_handler = SIG_DFL };
    sigset_t none;

    for (int i = 1; i < NSIG; i++) {
        (void)sigaction(i, &standard, NULL);
    }
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Only what is safe after fork(). The ends are above 3. */
_Noreturn static void
become(const struct spawn *s, char **environment, const int *ends)
{
    union {
        const char *const *given;
        char *const *wanted; /* execve() does not write to it */
    } argv = { s->argv };
    int error;

    reset_signals();
    if (setsid() >= 0 && chdir("/") == 0 && dup2(ends[0], 0) == 0 &&
        dup2(ends[1], 1) == 1 && dup2(ends[2], 2) == 2 &&
        dup2(ends[3], TOLD_FD) == TOLD_FD &&
        fcntl(TOLD_FD, F_SETFD, FD_CLOEXEC) == 0 &&
        close_range(TOLD_FD + 1, ~0u, 0) == 0) {
        execve(s->argv[0], argv.wanted, environment);
    }
    error = errno;
    (void)!write(TOLD_FD, &error, sizeof(error));
    _exit(127);
}

/* --- starting ----------------------------------------------------------- */

static void
close_all(int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
        fds[i] = -1;
    }
}

/* A descriptor above those that the child is to have. */
static int
move_up(int fd)
{
    int above = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, TOLD_FD + 1);

    if (fd >= 0) {
        close(fd);
    }
    return above;
}

static int
input_file(struct bytes input)
{
    int fd = memfd_create("stdin", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    while (fd >= 0 && input.len > 0) {
        ssize_t n = write(fd, input.ptr, input.len);

        if (n < 0 && errno != EINTR) {
            close(fd);
            return -1;
        }
        input = bytes_skip(input, n > 0 ? (size_t)n : 0);
    }
    if (fd >= 0) {
        (void)lseek(fd, 0, SEEK_SET);
        (void)fcntl(fd, F_ADD_SEALS,
                    F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
    }
    return move_up(fd);
}

/* Ours is made non-blocking. */
static bool
make_pipe(int *ours_out, int *theirs_out)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0) {
        return false;
    }
    *ours_out = move_up(ends[0]);
    *theirs_out = move_up(ends[1]);
    return *ours_out >= 0 && *theirs_out >= 0 &&
           fcntl(*ours_out, F_SETFL, O_NONBLOCK) == 0;
}

/* errno on failure; nothing runs then. */
static bool
start(const struct spawn *s, struct running *r)
{
    int theirs[4] = { -1, -1, -1, -1 };
    char *environment[VARIABLES_MAX];
    struct buf text = BUF_INIT;
    bool good;

    theirs[0] = input_file(s->input);
    good = make_environment(s, &text, environment) && theirs[0] >= 0 &&
           make_pipe(&r->output[0], &theirs[1]) &&
           make_pipe(&r->output[1], &theirs[2]) &&
           make_pipe(&r->told, &theirs[3]);
    if (good) {
        r->pid = fork();
        if (r->pid == 0) {
            become(s, environment, theirs);
        }
        good = r->pid > 0;
    }
    if (good) {
        r->process = pidfd_open(r->pid, 0);
        good = r->process >= 0;
        if (!good) {
            (void)kill(r->pid, SIGKILL);
            (void)waitpid(r->pid, NULL, 0);
        }
    }
    close_all(theirs, 4);
    buf_free(&text);
    return good;
}

/* --- while it runs ------------------------------------------------------ */

/* Until nothing is there; at the end of the pipe it is closed. */
static void
read_output(struct running *r, size_t i)
{
    uint8_t text[4096];
    ssize_t n = 1;

    while (r->output[i] >= 0 && n > 0) {
        n = read(r->output[i], text, sizeof(text));
        if (n > 0) {
            spawn_tail_put(&r->tails[i], bytes_make(text, (size_t)n));
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            close(r->output[i]);
            r->output[i] = -1;
        }
    }
}

/* True: it has ended; false: end_ms came first. */
static bool
wait_until(struct running *r, uint64_t end_ms)
{
    for (;;) {
        uint64_t now = clock_ms();
        struct pollfd p[] = { { r->process, POLLIN, 0 },
                              { r->output[0], POLLIN, 0 },
                              { r->output[1], POLLIN, 0 } };

        if (now > end_ms ||
            (poll(p, 3, (int)(end_ms - now)) < 0 && errno != EINTR)) {
            return false;
        }
        read_output(r, 0);
        read_output(r, 1);
        if (p[0].revents != 0) {
            return true;
        }
    }
}

/* What it left behind must not go on, whoever of the group it is. */
static int
reap(struct running *r)
{
    int status = 0;

    (void)kill(-r->pid, SIGKILL);
    while (waitpid(r->pid, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

static void
take_status(struct running *r, bool ended, struct spawn_result *result)
{
    int status = reap(r);
    int error;

    if (read(r->told, &error, sizeof(error)) == (ssize_t)sizeof(error)) {
        *result = (struct spawn_result){ SPAWN_START, error, "" };
    } else if (!ended) {
        result->end = SPAWN_TIMEOUT;
    } else if (WIFEXITED(status)) {
        result->code = WEXITSTATUS(status);
        result->end = result->code == 0 ? SPAWN_GOOD : SPAWN_EXIT;
    } else {
        result->end = SPAWN_SIGNAL;
        result->code = WTERMSIG(status);
    }
}

enum spawn_end
spawn_run(const struct spawn *s, struct spawn_result *result)
{
    struct running r = { .process = -1, .output = { -1, -1 }, .told = -1 };
    bool ended;

    *result = (struct spawn_result){ SPAWN_START, 0, "" };
    if (!start(s, &r)) {
        result->code = errno;
    } else {
        ended = wait_until(&r, clock_ms() + (uint64_t)s->timeout_s * 1000);
        if (!ended) {
            (void)kill(-r.pid, SIGTERM);
            (void)wait_until(&r, clock_ms() + GRACE_MS);
        }
        take_status(&r, ended, result);
        if (!spawn_tail_line(&r.tails[1], result->line)) {
            (void)spawn_tail_line(&r.tails[0], result->line);
        }
    }
    close_all(r.output, 2);
    close_all(&r.told, 1);
    close_all(&r.process, 1);
    return result->end;
}

enum spawn_end
spawn_shell(const char *command, const struct spawn *s,
            struct spawn_result *result)
{
    const char *argv[] = { "/bin/sh", "-c", command, NULL };
    struct spawn shell = *s;

    shell.argv = argv;
    return spawn_run(&shell, result);
}

void
spawn_explain(const struct spawn *s, const struct spawn_result *result,
              struct buf *out)
{
    const char *colon = result->line[0] == '\0' ? "" : ": ";

    switch (result->end) {
    case SPAWN_GOOD:
        buf_puts(out, "ended well");
        break;
    case SPAWN_EXIT:
        buf_printf(out, "ended with %d%s%s", result->code, colon, result->line);
        break;
    case SPAWN_SIGNAL:
        buf_printf(out, "was ended by signal %d%s%s", result->code, colon,
                   result->line);
        break;
    case SPAWN_TIMEOUT:
        buf_printf(out, "did not end within %u s%s%s", s->timeout_s, colon,
                   result->line);
        break;
    case SPAWN_START:
        buf_printf(out, "cannot be started: %s", strerror(result->code));
        break;
    }
}

bool
spawn_find(const char *name, struct buf *path_out)
{
    struct bytes rest = BYTES_LIT(SPAWN_PATH);

    while (rest.len > 0) {
        struct bytes folder = bytes_take(rest, bytes_find(rest, ':'));

        buf_clear(path_out);
        buf_put(path_out, folder);
        buf_printf(path_out, "/%s", name);
        if (buf_str(path_out) != NULL &&
            access((const char *)path_out->ptr, X_OK) == 0) {
            return true;
        }
        rest = bytes_skip(rest,
                          folder.len < rest.len ? folder.len + 1 : folder.len);
    }
    return false;
}
