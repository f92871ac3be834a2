/*
 * check - what only the machine can tell of a configuration; see conf.h.
 *
 * Nothing is made or changed: a spool directory that is still missing is made
 * by the daemon, so what counts is that it can be.
 */
#include "check.h"

#include "reader.h"
#include "secret.h"

#include <base/wipe.h>

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void
check_account(struct conf_checking *c, const char *key, const char *user,
              bool set)
{
    const struct conf_section *s = conf_section_of(c->conf, &c->conf->server);
    struct conf_place at = conf_place_of(s, key);

    if (getpwnam(user) != NULL) {
        return;
    }
    if (set) {
        conf_error(c->errors, at.file, at.line,
                   "%s = %s: no such account; useradd --system %s", key, user,
                   user);
    } else if (geteuid() == 0) {
        conf_warning(c->errors, at.file, at.line,
                     "the account %s does not exist: nobody is taken; "
                     "useradd --system %s",
                     user, user);
    }
}

/* Anybody who may write it decides where mail goes. */
static void
/* NOLINTNEXTLINE(misc-no-recursion): CONF_DEPTH_MAX */
check_own_files(struct conf_checking *c, const struct conf_file *file)
{
    struct stat st;

    if (stat(file->path, &st) == 0 && (st.st_mode & S_IWOTH) != 0) {
        conf_error(c->errors, file->path, 0,
                   "anybody may change the configuration; chmod o-w %s",
                   file->path);
    }
    for (const struct conf_include *i = file->includes; i != NULL;
         i = i->next) {
        for (const struct conf_file *f = i->files; f != NULL; f = f->next) {
            check_own_files(c, f);
        }
    }
}

static void
check_directories(struct conf_checking *c)
{
    const struct conf *conf = c->conf;
    struct conf_named state = { conf_section_of(conf, &conf->server),
                                "state_dir", conf->server.state_dir, false };
    struct conf_named spool = { conf_section_of(conf, &conf->spool),
                                "directory", conf->spool.directory, false };
    bool standard = !conf_is_set(spool.section, "directory");
    struct stat st;
    bool missing = stat(spool.path, &st) != 0;

    /* The daemon makes the default spool directory in it. */
    if (conf_check_directory(c, &state, standard && missing) &&
        !(standard && missing)) {
        (void)conf_check_directory(c, &spool, true);
    }
}

/* The directory of a log that is not there yet. */
static void
check_log(struct conf_checking *c)
{
    const struct server_conf *server = &c->conf->server;
    const char *slash = strrchr(server->log, '/');
    struct conf_named log = { conf_section_of(c->conf, server), "log",
                              server->log, false };
    struct stat st;
    char dir[4096];

    if (server->log[0] != '/') {
        return;
    }
    if (stat(server->log, &st) == 0) {
        if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode) &&
            !S_ISFIFO(st.st_mode)) {
            conf_check_error(c, &log, "not a file; a path for a file");
        } else if (conf_identity_take(&c->user)) {
            bool may = faccessat(AT_FDCWD, log.path, W_OK, AT_EACCESS) == 0;

            conf_identity_return(&c->user);
            if (!may) {
                conf_check_error(
                    c, &log, "the account %s may not write to it; chown %s %s",
                    c->user.user, c->user.user, log.path);
            }
        }
        return;
    }
    if (bytes_copy(bytes_make(log.path, (size_t)(slash - log.path)), dir,
                   sizeof(dir))) {
        log.path = dir[0] == '\0' ? "/" : dir;
        (void)conf_check_directory(c, &log, true);
    }
}

/* A password's, or a token's file. */
static void
check_secret(struct conf_checking *c, const void *section, const char *key,
             const char *path, size_t octets_max)
{
    struct conf_named file = { conf_section_of(c->conf, section), key, path,
                               true };
    bool token = strcmp(key, "token_file") == 0;
    struct buf text = BUF_INIT;
    struct bytes line;
    struct stat st;

    if (token && stat(path, &st) != 0 && errno == ENOENT) {
        conf_check_error(c, &file,
                         "no such file; `sealpost oauth --once` writes it");
        return;
    }
    if (conf_check_read(c, &file, &text) &&
        !conf_secret_line(buf_bytes(&text), octets_max, &line)) {
        conf_check_error(c, &file, "no %s; 1 to %zu octets in the first line",
                         token ? "token" : "password", octets_max);
    }
    wipe(text.ptr, text.cap);
    buf_free(&text);
}

/* Dovecot may start later; then who may connect can't be seen yet. */
static void
check_dovecot(struct conf_checking *c, const struct listen_conf *l)
{
    const char *path = l->auth_backend.path;
    struct conf_named file = { conf_section_of(c->conf, l), "auth_backend",
                               path, false };
    struct conf_place at = conf_place_of(file.section, file.key);
    bool may = true;
    struct stat st;

    if (stat(path, &st) != 0) {
        conf_warning(c->errors, at.file, at.line,
                     "auth_backend = dovecot:%s: %s; unix_listener in "
                     "Dovecot's `service auth`",
                     path, strerror(errno));
        return;
    }
    if (!S_ISSOCK(st.st_mode)) {
        conf_check_error(c, &file, "not a socket; Dovecot's auth-client one");
        return;
    }
    if (conf_identity_take(&c->user)) {
        may = faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) == 0;
        conf_identity_return(&c->user);
    }
    if (!may) {
        conf_check_error(
            c, &file,
            "the account %s may not connect to it; mode = 0660 and group = "
            "%s at its unix_listener",
            c->user.user, c->user.group);
    }
}

static void
find_user(struct conf_checking *c)
{
    const struct server_conf *server = &c->conf->server;

    if (!conf_identity_find(server->user, &c->user) &&
        (server->user_set || !conf_identity_find("nobody", &c->user))) {
        conf_identity_self(&c->user); /* told; the rest is still seen */
    }
}

void
conf_check_secret(const struct conf *conf, const char *file, unsigned line,
                  const char *key, const char *path, struct conf_errors *errors)
{
    struct conf_place at = { file, line };
    struct conf_checking c = { .conf = conf,
                               .errors = errors,
                               .elsewhere = &at };

    find_user(&c);
    check_secret(&c, &conf->server, key, path, CONF_TOKEN_MAX);
}

void
conf_check(const struct conf *conf, struct conf_errors *errors)
{
    struct conf_checking c = { .conf = conf, .errors = errors };
    const struct server_conf *server = &conf->server;
    int64_t now_s = (int64_t)time(NULL);

    check_account(&c, "user", server->user, server->user_set);
    check_account(&c, "keys_user", server->keys_user, server->keys_user_set);
    check_own_files(&c, conf->memory->bundle.root);
    find_user(&c);
    check_directories(&c);
    check_log(&c);
    for (size_t i = 0; i < conf->listen_count; i++) {
        if (conf->listens[i].auth_backend.judge == CONF_JUDGE_DOVECOT) {
            check_dovecot(&c, &conf->listens[i]);
        }
        if (conf->listens[i].tls != CONF_TLS_NONE) {
            conf_check_listen_tls(&c, &conf->listens[i], now_s);
        }
    }
    for (size_t i = 0; i < conf->upstream_count; i++) {
        if (conf->upstreams[i].login == CONF_LOGIN_PASSWORD) {
            check_secret(&c, &conf->upstreams[i], "password_file",
                         conf->upstreams[i].password_file, CONF_PASSWORD_MAX);
        } else if (conf->upstreams[i].login == CONF_LOGIN_OAUTH) {
            check_secret(&c, &conf->upstreams[i], "token_file",
                         conf->upstreams[i].token_file, CONF_TOKEN_MAX);
        }
        conf_check_upstream_tls(&c, &conf->upstreams[i], now_s);
    }
    conf_check_publish(&c);
    conf_errors_sort(errors);
}
