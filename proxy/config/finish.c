/*
 * finish - the third step of loading: defaults that depend on something else.
 */
#include "reader.h"
#include "sections.h"
#include "values.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 32768, /* of `auto` */
    DESCRIPTORS_EACH = 3     /* two sockets, and now and then a spool file */
};

static void
finish_hostname(struct conf *conf, struct conf_errors *errors)
{
    const struct conf_section *s = conf_section_of(conf, &conf->server);
    struct conf_place at = conf_place_of(s, "hostname");
    char name[256] = "localhost";

    if (conf->server.hostname[0] == '\0') {
        if (gethostname(name, sizeof(name) - 1) != 0) {
            (void)snprintf(name, sizeof(name), "localhost");
        }
        name[sizeof(name) - 1] = '\0';
        conf->server.hostname =
            conf_arena_text(&conf->memory->arena, bytes_str(name));
        if (strchr(name, '.') == NULL && !conf_is_set(s, "hostname")) {
            conf_warning(errors, at.file, at.line,
                         "the host's name %s has no domain; [server] "
                         "hostname = relay.example.com names this relay",
                         name);
        }
    }
    if (conf->server.authserv_id[0] == '\0') {
        conf->server.authserv_id = conf->server.hostname;
    }
}

static void
finish_server(struct conf *conf)
{
    const struct conf_section *s = conf_section_of(conf, &conf->server);
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    conf->server.user_set = conf_is_set(s, "user");
    conf->server.keys_user_set = conf_is_set(s, "keys_user");
    if (conf->server.workers == 0) {
        conf->server.workers = cpus < 4 ? 1 : (unsigned)cpus / 2;
    }
}

static void
finish_spool(struct conf *conf)
{
    struct conf_arena *arena = &conf->memory->arena;
    struct buf path = BUF_INIT;

    if (conf->spool.directory[0] != '\0') {
        return;
    }
    buf_printf(&path, "%s/spool", conf->server.state_dir);
    if (buf_failed(&path)) {
        arena->failed = true;
    } else {
        conf->spool.directory = conf_arena_text(arena, buf_bytes(&path));
    }
    buf_free(&path);
}

static void
finish_limits(struct conf *conf)
{
    struct rlimit limit;
    rlim_t share = CONNECTIONS_MAX;

    if (conf->limits.connections != 0) {
        return;
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
        limit.rlim_cur != RLIM_INFINITY) {
        share = limit.rlim_cur / DESCRIPTORS_EACH;
    }
    share = share > CONNECTIONS_MAX ? CONNECTIONS_MAX : share;
    conf->limits.connections = share == 0 ? 1 : (unsigned)share;
}

static void
finish_listen(const struct conf *conf, struct listen_conf *l)
{
    const struct conf_section *s = conf_section_of(conf, l);

    l->loopback = conf_all_loopback(&l->addresses);
    if (!conf_is_set(s, "auth") && l->mode == CONF_INBOUND) {
        l->auth = CONF_AUTH_NONE;
    }
    /* RFC 3207 4: a server for mail exchange must not require TLS. */
    if (!conf_is_set(s, "require_tls")) {
        l->require_tls = l->tls != CONF_TLS_NONE && l->mode == CONF_OUTBOUND;
    }
}

void
conf_finish(struct conf *conf, struct conf_errors *errors)
{
    finish_hostname(conf, errors);
    finish_server(conf);
    finish_spool(conf);
    finish_limits(conf);
    for (size_t i = 0; i < conf->listen_count; i++) {
        finish_listen(conf, &conf->listens[i]);
    }
}
