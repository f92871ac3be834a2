/*
 * background - see background.h.
 */
#include "proxy/process/background.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

/* One octet: ready. End of file without it: the child's exit code says. */
static void
wait_for(int fd, pid_t child)
{
    char octet;
    ssize_t n;
    int status;

    do {
        n = read(fd, &octet, 1);
    } while (n < 0 && errno == EINTR);
    if (n == 1) {
        _exit(0);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    _exit(WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status)
                                                        : EX_SOFTWARE);
}

int
background_start(void)
{
    int fds[2];
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC) != 0) {
        return -1;
    }
    pid = fork();
    if (pid < 0) {
        (void)close(fds[0]);
        (void)close(fds[1]);
        return -1;
    }
    if (pid > 0) {
        (void)close(fds[1]);
        wait_for(fds[0], pid);
    }
    (void)close(fds[0]);
    (void)setsid();
    return fds[1];
}

void
background_ready(int fd)
{
    if (write(fd, "1", 1) != 1) {
        /* The one who started us has gone; nobody is left to be told. */
    }
    (void)close(fd);
}

void
background_close(bool keep_stderr)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null < 0) {
        return;
    }
    (void)dup2(null, STDIN_FILENO);
    (void)dup2(null, STDOUT_FILENO);
    if (!keep_stderr) {
        (void)dup2(null, STDERR_FILENO);
    }
    if (null > STDERR_FILENO) {
        (void)close(null);
    }
}
