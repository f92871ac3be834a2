/*
 * paths - the files that the configuration of a worker names; see conf.h.
 */
#include "conf.h"
#include "settings.h"

static void
each_path(const struct conf_setting *row, const void *field,
          conf_path_callback *cb, void *arg)
{
    const char *const *path = field;
    const conf_list *list = field;

    if (row->type == CONF_PATH && (*path)[0] != '\0') {
        cb(*path, arg);
    }
    for (size_t i = 0; row->type == CONF_PATHS && (*list)[i] != NULL; i++) {
        cb((*list)[i], arg);
    }
}

static void
each_of(const char *section, const void *values, conf_path_callback *cb,
        void *arg)
{
    size_t count;
    const struct conf_setting *rows = conf_settings_of(section, &count);

    for (size_t i = 0; i < count; i++) {
        each_path(&rows[i], (const char *)values + rows[i].offset, cb, arg);
    }
}

void
conf_worker_files(const struct conf *conf, conf_path_callback *cb, void *arg)
{
    for (size_t i = 0; i < conf->listen_count; i++) {
        each_of("listen", &conf->listens[i], cb, arg);
    }
    for (size_t i = 0; i < conf->upstream_count; i++) {
        each_of("upstream", &conf->upstreams[i], cb, arg);
    }
}
