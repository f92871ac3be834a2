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
    OURS = SMTP_CAP_PIPELINING | SMTP_CAP_ENHANCEDSTATUSCODES | SMTP_CAP_SIZE |
           SMTP_CAP_LIMITS,
    PASSED_ON = SMTP_CAP_8BITMIME | SMTP_CAP_SMTPUTF8 | SMTP_CAP_DSN |
                SMTP_CAP_REQUIRETLS
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

static unsigned
least(unsigned a, unsigned b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* RFC 8689 4.2.1: who promises it must know whom it hands the message to. */
static bool
is_trusted(const struct upstream_conf *conf)
{
    return conf->tls != CONF_TLS_NONE && conf->tls != CONF_TLS_OPPORTUNISTIC &&
           (conf->tls_verify || conf->tls_fingerprints.count > 0);
}

static void
intersect(struct smtp_caps *caps, const struct upstream *u)
{
    const struct upstream_conf *conf = upstream_settings(u);
    const struct smtp_caps *theirs = upstream_caps(u);

    if (conf->lmtp) {
        caps->rcpt_max = 1; /* see has_its_one() in session_rcpt.c */
    }
    if (!is_trusted(conf)) {
        caps->offers &= ~(unsigned)SMTP_CAP_REQUIRETLS;
    }
    if (theirs == NULL) {
        caps->offers &= (unsigned)OURS | SMTP_CAP_8BITMIME;
        return;
    }
    caps->offers &= (unsigned)OURS | theirs->offers;
    if (theirs->size > 0 && (caps->size == 0 || theirs->size < caps->size)) {
        caps->size = theirs->size;
    }
    caps->rcpt_max = least(caps->rcpt_max, theirs->rcpt_max);
    caps->rcpt_domain_max =
        least(caps->rcpt_domain_max, theirs->rcpt_domain_max);
}

/* May mail of this listener go there? user NULL: nobody has logged in yet. */
static bool
is_reached(const struct worker *w, const struct listen_conf *listener,
           const struct view_user *user, size_t i)
{
    const struct upstream_conf *conf = &w->conf->upstreams[i];
    const struct view *view = keeper_client_view(w->keeper);
    bool own = user != NULL && user->upstream[0] != '\0' &&
               by_name(w, user->upstream) != NULL;

    if (own) {
        return strcmp(conf->name, user->upstream) == 0;
    }
    return strcmp(conf->name, listener->upstream) == 0 ||
           (listener->mode == CONF_OUTBOUND &&
            conf->sender_domains[0] != NULL) ||
           (listener->mode == CONF_OUTBOUND && user == NULL &&
            (view == NULL || view_names_upstream(view, conf->name)));
}

void
route_caps(const struct worker *w, const struct listen_conf *listener,
           const struct view_user *user, struct smtp_caps *caps_out)
{
    struct smtp_caps caps = { .offers = (unsigned)OURS | PASSED_ON,
                              .rcpt_max = w->conf->limits.recipients };

    for (size_t i = 0; i < w->conf->upstream_count; i++) {
        if (is_reached(w, listener, user, i)) {
            intersect(&caps, w->upstreams[i]);
        }
    }
    *caps_out = caps;
}
