/*
 * keeperchild - a keeper from fork to its end: what its parent starts it with,
 * and what it makes of that.
 */
#ifndef PROXY_PROCESS_KEEPERCHILD_H
#define PROXY_PROCESS_KEEPERCHILD_H

#include <proxy/config/conf.h>
#include <sys/types.h>

/* The descriptors that it finds, in this order from CHILD_FDS on. */
enum keeperchild_fd {
    CHILD_FD_LISTEN, /* its socket */
    CHILD_FD_CONF,   /* the configuration, from conf_pack() */
    CHILD_FD_READY,  /* struct keeper_conf's ready_fd */
    CHILD_FD_LOG,    /* closed: syslog */
    CHILD_FD_COUNT,
    CHILD_FDS = 3
};

struct keeperchild {
    int fds[CHILD_FD_COUNT]; /* -1: closed */
    int program_fd;          /* of sealpostd */
    uid_t worker_uid;
    pid_t parent; /* when it is gone the keeper ends */
    enum conf_log_format log_format;
};

/* In the child of a fork; does not return. */
void keeperchild_exec(const struct keeperchild *child);

/* What `sealpostd --keeper-child` does: the rest of a keeper's start. */
int keepers_child(int argc, char **argv);

#endif
