/*
 * where - whom a survey asks; see where.h.
 */
#include "proxy/survey/where.h"

#include "proxy/dns/hosts.h"
#include "proxy/dns/internal.h"

#include <arpa/inet.h>
#include <stdio.h>

enum {
    DNS_PORT = 53,
    TRY_S = 5, /* when the configuration says nothing */
    QUESTION_S = 15
};

static void
add_resolver(struct where_resolvers *r, const struct sockaddr_storage *addr)
{
    for (size_t i = 0; i < r->count; i++) {
        if (memcmp(&r->list[i], addr, sizeof(*addr)) == 0) {
            return;
        }
    }
    if (r->count < WHERE_RESOLVERS_MAX) {
        r->list[r->count++] = *addr;
    }
}

void
where_resolvers_set(struct where_resolvers *r, const struct dns_conf *dns)
{
    const struct conf_addresses *more = &dns->public_resolvers;
    struct dns_servers own;
    struct sockaddr_storage addr;

    *r = (struct where_resolvers){ 0 };
    servers_set(&own, &dns->nameservers, "/etc/resolv.conf");
    for (size_t i = 0; i < own.count; i++) {
        add_resolver(r, &own.list[i].addr);
    }
    r->own = r->count;
    for (size_t i = 0; i < more->count; i++) {
        if (hosts_numeric(more->list[i].host, more->list[i].port, &addr)) {
            add_resolver(r, &addr);
        }
    }
}

struct resolver *
where_resolver(struct event_base *base, const struct dns_conf *dns)
{
    struct resolver_options options = {
        .nameservers = &dns->nameservers,
        .resolv_conf = "/etc/resolv.conf",
        .hosts = "/etc/hosts",
        .try_ms = where_try_ms(dns),
        .question_ms = QUESTION_S * 1000,
        .check_disabled = true,
    };

    return resolver_new_with(base, &options);
}

unsigned
where_try_ms(const struct dns_conf *dns)
{
    return (dns->timeout_s == 0 ? TRY_S : dns->timeout_s) * 1000;
}

uint16_t
where_port(const struct dns_conf *dns)
{
    return dns->authoritative_port == 0 ? DNS_PORT
                                        : (uint16_t)dns->authoritative_port;
}

void
where_address_text(const struct sockaddr_storage *addr, char *text)
{
    char number[INET6_ADDRSTRLEN] = "?";
    struct sockaddr_in6 in6;
    struct sockaddr_in in;
    unsigned port;

    memcpy(&in, addr, sizeof(in)); /* ports stand at one place */
    memcpy(&in6, addr, sizeof(in6));
    inet_ntop(in.sin_family,
              in.sin_family == AF_INET6 ? (const void *)&in6.sin6_addr
                                        : (const void *)&in.sin_addr,
              number, sizeof(number));
    port = ntohs(in.sin_port);
    if (port == DNS_PORT) {
        snprintf(text, WHERE_TEXT_MAX, "%s", number);
    } else {
        snprintf(text, WHERE_TEXT_MAX, "%s#%u", number, port);
    }
}

void
where_server_text(const struct zone_server *server, char *text)
{
    char address[WHERE_TEXT_MAX];

    if (server->addr.ss_family == 0) {
        snprintf(text, WHERE_TEXT_MAX, "%s", server->name);
        return;
    }
    where_address_text(&server->addr, address);
    snprintf(text, WHERE_TEXT_MAX, "%.230s [%.60s]", server->name, address);
}

void
where_lower(const char *name, char *out)
{
    size_t n = 0;

    for (; n < DNS_NAME_MAX && name[n] != '\0'; n++) {
        out[n] = (char)byte_lower((uint8_t)name[n]);
    }
    if (n > 0 && out[n - 1] == '.') {
        n--;
    }
    out[n] = '\0';
}

bool
where_can_ask(const char *name)
{
    struct packet_name made;

    return packet_name_make(name, &made) && packet_name_eq(&made, name);
}
