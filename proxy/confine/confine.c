/*
 * confine - which files, folders and ports; see confine.h.
 */
#include <base/buf.h>

#include <openssl/x509.h>

#include <errno.h>
#include <proxy/confine/confine.h>
#include <proxy/log/log.h>
#include <stdlib.h>
#include <time.h>

enum {
    PLACES_MAX = 256,
    PORTS_MAX = 256,
    DNS_PORT = 53
};

/* Room for one process's rules; paths are owned. */
struct draft {
    struct confine_place places[PLACES_MAX];
    uint16_t ports[PORTS_MAX];
    size_t place_count, port_count;
    bool warned;
    char *keys; /* the key folder, resolved; NULL: not there */
};

/* Ours, not a configured one's: libraries read these when they need them. */
static const char *const system_places[] = {
    "/etc", /* resolv.conf, hosts, localtime and certificates are replaced */
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/NetworkManager",
    "/usr/share/zoneinfo",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/dev/urandom",
};

static void
report(const struct confine_rules *rules, int landlock, int landlock_error,
       bool calls, int calls_error)
{
    struct log_line l;
    bool all = landlock >= 4 && calls;

    log_begin(&l, all ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "confined");
    log_number(&l, "landlock", (uint64_t)landlock);
    log_text(&l, "seccomp", calls ? "yes" : "no");
    log_number(&l, "places", rules->place_count);
    log_number(&l, "ports", rules->port_count);
    if (landlock == 0) {
        log_format(&l, "text", "this kernel has no Landlock (%s)",
                   strerror(landlock_error));
    } else if (landlock < 4) {
        log_text(&l, "text", "this kernel's Landlock knows no TCP ports");
    } else if (!calls) {
        log_format(&l, "text", "no system call filter: %s",
                   strerror(calls_error));
    }
    log_end(&l);
}

void
confine(const struct confine_rules *rules)
{
    int landlock, landlock_error;
    bool calls;

    if (!SEALPOST_CONFINE) {
        return; /* sanitizers open files and start programs of their own */
    }
    landlock = confine_landlock(rules);
    landlock_error = errno;
    calls = confine_syscalls(rules->process);
    report(rules, landlock, landlock_error, calls, errno);
}

/* --- the rules of a configuration ----------------------------------------- */

/* A place below one that is there already, with as many rights. */
static bool
is_covered(const struct draft *d, const char *path, size_t len, bool write)
{
    for (size_t i = 0; i < d->place_count; i++) {
        const struct confine_place *place = &d->places[i];
        size_t octets = strlen(place->path);

        if ((place->write || !write) && octets <= len &&
            memcmp(place->path, path, octets) == 0 &&
            (octets == len || path[octets] == '/')) {
            return true;
        }
    }
    return false;
}

static void
add_place(struct draft *d, const char *path, size_t len, bool write)
{
    char *copy = d->place_count < PLACES_MAX ? strndup(path, len) : NULL;

    if (copy == NULL) {
        log_event(LOG_LEVEL_WARN, "confine", "no room for %s", path);
        return;
    }
    d->places[d->place_count++] =
        (struct confine_place){ .path = copy, .write = write };
}

static bool
holds_keys(const struct draft *d, const char *folder, size_t len)
{
    return d->keys != NULL && strncmp(d->keys, folder, len) == 0 &&
           (d->keys[len] == '/' || d->keys[len] == '\0');
}

/* The folder: a renewed file is another one under the old name. */
static void
add_folder_of(struct draft *d, const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - path);

    if (len == 0) {
        add_place(d, path, strlen(path), false);
        return;
    }
    if (!d->warned && holds_keys(d, path, len)) {
        d->warned = true;
        log_event(LOG_LEVEL_WARN, "confine",
                  "workers may read %.*s because of %s, and the private keys "
                  "lie below: give certificates and passwords a folder of "
                  "their own",
                  (int)len, path, path);
    }
    if (!is_covered(d, path, len, false)) {
        add_place(d, path, len, false);
    }
}

/* As it is named, and where it really lies. */
static void
add_file(const char *path, void *arg)
{
    struct draft *d = arg;
    char *real = realpath(path, NULL);

    add_folder_of(d, path);
    if (real != NULL && strcmp(real, path) != 0) {
        add_folder_of(d, real);
    }
    free(real);
}

static void
add_port(struct draft *d, uint16_t port)
{
    for (size_t i = 0; i < d->port_count; i++) {
        if (d->ports[i] == port) {
            return;
        }
    }
    if (d->port_count < PORTS_MAX) {
        d->ports[d->port_count++] = port;
    }
}

static void
add_ports(struct draft *d, const struct conf_addresses *addresses)
{
    for (size_t i = 0; i < addresses->count; i++) {
        add_port(d, addresses->list[i].port);
    }
}

/* Several, as OpenSSL takes them: with a colon between. */
static void
add_folders(struct draft *d, const char *list)
{
    while (*list != '\0') {
        size_t len = strcspn(list, ":");

        if (len > 0) {
            add_place(d, list, len, false);
        }
        list += len + (list[len] == ':');
    }
}

/* What OpenSSL reads of whom to trust, unless an upstream has a ca_file. */
static void
add_authorities(struct draft *d)
{
    const char *file = getenv(X509_get_default_cert_file_env());
    const char *folders = getenv(X509_get_default_cert_dir_env());

    add_file(file == NULL ? X509_get_default_cert_file() : file, d);
    add_folders(d, folders == NULL ? X509_get_default_cert_dir() : folders);
}

static void
add_system(struct draft *d)
{
    for (size_t i = 0; i < sizeof(system_places) / sizeof(system_places[0]);
         i++) {
        add_place(d, system_places[i], strlen(system_places[i]), false);
    }
    add_authorities(d);
    add_place(d, "/dev/null", strlen("/dev/null"), true);
}

static char *
key_folder(const struct conf *conf)
{
    struct buf path = BUF_INIT;
    char *real = NULL;

    buf_printf(&path, "%s/keys", conf->server.state_dir);
    if (buf_str(&path) != NULL) {
        real = realpath(buf_str(&path), NULL);
    }
    buf_free(&path);
    return real;
}

static void
hold(struct draft *d, enum confine_process process)
{
    struct confine_rules rules = { .process = process,
                                   .places = d->places,
                                   .place_count = d->place_count,
                                   .ports = d->ports,
                                   .port_count = d->port_count };

    tzset(); /* reads /etc/localtime now */
    confine(&rules);
    for (size_t i = 0; i < d->place_count; i++) {
        free((void *)(uintptr_t)d->places[i].path);
    }
    free(d->keys);
    free(d);
}

static struct draft *
draft_new(void)
{
    struct draft *d = SEALPOST_CONFINE ? calloc(1, sizeof(*d)) : NULL;

    if (d == NULL && SEALPOST_CONFINE) {
        log_event(LOG_LEVEL_WARN, "confined", "not at all: out of memory");
    }
    return d;
}

void
confine_worker(const struct conf *conf)
{
    struct draft *d = draft_new();

    if (d == NULL) {
        return;
    }
    d->keys = key_folder(conf);
    add_system(d);
    conf_worker_files(conf, add_file, d);
    add_place(d, conf->spool.directory, strlen(conf->spool.directory), true);
    for (size_t i = 0; i < conf->upstream_count; i++) {
        add_ports(d, &conf->upstreams[i].addresses);
    }
    add_ports(d, &conf->dns.nameservers);
    if (conf->dns.nameservers.count == 0) {
        add_port(d, DNS_PORT);
    }
    hold(d, CONFINE_WORKER);
}

void
confine_keeper(const struct conf *conf)
{
    const char *state = conf->server.state_dir;
    struct draft *d = draft_new();

    if (d == NULL) {
        return;
    }
    d->keys = key_folder(conf);
    add_place(d, state, strlen(state), true);
    if (d->keys != NULL) {
        add_place(d, d->keys, strlen(d->keys), true);
    }
    add_place(d, "/etc/localtime", strlen("/etc/localtime"), false);
    hold(d, CONFINE_KEEPER);
}
