/*
 * keeperchild - a keeper from exec to its end; see keepers.h.
 */
#include "proxy/process/keeperchild.h"

#include "proxy/keeper/keeper.h"
#include "proxy/log/log.h"
#include "proxy/process/keepers.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

static void
close_on_exec(void)
{
    for (int i = 0; i < CHILD_FD_COUNT; i++) {
        (void)fcntl(CHILD_FDS + i, F_SETFD, FD_CLOEXEC);
    }
}

/* argv: the workers' uid, our parent's pid, the log's format. */
static bool
parse(int argc, char **argv, struct keeper_conf *keeper,
      enum conf_log_format *format_out)
{
    uint64_t uid, parent, format;

    if (argc != 3 || !bytes_to_u64(bytes_str(argv[0]), UINT32_MAX, &uid) ||
        !bytes_to_u64(bytes_str(argv[1]), INT32_MAX, &parent) ||
        !bytes_to_u64(bytes_str(argv[2]), CONF_JSON, &format)) {
        return false;
    }
    keeper->worker_uid = (uid_t)uid;
    keeper->parent = (pid_t)parent;
    *format_out = (enum conf_log_format)format;
    return true;
}

int
keepers_child(int argc, char **argv)
{
    struct conf_errors *errors = NULL;
    struct conf *conf = NULL;
    struct keeper_conf keeper = { .listen_fd = CHILD_FDS + CHILD_FD_LISTEN,
                                  .ready_fd = CHILD_FDS + CHILD_FD_READY };
    int log_fd = CHILD_FDS + CHILD_FD_LOG;
    enum conf_log_format format;
    int code;

    if (!parse(argc, argv, &keeper, &format)) {
        return EX_USAGE;
    }
    (void)prctl(PR_SET_NAME, "sealpost-keeper");
    close_on_exec();
    log_open(fcntl(log_fd, F_GETFD) < 0 ? -1 : log_fd, format, "keeper");
    conf_load_fd(CHILD_FDS + CHILD_FD_CONF, &conf, &errors);
    conf_errors_free(&errors);
    (void)close(CHILD_FDS + CHILD_FD_CONF);
    if (conf == NULL) {
        log_event(LOG_LEVEL_ERROR, "keeper-failed",
                  "the configuration that the master sent is of no use");
        return EX_SOFTWARE;
    }
    keeper.conf = conf;
    code = keeper_run(&keeper);
    conf_free(&conf);
    return code;
}
