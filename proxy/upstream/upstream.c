/*
 * upstream - see proxy/upstream/upstream.h.
 *
 * A kept link belongs to on_idle(): any word from the other side, its close
 * and the idle time's end all mean the same: this link is not used again.
 */
#include "proxy/upstream/link.h"

#include <base/wipe.h>

#include <errno.h>
#include <fcntl.h>
#include <proxy/log/log.h>
#include <proxy/net/tls.h>
#include <proxy/worker.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    IDLE_MS = 60 * 1000,
    AGE_MAX_MS = 10 * 60 * 1000,
    USES_MAX = 100, /* transactions over one connection */
    IDLE_LINKS_MAX = 100,
    RESET_MS = 30 * 1000,
    PASSWORD_MAX = 1024
};

struct upstream_wait {
    struct upstream *upstream;
    struct upstream_wait *next;
    upstream_callback *cb;
    void *arg;
    struct dial *dial;
};

void
upstream_link_free(struct upstream_link **lp)
{
    if (*lp != NULL) {
        conn_free(&(*lp)->conn);
        free((*lp)->name);
        free(*lp);
        *lp = NULL;
    }
}

/* The first line of the file, without its end. NULL: error says why. */
static char *
read_password(const char *path, struct buf *error)
{
    char text[PASSWORD_MAX + 1];
    char *password = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
    struct bytes line;

    if (n < 0) {
        buf_printf(error, "%s: %s; it must be readable by the service's user",
                   path, strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    if (n < 0) {
        return NULL;
    }
    line = bytes_make(text, (size_t)n);
    line = bytes_take(line, bytes_find(line, '\n'));
    if (line.len > 0 && line.ptr[line.len - 1] == '\r') {
        line.len--;
    }
    if (line.len == 0 || line.len > PASSWORD_MAX ||
        bytes_find(line, 0) < line.len) {
        buf_printf(error,
                   "%s: the first line must be a password of 1 to %d "
                   "octets",
                   path, PASSWORD_MAX);
    } else {
        password = strndup((const char *)line.ptr, line.len);
    }
    wipe(text, sizeof(text));
    return password;
}

static void
password_free(char **password)
{
    if (*password != NULL) {
        wipe(*password, strlen(*password));
        free(*password);
        *password = NULL;
    }
}

/* What the files hold; all or nothing. */
static bool
load(struct upstream *u, struct buf *error)
{
    const struct upstream_conf *conf = u->conf;
    char *password = NULL;
    SSL_CTX *tls = NULL;

    if (conf->login == CONF_LOGIN_PASSWORD) {
        password = read_password(conf->password_file, error);
        if (password == NULL) {
            return false;
        }
    }
    if (conf->tls != CONF_TLS_NONE) {
        tls = tls_client_new(conf, error);
        if (tls == NULL) {
            password_free(&password);
            return false;
        }
    }
    password_free(&u->password);
    SSL_CTX_free(u->tls);
    u->password = password;
    u->tls = tls;
    return true;
}

/* Takes link off the list; false: it is not on it. */
static bool
list_remove(struct upstream_link **list, struct upstream_link *link)
{
    for (; *list != NULL; list = &(*list)->next) {
        if (*list == link) {
            *list = link->next;
            link->next = NULL;
            return true;
        }
    }
    return false;
}

static void
list_free(struct upstream_link **list)
{
    while (*list != NULL) {
        struct upstream_link *link = *list;

        *list = link->next;
        upstream_link_free(&link);
    }
}

struct upstream *
upstream_new(struct worker *w, const struct upstream_conf *conf,
             struct buf *error)
{
    struct upstream *u = calloc(1, sizeof(*u));

    if (u == NULL) {
        buf_puts(error, "no memory");
        return NULL;
    }
    u->worker = w;
    u->conf = conf;
    u->targets = calloc(conf->addresses.count, sizeof(u->targets[0]));
    if (u->targets == NULL || !load(u, error)) {
        upstream_free(&u);
        return NULL;
    }
    for (size_t i = 0; i < conf->addresses.count; i++) {
        u->targets[i].address = &conf->addresses.list[i];
    }
    return u;
}

void
upstream_reload(struct upstream *u, struct buf *error)
{
    (void)load(u, error);
}

void
upstream_free(struct upstream **up)
{
    struct upstream *u = *up;

    if (u == NULL) {
        return;
    }
    list_free(&u->idle);
    list_free(&u->resetting);
    while (u->waits != NULL) {
        struct upstream_wait *wait = u->waits;

        upstream_cancel(&wait);
    }
    password_free(&u->password);
    SSL_CTX_free(u->tls);
    free(u->targets);
    free(u);
    *up = NULL;
}

const struct upstream_conf *
upstream_settings(const struct upstream *u)
{
    return u->conf;
}

const struct smtp_caps *
upstream_caps(const struct upstream *u)
{
    return u->caps_known ? &u->caps : NULL;
}

/* --- the ones that are kept ---------------------------------------------- */

static void
idle_remove(struct upstream_link *link)
{
    struct upstream *u = link->upstream;

    u->idle_count -= list_remove(&u->idle, link);
}

static void
say_quit(struct upstream_link *link)
{
    conn_write(link->conn, BYTES_LIT("QUIT\r\n"));
}

static void
on_idle(struct conn *conn, enum conn_event event, void *arg)
{
    struct upstream_link *link = arg;

    (void)conn;
    if (event == CONN_DRAINED) {
        return;
    }
    if (event == CONN_TIMEOUT) {
        say_quit(link);
    }
    idle_remove(link);
    upstream_link_free(&link);
}

static void
keep(struct upstream_link *link)
{
    struct upstream *u = link->upstream;
    bool old = upstream_now_ms() - link->made_ms > AGE_MAX_MS;

    if (old || link->uses >= USES_MAX || u->idle_count >= IDLE_LINKS_MAX) {
        say_quit(link);
        upstream_link_free(&link);
        return;
    }
    conn_set_owner(link->conn, on_idle, link);
    conn_set_deadline(link->conn, IDLE_MS);
    link->next = u->idle;
    u->idle = link;
    u->idle_count++;
}

/* The reply to our RSET; anything but one whole 2yz drops the link. */
static void
on_reset(struct conn *conn, enum conn_event event, void *arg)
{
    struct upstream_link *link = arg;
    struct bytes in = conn_input(conn);
    struct smtp_reply reply;
    enum smtp_reply_result result;

    if (event == CONN_DRAINED) {
        return;
    }
    result =
        event == CONN_INPUT ? smtp_reply_next(&in, &reply) : SMTP_REPLY_BAD;
    if (result == SMTP_REPLY_MORE) {
        return;
    }
    (void)list_remove(&link->upstream->resetting, link);
    if (result == SMTP_REPLY_BAD || reply.code / 100 != 2 || in.len > 0) {
        upstream_link_free(&link);
        return;
    }
    conn_consume(conn, conn_input(conn).len);
    keep(link);
}

void
upstream_put(struct upstream_link **lp, bool reset)
{
    struct upstream_link *link = *lp;

    *lp = NULL;
    if (link == NULL) {
        return;
    }
    link->uses++;
    if (conn_input(link->conn).len > 0 || conn_pending(link->conn) > 0) {
        upstream_link_free(&link); /* what is left would answer the next one */
    } else if (reset) {
        conn_set_owner(link->conn, on_reset, link);
        conn_set_deadline(link->conn, RESET_MS);
        link->next = link->upstream->resetting;
        link->upstream->resetting = link;
        conn_write(link->conn, BYTES_LIT("RSET\r\n"));
    } else {
        keep(link);
    }
}

void
upstream_drop(struct upstream_link **link)
{
    if (*link != NULL) {
        conn_abort(&(*link)->conn);
        upstream_link_free(link);
    }
}

/* --- asking for one ------------------------------------------------------ */

static void
wait_free(struct upstream_wait **wp)
{
    struct upstream_wait *wait = *wp;
    struct upstream_wait **at = &wait->upstream->waits;

    while (*at != NULL && *at != wait) {
        at = &(*at)->next;
    }
    if (*at == wait) {
        *at = wait->next;
    }
    dial_cancel(&wait->dial);
    free(wait);
    *wp = NULL;
}

static void
on_dialled(struct upstream_link *link, const char *error, void *arg)
{
    struct upstream_wait *wait = arg;
    upstream_callback *cb = wait->cb;
    void *cb_arg = wait->arg;

    wait->dial = NULL; /* it has ended by itself */
    wait_free(&wait);
    cb(link, error, cb_arg);
}

struct upstream_link *
upstream_take(struct upstream *u)
{
    struct upstream_link *link = u->idle;

    if (link != NULL) {
        idle_remove(link);
        conn_set_deadline(link->conn, 0);
    }
    return link;
}

struct upstream_wait *
upstream_get(struct upstream *u, upstream_callback *cb, void *arg)
{
    struct upstream_wait *wait = calloc(1, sizeof(*wait));

    if (wait == NULL) {
        return NULL;
    }
    *wait = (struct upstream_wait){ .upstream = u, .cb = cb, .arg = arg };
    wait->dial = dial_start(u, on_dialled, wait);
    wait->next = u->waits;
    u->waits = wait;
    if (wait->dial == NULL) {
        wait_free(&wait);
    }
    return wait;
}

void
upstream_cancel(struct upstream_wait **wait)
{
    if (*wait != NULL) {
        wait_free(wait);
    }
}

struct conn *
upstream_link_conn(const struct upstream_link *link)
{
    return link->conn;
}

const struct smtp_caps *
upstream_link_caps(const struct upstream_link *link)
{
    return &link->caps;
}

const char *
upstream_link_name(const struct upstream_link *link)
{
    return link->name;
}
