/*
 * finish - the third step of loading: defaults that depend on something else.
 */
#include "reader.h"
#include "sections.h"
#include "values.h"

#include <assert.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 32768, /* of `auto` */
    NETWORK_ADDRESSES = 4,   /* at their limit, with `auto` */
    DESCRIPTORS_EACH = 3     /* two sockets, and now and then a spool file */
};

static void
finish_hostname(struct conf *conf, struct conf_errors *errors)
{
    const struct conf_section *s = conf_section_of(conf, &conf->server);
    struct conf_place at = conf_place_of(s, "hostname");
    char name[256] = "localhost";

    if (conf_is_empty(s, "hostname")) {
        conf_error(errors, at.file, at.line,
                   "hostname = : no value; a name such as relay.example.com, "
                   "or no such line for the host's own");
    }
    if (conf->server.hostname[0] == '\0') {
        if (gethostname(name, sizeof(name) - 1) != 0) {
            (void)snprintf(name, sizeof(name), "localhost");
        }
        name[sizeof(name) - 1] = '\0';
        conf->server.hostname =
            conf_arena_text(&conf->memory->arena, bytes_str(name));
        if (strchr(name, '.') == NULL && !conf_is_set(s, "hostname") &&
            conf_is_sound(s, "hostname")) {
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
    struct buf path = BUF_INIT;

    if (conf->spool.directory[0] != '\0') {
        return;
    }
    buf_printf(&path, "%s/spool", conf->server.state_dir);
    conf->spool.directory = conf_arena_take(&conf->memory->arena, &path);
}

static void
finish_notify(struct conf *conf)
{
    struct buf from = BUF_INIT;

    if (conf->notify.from[0] != '\0' || conf->server.hostname == NULL) {
        return;
    }
    buf_printf(&from, "sealpost@%s", conf->server.hostname);
    conf->notify.from = conf_arena_take(&conf->memory->arena, &from);
}

static void
finish_network(struct limits_conf *limits)
{
    if (limits->connections_per_network == 0) {
        limits->connections_per_network =
            NETWORK_ADDRESSES * limits->connections_per_ip;
    }
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

/* What a preset sets where the section does not. */
static const struct preset {
    const char *name;
    const char *key;
    const char *text; /* as it would be written */
} presets[] = {
    { "ses", "signatures", "rsa" }, { "ses", "already_signed", "skip-aligned" },
    { "ses", "tls", "starttls" },   { "m365", "signatures", "rsa" },
    { "m365", "tls", "starttls" },  { "m365", "max_connections", "3" },
    { "m365", "reuse_age", "5m" },  { "gmail", "signatures", "rsa" },
    { "gmail", "tls", "starttls" }, { "gmail", "reuse_idle", "30s" },
};
enum {
    PRESETS = sizeof(presets) / sizeof(presets[0])
};

static bool
is_preset(const struct conf *conf, const struct upstream_conf *u,
          const struct preset *p)
{
    return strcmp(p->name, u->preset) == 0 &&
           !conf_is_set(conf_section_of(conf, u), p->key);
}

/* As if the section had its line. */
static void
set_preset(const struct conf *conf, struct upstream_conf *u,
           const struct preset *p)
{
    const struct conf_section *s = conf_section_of(conf, u);
    struct bytes text = bytes_str(p->text);
    struct conf_value v = { .setting = s->settings,
                            .arena = &conf->memory->arena,
                            .elements = &text,
                            .count = 1 };
    union conf_field field;
    const char *why;

    while (strcmp(v.setting->key, p->key) != 0) {
        v.setting++;
    }
    why = conf_value_parse(&v, &field);
    assert(why == NULL);
    (void)why; /* with NDEBUG nobody reads it */
    if (!v.arena->failed) {
        conf_value_store(v.setting, &field, u);
    }
}

bool
conf_preset_put(const struct conf *conf, const struct upstream_conf *u,
                struct buf *out)
{
    size_t n = 0;

    for (size_t i = 0; i < PRESETS; i++) {
        if (is_preset(conf, u, &presets[i])) {
            buf_printf(out, "%s%s = %s", n++ > 0 ? ", " : "", presets[i].key,
                       presets[i].text);
        }
    }
    return n > 0;
}

static void
finish_upstream(const struct conf *conf, struct upstream_conf *u)
{
    for (size_t i = 0; i < PRESETS; i++) {
        if (is_preset(conf, u, &presets[i])) {
            set_preset(conf, u, &presets[i]);
        }
    }
}

void
conf_finish(struct conf *conf, struct conf_errors *errors)
{
    finish_hostname(conf, errors);
    finish_server(conf);
    finish_spool(conf);
    finish_notify(conf);
    finish_limits(conf);
    finish_network(&conf->limits);
    for (size_t i = 0; i < conf->listen_count; i++) {
        finish_listen(conf, &conf->listens[i]);
    }
    for (size_t i = 0; i < conf->upstream_count; i++) {
        finish_upstream(conf, &conf->upstreams[i]);
    }
    for (size_t i = 0; i < conf->oauth_count; i++) {
        conf_finish_oauth(conf, &conf->oauths[i]);
    }
}
