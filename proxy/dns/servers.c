/*
 * servers - which nameserver to ask; see servers.h.
 */
#include "proxy/dns/servers.h"

#include "proxy/dns/hosts.h"
#include "proxy/dns/resolvconf.h"
#include "proxy/log/log.h"

#include <arpa/inet.h>

socklen_t
servers_address_len(const struct sockaddr_storage *addr)
{
    return addr->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                       : sizeof(struct sockaddr_in);
}

static bool
is_loopback(const struct sockaddr_storage *addr)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;

    if (addr->ss_family == AF_INET) {
        memcpy(&in, addr, sizeof(in));
        return ntohl(in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    memcpy(&in6, addr, sizeof(in6));
    return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
}

void
servers_set(struct dns_servers *s, const struct conf_addresses *nameservers,
            const char *resolv_conf)
{
    struct dns_servers set = { .trust_ad = true };
    struct resolvconf rc = { 0 };

    for (size_t i = 0; i < nameservers->count && set.count < DNS_SERVERS_MAX;
         i++) {
        if (hosts_numeric(nameservers->list[i].host, nameservers->list[i].port,
                          &set.list[set.count].addr)) {
            set.count++;
        }
    }
    if (set.count == 0) {
        resolvconf_load(resolv_conf, &rc);
        for (; set.count < rc.count; set.count++) {
            set.list[set.count].addr = rc.servers[set.count];
        }
    }
    /* AD says something only where nobody can change it on its way. */
    for (size_t i = 0; i < set.count; i++) {
        set.trust_ad = set.trust_ad && is_loopback(&set.list[i].addr);
    }
    set.trust_ad = set.trust_ad || rc.trust_ad;
    *s = set;
}

bool
servers_choose(const struct dns_servers *s, unsigned without, uint64_t now_ms,
               size_t *index_out)
{
    uint64_t best = UINT64_MAX;
    bool found = false;

    for (size_t i = 0; i < s->count; i++) {
        uint64_t bad = s->list[i].bad_until_ms;

        bad = bad > now_ms ? bad : 0;
        if (!(without & 1u << i) && (!found || bad < best)) {
            best = bad;
            *index_out = i;
            found = true;
        }
    }
    return found;
}

static void
say(enum log_level level, const struct dns_server *server, const char *what)
{
    struct sockaddr_in6 in6;
    struct sockaddr_in in;
    char text[INET6_ADDRSTRLEN] = "";
    struct log_line l;

    memcpy(&in, &server->addr, sizeof(in)); /* ports stand at one place */
    memcpy(&in6, &server->addr, sizeof(in6));
    inet_ntop(in.sin_family,
              in.sin_family == AF_INET6 ? (const void *)&in6.sin6_addr
                                        : (const void *)&in.sin_addr,
              text, sizeof(text));
    log_begin(&l, level, "dns-server");
    log_format(&l, "server", "%s#%u", text, ntohs(in.sin_port));
    log_text(&l, "text", what);
    log_end(&l);
}

void
servers_failed(struct dns_servers *s, size_t index, uint64_t now_ms)
{
    struct dns_server *server = &s->list[index];

    if (!server->told &&
        (server->told_ms == 0 || now_ms - server->told_ms >= DNS_BACKOFF_MS)) {
        say(LOG_LEVEL_WARN, server, "no answer; asked last for 30 s");
        server->told = true;
        server->told_ms = now_ms;
    }
    server->bad_until_ms = now_ms + DNS_BACKOFF_MS;
}

void
servers_silent(struct dns_servers *s, size_t index, uint64_t asked_ms,
               uint64_t now_ms)
{
    if (s->list[index].heard_ms < asked_ms) {
        servers_failed(s, index, now_ms);
    }
}

void
servers_answered(struct dns_servers *s, size_t index, uint64_t now_ms)
{
    struct dns_server *server = &s->list[index];

    if (server->told) {
        say(LOG_LEVEL_INFO, server, "answers again");
        server->told = false;
    }
    server->bad_until_ms = 0;
    server->heard_ms = now_ms;
}
