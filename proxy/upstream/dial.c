/*
 * dial - from an upstream's addresses to a connection that is ready for MAIL.
 *
 * Addresses of the configuration are tried in balance.h's order, each of the
 * hosts that a name stands for in turn, until one is ready. A failure is kept
 * as a sentence; the last one is what the caller is told.
 */
#include "proxy/upstream/handshake.h"

#include <event2/event.h>

#include <proxy/clock.h>
#include <proxy/dns/resolver.h>
#include <proxy/log/log.h>
#include <proxy/worker.h>
#include <stdlib.h>

enum {
    STEP_LAST_MS = 240 * 1000, /* the only address left: RFC 5321 4.5.3.2,
                                  less than the client's deadline */
    STEP_MS = 30 * 1000,       /* others wait to be tried */
    ERROR_MAX = 500
};

struct dial {
    struct upstream *upstream;
    const struct login_wish *wish; /* borrowed; NULL: a check */
    dial_callback *done;
    void *arg;
    size_t *order; /* owns; indices of targets */
    size_t count;  /* in order */
    size_t next_target;
    struct dns_lookup *lookup;
    struct tlsa *tlsa;              /* owns; of this host, with tls = dane */
    struct sockaddr_storage *found; /* owns; addresses of this host */
    size_t found_count;
    size_t next_found;
    struct handshake *handshake;
    struct event *later; /* starts outside dial_start() */
    char error[ERROR_MAX];
};

static void
dial_free(struct dial **dp)
{
    struct dial *d = *dp;

    dns_lookup_cancel(&d->lookup);
    tlsa_free(&d->tlsa);
    handshake_cancel(&d->handshake);
    if (d->later != NULL) {
        event_free(d->later);
    }
    free(d->order);
    free(d->found);
    free(d);
    *dp = NULL;
}

static size_t
current(const struct dial *d)
{
    return d->order[d->next_target - 1];
}

static struct upstream_target *
target(const struct dial *d)
{
    return &d->upstream->targets[current(d)];
}

static void next_address(struct dial *d);

static void
finish(struct dial *d, struct upstream_link *link)
{
    dial_callback *done = d->done;
    void *arg = d->arg;
    char error[ERROR_MAX];

    memcpy(error, d->error, sizeof(error));
    dial_free(&d);
    done(link, link == NULL ? error : "", arg);
}

/* --- the hosts of a name -------------------------------------------------- */

static bool
same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    const struct sockaddr_in *a4 = (const struct sockaddr_in *)(const void *)a;
    const struct sockaddr_in *b4 = (const struct sockaddr_in *)(const void *)b;
    const struct sockaddr_in6 *a6 =
        (const struct sockaddr_in6 *)(const void *)a;
    const struct sockaddr_in6 *b6 =
        (const struct sockaddr_in6 *)(const void *)b;

    if (a->ss_family != b->ss_family) {
        return false;
    }
    return a->ss_family == AF_INET ? a4->sin_addr.s_addr == b4->sin_addr.s_addr
                                   : memcmp(&a6->sin6_addr, &b6->sin6_addr,
                                            sizeof(a6->sin6_addr)) == 0;
}

static struct upstream_host *
find_host(struct upstream_target *t, const struct sockaddr_storage *address)
{
    for (size_t i = 0; i < t->host_count; i++) {
        if (same_host(&t->hosts[i].address, address)) {
            return &t->hosts[i];
        }
    }
    return NULL;
}

/* Only those that failed are remembered; the oldest makes room. */
static void
host_failed(struct dial *d, const struct sockaddr_storage *address)
{
    struct upstream_target *t = target(d);
    struct upstream_host *host = find_host(t, address);

    if (host == NULL) {
        if (t->host_count == UPSTREAM_HOSTS_MAX) {
            t->host_count--;
            memmove(&t->hosts[0], &t->hosts[1],
                    t->host_count * sizeof(t->hosts[0]));
        }
        host = &t->hosts[t->host_count++];
        *host = (struct upstream_host){ .address = *address };
    }
    (void)balance_failed(&host->balance, &d->upstream->balance, clock_ms());
}

static void
host_good(struct dial *d, const struct sockaddr_storage *address)
{
    struct upstream_target *t = target(d);
    struct upstream_host *host = find_host(t, address);

    if (host != NULL) {
        *host = t->hosts[--t->host_count];
    }
}

/* Those of the first family take turns, so that the load of a name with
 * several addresses is shared; those that failed lately are tried last. */
static void
keep_found(struct dial *d, const struct dns_addresses *found)
{
    struct upstream_target *t = target(d);
    uint64_t now = clock_ms();
    size_t alike = 0;

    while (alike < found->count &&
           found->list[alike].ss_family == found->list[0].ss_family) {
        alike++;
    }
    for (int down = 0; down <= 1; down++) {
        for (size_t i = 0; i < found->count; i++) {
            size_t k = i < alike ? (i + t->turn) % alike : i;
            const struct upstream_host *host = find_host(t, &found->list[k]);
            bool is_down = host != NULL && balance_is_down(&host->balance, now);

            if (is_down == (down == 1)) {
                d->found[d->found_count++] = found->list[k];
            }
        }
    }
    t->turn++;
}

/* --- trying --------------------------------------------------------------- */

static void
log_failure(const struct dial *d)
{
    struct log_line l;

    log_begin(&l, LOG_LEVEL_WARN, "upstream-failed");
    log_text(&l, "upstream", d->upstream->conf->name);
    log_text(&l, "text", d->error);
    log_end(&l);
}

/* This address is of no use; why names it. */
static void
/* NOLINTNEXTLINE(misc-no-recursion): an address less */
fail(struct dial *d, const char *why)
{
    (void)bytes_copy(bytes_take(bytes_str(why), sizeof(d->error) - 1), d->error,
                     sizeof(d->error));
    if (d->wish != NULL) {
        log_failure(d);
    }
    if (d->next_found == d->found_count && d->wish != NULL) {
        upstream_target_failed(d->upstream, current(d), d->error);
    }
    next_address(d);
}

/* The credentials of the one who asked were judged, and are not good. */
static bool
is_refused(const struct dial *d)
{
    const struct upstream_refusal *refusal =
        d->wish == NULL ? NULL : d->wish->refusal;

    return refusal != NULL && refusal->what != UPSTREAM_NOT_REFUSED;
}

/* No address would do. */
static void
give_up(struct dial *d, const char *why)
{
    (void)bytes_copy(bytes_take(bytes_str(why), sizeof(d->error) - 1), d->error,
                     sizeof(d->error));
    if (!is_refused(d)) { /* else the session logs whose login failed */
        log_failure(d);
    }
    finish(d, NULL);
}

static void
on_handshake(struct upstream_link *link, const char *error,
             enum handshake_blame blame, void *arg)
{
    struct dial *d = arg;
    const struct sockaddr_storage *address = &d->found[d->next_found - 1];

    d->handshake = NULL;
    if (link == NULL && blame == HANDSHAKE_WISH) {
        give_up(d, error);
        return;
    }
    if (link == NULL) {
        host_failed(d, address);
        fail(d, error);
        return;
    }
    host_good(d, address);
    if (d->wish != NULL) {
        upstream_target_good(d->upstream, current(d), &link->caps);
    }
    finish(d, link);
}

static unsigned
step_ms(const struct dial *d)
{
    bool more = d->next_found < d->found_count || d->next_target < d->count;

    if (d->wish == NULL) {
        return d->upstream->conf->health_timeout_s * 1000;
    }
    return more ? STEP_MS : STEP_LAST_MS;
}

static void
connect_to(struct dial *d, const struct sockaddr_storage *address)
{
    struct handshake_to to = {
        .upstream = d->upstream,
        .target = current(d),
        .address = (const struct sockaddr *)(const void *)address,
        .tlsa = d->tlsa,
        .wish = d->wish,
        .step_ms = step_ms(d),
    };
    struct buf error = BUF_INIT;
    enum handshake_blame blame;
    char why[ERROR_MAX] = "no memory";

    d->handshake = handshake_start(&to, on_handshake, d, &error, &blame);
    if (d->handshake == NULL) {
        (void)bytes_copy(bytes_take(buf_bytes(&error), sizeof(why) - 1), why,
                         sizeof(why));
        (blame == HANDSHAKE_WISH ? give_up : fail)(d, why);
    }
    buf_free(&error);
}

/* This host is of no use, whatever addresses it has. */
static void
fail_host(struct dial *d, const char *why)
{
    d->found_count = d->next_found = 0;
    fail(d, why);
}

static void
on_tlsa(struct tlsa *t, void *arg)
{
    struct dial *d = arg;

    if (t->count == 0) {
        fail_host(d, t->error);
    } else {
        next_address(d);
    }
}

/* RFC 7672 2.2.1: an address that anybody can change leads to no records. */
static void
ask_tlsa(struct dial *d, bool authenticated)
{
    const struct conf_address *address = target(d)->address;
    char why[ERROR_MAX];

    tlsa_free(&d->tlsa);
    if (!authenticated) {
        (void)snprintf(why, sizeof(why),
                       "%s: tls = dane: DNSSEC does not vouch for its address; "
                       "a validating resolver on loopback, or options trust-ad "
                       "in resolv.conf; if its zone is not signed, tls = "
                       "starttls",
                       address->host);
        fail_host(d, why);
        return;
    }
    d->tlsa = tlsa_lookup(d->upstream->worker->resolver, address->host,
                          address->port, on_tlsa, d);
    if (d->tlsa == NULL) {
        fail_host(d, "no memory for a DNS question");
    }
}

static void
on_addresses(const struct dns_addresses *found, void *arg)
{
    struct dial *d = arg;

    d->lookup = NULL;
    if (found->count == 0) {
        fail(d, found->error);
        return;
    }
    free(d->found);
    d->found_count = d->next_found = 0;
    d->found = calloc(found->count, sizeof(*d->found));
    if (d->found == NULL) {
        fail(d, "no memory");
        return;
    }
    keep_found(d, found);
    if (d->upstream->conf->tls == CONF_TLS_DANE) {
        ask_tlsa(d, found->authenticated);
    } else {
        next_address(d);
    }
}

/* The next address of this host, else the next host, else the end. */
static void
/* NOLINTNEXTLINE(misc-no-recursion): an address less each time */
next_address(struct dial *d)
{
    if (d->next_found < d->found_count) {
        connect_to(d, &d->found[d->next_found++]);
        return;
    }
    if (d->next_target == d->count) {
        finish(d, NULL);
        return;
    }
    d->next_target++;
    d->found_count = d->next_found = 0;
    d->lookup =
        dns_lookup(d->upstream->worker->resolver, target(d)->address->host,
                   target(d)->address->port, on_addresses, d);
    if (d->lookup == NULL) {
        fail(d, "no memory for a DNS question");
    }
}

static void
on_later(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    next_address(arg);
}

/* --- beginning ------------------------------------------------------------ */

static struct dial *
dial_new(struct upstream *u, dial_callback *done, void *arg)
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
    }
    return d;
}

struct dial *
dial_start(struct upstream *u, const struct login_wish *wish,
           dial_callback *done, void *arg)
{
    struct dial *d = dial_new(u, done, arg);
    uint64_t now = clock_ms();

    if (d != NULL) {
        d->wish = wish;
        d->count = u->conf->addresses.count;
        balance_order(u->balances, d->count, &u->balance, now, d->order);
        balance_chosen(u->balances, d->count, &u->balance, now, d->order[0]);
    }
    return d;
}

struct dial *
dial_check(struct upstream *u, size_t check, dial_callback *done, void *arg)
{
    struct dial *d = dial_new(u, done, arg);

    if (d != NULL) {
        d->order[0] = check;
        d->count = 1;
    }
    return d;
}

void
dial_cancel(struct dial **dial)
{
    if (*dial != NULL) {
        dial_free(dial);
    }
}
