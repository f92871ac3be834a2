/*
 * worker_dovecots - see worker_dovecots.h.
 */
#include "proxy/worker_dovecots.h"

#include "proxy/auth/dovecot.h"

#include <stdlib.h>

/* Listeners with the same socket share a connection. */
static struct dovecot *
dovecot_before(const struct worker *w, size_t listener)
{
    const char *path = w->conf->listens[listener].auth_backend.path;

    for (size_t i = 0; i < listener; i++) {
        if (w->dovecots[i] != NULL &&
            strcmp(w->conf->listens[i].auth_backend.path, path) == 0) {
            return w->dovecots[i];
        }
    }
    return NULL;
}

bool
worker_dovecots_new(struct worker *w)
{
    size_t count = w->conf->listen_count;

    w->dovecots = calloc(count + 1, sizeof(struct dovecot *));
    for (size_t i = 0; w->dovecots != NULL && i < count; i++) {
        const struct conf_backend *b = &w->conf->listens[i].auth_backend;

        if (b->judge != CONF_JUDGE_DOVECOT) {
            continue;
        }
        w->dovecots[i] = dovecot_before(w, i);
        if (w->dovecots[i] == NULL) {
            w->dovecots[i] = dovecot_new(w->base, w->loop, b->path);
        }
        if (w->dovecots[i] == NULL) {
            return false;
        }
    }
    return w->dovecots != NULL;
}

void
worker_dovecots_free(struct worker *w)
{
    for (size_t i = w->conf->listen_count; w->dovecots != NULL && i > 0; i--) {
        if (dovecot_before(w, i - 1) == NULL) {
            dovecot_free(&w->dovecots[i - 1]);
        }
    }
    free(w->dovecots);
    w->dovecots = NULL;
}
