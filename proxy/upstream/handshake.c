/*
 * handshake - see proxy/upstream/handshake.h.
 *
 * What the replies mean and what is said next is smtp/client.h's; here are
 * the connection, TLS and the deadlines. A failure is told once, as a sentence
 * with the server's own words behind it.
 */
#include "proxy/upstream/handshake.h"

#include "proxy/upstream/scram.h"

#include <base/wipe.h>

#include <arpa/inet.h>
#include <errno.h>
#include <proxy/clock.h>
#include <proxy/net/tls.h>
#include <proxy/net/tls_dane.h>
#include <proxy/net/tls_sessions.h>
#include <proxy/worker.h>
#include <stdlib.h>
#include <time.h>

enum {
    CONNECT_MS = 30 * 1000,
    WHY_MAX = 500
};

struct handshake {
    struct handshake_to to;
    struct upstream *upstream;
    const struct conf_address *address;
    handshake_callback *done;
    void *arg;
    struct upstream_link *link; /* being made */
    struct login login;
    struct upstream_scram *scram; /* NULL until it is begun */
    struct smtp_client client;
    struct buf out;
};

static void
handshake_free(struct handshake **hp)
{
    struct handshake *h = *hp;

    upstream_link_free(&h->link);
    login_free(&h->login);
    upstream_scram_free(&h->scram);
    wipe(h->out.ptr, h->out.cap);
    buf_free(&h->out);
    free(h);
    *hp = NULL;
}

/* --- the end -------------------------------------------------------------- */

static void
finish(struct handshake *h, struct upstream_link *link, const char *error,
       enum handshake_blame blame)
{
    handshake_callback *done = h->done;
    void *arg = h->arg;

    h->link = NULL;
    handshake_free(&h);
    done(link, error, blame, arg);
}

/* A login of one user, or an address that XCLIENT names, may be wrong for the
 * one and right for the others. */
static enum handshake_blame
blame_of(const struct handshake *h)
{
    bool own = h->to.wish != NULL && h->to.wish->username != NULL;
    const struct upstream_refusal *refusal =
        h->to.wish == NULL ? NULL : h->to.wish->refusal;

    if (refusal != NULL && refusal->what != UPSTREAM_NOT_REFUSED) {
        return HANDSHAKE_WISH;
    }
    switch (h->client.failure) {
    case SMTP_CLIENT_AUTH:
    case SMTP_CLIENT_TOKEN:
    case SMTP_CLIENT_SCRAM:
        return own ? HANDSHAKE_WISH : HANDSHAKE_SERVER;
    case SMTP_CLIENT_NO_XCLIENT:
        return h->client.code == 501 ? HANDSHAKE_WISH : HANDSHAKE_SERVER;
    default:
        return HANDSHAKE_SERVER;
    }
}

static void
fail(struct handshake *h, const char *why)
{
    enum handshake_blame blame = blame_of(h);
    struct upstream_link *link = h->link;
    char error[WHY_MAX];

    (void)snprintf(error, sizeof(error), "%s: %s", link->name, why);
    if (blame == HANDSHAKE_SERVER) {
        tls_sessions_forget(conn_ssl(link->conn));
    }
    upstream_link_free(&link);
    finish(h, NULL, error, blame);
}

/* With the mend, where there is one. */
static const char *
hint(const struct handshake *h)
{
    switch (h->client.failure) {
    case SMTP_CLIENT_TOKEN:
        return "; a new token in token_file, see sealpost-oauth(1)";
    case SMTP_CLIENT_AUTH:
        return "; username and password_file";
    case SMTP_CLIENT_NO_XCLIENT:
        return "; smtpd_authorized_xclient_hosts there, or xclient = auto";
    default:
        return "";
    }
}

/* Somebody's own credentials were refused: the server is well. */
static void
note_refusal(const struct handshake *h)
{
    static const enum upstream_verdict verdicts[SMTP_CLIENT_FAILURES] = {
        [SMTP_CLIENT_AUTH] = UPSTREAM_REFUSED,
        [SMTP_CLIENT_TOKEN] = UPSTREAM_REFUSED,
        [SMTP_CLIENT_AUTH_LATER] = UPSTREAM_REFUSED_NOW,
        [SMTP_CLIENT_NO_MECH] = UPSTREAM_NO_MECHANISM,
    };
    const struct smtp_client *c = &h->client;
    struct upstream_refusal *out =
        h->to.wish == NULL ? NULL : h->to.wish->refusal;

    if (out == NULL || verdicts[c->failure] == UPSTREAM_NOT_REFUSED) {
        return;
    }
    out->what = verdicts[c->failure];
    out->code = c->code;
    (void)bytes_copy(bytes_take(bytes_str(c->said), UPSTREAM_SAID_MAX),
                     out->said, sizeof(out->said));
    upstream_target_good(h->upstream, h->to.target, &c->caps);
}

static void
fail_client(struct handshake *h)
{
    const struct smtp_client *c = &h->client;
    char why[WHY_MAX];

    note_refusal(h);

    if (c->code == 0) {
        (void)snprintf(why, sizeof(why), "%s%s",
                       smtp_client_failure_text(c->failure), hint(h));
    } else {
        (void)snprintf(why, sizeof(why), "%s (%d %s)%s",
                       smtp_client_failure_text(c->failure), c->code, c->said,
                       hint(h));
    }
    fail(h, why);
}

/* --- its steps ------------------------------------------------------------ */

static void
arm(struct handshake *h)
{
    conn_set_deadline(h->link->conn, h->to.step_ms);
}

static void
send_out(struct handshake *h)
{
    if (buf_failed(&h->out)) {
        fail(h, "no memory");
        return;
    }
    conn_write(h->link->conn, buf_bytes(&h->out));
    wipe(h->out.ptr, h->out.len);
    buf_clear(&h->out);
    arm(h);
}

static void
ready(struct handshake *h)
{
    struct upstream_link *link = h->link;

    if (h->upstream->conf->xforward == CONF_TELL_YES &&
        (h->client.caps.offers & SMTP_CAP_XFORWARD) == 0) {
        fail(h, "the server does not take XFORWARD from here; "
                "smtpd_authorized_xforward_hosts there, or xforward = auto");
        return;
    }
    link->caps = h->client.caps;
    link->own = h->to.wish != NULL && h->to.wish->secret != NULL;
    conn_set_deadline(link->conn, 0);
    finish(h, link, "", HANDSHAKE_SERVER);
}

/* A check makes a full handshake: it should see what a newcomer sees. */
static void
use_sessions(const struct handshake *h, SSL *ssl)
{
    const struct tlsa *tlsa =
        h->upstream->conf->tls == CONF_TLS_DANE ? h->to.tlsa : NULL;
    struct tls_place place = {
        .address = h->to.address,
        .host = h->address->host,
        .records = tlsa == NULL ? NULL : tlsa->records,
        .record_count = tlsa == NULL ? 0 : tlsa->count,
    };

    tls_sessions_use(ssl, &place, h->to.wish != NULL, (int64_t)time(NULL));
}

static SSL *
new_ssl(struct handshake *h, const char **why_out)
{
    const struct upstream *u = h->upstream;
    size_t usable = 1;
    SSL *ssl =
        u->conf->tls == CONF_TLS_DANE
            ? tls_dane_ssl(u->tls, h->to.tlsa->base, h->address->host,
                           h->to.tlsa->records, h->to.tlsa->count, &usable)
            : tls_client_ssl(u->tls, u->conf, h->address->host);

    *why_out = usable == 0 ? "tls = dane: none of its TLSA records is of use; "
                             "usage 2 or 3 (RFC 7672 3.1)"
                           : "no memory for TLS";
    return ssl;
}

static void
start_tls(struct handshake *h)
{
    const char *why;
    SSL *ssl = new_ssl(h, &why);

    if (ssl == NULL) {
        fail(h, why);
        return;
    }
    use_sessions(h, ssl);
    arm(h);
    conn_tls_connect(h->link->conn, ssl);
}

static void
act(struct handshake *h, enum smtp_client_action action)
{
    switch (action) {
    case SMTP_CLIENT_TLS:
        start_tls(h);
        break;
    case SMTP_CLIENT_READY:
        ready(h);
        break;
    case SMTP_CLIENT_FAILED:
        fail_client(h);
        break;
    case SMTP_CLIENT_WAIT:
    default:
        send_out(h);
        break;
    }
}

static void
read_replies(struct handshake *h)
{
    struct bytes in = conn_input(h->link->conn);
    struct bytes rest = in;
    struct smtp_reply reply;
    enum smtp_client_action action;

    switch (smtp_reply_next(&rest, &reply)) {
    case SMTP_REPLY_MORE:
        if (in.len >= CONN_INPUT_MAX) {
            fail(h, "a reply without an end");
        }
        return;
    case SMTP_REPLY_BAD:
    default:
        fail(h, "not an SMTP reply");
        return;
    case SMTP_REPLY_OK:
        break;
    }
    action = smtp_client_reply(&h->client, &reply, &h->out);
    if (action != SMTP_CLIENT_FAILED && rest.len > 0) {
        /* Nothing may stand behind a reply that we had to wait for: what
         * comes early could be meant to be read under TLS (RFC 3207 4). */
        fail(h, "octets behind a reply");
        return;
    }
    conn_consume(h->link->conn, in.len - rest.len);
    act(h, action);
}

/* RFC 9266 4.2: not every TLS has a channel to bind to. */
static void
tls_done(struct handshake *h)
{
    uint8_t binding[CONN_CHANNEL_BINDING_OCTETS];

    if (!conn_channel_binding(h->link->conn, binding)) {
        smtp_client_forbid(&h->client, SMTP_MECH_SCRAM_SHA_256_PLUS);
    }
}

static void
on_conn(struct conn *conn, enum conn_event event, void *arg)
{
    struct handshake *h = arg;
    bool implicit = h->upstream->conf->tls == CONF_TLS_IMPLICIT;

    switch (event) {
    case CONN_CONNECTED:
        if (implicit) {
            start_tls(h);
        } else {
            arm(h); /* for the greeting */
        }
        return;
    case CONN_TLS_DONE:
        tls_done(h);
        if (!implicit) {
            smtp_client_tls_started(&h->client, &h->out);
            send_out(h);
        } else {
            arm(h);
        }
        return;
    case CONN_INPUT:
        read_replies(h);
        return;
    case CONN_DRAINED:
        return;
    case CONN_TIMEOUT:
        fail(h, "no answer in time");
        return;
    case CONN_EOF:
        fail(h, "connection closed");
        return;
    case CONN_GONE:
    default:
        fail(h, conn_error(conn));
        return;
    }
}

/* --- the beginning -------------------------------------------------------- */

static enum smtp_scram_result
step_scram(void *ctx, enum smtp_mech mech, struct bytes challenge,
           struct buf *response)
{
    struct handshake *h = ctx;

    if (h->scram == NULL) {
        h->scram = upstream_scram_new(mech, h->login.user, h->login.secret,
                                      h->link->conn);
    }
    return upstream_scram_step(h->scram, challenge, response);
}

static void
client_init(struct handshake *h)
{
    const struct upstream_conf *conf = h->upstream->conf;
    struct smtp_client_conf c = {
        .hostname = h->upstream->worker->conf->server.hostname,
        .tls = conf->tls == CONF_TLS_STARTTLS || conf->tls == CONF_TLS_DANE
                   ? SMTP_CLIENT_TLS_REQUIRED
               : conf->tls == CONF_TLS_OPPORTUNISTIC ? SMTP_CLIENT_TLS_MAY
                                                     : SMTP_CLIENT_TLS_NONE,
        .lmtp = conf->lmtp,
        .user = h->login.user,
        .secret = h->login.secret,
        .mechs = h->login.mechs,
        .host = h->address->host,
        .port = h->address->port,
        .scram = step_scram,
        .scram_ctx = h,
    };

    if (h->to.wish != NULL && conf->xclient != CONF_TELL_NO) {
        c.xclient = h->to.wish->client;
        c.xclient_needed = conf->xclient == CONF_TELL_YES;
    }
    smtp_client_init(&h->client, &c, conf->tls == CONF_TLS_IMPLICIT);
}

/* "smtp1.example.net[192.0.2.1]:587" */
static char *
link_name(const struct conf_address *address, const struct sockaddr *to)
{
    char number[INET6_ADDRSTRLEN] = "?";
    struct buf name = BUF_INIT;
    const void *octets =
        to->sa_family == AF_INET6
            ? (const void *)&((const struct sockaddr_in6 *)(const void *)to)
                  ->sin6_addr
            : (const void *)&((const struct sockaddr_in *)(const void *)to)
                  ->sin_addr;

    inet_ntop(to->sa_family, octets, number, sizeof(number));
    buf_printf(&name, "%s[%s]:%u", address->host, number,
               (unsigned)address->port);
    return (char *)(uintptr_t)buf_str(&name); /* taken; freed by free() */
}

static struct upstream_link *
link_new(struct handshake *h)
{
    const struct sockaddr *to = h->to.address;
    struct upstream_link *link = calloc(1, sizeof(*link));

    if (link == NULL) {
        return NULL;
    }
    link->upstream = h->upstream;
    link->target = h->to.target;
    link->made_ms = clock_ms();
    link->name = link_name(h->address, to);
    if (link->name == NULL) {
        upstream_link_free(&link);
        errno = ENOMEM;
        return NULL;
    }
    link->conn =
        conn_connect(h->upstream->worker->loop, to,
                     to->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                               : sizeof(struct sockaddr_in),
                     on_conn, h);
    if (link->conn == NULL) {
        int saved = errno;

        upstream_link_free(&link);
        errno = saved;
    }
    return link;
}

struct handshake *
handshake_start(const struct handshake_to *to, handshake_callback *done,
                void *arg, struct buf *error, enum handshake_blame *blame_out)
{
    struct handshake *h = calloc(1, sizeof(*h));

    *blame_out = HANDSHAKE_SERVER;
    if (h == NULL) {
        buf_puts(error, "no memory");
        return NULL;
    }
    h->to = *to;
    h->upstream = to->upstream;
    h->address = to->upstream->targets[to->target].address;
    h->done = done;
    h->arg = arg;
    if (to->wish != NULL &&
        !login_load(to->upstream, to->wish, &h->login, error)) {
        *blame_out = HANDSHAKE_WISH;
        handshake_free(&h);
        return NULL;
    }
    h->link = link_new(h);
    if (h->link == NULL) {
        buf_printf(error, "%s: %s", h->address->host, strerror(errno));
        handshake_free(&h);
        return NULL;
    }
    client_init(h);
    conn_set_deadline(h->link->conn,
                      to->step_ms < CONNECT_MS ? to->step_ms : CONNECT_MS);
    return h;
}

void
handshake_cancel(struct handshake **h)
{
    if (*h != NULL) {
        handshake_free(h);
    }
}
