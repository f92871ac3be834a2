/*
 * load - from files or a descriptor to struct conf; see conf.h.
 */
#include "reader.h"
#include "sections.h"

#include <smtp/caps.h>

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

void
conf_free(struct conf **conf)
{
    if (*conf == NULL) {
        return;
    }
    if ((*conf)->memory != NULL) {
        conf_arena_free(&(*conf)->memory->arena);
        conf_bundle_free(&(*conf)->memory->bundle);
        free((*conf)->memory);
    }
    free(*conf);
    *conf = NULL;
}

/* NULL: no memory. Takes the bundle. */
static struct conf *
new_conf(struct conf_bundle *bundle)
{
    struct conf *conf = calloc(1, sizeof(*conf));

    if (conf == NULL) {
        return NULL;
    }
    conf->memory = calloc(1, sizeof(*conf->memory));
    if (conf->memory == NULL || bundle->root == NULL || bundle->arena.failed) {
        conf_free(&conf);
        return NULL;
    }
    conf->memory->bundle = *bundle;
    memset(bundle, 0, sizeof(*bundle));
    conf->path = conf->memory->bundle.root->path;
    return conf;
}

static void
judge(struct conf *conf, struct conf_errors *errors)
{
    const struct conf_file *root = conf->memory->bundle.root;

    if (root->fault[0] != '\0') {
        conf_error(errors, root->path, 0,
                   "can't be read: %s; -c names the "
                   "configuration",
                   root->fault);
        return;
    }
    conf_collect(conf, errors);
    conf_fill(conf, errors);
    if (!conf->memory->arena.failed) {
        conf_finish(conf, errors);
        conf_rules(conf, errors);
    }
}

void
conf_load_bundle(struct conf_bundle *bundle, struct conf **conf_out,
                 struct conf_errors **errors_out)
{
    struct conf_errors *errors = conf_errors_new();
    struct conf *conf = new_conf(bundle);

    if (conf != NULL && errors != NULL) {
        judge(conf, errors);
    }
    if (conf == NULL || conf->memory->arena.failed) {
        conf_error(errors, "sealpost.conf", 0,
                   "out of memory while reading the configuration");
        conf_free(&conf);
    }
    if (conf_errors_count(errors) > conf_errors_warnings(errors)) {
        conf_free(&conf);
    }
    conf_bundle_free(bundle);
    conf_errors_sort(errors);
    *conf_out = conf;
    *errors_out = errors;
}

void
conf_load(const char *path, struct conf **conf_out,
          struct conf_errors **errors_out)
{
    struct conf_bundle bundle;

    conf_bundle_gather(&bundle, path);
    conf_load_bundle(&bundle, conf_out, errors_out);
}

/* False: errno says why. */
static bool
read_fd(int fd, struct buf *out)
{
    struct stat st;
    size_t size;

    if (fstat(fd, &st) != 0) {
        return false;
    }
    size = st.st_size > 0 ? (size_t)st.st_size : 0;
    if (size > CONF_BUNDLE_OCTETS_MAX) {
        errno = EFBIG;
        return false;
    }
    if (!buf_reserve(out, size)) {
        errno = ENOMEM;
        return false;
    }
    while (out->len < size) {
        ssize_t n =
            pread(fd, out->ptr + out->len, size - out->len, (off_t)out->len);

        if (n == 0) {
            break;
        }
        if (n < 0 && errno != EINTR) {
            return false;
        }
        out->len += n > 0 ? (size_t)n : 0;
    }
    return true;
}

void
conf_load_fd(int fd, struct conf **conf_out, struct conf_errors **errors_out)
{
    struct buf packed = BUF_INIT;
    struct conf_bundle bundle;

    memset(&bundle, 0, sizeof(bundle));
    *conf_out = NULL;
    if (!read_fd(fd, &packed)) {
        *errors_out = conf_errors_new();
        conf_error(*errors_out, "configuration", 0,
                   "descriptor %d can't be read: %s", fd, strerror(errno));
    } else if (!conf_bundle_unpack(&bundle, buf_bytes(&packed))) {
        *errors_out = conf_errors_new();
        conf_error(*errors_out, "configuration", 0,
                   "descriptor %d holds no packed configuration", fd);
    } else {
        conf_load_bundle(&bundle, conf_out, errors_out);
    }
    conf_bundle_free(&bundle);
    buf_free(&packed);
}

size_t
conf_list_count(conf_list list)
{
    size_t n = 0;

    while (list[n] != NULL) {
        n++;
    }
    return n;
}

bool
conf_has_scram(const struct conf *conf)
{
    const unsigned mechs =
        (unsigned)SMTP_MECH_SCRAM_SHA_256 | SMTP_MECH_SCRAM_SHA_256_PLUS;

    for (size_t i = 0; i < conf->listen_count; i++) {
        const struct listen_conf *l = &conf->listens[i];

        if (l->auth != CONF_AUTH_NONE &&
            l->auth_backend.judge == CONF_JUDGE_USERS &&
            (l->auth_mechanisms & mechs) != 0) {
            return true;
        }
    }
    return false;
}

const struct upstream_conf *
conf_upstream(const struct conf *conf, const char *name)
{
    for (size_t i = 0; i < conf->upstream_count; i++) {
        if (strcmp(conf->upstreams[i].name, name) == 0) {
            return &conf->upstreams[i];
        }
    }
    return NULL;
}

const struct check_conf *
conf_check_section(const struct conf *conf, const char *name)
{
    for (size_t i = 0; i < conf->check_count; i++) {
        if (strcmp(conf->checks[i].name, name) == 0) {
            return &conf->checks[i];
        }
    }
    return NULL;
}
