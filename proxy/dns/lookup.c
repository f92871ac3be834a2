/*
 * lookup - addresses of a host for connecting; see resolver.h.
 *
 * IPv6 first, as the machine's own tables order them (RFC 6724). One family
 * that fails does no harm when the other one answers.
 */
#include "proxy/dns/hosts.h"
#include "proxy/dns/internal.h"
#include "proxy/dns/resolver.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    ADDRESSES_MAX = 16,
    ERROR_OCTETS = 512
}; /* addresses: a family */

struct family {
    struct dns_lookup *lookup;
    struct dns_query *query; /* NULL: answered */
    enum dns_status status;
    bool authenticated;
    struct sockaddr_storage list[ADDRESSES_MAX];
    size_t count;
};

struct dns_lookup {
    struct event *at_once; /* when there is nothing to ask */
    struct family v6;
    struct family v4;
    char host[DNS_NAME_MAX + 1]; /* without a final dot */
    uint16_t port;
    dns_addresses_callback *cb;
    void *arg;
};

void
dns_lookup_cancel(struct dns_lookup **lookup)
{
    if (*lookup == NULL) {
        return;
    }
    dns_cancel(&(*lookup)->v6.query);
    dns_cancel(&(*lookup)->v4.query);
    if ((*lookup)->at_once != NULL) {
        event_free((*lookup)->at_once);
    }
    free(*lookup);
    *lookup = NULL;
}

static bool
is_unknown(const struct dns_lookup *l)
{
    return l->v6.status == DNS_TEMPFAIL || l->v4.status == DNS_TEMPFAIL;
}

static void
say_error(const struct dns_lookup *l, char *text, size_t cap)
{
    if (is_unknown(l)) {
        snprintf(text, cap,
                 "%s: no nameserver gave an answer; is [dns] nameserver "
                 "(or /etc/resolv.conf) right?",
                 l->host);
    } else if (l->v6.status == DNS_NXDOMAIN || l->v4.status == DNS_NXDOMAIN) {
        snprintf(text, cap, "%s: this host does not exist in DNS", l->host);
    } else {
        snprintf(text, cap,
                 "%s: this host has no address in DNS (neither AAAA nor A)",
                 l->host);
    }
}

static void
set_port(struct sockaddr_storage *addr, uint16_t port)
{
    /* sin_port and sin6_port stand at the same place. */
    struct sockaddr_in in;

    memcpy(&in, addr, sizeof(in));
    in.sin_port = htons(port);
    memcpy(addr, &in, sizeof(in));
}

/* What is not used does not matter. */
static bool
is_authenticated(const struct family *f)
{
    return f->count == 0 || f->authenticated;
}

/* Calls, then the lookup is gone. */
static void
finish(struct dns_lookup *l)
{
    struct sockaddr_storage list[2 * ADDRESSES_MAX];
    struct dns_addresses found = { .list = list, .error = "" };
    char error[ERROR_OCTETS];

    memcpy(list, l->v6.list, l->v6.count * sizeof(*list));
    memcpy(list + l->v6.count, l->v4.list, l->v4.count * sizeof(*list));
    found.count = l->v6.count + l->v4.count;
    found.authenticated = is_authenticated(&l->v6) && is_authenticated(&l->v4);
    for (size_t i = 0; i < found.count; i++) {
        set_port(&list[i], l->port);
    }
    if (found.count == 0) {
        found.unknown = is_unknown(l);
        say_error(l, error, sizeof(error));
        found.error = error;
    }
    l->cb(&found, l->arg);
    dns_lookup_cancel(&l);
}

static void
add_record(struct family *f, struct bytes data)
{
    struct sockaddr_in in = { .sin_family = AF_INET };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
    struct sockaddr_storage *to = &f->list[f->count];

    if (f->count == ADDRESSES_MAX) {
        return;
    }
    if (data.len == sizeof(in6.sin6_addr)) {
        memcpy(&in6.sin6_addr, data.ptr, data.len);
        memcpy(to, &in6, sizeof(in6));
        f->count++;
    } else if (data.len == sizeof(in.sin_addr)) {
        memcpy(&in.sin_addr, data.ptr, data.len);
        memcpy(to, &in, sizeof(in));
        f->count++;
    }
}

static void
on_answer(const struct dns_answer *answer, void *arg)
{
    struct family *f = arg;
    struct dns_lookup *l = f->lookup;

    f->query = NULL;
    f->status = answer->status;
    f->authenticated = answer->authenticated;
    for (size_t i = 0; i < answer->count; i++) {
        add_record(f, answer->records[i].data);
    }
    if (l->v6.query == NULL && l->v4.query == NULL) {
        finish(l);
    }
}

static void
on_at_once(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    finish(arg);
}

static bool
ask(struct resolver *r, struct family *f, enum dns_type type)
{
    struct dns_question q = { .type = type };

    for (size_t i = 0; f->lookup->host[i] != '\0'; i++) {
        q.name[i] = (char)byte_lower((uint8_t)f->lookup->host[i]);
    }
    f->query = dns_ask(r, &q, on_answer, f);
    return f->query != NULL;
}

static bool
answer_later(struct resolver *r, struct dns_lookup *l)
{
    static const struct timeval now;

    l->at_once = evtimer_new(resolver_base(r), on_at_once, l);
    return l->at_once != NULL && evtimer_add(l->at_once, &now) == 0;
}

/* Without asking: a number, the hosts file, or a name that can't be one. */
static bool
find_at_once(struct resolver *r, struct dns_lookup *l, const char *host)
{
    struct bytes name = bytes_str(host);

    if (hosts_numeric(host, l->port, &l->v4.list[0])) {
        l->v4.count = 1;
        return true;
    }
    if (name.len > 0 && name.ptr[name.len - 1] == '.') {
        name.len--;
    }
    if (!bytes_copy(name, l->host, sizeof(l->host))) {
        (void)bytes_copy(bytes_take(name, DNS_NAME_MAX), l->host,
                         sizeof(l->host));
        l->v4.status = DNS_NXDOMAIN;
        return true;
    }
    l->v4.count =
        hosts_find(resolver_hosts(r), l->host, l->v4.list, ADDRESSES_MAX);
    return l->v4.count > 0;
}

struct dns_lookup *
dns_lookup(struct resolver *r, const char *host, uint16_t port,
           dns_addresses_callback *cb, void *arg)
{
    struct dns_lookup *l = calloc(1, sizeof(*l));
    bool good;

    if (l == NULL) {
        return NULL;
    }
    l->v6.lookup = l->v4.lookup = l;
    l->port = port;
    l->cb = cb;
    l->arg = arg;
    if (find_at_once(r, l, host)) {
        l->v4.authenticated = true; /* this machine's own word */
        good = answer_later(r, l);
    } else {
        good = ask(r, &l->v6, DNS_AAAA) && ask(r, &l->v4, DNS_A);
    }
    if (!good) {
        dns_lookup_cancel(&l);
    }
    return l;
}
