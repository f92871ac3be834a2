/*
 * reload - what a new configuration must be before anything is changed.
 */
#ifndef PROXY_PROCESS_RELOAD_H
#define PROXY_PROCESS_RELOAD_H

#include <proxy/config/conf.h>

/* Both hold the same octets. */
bool reload_same(int conf_fd, int other_fd);

/*
 * Loads and checks the configuration in conf_fd; every mistake is logged.
 * NULL: it can't be used beside `running`, or at all.
 */
struct conf *reload_load(int conf_fd, const struct conf *running);

#endif
