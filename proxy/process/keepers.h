/*
 * keepers - the parent of the keepers: starts one, and another when it dies.
 *
 * It is forked by the master before root is dropped, becomes `keys_user`, and
 * from then on reads nothing but the master's control messages. Two keepers
 * may run side by side, each with a configuration and a socket of its own: a
 * generation of workers keeps its keeper until its last session has ended.
 */
#ifndef PROXY_PROCESS_KEEPERS_H
#define PROXY_PROCESS_KEEPERS_H

#include <proxy/process/account.h>
#include <sys/types.h>

enum {
    KEEPERS = 2
};

struct keepers_conf {
    struct account account; /* keys_user */
    uid_t worker_uid;
    int listen_fds[KEEPERS]; /* listening SOCK_SEQPACKET sockets; borrowed */
    int log_fd;              /* -1: syslog; borrowed */
    int masters_fd;          /* where masters call (keepers_service()); -1 */
    const char *path;        /* the configuration file that must be theirs */
    enum conf_log_format log_format;
    bool keep_stderr;
};

/*
 * Forks the parent. *control_out is our end of its control pair (control.h);
 * closing it ends the parent and its keepers. -1: *error says why.
 */
pid_t keepers_fork(const struct keepers_conf *conf, int *control_out,
                   struct buf *error);

/*
 * The same as a service of its own, `sealpostd --keeper`: sockets below
 * `directory`, one master after the other, until SIGTERM. It runs as
 * `keys_user` from the start. A master's configuration is taken only when it
 * is, octet for octet, what this account reads in path: nobody who has taken
 * over the network's account can give himself rights. Returns the exit code.
 */
int keepers_service(const char *path, const char *directory);
/*
 * The loop of both; returns when it was told to end. control: the pair with
 * the master that forked us, whose end is ours; -1: masters call.
 */
void keepers_serve(const struct keepers_conf *conf, int control);

/* The names of sockets in that directory. */
extern const char *const keepers_names[KEEPERS];
extern const char keepers_masters[];

/*
 * A keeper's listening socket, as DIRECTORY/NAME, for gid and uid. -1: *error
 * says why; a live socket of another daemon is EADDRINUSE in errno.
 */
int keepers_listen(const char *directory, const char *name, uid_t uid,
                   gid_t gid, struct buf *error);
/* Connects to it. -1: errno. */
int keepers_connect(const char *directory, const char *name);

#endif
