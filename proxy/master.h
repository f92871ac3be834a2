/*
 * master - starts, signals and replaces the other processes; see
 * ARCHITECTURE.md section 2.
 *
 *   SIGHUP           users, keys, certificates again; the configuration too
 *                    when its file has changed: then new workers
 *   SIGTERM, SIGINT  end; the second one: at once
 *   SIGUSR1          open the log file again
 *   SIGUSR2          become the program that is installed now
 *
 * It parses no network input and never opens a key or password file.
 */
#ifndef PROXY_MASTER_H
#define PROXY_MASTER_H

#include <proxy/config/conf.h>

struct master_options {
    const char *path;    /* the configuration file, absolute */
    const char *program; /* of sealpostd, absolute: what SIGUSR2 starts */
    bool foreground;
    const char *keeper_dir; /* a keeper's service; NULL: one of our own */
    size_t inherited;       /* sockets: activation_take() */
};

/* Takes conf and conf_fd (from conf_pack()). Returns the exit code. */
int master_run(const struct master_options *options, struct conf *conf,
               int conf_fd);

#endif
