/*
 * check_publish - what [publish] and [notify] name on this machine; check.h.
 *
 * The timer runs as keys_user, so its rights count, not those of `user`.
 */
#include "check.h"
#include "secret.h"

#include <base/wipe.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static struct conf_named
named(const struct conf_checking *c, const char *key, const char *path,
      bool secret)
{
    return (struct conf_named){ conf_section_of(c->conf, &c->conf->publish),
                                key, path, secret };
}

/* tsig-keygen's form, or that of dnssec-keygen's .private. */
static void
check_tsig(struct conf_checking *c)
{
    const char *path = c->conf->publish.tsig_key_file;
    struct conf_named file = named(c, "tsig_key_file", path, true);
    struct buf text = BUF_INIT;

    if (path[0] == '\0') {
        return;
    }
    if (conf_check_read(c, &file, &text) && buf_str(&text) != NULL &&
        strstr((char *)text.ptr, "secret") == NULL &&
        strstr((char *)text.ptr, "Private-key-format") == NULL) {
        conf_check_error(c, &file,
                         "no key in it; tsig-keygen NAME >%s makes one", path);
    }
    wipe(text.ptr, text.cap);
    buf_free(&text);
}

/* It is replaced by a new one, which takes its directory. */
static void
check_replaced(struct conf_checking *c, const char *key, const char *path)
{
    struct conf_named dir = named(c, key, NULL, false);
    const char *slash = strrchr(path, '/');
    char parent[4096];

    if (slash != NULL && bytes_copy(bytes_make(path, (size_t)(slash - path)),
                                    parent, sizeof(parent))) {
        dir.path = parent[0] == '\0' ? "/" : parent;
        (void)conf_check_directory(c, &dir, true);
    }
}

static void
check_zonefile(struct conf_checking *c)
{
    const struct publish_conf *p = &c->conf->publish;
    struct conf_named zone = named(c, "serial_file", p->serial_file, false);
    struct stat st;

    if (p->file[0] != '\0') {
        check_replaced(c, "file", p->file);
    }
    if (p->serial_file[0] == '\0') {
        return;
    }
    if (stat(p->serial_file, &st) != 0) {
        conf_check_error(c, &zone, "%s; the zone file with the SOA record",
                         strerror(errno));
    } else {
        check_replaced(c, "serial_file", p->serial_file);
    }
}

static void
check_program(struct conf_checking *c)
{
    const char *path = c->conf->publish.program;
    struct conf_named file = named(c, "program", path, false);
    struct stat st;
    bool may;

    if (path[0] == '\0') {
        return;
    }
    if (stat(path, &st) != 0) {
        conf_check_error(c, &file, "%s; a program", strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        conf_check_error(c, &file, "not a file; a program");
    } else if ((st.st_mode & S_IWOTH) != 0) {
        conf_check_error(c, &file, "anybody may change it; chmod o-w %s", path);
    } else if (conf_identity_take(&c->user)) {
        may = faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0;
        conf_identity_return(&c->user);
        if (!may) {
            conf_check_error(c, &file,
                             "the account %s may not run it; chmod 755 %s",
                             c->user.user, path);
        }
    }
}

static void
check_password(struct conf_checking *c)
{
    const struct notify_conf *n = &c->conf->notify;
    struct conf_named file = { conf_section_of(c->conf, n), "password_file",
                               n->password_file, true };
    struct buf text = BUF_INIT;
    struct bytes line;

    if (n->password_file[0] != '\0' && conf_check_read(c, &file, &text) &&
        !conf_secret_line(buf_bytes(&text), CONF_PASSWORD_MAX, &line)) {
        conf_check_error(c, &file,
                         "no password; 1 to %d octets in the first line",
                         CONF_PASSWORD_MAX);
    }
    wipe(text.ptr, text.cap);
    buf_free(&text);
}

void
conf_check_publish(const struct conf_checking *checking)
{
    struct conf_checking c = *checking;
    const struct server_conf *server = &c.conf->server;

    c.only_warns = true;
    if (!conf_identity_find(server->keys_user, &c.user) &&
        (server->keys_user_set || !conf_identity_find("nobody", &c.user))) {
        conf_identity_self(&c.user);
    }
    check_password(&c);
    switch (c.conf->rotate.publish) {
    case CONF_PUBLISH_RFC2136:
        check_tsig(&c);
        check_program(&c);
        break;
    case CONF_PUBLISH_ZONEFILE:
        check_zonefile(&c);
        break;
    case CONF_PUBLISH_EXEC:
        check_program(&c);
        break;
    case CONF_PUBLISH_NONE:
        break;
    }
}
