/*
 * address - see address.h.
 */
#include "proxy/net/address.h"

#include <arpa/inet.h>

void
net_address_text(const struct sockaddr *address, char out[INET6_ADDRSTRLEN])
{
    const struct sockaddr_in6 *six = (const void *)address;
    const struct sockaddr_in *four = (const void *)address;

    out[0] = '\0';
    if (address->sa_family == AF_INET) {
        (void)inet_ntop(AF_INET, &four->sin_addr, out, INET6_ADDRSTRLEN);
    } else if (address->sa_family != AF_INET6) {
        return;
    } else if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr)) {
        (void)inet_ntop(AF_INET, &six->sin6_addr.s6_addr[12], out,
                        INET6_ADDRSTRLEN);
    } else {
        (void)inet_ntop(AF_INET6, &six->sin6_addr, out, INET6_ADDRSTRLEN);
    }
}

bool
net_address_parse(int family, struct bytes text, uint16_t port,
                  union net_address *out)
{
    char host[INET6_ADDRSTRLEN];
    union net_address address;

    memset(&address, 0, sizeof(address));
    if (!bytes_copy(text, host, sizeof(host))) {
        return false;
    }
    if (family == AF_INET) {
        address.in.sin_family = AF_INET;
        address.in.sin_port = htons(port);
        if (inet_pton(AF_INET, host, &address.in.sin_addr) != 1) {
            return false;
        }
    } else {
        address.in6.sin6_family = AF_INET6;
        address.in6.sin6_port = htons(port);
        if (inet_pton(AF_INET6, host, &address.in6.sin6_addr) != 1) {
            return false;
        }
    }
    *out = address;
    return true;
}
