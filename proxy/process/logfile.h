/*
 * logfile - where log lines go: [server] log as a descriptor.
 */
#ifndef PROXY_PROCESS_LOGFILE_H
#define PROXY_PROCESS_LOGFILE_H

#include <base/buf.h>

#include <proxy/config/conf.h>
#include <sys/types.h>

enum {
    LOGFILE_SYSLOG = -1,
    LOGFILE_ERROR = -2
};

/*
 * A descriptor of the caller's own; LOGFILE_SYSLOG; or LOGFILE_ERROR and
 * *error says why. A file is made with mode 0640 and belongs to uid and gid,
 * so that it can be opened again without root.
 */
int logfile_open(const struct server_conf *conf, bool foreground, uid_t uid,
                 gid_t gid, struct buf *error);

/* It is a file, which SIGUSR1 opens again. */
bool logfile_is_file(const struct server_conf *conf);

#endif
