/*
 * route - see proxy/route.h.
 */
#include "proxy/route.h"

#include <proxy/idn.h>
#include <proxy/upstream/upstream.h>
#include <string.h>

/* PIPELINING and ENHANCEDSTATUSCODES are ours whatever the upstream has: we
 * queue for it, and our own replies carry codes. */
enum {
    OURS = SMTP_CAP_PIPELINING | SMTP_CAP_ENHANCEDSTATUSCODES | SMTP_CAP_SIZE,
    PASSED_ON = SMTP_CAP_8BITMIME | SMTP_CAP_SMTPUTF8 | SMTP_CAP_DSN
};

static struct upstream *
by_name(const struct worker *w, const char *name)
{
    for (size_t i = 0; i < w->conf->upstream_count; i++) {
        if (strcmp(w->conf->upstreams[i].name, name) == 0) {
            return w->upstreams[i];
        }
    }
    return NULL;
}

static struct upstream *
by_sender(const struct worker *w, struct bytes sender)
{
    const struct upstream_conf *conf;
    char domain[IDN_NAME_MAX + 1];

    if (sender.len == 0 || !idn_domain(sender, domain)) {
        return NULL;
    }
    conf = conf_upstream_of_sender(w->conf, domain);
    return conf == NULL ? NULL : by_name(w, conf->name);
}

struct upstream *
route_upstream(const struct worker *w, const struct listen_conf *listener,
               const struct view_user *user, struct bytes sender)
{
    struct upstream *u = user == NULL || user->upstream[0] == '\0'
                             ? NULL
                             : by_name(w, user->upstream);

    if (u == NULL && listener->mode == CONF_OUTBOUND) {
        u = by_sender(w, sender);
    }
    return u != NULL ? u : by_name(w, listener->upstream);
}

static void
intersect(struct smtp_caps *caps, const struct upstream *u)
{
    const struct smtp_caps *theirs = upstream_caps(u);

    if (theirs == NULL) {
        caps->offers &= (unsigned)OURS | SMTP_CAP_8BITMIME;
        return;
    }
    caps->offers &= (unsigned)OURS | theirs->offers;
    if (theirs->size > 0 && (caps->size == 0 || theirs->size < caps->size)) {
        caps->size = theirs->size;
    }
}

/* Users may have routes of their own: on an outbound listener each upstream
 * of the configuration counts, unless there is only one. */
void
route_caps(const struct worker *w, const struct listen_conf *listener,
           struct smtp_caps *caps_out)
{
    struct smtp_caps caps = { .offers = (unsigned)OURS | PASSED_ON };

    if (listener->mode == CONF_OUTBOUND) {
        for (size_t i = 0; i < w->conf->upstream_count; i++) {
            intersect(&caps, w->upstreams[i]);
        }
    } else {
        intersect(&caps, by_name(w, listener->upstream));
    }
    *caps_out = caps;
}
