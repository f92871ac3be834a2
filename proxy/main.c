/*
 * main - sealpostd: options, the configuration's test, then the master.
 */
#include "proxy/keys/keystore.h"
#include "proxy/live.h"
#include "proxy/master.h"
#include "proxy/process/activation.h"
#include "proxy/process/keeperchild.h"
#include "proxy/process/keepers.h"
#include "proxy/process/notify.h"
#include "proxy/users/userfile.h"
#include "proxy/worker.h"

#include <base/buf.h>

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

struct options {
    const char *path;
    bool test;
    bool all_keys;
    bool live;
    bool foreground;
    const char *program;    /* this one, absolute */
    size_t inherited;       /* sockets of a service manager */
    const char *keeper;     /* --keeper: be one, with sockets there */
    const char *keeper_dir; /* --keeper-socket: one is there */
};

static const char usage_text[] =
    "usage: sealpostd [-c FILE] [-f] [-t [--all-keys] [--live]] [-V]\n"
    "  -c FILE      configuration (" SEALPOST_CONF ")\n"
    "  -f           stay in the foreground, log to standard error\n"
    "  -t           test configuration, users and keys, and exit: 0 good, 78 not\n"
    "  --all-keys   with -t: parse and probe every private key\n"
    "  --live       with -t: log in to upstreams, look for the keys in DNS\n"
    "  --keeper DIRECTORY         be the process with the keys, with sockets in\n"
    "                             DIRECTORY; runs as [server] keys_user\n"
    "  --keeper-socket DIRECTORY  use that process, do not start one\n"
    "  -V           print the version\n";

static int
usage(void)
{
    fputs(usage_text, stderr);
    return EX_USAGE;
}

/* As parse_options(). */
static int
judge_options(int argc, char **argv, const struct options *given)
{
    if (optind < argc) {
        fprintf(stderr,
                "sealpostd: %s is no option; -c FILE names the "
                "configuration\n",
                argv[optind]);
        return usage();
    }
    if (!given->test && (given->all_keys || given->live)) {
        fprintf(stderr, "sealpostd: --all-keys and --live go with -t\n");
        return usage();
    }
    return -1;
}

/* -1: go on; else the exit code. */
static int
parse_options(int argc, char **argv, struct options *out)
{
    static const struct option longs[] = {
        { "all-keys", no_argument, NULL, 'k' },
        { "help", no_argument, NULL, 'h' },
        { "keeper", required_argument, NULL, 'K' },
        { "keeper-socket", required_argument, NULL, 'S' },
        { "live", no_argument, NULL, 'l' },
        { "version", no_argument, NULL, 'V' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "c:fthV", longs, NULL)) != -1) {
        switch (c) {
        case 'c':
            out->path = optarg;
            break;
        case 'f':
            out->foreground = true;
            break;
        case 't':
            out->test = true;
            break;
        case 'k':
            out->all_keys = true;
            break;
        case 'l':
            out->live = true;
            break;
        case 'K':
            out->keeper = optarg;
            break;
        case 'S':
            out->keeper_dir = optarg;
            break;
        case 'h':
            fputs(usage_text, stdout);
            return 0;
        case 'V':
            puts("sealpostd " PACKAGE_VERSION);
            return 0;
        default:
            return usage();
        }
    }
    return judge_options(argc, argv, out);
}

/* Connections need descriptors; `connections = auto` counts on this. */
static void
raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max < 1048576 ? limit.rlim_max : 1048576;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void
print_errors(const struct conf_errors *errors)
{
    for (size_t i = 0; i < conf_errors_count(errors); i++) {
        fprintf(stderr, "%s%s\n",
                conf_errors_is_warning(errors, i) ? "warning: " : "",
                conf_errors_line(errors, i));
    }
}

/* Key and user files are keys_user's: what we may not read is not tested. */
static bool
may_read(const char *path, struct conf_errors *errors)
{
    if (access(path, R_OK) == 0 || errno != EACCES) {
        return true;
    }
    conf_warning(errors, path, 0, "not tested: %s; run this as root",
                 strerror(errno));
    return false;
}

static struct userfile *
check_users(const struct conf *conf, const struct keystore_conf *where,
            const char *path, struct conf_errors *errors)
{
    struct userfile *users = userfile_load(path, where->uid, errors);

    if (users != NULL) {
        userfile_check_upstreams(users, path, conf, errors);
        userfile_check_secrets(users, path, conf, errors);
        userfile_check_scram(users, path, conf, errors);
        userfile_check_client_users(users, conf, errors);
    }
    return users;
}

static struct keystore *
check_keys(const struct keystore_conf *where, bool all,
           struct conf_errors *errors)
{
    struct keystore *store = keystore_load(where, errors);

    if (store != NULL && all) {
        keystore_check_all(where, store, errors);
    }
    return store;
}

/* Is there an active key for each selector that a user has? */
static void
check_selectors(const struct userfile *users, const char *path,
                const struct keystore *store, struct conf_errors *errors)
{
    struct view_builder *b = view_builder_new();
    struct view *view = NULL;

    if (b != NULL && keystore_to_view(store, b)) {
        view = view_build(&b, 1);
    }
    if (view != NULL) { /* else: only warnings are lost */
        userfile_check_selectors(users, path, view, errors);
    }
    view_free(&view);
    view_builder_free(&b);
}

/* What the keeper will load. */
static void
check_data(const struct options *o, const struct conf *conf,
           struct conf_errors *errors)
{
    struct userfile *users = NULL;
    struct keystore *store = NULL;
    struct keystore_conf where;
    struct buf path = BUF_INIT;
    struct buf keys = BUF_INIT;

    keystore_conf_init(&where, &conf->server, conf->sign.allow_short_keys);
    buf_printf(&path, "%s/users.conf", conf->server.state_dir);
    buf_printf(&keys, "%s/keys", conf->server.state_dir);
    if (buf_str(&path) == NULL || buf_str(&keys) == NULL) {
        conf_error(errors, o->path, 0, "out of memory");
        goto out;
    }
    if (may_read(buf_str(&path), errors)) {
        users = check_users(conf, &where, buf_str(&path), errors);
    }
    if (o->all_keys || may_read(buf_str(&keys), errors)) {
        store = check_keys(&where, o->all_keys, errors);
    }
    if (users != NULL && store != NULL) {
        check_selectors(users, buf_str(&path), store, errors);
    }
out:
    userfile_free(&users);
    keystore_free(&store);
    buf_free(&path);
    buf_free(&keys);
}

/* NULL: mistakes were printed. *fd_out holds the very bytes that were read. */
static struct conf *
load(const struct options *o, int *fd_out)
{
    struct conf_errors *errors = NULL;
    struct conf *conf = NULL;
    size_t mistakes;

    *fd_out = conf_pack(o->path);
    if (*fd_out < 0) {
        fprintf(stderr, "%s: cannot be read: %s\n", o->path, strerror(errno));
        return NULL;
    }
    conf_load_fd(*fd_out, &conf, &errors);
    if (conf != NULL) {
        conf_check(conf, errors);
        if (o->test) {
            check_data(o, conf, errors);
        }
    }
    print_errors(errors);
    mistakes = conf_errors_count(errors) - conf_errors_warnings(errors);
    conf_errors_free(&errors);
    if (mistakes > 0 || conf == NULL) {
        conf_free(&conf);
        (void)close(*fd_out);
    }
    return conf;
}

/* What presets stand for, so that nobody has to look it up. */
static void
print_presets(const struct conf *conf)
{
    for (size_t i = 0; i < conf->upstream_count; i++) {
        const struct upstream_conf *u = &conf->upstreams[i];
        struct buf text = BUF_INIT;

        if (conf_preset_put(conf, u, &text) && buf_str(&text) != NULL) {
            printf("[upstream %s] preset = %s: %s\n", u->name, u->preset,
                   buf_str(&text));
        }
        buf_free(&text);
    }
}

static int
run(struct options *o)
{
    /* The daemon leaves its directory, and reads the file again there. */
    char *absolute = realpath(o->path, NULL);
    struct master_options master = { .path = o->path,
                                     .program = o->program,
                                     .foreground = o->foreground,
                                     .keeper_dir = o->keeper_dir,
                                     .inherited = o->inherited };
    struct conf *conf;
    int fd, code;

    assert(o->path != NULL); /* getopt_long() gives -c its word */
    if (o->path[0] != '/' && absolute != NULL) {
        master.path = o->path = absolute;
    }
    conf = load(o, &fd);
    if (conf == NULL) {
        code = EX_CONFIG;
    } else if (o->test) {
        print_presets(conf);
        code = !o->live || live_test(conf) ? 0 : EX_CONFIG;
        if (code == 0) {
            printf("%s: good\n", o->path);
        }
        conf_free(&conf);
        (void)close(fd);
    } else {
        code = master_run(&master, conf, fd);
    }
    free(absolute);
    return code;
}

int
main(int argc, char **argv)
{
    struct options o = { .path = SEALPOST_CONF };
    char program[PATH_MAX];
    int code;

    if (argc == 3 && strcmp(argv[1], "--worker") == 0) {
        uint64_t slot;

        return bytes_to_u64(bytes_str(argv[2]), UINT16_MAX, &slot)
                   ? worker_main((unsigned)slot)
                   : EX_USAGE;
    }
    if (argc > 1 && strcmp(argv[1], "--keeper-child") == 0) {
        return keepers_child(argc - 2, argv + 2);
    }
    code = parse_options(argc, argv, &o);
    if (code >= 0) {
        return code;
    }
    notify_init();
    if (o.keeper != NULL) {
        return keepers_service(o.path, o.keeper);
    }
    o.program = realpath("/proc/self/exe", program);
    o.inherited = activation_take();
    raise_descriptor_limit();
    return run(&o);
}
