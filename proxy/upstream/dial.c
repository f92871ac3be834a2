/*
 * dial - from a configured address to a connection that is ready for MAIL.
 *
 * Each host of `address` is looked up, each of its addresses connected to,
 * greeted, put under TLS and logged in to, until one is ready. A failure is
 * kept as a sentence; the last one is what the caller is told.
 */
#include "proxy/upstream/link.h"

#include <base/wipe.h>

#include <event2/event.h>

#include <arpa/inet.h>
#include <errno.h>
#include <proxy/dns/resolver.h>
#include <proxy/log/log.h>
#include <proxy/net/tls.h>
#include <proxy/worker.h>
#include <stdlib.h>
#include <time.h>

enum {
    STEP_LAST_MS = 240 * 1000, /* the only address left: RFC 5321 4.5.3.2,
                                  less than the client's deadline */
    STEP_MS = 30 * 1000,       /* others wait to be tried */
    BAD_MS = 30 * 1000,
    ERROR_MAX = 400
};

struct dial {
    struct upstream *upstream;
    dial_callback *done;
    void *arg;
    size_t *order; /* owns; indices into targets, good ones first */
    size_t next_target;
    struct dns_lookup *lookup;
    struct sockaddr_storage *found; /* owns; addresses of this host */
    size_t found_count;
    size_t next_found;
    struct upstream_link *link; /* being made */
    struct smtp_client client;
    struct buf out;
    struct event *later; /* starts outside dial_start() */
    char error[ERROR_MAX];
};

uint64_t
upstream_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void
dial_free(struct dial **dp)
{
    struct dial *d = *dp;

    dns_lookup_cancel(&d->lookup);
    upstream_link_free(&d->link);
    if (d->later != NULL) {
        event_free(d->later);
    }
    free(d->order);
    free(d->found);
    wipe(d->out.ptr, d->out.cap);
    buf_free(&d->out);
    free(d);
    *dp = NULL;
}

static struct upstream_target *
target(const struct dial *d)
{
    return &d->upstream->targets[d->order[d->next_target - 1]];
}

static bool
more_to_try(const struct dial *d)
{
    return d->next_found < d->found_count ||
           d->next_target < d->upstream->conf->addresses.count;
}

static void
arm(struct dial *d)
{
    conn_set_deadline(d->link->conn, more_to_try(d) ? STEP_MS : STEP_LAST_MS);
}

static void next_address(struct dial *d);

static void
finish(struct dial *d, struct upstream_link *link)
{
    dial_callback *done = d->done;
    void *arg = d->arg;
    char error[ERROR_MAX];

    memcpy(error, d->error, sizeof(error));
    d->link = NULL;
    dial_free(&d);
    done(link, link == NULL ? error : "", arg);
}

/* This address is of no use; code 0: no reply was the reason. */
static void
fail(struct dial *d, const char *why, int code)
{
    const char *name =
        d->link == NULL ? target(d)->address->host : d->link->name;

    if (code != 0) {
        snprintf(d->error, sizeof(d->error), "%s: %s (%d)", name, why, code);
    } else {
        snprintf(d->error, sizeof(d->error), "%s: %s", name, why);
    }
    log_event(LOG_LEVEL_WARN, "upstream-failed", "%s", d->error);
    target(d)->bad_until_ms = upstream_now_ms() + BAD_MS;
    upstream_link_free(&d->link);
    next_address(d);
}

static void
ready(struct dial *d)
{
    struct upstream *u = d->upstream;

    target(d)->bad_until_ms = 0;
    u->caps = d->client.caps;
    u->caps_known = true;
    d->link->caps = d->client.caps;
    conn_set_deadline(d->link->conn, 0);
    finish(d, d->link);
}

static void
send_out(struct dial *d)
{
    conn_write(d->link->conn, buf_bytes(&d->out));
    wipe(d->out.ptr, d->out.len);
    buf_clear(&d->out);
    arm(d);
}

static void
start_tls(struct dial *d)
{
    SSL *ssl = tls_client_ssl(d->upstream->tls, d->upstream->conf,
                              target(d)->address->host);

    if (ssl == NULL) {
        fail(d, "no memory for TLS", 0);
        return;
    }
    arm(d);
    conn_tls_connect(d->link->conn, ssl);
}

static void
read_replies(struct dial *d)
{
    struct bytes in = conn_input(d->link->conn);
    struct bytes rest = in;
    struct smtp_reply reply;
    enum smtp_client_action action;

    switch (smtp_reply_next(&rest, &reply)) {
    case SMTP_REPLY_MORE:
        if (in.len >= CONN_INPUT_MAX) {
            fail(d, "a reply without an end", 0);
        }
        return;
    case SMTP_REPLY_BAD:
    default:
        fail(d, "not an SMTP reply", 0);
        return;
    case SMTP_REPLY_OK:
        break;
    }
    action = smtp_client_reply(&d->client, &reply, &d->out);
    if (action == SMTP_CLIENT_FAILED) {
        fail(d, smtp_client_failure_text(d->client.failure), d->client.code);
        return;
    }
    if (rest.len > 0) {
        /* Nothing may stand behind a reply that we had to wait for: what
         * comes early could be meant to be read under TLS (RFC 3207 4). */
        fail(d, "octets behind a reply", 0);
        return;
    }
    conn_consume(d->link->conn, in.len - rest.len);
    if (action == SMTP_CLIENT_TLS) {
        start_tls(d);
    } else if (action == SMTP_CLIENT_READY) {
        ready(d);
    } else {
        send_out(d);
    }
}

static void
on_conn(struct conn *conn, enum conn_event event, void *arg)
{
    struct dial *d = arg;

    switch (event) {
    case CONN_CONNECTED:
        if (d->upstream->conf->tls == CONF_TLS_IMPLICIT) {
            start_tls(d);
        } else {
            arm(d); /* for the greeting */
        }
        return;
    case CONN_TLS_DONE:
        if (d->upstream->conf->tls != CONF_TLS_IMPLICIT) {
            smtp_client_tls_started(&d->client, &d->out);
            send_out(d);
        } else {
            arm(d);
        }
        return;
    case CONN_INPUT:
        read_replies(d);
        return;
    case CONN_DRAINED:
        return;
    case CONN_TIMEOUT:
        fail(d, "no answer in time", 0);
        return;
    case CONN_EOF:
        fail(d, "connection closed", 0);
        return;
    case CONN_GONE:
    default:
        fail(d, conn_error(conn), 0);
        return;
    }
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
link_new(struct dial *d, const struct sockaddr *to)
{
    struct upstream_link *link = calloc(1, sizeof(*link));

    if (link == NULL) {
        return NULL;
    }
    link->upstream = d->upstream;
    link->made_ms = upstream_now_ms();
    link->name = link_name(target(d)->address, to);
    if (link->name == NULL) {
        upstream_link_free(&link);
        return NULL;
    }
    link->conn =
        conn_connect(d->upstream->worker->loop, to,
                     to->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                               : sizeof(struct sockaddr_in),
                     on_conn, d);
    return link;
}

static void
client_init(struct dial *d)
{
    const struct upstream_conf *conf = d->upstream->conf;
    bool login = conf->login == CONF_LOGIN_PASSWORD;
    struct smtp_client_conf c = {
        .hostname = d->upstream->worker->conf->server.hostname,
        .tls = conf->tls == CONF_TLS_STARTTLS        ? SMTP_CLIENT_TLS_REQUIRED
               : conf->tls == CONF_TLS_OPPORTUNISTIC ? SMTP_CLIENT_TLS_MAY
                                                     : SMTP_CLIENT_TLS_NONE,
        .user = login ? conf->username : NULL,
        .secret = login ? d->upstream->password : NULL,
    };

    smtp_client_init(&d->client, &c, conf->tls == CONF_TLS_IMPLICIT);
}

static void
connect_to(struct dial *d, const struct sockaddr *to)
{
    client_init(d);
    buf_clear(&d->out);
    d->link = link_new(d, to);
    if (d->link == NULL) {
        fail(d, "no memory", 0);
    } else if (d->link->conn == NULL) {
        fail(d, strerror(errno), 0);
    } else {
        conn_set_deadline(d->link->conn, STEP_MS);
    }
}

static void
on_addresses(const struct dns_addresses *found, void *arg)
{
    struct dial *d = arg;
    size_t octets = found->count * sizeof(found->list[0]);

    d->lookup = NULL;
    if (found->count == 0) {
        fail(d, found->error, 0);
        return;
    }
    free(d->found);
    d->found = malloc(octets);
    d->next_found = 0;
    d->found_count = d->found == NULL ? 0 : found->count;
    if (d->found != NULL) {
        memcpy(d->found, found->list, octets);
    }
    next_address(d);
}

/* The next address of this host, else the next host, else the end. */
static void
next_address(struct dial *d)
{
    const struct conf_addresses *all = &d->upstream->conf->addresses;

    if (d->next_found < d->found_count) {
        const struct sockaddr_storage *to = &d->found[d->next_found++];

        connect_to(d, (const struct sockaddr *)(const void *)to);
        return;
    }
    if (d->next_target == all->count) {
        finish(d, NULL);
        return;
    }
    d->next_target++;
    d->found_count = d->next_found = 0;
    d->lookup =
        dns_lookup(d->upstream->worker->resolver, target(d)->address->host,
                   target(d)->address->port, on_addresses, d);
    if (d->lookup == NULL) {
        fail(d, "no memory for a DNS question", 0);
    }
}

static void
on_later(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    next_address(arg);
}

/* Good ones in their order, then those that failed lately. */
static void
set_order(struct dial *d)
{
    const struct upstream *u = d->upstream;
    uint64_t now = upstream_now_ms();
    size_t n = 0;

    for (int bad = 0; bad <= 1; bad++) {
        for (size_t i = 0; i < u->conf->addresses.count; i++) {
            if ((u->targets[i].bad_until_ms > now) == (bad == 1)) {
                d->order[n++] = i;
            }
        }
    }
}

struct dial *
dial_start(struct upstream *u, dial_callback *done, void *arg)
{
    static const struct timeval now = { 0, 0 };
    struct dial *d = calloc(1, sizeof(*d));

    if (d == NULL) {
        return NULL;
    }
    d->upstream = u;
    d->done = done;
    d->arg = arg;
    d->order = calloc(u->conf->addresses.count, sizeof(d->order[0]));
    d->later = event_new(u->worker->base, -1, 0, on_later, d);
    if (d->order == NULL || d->later == NULL ||
        event_add(d->later, &now) != 0) {
        dial_free(&d);
        return NULL;
    }
    set_order(d);
    return d;
}

void
dial_cancel(struct dial **dial)
{
    if (*dial != NULL) {
        dial_free(dial);
    }
}
