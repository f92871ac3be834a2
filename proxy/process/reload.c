/*
 * reload - see reload.h.
 */
#include "proxy/process/reload.h"

#include "proxy/log/log.h"

#include <sys/stat.h>
#include <unistd.h>

bool
reload_same(int conf_fd, int other_fd)
{
    char a[4096], b[4096];
    struct stat sa, sb;
    off_t at = 0;

    if (fstat(conf_fd, &sa) != 0 || fstat(other_fd, &sb) != 0 ||
        sa.st_size != sb.st_size) {
        return false;
    }
    while (at < sa.st_size) {
        ssize_t n = pread(conf_fd, a, sizeof(a), at);

        if (n <= 0 || pread(other_fd, b, (size_t)n, at) != n ||
            memcmp(a, b, (size_t)n) != 0) {
            return false;
        }
        at += n;
    }
    return true;
}

static void
log_errors(const struct conf_errors *errors)
{
    for (size_t i = 0; i < conf_errors_count(errors); i++) {
        bool warning = conf_errors_is_warning(errors, i);

        log_event(warning ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR, "conf", "%s",
                  conf_errors_line(errors, i));
    }
}

/* What belongs to the process since its start. */
static bool
is_fixed(const char *key, const char *running, const char *wanted)
{
    if (strcmp(running, wanted) == 0) {
        return false;
    }
    log_event(LOG_LEVEL_ERROR, "conf",
              "[server] %s = %s needs a restart; running with %s", key, wanted,
              running);
    return true;
}

static bool
needs_restart(const struct server_conf *running,
              const struct server_conf *wanted)
{
    bool user = is_fixed("user", running->user, wanted->user);
    bool keys = is_fixed("keys_user", running->keys_user, wanted->keys_user);
    bool state = is_fixed("state_dir", running->state_dir, wanted->state_dir);
    bool log = is_fixed("log", running->log, wanted->log);
    bool format = running->log_format != wanted->log_format;

    if (format) {
        log_event(LOG_LEVEL_ERROR, "conf",
                  "[server] log_format needs a restart");
    }
    return user || keys || state || log || format;
}

struct conf *
reload_load(int conf_fd, const struct conf *running)
{
    struct conf_errors *errors;
    struct conf *conf;

    conf_load_fd(conf_fd, &conf, &errors);
    if (conf != NULL) {
        conf_check(conf, errors);
    }
    log_errors(errors);
    if (conf != NULL &&
        (conf_errors_count(errors) > conf_errors_warnings(errors) ||
         needs_restart(&running->server, &conf->server))) {
        conf_free(&conf);
    }
    conf_errors_free(&errors);
    return conf;
}
