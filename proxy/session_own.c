/*
 * session_own - see session_own.h.
 *
 * While no transaction has it, the connection belongs to on_own(): any word
 * but the reply to our RSET, or its end, and it is lost.
 */
#include "proxy/session_own.h"

#include "proxy/session_forward.h"
#include "proxy/session_login.h"
#include "proxy/session_state.h"

#include <base/wipe.h>

#include <smtp/xclient.h>

#include <proxy/route.h>
#include <stdlib.h>

enum {
    RESET_MS = 30 * 1000
};

struct session_own {
    struct session *session;    /* borrowed */
    struct upstream *upstream;  /* borrowed */
    struct upstream_link *link; /* owns; NULL: lent to the transaction */
    bool resetting;             /* our RSET has no reply yet */
    bool lost;
};

static struct upstream *
judge_of(const struct session *s)
{
    return route_upstream(s->worker, s->conf, NULL, bytes_make(NULL, 0));
}

unsigned
session_own_mechs(const struct session *s)
{
    const unsigned passed = (unsigned)SMTP_MECH_PLAIN | SMTP_MECH_LOGIN |
                            SMTP_MECH_XOAUTH2 | SMTP_MECH_OAUTHBEARER;
    const struct upstream *u = judge_of(s);
    const struct smtp_caps *caps = u == NULL ? NULL : upstream_caps(u);
    unsigned both = caps == NULL ? 0 : caps->mechs & passed;

    /* Only a login asks it again: offering nothing would be for ever. */
    return (both & s->conf->auth_mechanisms) == 0 ? passed : both;
}

/* --- while nobody sends --------------------------------------------------- */

static void
lose(struct session_own *own)
{
    upstream_drop(&own->link);
    own->resetting = false;
    own->lost = true;
}

/* What waits for the end of the reset gets the link, or hears that there is
 * none. */
static void
serve(struct session *s)
{
    struct transaction *tx = s->tx;

    if (tx != NULL && tx->up == UP_DIALLING && session_own_carries(s)) {
        session_own_take(s);
    }
}

static void
read_reset(struct session_own *own)
{
    struct conn *conn = upstream_link_conn(own->link);
    struct bytes in = conn_input(conn);
    struct smtp_reply reply;
    enum smtp_reply_result result = smtp_reply_next(&in, &reply);

    if (result == SMTP_REPLY_MORE) {
        return;
    }
    if (result == SMTP_REPLY_BAD || reply.code / 100 != 2 || in.len > 0) {
        lose(own);
        return;
    }
    conn_consume(conn, conn_input(conn).len);
    conn_set_deadline(conn, 0);
    own->resetting = false;
}

static void
on_own(struct conn *conn, enum conn_event event, void *arg)
{
    struct session_own *own = arg;
    struct session *s = own->session;

    (void)conn;
    if (event == CONN_DRAINED) {
        return;
    }
    if (event == CONN_INPUT && own->resetting) {
        read_reset(own);
    } else {
        lose(own);
    }
    if (!own->resetting) {
        serve(s);
    }
    session_run(s);
}

bool
session_own_lost(const struct session *s)
{
    return s->own != NULL && s->own->lost;
}

/* --- in a transaction ----------------------------------------------------- */

bool
session_own_carries(const struct session *s)
{
    return s->own != NULL && s->own->upstream == s->tx->upstream;
}

void
session_own_take(struct session *s)
{
    struct session_own *own = s->own;
    struct upstream_link *link = own->link;

    if (own->resetting) {
        session_link_awaited(s);
    } else if (link == NULL) {
        own->lost = true;
        session_link_failed(s);
    } else {
        own->link = NULL;
        session_link_held(s, link);
    }
}

/* Nothing unread may be left, nothing unsent: it would be answered later. */
static bool
is_quiet(const struct upstream_link *link)
{
    const struct conn *conn = upstream_link_conn(link);

    return conn_input(conn).len == 0 && conn_pending(conn) == 0;
}

void
session_own_back(struct session *s, bool usable, bool reset)
{
    struct session_own *own = s->own;
    struct conn *conn;

    if (own->link != NULL) {
        return; /* it was never lent: its RSET was waited for in vain */
    }
    own->link = s->tx->link;
    s->tx->link = NULL;
    if (own->link == NULL || !usable || !is_quiet(own->link)) {
        lose(own);
        return;
    }
    conn = upstream_link_conn(own->link);
    conn_set_owner(conn, on_own, own);
    conn_set_deadline(conn, reset ? RESET_MS : 0);
    own->resetting = reset;
    if (reset) {
        conn_write(conn, BYTES_LIT("RSET\r\n"));
    }
}

void
session_own_free(struct session_own **ownp)
{
    struct session_own *own = *ownp;

    *ownp = NULL;
    if (own == NULL) {
        return;
    }
    if (own->resetting) {
        upstream_drop(&own->link);
    }
    upstream_put(&own->link, false);
    free(own);
}

/* --- logging in ----------------------------------------------------------- */

static bool
keep(struct session *s, struct upstream_link *link)
{
    struct session_own *own = calloc(1, sizeof(*own));

    if (own == NULL) {
        upstream_drop(&link);
        return false;
    }
    *own = (struct session_own){ .session = s,
                                 .upstream = judge_of(s),
                                 .link = link };
    conn_set_owner(upstream_link_conn(link), on_own, own);
    s->own = own;
    return true;
}

/* 534 asks for another mechanism or another password (RFC 4954 6). */
static void
refuse(struct session *s, const struct upstream_refusal *refusal)
{
    char reason[sizeof(refusal->said) + 32];

    (void)snprintf(reason, sizeof(reason), "upstream: %d %s", refusal->code,
                   refusal->said);
    switch (refusal->what) {
    case UPSTREAM_REFUSED:
        session_login_wrong(s, reason);
        break;
    case UPSTREAM_REFUSED_NOW:
        session_login_later(s, reason,
                            "The upstream can't judge now, try again later");
        break;
    case UPSTREAM_NO_MECHANISM:
        session_login_later(s, "the upstream does not offer the mechanism",
                            "Log in with another mechanism");
        break;
    case UPSTREAM_NOT_REFUSED:
    default:
        session_login_later(s, "no connection to the upstream",
                            "The upstream can't be reached, try again later");
        break;
    }
}

static void
on_login(struct upstream_link *link, const char *error, void *arg)
{
    struct session *s = arg;
    struct upstream_refusal refusal = s->login->refusal;

    (void)error; /* logged, or in the refusal */
    s->login->wait = NULL;
    (void)event_del(s->login->timer); /* the deadline was the upstream's */
    s->owed = OWED_NOTHING;
    if (link == NULL) {
        refuse(s, &refusal);
    } else if (!keep(s, link)) {
        session_login_later(s, "no-memory", "Out of memory, try again later");
    } else {
        session_login_assert(s);
    }
    session_run(s);
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct session *s = arg;

    (void)fd;
    (void)what;
    upstream_cancel(&s->login->wait);
    s->owed = OWED_NOTHING;
    if (!s->closing) {
        session_login_later(s, "the upstream does not answer",
                            "The upstream does not answer, try again later");
    }
    session_run(s);
}

void
session_own_login(struct session *s)
{
    struct session_login *login = s->login;
    struct upstream *u = judge_of(s);
    struct upstream_wish wish = { .username = login->sasl.user,
                                  .secret = login->sasl.secret,
                                  .mechs = login->sasl.mech,
                                  .refusal = &login->refusal };
    struct smtp_xattrs client;

    session_fill_client(s, upstream_settings(u), &wish, &client);
    login->wait = upstream_get(u, &wish, on_login, s);
    wipe(login->sasl.secret, sizeof(login->sasl.secret));
    if (login->wait == NULL ||
        !session_login_timer(s, (uint64_t)s->conf->reply_deadline_s * 1000,
                             on_deadline)) {
        upstream_cancel(&login->wait);
        session_login_later(s, "no-memory", "Out of memory, try again later");
        return;
    }
    s->owed = OWED_AUTH;
}
