/*
 * data - the files behind the commands: configuration, keys, users; cli.h.
 */
#include "proxy/cli/cli.h"
#include "proxy/keys/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sysexits.h>
#include <unistd.h>

int
cli_errors(const struct cli *c, const struct conf_errors *errors)
{
    /* A list that could not be made counts one line: out of memory. */
    size_t count = conf_errors_count(errors);
    bool failed = false;

    for (size_t i = 0; i < count; i++) {
        bool warning = conf_errors_is_warning(errors, i);

        failed = failed || !warning;
        if (!warning || !c->quiet) {
            fprintf(stderr, "%s%s\n", warning ? "warning: " : "",
                    conf_errors_line(errors, i));
        }
    }
    return failed ? EX_CONFIG : CLI_GO_ON;
}

/* What may not be read has no mistakes that we know of. path: NULL, no
 * memory for it. */
static int
load_code(int code, const char *path)
{
    bool closed = path != NULL && access(path, R_OK) != 0 && errno == EACCES;

    return code == EX_CONFIG && closed ? EX_NOPERM : code;
}

int
cli_conf(struct cli *c)
{
    struct conf_errors *errors = NULL;
    int code;

    conf_load(c->path, &c->conf, &errors);
    code = load_code(cli_errors(c, errors), c->path);
    conf_errors_free(&errors);
    if (c->conf == NULL && code == CLI_GO_ON) {
        return cli_fail(c, EX_OSERR, "no memory");
    }
    return c->conf == NULL ? code : CLI_GO_ON;
}

int
cli_conf_maybe(struct cli *c)
{
    if (!c->path_given && access(c->path, F_OK) != 0) {
        return CLI_GO_ON;
    }
    return cli_conf(c);
}

/* Nothing was loaded: the lines say why, or there was no memory for one. */
static int
fail_load(const struct cli *c, const struct conf_errors *errors,
          const char *path)
{
    int code = load_code(cli_errors(c, errors), path);

    return code == CLI_GO_ON ? cli_fail(c, EX_OSERR, "no memory") : code;
}

static struct view *
make_view(const struct cli_data *data)
{
    struct view_builder *b = view_builder_new();

    if (b == NULL || !keystore_to_view(data->store, b) ||
        !userfile_to_view(data->users, b)) {
        view_builder_free(&b);
        return NULL;
    }
    return view_build(&b, 1);
}

static int
load_users(struct cli *c, struct cli_data *data, struct conf_errors *errors)
{
    const char *path;

    buf_printf(&data->users_path, "%s/users.conf", c->conf->server.state_dir);
    path = buf_str(&data->users_path);
    if (path == NULL) {
        return cli_fail(c, EX_OSERR, "no memory");
    }
    data->users = userfile_load(path, data->store_conf.uid, errors);
    if (data->users == NULL) {
        return fail_load(c, errors, path);
    }
    data->view = make_view(data);
    if (data->view == NULL) {
        return cli_fail(c, EX_OSERR, "no memory");
    }
    userfile_check_selectors(data->users, path, data->view, errors);
    userfile_check_upstreams(data->users, path, c->conf, errors);
    return CLI_GO_ON;
}

int
cli_load(struct cli *c, bool users, struct cli_data *data)
{
    struct conf_errors *errors = conf_errors_new();
    struct buf keys = BUF_INIT;
    int code = CLI_GO_ON;

    buf_printf(&keys, "%s/keys", c->conf->server.state_dir);
    keystore_conf_init(&data->store_conf, &c->conf->server,
                       c->conf->sign.allow_short_keys);
    data->store =
        errors == NULL ? NULL : keystore_load(&data->store_conf, errors);
    if (data->store == NULL) {
        code = fail_load(c, errors, buf_str(&keys));
    } else if (users) {
        code = load_users(c, data, errors);
    }
    if (code == CLI_GO_ON) {
        (void)cli_errors(c, errors); /* what is left out was said */
    }
    buf_free(&keys);
    conf_errors_free(&errors);
    return code;
}

void
cli_view(const struct cli *c, struct cli_data *data)
{
    struct conf_errors *errors = conf_errors_new();

    buf_printf(&data->users_path, "%s/users.conf", c->conf->server.state_dir);
    if (errors != NULL && buf_str(&data->users_path) != NULL) {
        data->users = userfile_load((const char *)data->users_path.ptr,
                                    data->store_conf.uid, errors);
    }
    if (data->users != NULL) {
        data->view = make_view(data);
    }
    conf_errors_free(&errors);
}

void
cli_data_free(struct cli_data *data)
{
    view_free(&data->view);
    userfile_free(&data->users);
    keystore_free(&data->store);
    buf_free(&data->users_path);
}

/* --- the running daemon ------------------------------------------------- */

/* The id in the first line of a lock that somebody holds; 0: none. A lock
 * that is free is a dead daemon's: its id may be anybody's by now. */
static pid_t
daemon_id(const char *path)
{
    char line[32] = "";
    uint64_t id = 0;
    ssize_t n;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool held;

    if (fd < 0) {
        return 0;
    }
    held = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    n = read(fd, line, sizeof(line) - 1);
    close(fd);
    if (!held || n <= 0) {
        return 0;
    }
    if (!bytes_to_u64(bytes_make(line, strcspn(line, "\r\n ")), INT32_MAX,
                      &id) ||
        id < 2) {
        return 0;
    }
    return (pid_t)id;
}

void
cli_reload(const struct cli *c)
{
    struct buf path = BUF_INIT;
    pid_t id = 0;

    if (c->no_reload) {
        return;
    }
    buf_printf(&path, "%s/lock", c->conf->server.state_dir);
    if (buf_str(&path) != NULL) {
        id = daemon_id((const char *)path.ptr);
    }
    buf_free(&path);
    if (id > 0 && kill(id, SIGHUP) != 0) {
        cli_note(c,
                 "done, but the running daemon (process %ld) could not be "
                 "told: %s; reload it yourself",
                 (long)id, strerror(errno));
    }
}

/* --- octets ------------------------------------------------------------- */

int
cli_read_all(const struct cli *c, int fd, const char *name, size_t octets_max,
             struct buf *out)
{
    if (replace_read(fd, octets_max, out)) {
        return EX_OK;
    }
    if (errno == ENOMEM) {
        return cli_fail(c, EX_OSERR, "no memory");
    }
    return errno == EFBIG
               ? cli_fail(c, EX_DATAERR, "%s is over %zu octets", name,
                          octets_max)
               : cli_fail(c, EX_IOERR, "%s: %s", name, strerror(errno));
}

int
cli_write(const struct cli *c, struct bytes text)
{
    if (fwrite(text.ptr, 1, text.len, stdout) != text.len ||
        fflush(stdout) != 0) {
        return cli_fail(c, EX_IOERR, "stdout: %s", strerror(errno));
    }
    return EX_OK;
}
