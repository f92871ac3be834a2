/*
 * data - loads users and keys, all or nothing; see data.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <proxy/keeper/data.h>
#include <proxy/keeper/hashcost.h>
#include <proxy/log/log.h>
#include <proxy/users/scramsecret.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct keeper_data *
data_hold(struct keeper_data *data)
{
    (void)atomic_fetch_add(&data->refs, 1);
    return data;
}

void
/* NOLINTNEXTLINE(misc-no-recursion): a base has none */
data_drop(struct keeper_data **dp)
{
    struct keeper_data *data = *dp;

    *dp = NULL;
    if (data == NULL || atomic_fetch_sub(&data->refs, 1) != 1) {
        return;
    }
    view_free(&data->view);
    if (data->base == NULL) {
        userfile_free(&data->users);
    }
    data_drop(&data->base);
    if (data->view_fd >= 0) {
        close(data->view_fd);
    }
    free(data);
}

static bool
write_all(int fd, struct bytes octets)
{
    while (octets.len > 0) {
        ssize_t n = write(fd, octets.ptr, octets.len);

        if (n < 0 && errno != EINTR) {
            return false;
        }
        octets = bytes_skip(octets, n < 0 ? 0 : (size_t)n);
    }
    return true;
}

/* The packed view in a memfd that nobody can change; -1: failed. */
static int
pack(const struct view *view)
{
    struct buf packed = BUF_INIT;
    int fd = memfd_create("sealpost-view", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd >= 0 &&
        (!view_pack(view, &packed) || !write_all(fd, buf_bytes(&packed)) ||
         fcntl(fd, F_ADD_SEALS,
               F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) !=
             0)) {
        close(fd);
        fd = -1;
    }
    buf_free(&packed);
    return fd;
}

/* Each hash that would hold a thread too long is an error. */
static void
check_costs(const struct userfile *users, const char *path,
            struct conf_errors *errors)
{
    for (size_t i = 0; i < users->count; i++) {
        const char *hash = users->secrets[i].password;

        if (hash[0] != '\0' && !hashcost_ok(hash)) {
            conf_error(errors, path, 0,
                       "[%s] password: checking this hash takes too long; "
                       "set it anew: sealpost user passwd %s",
                       users->users[i].name, users->users[i].name);
        }
    }
}

static void
note_kind(struct keeper_data *data, const struct scram_secret *secret)
{
    for (size_t i = 0; i < data->scram_kind_count; i++) {
        if (data->scram_kinds[i].iterations == secret->iterations &&
            data->scram_kinds[i].salt_octets == secret->salt_octets) {
            return;
        }
    }
    if (data->scram_kind_count < DATA_SCRAM_KINDS_MAX) {
        data->scram_kinds[data->scram_kind_count++] =
            (struct data_scram_kind){ secret->iterations, secret->salt_octets };
    }
}

static void
note_kinds(struct keeper_data *data)
{
    for (size_t i = 0; i < data->users->count; i++) {
        struct scram_secret secret;

        if (scram_secret_parse(bytes_str(data->users->secrets[i].scram),
                               &secret)) {
            note_kind(data, &secret);
        }
    }
}

static struct view *
make_view(const struct userfile *users, const struct keystore *keys,
          uint64_t epoch)
{
    struct view_builder *b = view_builder_new();
    struct view *view = NULL;

    if (b != NULL && userfile_to_view(users, b) && keystore_to_view(keys, b)) {
        view = view_build(&b, epoch);
    }
    view_builder_free(&b);
    return view;
}

/* False: mistakes among what was logged. */
static bool
log_errors(const struct conf_errors *errors)
{
    size_t count = conf_errors_count(errors);

    for (size_t i = 0; i < count; i++) {
        bool warning = conf_errors_is_warning(errors, i);

        log_event(warning ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR, "load", "%s",
                  conf_errors_line(errors, i));
    }
    return count == conf_errors_warnings(errors);
}

/* users and keys are read; what follows from them. */
static void
complete(struct keeper_data *data, const struct keystore *keys,
         const struct conf *conf, const char *path, struct conf_errors *errors)
{
    check_costs(data->users, path, errors);
    note_kinds(data);
    userfile_check_upstreams(data->users, path, conf, errors);
    userfile_check_scram(data->users, path, conf, errors);
    data->view = make_view(data->users, keys, data->epoch);
    if (data->view == NULL) {
        conf_error(errors, path, 0, "out of memory");
        return;
    }
    userfile_check_selectors(data->users, path, data->view, errors);
    data->view_fd = pack(data->view);
    if (data->view_fd < 0) {
        conf_error(errors, path, 0, "the view can't be packed: %s",
                   strerror(errno));
    }
}

static struct keeper_data *
load(const struct conf *conf, uint64_t epoch, const char *path,
     struct conf_errors *errors)
{
    struct keeper_data *data = calloc(1, sizeof(*data));
    struct keystore_conf where;
    struct keystore *keys;

    if (data == NULL) {
        return NULL;
    }
    data->view_fd = -1;
    data->epoch = epoch;
    data->loaded = epoch;
    atomic_init(&data->refs, 1);
    keystore_conf_init(&where, &conf->server, conf->sign.allow_short_keys);
    if (epoch > 1) {
        where.readers = 1; /* mail goes on meanwhile */
    }
    data->users = userfile_load(path, where.uid, errors);
    keys = keystore_load(&where, errors);
    if (data->users != NULL && keys != NULL) {
        complete(data, keys, conf, path, errors);
    } else if (conf_errors_count(errors) == conf_errors_warnings(errors)) {
        conf_error(errors, path, 0, "out of memory");
    }
    keystore_free(&keys);
    return data;
}

struct keeper_data *
data_load(const struct conf *conf, uint64_t epoch)
{
    struct conf_errors *errors = conf_errors_new();
    struct keeper_data *data = NULL;
    struct buf path = BUF_INIT;

    buf_printf(&path, "%s/users.conf", conf->server.state_dir);
    if (errors != NULL && buf_str(&path) != NULL) {
        data = load(conf, epoch, buf_str(&path), errors);
    }
    if (!log_errors(errors)) {
        data_drop(&data);
    }
    conf_errors_free(&errors);
    buf_free(&path);
    return data;
}

/* --- faults --------------------------------------------------------------- */

static struct view *
view_with_faults(const struct view *notes, const struct faults *faults,
                 uint64_t epoch)
{
    struct view_builder *b = view_builder_new();
    bool good = b != NULL;
    struct view *view = NULL;

    for (size_t i = 0; good && i < view_user_count(notes); i++) {
        good = view_builder_user(b, view_user_at(notes, i));
    }
    for (size_t i = 0; good && i < view_key_count(notes); i++) {
        struct view_key key = *view_key_at(notes, i);

        key.faulty = faults_judge(faults, &key);
        good = view_builder_key(b, &key);
    }
    if (good) {
        view = view_build_copy(&b, epoch);
    }
    view_builder_free(&b);
    return view;
}

struct keeper_data *
data_with_faults(struct keeper_data *base, const struct faults *faults,
                 uint64_t epoch)
{
    struct keeper_data *data = malloc(sizeof(*data));

    base = base->base == NULL ? base : base->base;
    if (data == NULL) {
        return NULL;
    }
    /* What is shared; refs, which others may be counting now, is the last. */
    memcpy(data, base, offsetof(struct keeper_data, refs));
    atomic_init(&data->refs, 1);
    data->base = data_hold(base);
    data->epoch = epoch;
    data->view = view_with_faults(base->view, faults, epoch);
    data->view_fd = data->view == NULL ? -1 : pack(data->view);
    if (data->view_fd < 0) {
        data_drop(&data);
    }
    return data;
}

const struct view *
data_notes(const struct keeper_data *data)
{
    return data->base == NULL ? data->view : data->base->view;
}
