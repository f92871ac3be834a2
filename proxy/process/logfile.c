/*
 * logfile - see logfile.h.
 */
#include "proxy/process/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

bool
logfile_is_file(const struct server_conf *conf)
{
    return conf->log[0] == '/';
}

/* /dev/null stays whose it is. */
static bool
is_regular(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

int
logfile_open(const struct server_conf *conf, bool foreground, uid_t uid,
             gid_t gid, struct buf *error)
{
    bool to_stderr = strcmp(conf->log, "stderr") == 0 ||
                     (conf->log[0] == '\0' && foreground);
    int fd;

    if (!to_stderr && !logfile_is_file(conf)) {
        return LOGFILE_SYSLOG;
    }
    if (to_stderr) {
        fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    } else {
        fd = open(conf->log,
                  O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
    }
    if (fd < 0) {
        buf_printf(error,
                   "cannot open the log %s: %s; its directory must be "
                   "writable by the service's user",
                   to_stderr ? "stderr" : conf->log, strerror(errno));
        return LOGFILE_ERROR;
    }
    if (!to_stderr && is_regular(fd) && geteuid() == 0 &&
        fchown(fd, uid, gid) != 0) {
        buf_printf(error, "cannot give the log %s to the service's user: %s",
                   conf->log, strerror(errno));
        (void)close(fd);
        return LOGFILE_ERROR;
    }
    return fd;
}
