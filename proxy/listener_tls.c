/*
 * listener_tls - the contexts of listeners: made, given the secret of tickets,
 * made anew at a reload; see listener_tls.h and listener.h.
 */
#include "proxy/listener_tls.h"

#include "proxy/listener.h"
#include "proxy/net/tls.h"

#include <stdlib.h>

/* Without memory for the shared tickets the context has some of its own. */
SSL_CTX *
listener_tls_new(const struct worker *w, size_t listener, struct buf *error)
{
    SSL_CTX *ctx = tls_server_new(&w->conf->listens[listener], error);

    if (ctx != NULL) {
        (void)tls_tickets_share(ctx, &w->tickets);
    }
    return ctx;
}

void
listeners_tickets(struct worker *w, int fd)
{
    if (!tls_tickets_unpack(fd, &w->tickets)) {
        return;
    }
    for (size_t i = 0; w->listeners != NULL && i < w->conf->listen_count; i++) {
        if (w->listeners[i].tls != NULL) {
            (void)tls_tickets_share(w->listeners[i].tls, &w->tickets);
        }
    }
}

bool
listeners_reload(struct worker *w, struct buf *error)
{
    size_t count = w->conf->listen_count;
    SSL_CTX **fresh = calloc(count + 1, sizeof(SSL_CTX *));
    bool ok = fresh != NULL;

    for (size_t i = 0; ok && i < count; i++) {
        if (w->listeners[i].tls != NULL) {
            fresh[i] = listener_tls_new(w, i, error);
            ok = fresh[i] != NULL &&
                 tls_certificates_valid(fresh[i], &w->conf->listens[i], error);
        }
    }
    for (size_t i = 0; fresh != NULL && i < count; i++) {
        if (ok && fresh[i] != NULL) {
            SSL_CTX *old = w->listeners[i].tls;

            w->listeners[i].tls = fresh[i];
            fresh[i] = old;
        }
        SSL_CTX_free(fresh[i]);
    }
    free(fresh);
    return ok;
}
