/*
 * session_forward - what an upstream is told of the client, and for whom a
 * connection to it is.
 *
 * Postfix: XCLIENT_README, XFORWARD_README.
 */
#include "proxy/session_forward.h"

#include "proxy/session_state.h"

#include <smtp/xclient.h>

static void
set_attr(struct smtp_xattrs *attrs, enum smtp_xattr attr, const char *value)
{
    attrs->given |= 1u << attr;
    (void)bytes_copy(bytes_str(value == NULL ? "" : value), attrs->value[attr],
                     sizeof(attrs->value[attr]));
}

/* The client as it is told to an upstream. Not its port: connections would
 * never be for the same client twice. */
static void
describe_client(const struct session *s, struct smtp_xattrs *attrs)
{
    *attrs = (struct smtp_xattrs){ 0 };
    set_attr(attrs, SMTP_XATTR_NAME, "");
    set_attr(attrs, SMTP_XATTR_ADDR, s->peer.anonymous ? "" : s->address);
    set_attr(attrs, SMTP_XATTR_PROTO, s->server.esmtp ? "ESMTP" : "SMTP");
    set_attr(attrs, SMTP_XATTR_HELO, s->helo);
}

void
session_fill_wish(const struct session *s, struct upstream_wish *wish,
                  struct smtp_xattrs *client)
{
    const struct upstream_conf *conf = upstream_settings(s->tx->upstream);
    const struct view_user *user = session_user(s);

    *wish = (struct upstream_wish){ 0 };
    if (user != NULL && user->upstream_username[0] != '\0' &&
        conf->login != CONF_LOGIN_NONE) {
        wish->username = user->upstream_username;
        wish->secret_file = user->upstream_password_file;
    }
    session_fill_client(s, conf, wish, client);
    if (wish->client != NULL) {
        set_attr(client, SMTP_XATTR_LOGIN,
                 s->identity == SESSION_AUTHENTICATED ? s->user : "");
    }
}

void
session_fill_client(const struct session *s, const struct upstream_conf *conf,
                    struct upstream_wish *wish, struct smtp_xattrs *client)
{
    if (conf->xclient != CONF_TELL_NO) {
        describe_client(s, client);
        wish->client = client;
    }
}

static unsigned
client_port(const struct session *s)
{
    const union net_address *a = &s->peer.address;

    return ntohs(a->any.sa_family == AF_INET6 ? a->in6.sin6_port
                                              : a->in.sin_port);
}

/* What an MTA in front of us said of its own client, else our client. */
static void
describe_origin(const struct session *s, struct smtp_xattrs *attrs)
{
    const struct smtp_xattrs *told = s->peer.forwarded;
    char port[8];

    if (told != NULL) {
        *attrs = *told;
        attrs->given = UINT_MAX;
        return;
    }
    describe_client(s, attrs);
    (void)snprintf(port, sizeof(port), "%u", client_port(s));
    set_attr(attrs, SMTP_XATTR_PORT, s->peer.anonymous ? "" : port);
    set_attr(attrs, SMTP_XATTR_IDENT, s->tx->id);
    set_attr(attrs, SMTP_XATTR_SOURCE, "REMOTE");
}

void
session_put_forward(struct session *s, struct buf *out)
{
    struct transaction *tx = s->tx;
    const struct smtp_caps *caps = upstream_link_caps(tx->link);
    struct smtp_xattrs attrs;

    if (tx->forward_sent ||
        upstream_settings(tx->upstream)->xforward == CONF_TELL_NO ||
        (caps->offers & SMTP_CAP_XFORWARD) == 0) {
        return;
    }
    describe_origin(s, &attrs);
    tx->forward_sent =
        smtp_xclient_put(out, SMTP_VERB_XFORWARD, caps->xforward, &attrs);
    tx->up = UP_ENVELOPE;
}
