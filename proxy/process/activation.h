/*
 * activation - listening sockets that a service manager has opened for us
 * (sd_listen_fds(3)): ports under 1024 without root, and no refused connection
 * while the service starts again.
 */
#ifndef PROXY_PROCESS_ACTIVATION_H
#define PROXY_PROCESS_ACTIVATION_H

#include <stddef.h>

enum {
    ACTIVATION_FIRST_FD = 3
};

/*
 * How many there are, from ACTIVATION_FIRST_FD on; 0: none are meant for us.
 * Takes LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES out of the environment and
 * makes the descriptors close-on-exec. Once, before any fork.
 */
size_t activation_take(void);

#endif
