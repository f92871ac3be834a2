/*
 * keeperchild - the descriptors that a keeper is started with, in this order
 * from CHILD_FDS on.
 */
#ifndef PROXY_PROCESS_KEEPERCHILD_H
#define PROXY_PROCESS_KEEPERCHILD_H

enum keeperchild_fd {
    CHILD_FD_LISTEN, /* its socket */
    CHILD_FD_CONF,   /* the configuration, from conf_pack() */
    CHILD_FD_READY,  /* struct keeper_conf's ready_fd */
    CHILD_FD_LOG,    /* closed: syslog */
    CHILD_FD_COUNT,
    CHILD_FDS = 3
};

#endif
