/*
 * keeperservice - the keepers' parent as a service; see keepers.h.
 */
#include "proxy/log/log.h"
#include "proxy/process/account.h"
#include "proxy/process/keepers.h"
#include "proxy/process/logfile.h"
#include "proxy/process/notify.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

const char *const keepers_names[KEEPERS] = { "keeper.sock", "keeper2.sock" };
const char keepers_masters[] = "masters.sock";

static struct conf *
load(const char *path)
{
    struct conf_errors *errors = NULL;
    struct conf *conf = NULL;

    conf_load(path, &conf, &errors);
    for (size_t i = 0; i < conf_errors_count(errors); i++) {
        fprintf(stderr, "%s%s\n",
                conf_errors_is_warning(errors, i) ? "warning: " : "",
                conf_errors_line(errors, i));
    }
    conf_errors_free(&errors);
    return conf;
}

/* Sockets belong to this account and its group, which the network's is in. */
static bool
listen_all(const char *directory, struct keepers_conf *k, struct buf *error)
{
    const char *names[] = { keepers_names[0], keepers_names[1],
                            keepers_masters };
    int *fds[] = { &k->listen_fds[0], &k->listen_fds[1], &k->masters_fd };

    for (size_t i = 0; i < 3; i++) {
        *fds[i] =
            keepers_listen(directory, names[i], getuid(), getgid(), error);
        if (*fds[i] < 0) {
            return false;
        }
    }
    return true;
}

static bool
prepare(const struct conf *conf, const char *directory, struct keepers_conf *k,
        struct buf *error)
{
    struct account user;

    if (geteuid() == 0) {
        buf_printf(error, "--keeper runs as keys_user (%s), not as root",
                   conf->server.keys_user);
        return false;
    }
    if (!accounts_network(&conf->server, &user, error)) {
        return false;
    }
    k->worker_uid = user.uid;
    k->log_format = conf->server.log_format;
    /* The log file is the network's account's: here standard error. */
    k->log_fd = strcmp(conf->server.log, "syslog") == 0 ? LOGFILE_SYSLOG
                                                        : STDERR_FILENO;
    return listen_all(directory, k, error);
}

int
keepers_service(const char *path, const char *directory)
{
    struct keepers_conf k = { .masters_fd = -1, .path = path };
    struct conf *conf = load(path);
    struct buf error = BUF_INIT;
    bool good;

    if (conf == NULL) {
        return EX_CONFIG;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    (void)prctl(PR_SET_NAME, "sealpost-keys");
    good = prepare(conf, directory, &k, &error);
    conf_free(&conf);
    if (!good) {
        fprintf(stderr, "sealpostd: %s\n", buf_str(&error));
        buf_free(&error);
        return EX_CONFIG;
    }
    log_open(k.log_fd, k.log_format, "keepers");
    log_event(LOG_LEVEL_INFO, "ready", "waiting for a master in %s", directory);
    notify_ready();
    keepers_serve(&k, -1);
    notify_stopping();
    return 0;
}
