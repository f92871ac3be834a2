/*
 * address - an IP address as text and back.
 *
 * A v4-mapped IPv6 address (RFC 4291 2.5.5.2) is written as the IPv4 address
 * that it is: an address has one text, whichever socket it came through.
 */
#ifndef PROXY_NET_ADDRESS_H
#define PROXY_NET_ADDRESS_H

#include <base/bytes.h>

#include <netinet/in.h>
#include <sys/socket.h>

/* AF_UNSPEC: there is none. */
union net_address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

/* The address without its port; "" when it is neither IPv4 nor IPv6. */
void net_address_text(const struct sockaddr *address,
                      char out[INET6_ADDRSTRLEN]);

/*
 * text is an address of this family, AF_INET or AF_INET6, as inet_pton(3)
 * takes it: nothing around it, no zone. False, *out untouched: it is not.
 */
bool net_address_parse(int family, struct bytes text, uint16_t port,
                       union net_address *out);

#endif
