/*
 * reload - users and keys loaded beside the old ones; see server.h.
 *
 * The main thread alone makes data, so that epochs count up.
 */
#include <proxy/keeper/server.h>
#include <proxy/keeper/upkeep.h>
#include <proxy/log/log.h>
#include <stdlib.h>

static bool
user_is_gone(const char *name, void *arg)
{
    const struct keeper_data *data = arg;

    return view_user(data->view, bytes_str(name)) == NULL;
}

/* Each worker that ever asked gets the new view. */
static void
push_view(struct server *s)
{
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *c = NULL;
        struct keeper_data *data = NULL;

        server_lock(s);
        if (s->connections[i].open && s->connections[i].wants_view) {
            c = connection_hold(s, connection_id(s, &s->connections[i]));
            data = server_data(s);
        }
        server_unlock(s);
        if (c != NULL) {
            connection_send_view(s, c, data);
            server_lock(s);
            connection_drop(&c);
            server_unlock(s);
        }
        data_drop(&data);
    }
}

void
reload_log(const struct keeper_data *data)
{
    struct log_line l;

    log_begin(&l, LOG_LEVEL_INFO, "loaded");
    log_number(&l, "epoch", data->epoch);
    log_number(&l, "users", view_user_count(data->view));
    log_number(&l, "keys", view_key_count(data->view));
    log_end(&l);
}

/* A key that has signed must be able to go on: its file is parsed again when
 * it has changed. Others are parsed when they first sign. */
static bool
keys_still_good(struct server *s, const struct view *view)
{
    struct keycache_file *files;
    bool good = true;
    size_t count;

    server_lock(s);
    files = keycache_files(s->keys, &count);
    server_unlock(s);
    for (size_t i = 0; files != NULL && i < count; i++) {
        const struct keycache_file *f = &files[i];
        const struct view_key *key = view_key(view, f->domain, f->selector);
        enum key_err err = key == NULL || key->state == VIEW_KEY_REVOKED
                               ? KEY_OK
                               : keycache_probe(s->keys, f);

        if (err != KEY_OK) {
            log_event(LOG_LEVEL_ERROR, "load", "%s/keys/%s/%s.pem: %s",
                      s->conf->server.state_dir, f->domain, f->selector,
                      key_err_text(err));
            good = false;
        }
    }
    free(files);
    return good;
}

/* Faults that the notes don't outdo hold on. NULL, and data is dropped: no
 * memory. */
static struct keeper_data *
apply_faults(struct server *s, struct keeper_data *data)
{
    struct keeper_data *with = NULL;
    struct faults *faults;

    server_lock(s);
    faults_reloaded(s->faults, data->view);
    s->faults_news = false;
    faults = faults_count(s->faults) == 0 ? NULL : faults_copy(s->faults);
    server_unlock(s);
    if (faults == NULL) {
        return data;
    }
    with = data_with_faults(data, faults, data->epoch);
    data_drop(&data);
    faults_free(&faults);
    return with;
}

/* fresh: keys and users are not those of the data before. */
static void
swap(struct server *s, struct keeper_data *data, bool fresh)
{
    struct keeper_data *old;

    server_lock(s);
    old = s->data;
    s->data = data;
    if (fresh) {
        keycache_forget(s->keys);
        identities_sweep(s->identities, user_is_gone, data);
    }
    server_unlock(s);
    data_drop(&old);
}

void
reload_publish(struct server *s, struct keeper_data *data)
{
    swap(s, data, false);
    push_view(s);
}

void
reload_all(struct server *s)
{
    struct keeper_data *data = data_load(s->conf, s->data->epoch + 1);

    if (data != NULL && !keys_still_good(s, data->view)) {
        data_drop(&data);
    }
    if (data != NULL) {
        data = apply_faults(s, data);
    }
    if (data == NULL) {
        log_event(LOG_LEVEL_ERROR, "reload",
                  "users and keys stay as they were; mend what is said above "
                  "and reload");
        return;
    }
    swap(s, data, true);
    push_view(s);
    reload_log(data);
}
