/*
 * session_peer - for whom the client is taken: its address, and what an MTA
 * in front of us says of its own client.
 *
 * XCLIENT replaces the address and begins the session again, so that nothing
 * of the one who speaks is lent to the one it speaks for: neither a trusted
 * network nor AUTH nor the right to XCLIENT. LOGIN is never an identity. What
 * XFORWARD says stands in the log line of the next message and nowhere else.
 *
 * Postfix: XCLIENT_README, XFORWARD_README.
 */
#include "proxy/session_own.h"
#include "proxy/session_state.h"

#include <smtp/xclient.h>

#include <proxy/log/log.h>
#include <stdlib.h>

/* --- by address ----------------------------------------------------------- */

static void
identify(struct session *s)
{
    const struct sockaddr *peer = &s->peer.address.any;
    bool trusted = !s->peer.anonymous &&
                   conf_networks_has(&s->conf->trusted_networks, peer);

    s->peer.may_xclient =
        !s->peer.anonymous && conf_networks_has(&s->conf->xclient_from, peer);
    s->identity = trusted ? SESSION_TRUSTED : SESSION_NOBODY;
    if (trusted && s->conf->trusted_user[0] != '\0') {
        s->user = strdup(s->conf->trusted_user);
        s->dead = s->dead || s->user == NULL;
    }
}

void
session_set_peer(struct session *s, const union net_address *peer,
                 bool anonymous)
{
    s->peer.address = *peer;
    s->peer.anonymous = anonymous;
    net_address_text(&peer->any, s->address);
    identify(s);
}

/* --- XCLIENT -------------------------------------------------------------- */

static void
log_value(struct log_line *l, const char *key, const struct smtp_xattrs *attrs,
          enum smtp_xattr attr)
{
    if (attrs->value[attr][0] != '\0') {
        log_text(l, key, attrs->value[attr]);
    }
}

static void
log_xclient(const struct session *s, const char *before,
            const struct smtp_xattrs *attrs)
{
    struct log_line l;

    log_begin(&l, LOG_LEVEL_INFO, "xclient");
    log_text(&l, "id", s->id);
    log_text(&l, "client", s->peer.anonymous ? "-" : s->address);
    log_text(&l, "from", before);
    log_value(&l, "port", attrs, SMTP_XATTR_PORT);
    log_value(&l, "name", attrs, SMTP_XATTR_NAME);
    log_value(&l, "helo", attrs, SMTP_XATTR_HELO);
    log_end(&l);
}

static bool
parse_address(const char *text, uint16_t port, union net_address *out)
{
    return net_address_parse(AF_INET, bytes_str(text), port, out) ||
           net_address_parse(AF_INET6, bytes_str(text), port, out);
}

/* False: an attribute that is an address is none. */
static bool
read_address(const struct smtp_xattrs *attrs, union net_address *peer)
{
    const char *address = attrs->value[SMTP_XATTR_ADDR];
    const char *destination = attrs->value[SMTP_XATTR_DESTADDR];
    union net_address ignored;
    uint64_t port = 0;

    (void)bytes_to_u64(bytes_str(attrs->value[SMTP_XATTR_PORT]), UINT16_MAX,
                       &port);
    return (address[0] == '\0' ||
            parse_address(address, (uint16_t)port, peer)) &&
           (destination[0] == '\0' || parse_address(destination, 0, &ignored));
}

/* What the one who spoke until now has shown of itself. */
static void
forget_identity(struct session *s)
{
    keeper_cancel(&s->request);
    session_own_free(&s->own);
    if (s->has_handle) {
        keeper_release(s->worker->keeper, &s->handle);
        s->has_handle = false;
    }
    session_auth_logout(s);
    s->certificate.user = NULL; /* it is the one's who spoke */
    free(s->user);
    s->user = NULL;
    free(s->helo);
    s->helo = NULL;
    s->peer.helo_told = false;
    session_forget_forwarded(s);
}

void
session_xclient(struct session *s, const struct smtp_command *cmd)
{
    union net_address peer = s->peer.address;
    char before[INET6_ADDRSTRLEN];
    struct smtp_xattrs attrs;
    bool unknown;

    if (smtp_xclient_parse(cmd->verb, cmd->arg, &attrs) != SMTP_OK ||
        !read_address(&attrs, &peer)) {
        session_reply(s, 501, "5.5.4",
                      "Malformed address; write ADDR=192.0.2.1 or "
                      "ADDR=IPV6:2001:db8::1");
        return;
    }
    /* [UNAVAILABLE]: anybody may be behind it. */
    unknown = attrs.given & 1u << SMTP_XATTR_ADDR &&
              attrs.value[SMTP_XATTR_ADDR][0] == '\0';
    (void)bytes_copy(bytes_str(s->address), before, sizeof(before));
    forget_identity(s);
    session_set_peer(s, &peer, unknown);
    s->helo = session_clean_name(bytes_str(attrs.value[SMTP_XATTR_HELO]));
    s->peer.helo_told = s->helo != NULL;
    log_xclient(s, before, &attrs);
    session_greet(s);
    smtp_server_answered(&s->server, 220);
    session_set_rules(s);
}

/* --- XFORWARD ------------------------------------------------------------- */

void
session_xforward(struct session *s, const struct smtp_command *cmd)
{
    struct smtp_xattrs attrs;

    if (s->peer.forwarded == NULL) {
        s->peer.forwarded = calloc(1, sizeof(*s->peer.forwarded));
    }
    if (s->peer.forwarded == NULL) {
        session_reply(s, 452, "4.3.1", "Out of memory, try again later");
        return;
    }
    if (smtp_xclient_parse(cmd->verb, cmd->arg, &attrs) != SMTP_OK) {
        session_reply(s, 501, "5.5.4", "Malformed arguments");
        return;
    }
    for (unsigned i = 0; i < SMTP_XATTR_COUNT; i++) {
        if (attrs.given & 1u << i) { /* one line may not hold them all */
            memcpy(s->peer.forwarded->value[i], attrs.value[i],
                   sizeof(attrs.value[i]));
        }
    }
    session_reply(s, 250, "2.0.0", "Ok");
}

void
session_forget_forwarded(struct session *s)
{
    free(s->peer.forwarded);
    s->peer.forwarded = NULL;
}

void
session_log_forwarded(const struct session *s, struct log_line *l)
{
    if (s->peer.forwarded != NULL) {
        log_value(l, "orig_client", s->peer.forwarded, SMTP_XATTR_ADDR);
        log_value(l, "orig_name", s->peer.forwarded, SMTP_XATTR_NAME);
        log_value(l, "orig_helo", s->peer.forwarded, SMTP_XATTR_HELO);
        log_value(l, "orig_id", s->peer.forwarded, SMTP_XATTR_IDENT);
    }
}
