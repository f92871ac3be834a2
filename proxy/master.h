/*
 * master - starts, signals and replaces the other processes; see
 * ARCHITECTURE.md section 2.
 *
 *   SIGHUP           users, keys, certificates again; the configuration too
 *                    when its file has changed: then new workers
 *   SIGTERM, SIGINT  end; the second one: at once
 *   SIGUSR1          open the log file again
 *
 * It parses no network input and never opens a key or password file.
 */
#ifndef PROXY_MASTER_H
#define PROXY_MASTER_H

#include <proxy/config/conf.h>

struct master_options {
    const char *path; /* the configuration file, absolute */
    bool foreground;
    const char
        *keeper_dir; /* of `sealpostd --keeper`; NULL: keepers of our own */
};

/* Takes conf and conf_fd (from conf_pack()). Returns the exit code. */
int master_run(const struct master_options *options, struct conf *conf,
               int conf_fd);

#endif
