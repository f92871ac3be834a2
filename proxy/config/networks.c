/*
 * networks - ADDRESS/BITS, and which of them an address is in; see conf.h.
 *
 * A v4-mapped address (RFC 4291 2.5.5.2) is its IPv4 address everywhere: a
 * listener on [::] sees IPv4 clients that way, and the list means them too.
 */
#include "values.h"

#include <arpa/inet.h>
#include <stdio.h>

enum {
    MAPPED_BITS = 96
};

static bool
is_mapped(const uint8_t *addr)
{
    static const uint8_t prefix[12] = {
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255
    };

    return memcmp(addr, prefix, sizeof(prefix)) == 0;
}

/* The octet with only its first bits (0 to 8) kept. */
static uint8_t
masked(uint8_t octet, unsigned bits)
{
    return bits == 0 ? 0 : (uint8_t)(octet & (0xff << (8 - bits)));
}

static void
mask(const struct conf_network *net, uint8_t *addr_out)
{
    for (unsigned i = 0; i < sizeof(net->addr); i++) {
        unsigned bits = net->prefix > 8 * i ? net->prefix - 8 * i : 0;

        addr_out[i] = masked(net->addr[i], bits < 8 ? bits : 8);
    }
}

static void
unmap(struct conf_network *net)
{
    if (net->family == AF_INET6 && net->prefix >= MAPPED_BITS &&
        is_mapped(net->addr)) {
        net->family = AF_INET;
        net->prefix -= MAPPED_BITS;
        memmove(net->addr, net->addr + 12, 4);
        memset(net->addr + 4, 0, 12);
    }
}

static const char *
check_host_bits(const struct conf_network *net, char *hint)
{
    char text[INET6_ADDRSTRLEN];
    uint8_t base[16];

    mask(net, base);
    if (memcmp(base, net->addr, sizeof(base)) == 0) {
        return NULL;
    }
    if (inet_ntop(net->family, base, text, sizeof(text)) == NULL) {
        return "bits set behind the prefix";
    }
    (void)snprintf(hint, 128, "bits set behind the prefix (%s/%u?)", text,
                   net->prefix);
    return hint;
}

const char *
conf_network_parse(struct bytes text, char *hint,
                   struct conf_network *network_out)
{
    struct conf_network net = { AF_INET, { 0 }, 32 };
    size_t slash = bytes_find(text, '/');
    char host[INET6_ADDRSTRLEN];
    const char *why;
    uint64_t bits;

    if (!bytes_copy(bytes_take(text, slash), host, sizeof(host))) {
        return "not a network";
    }
    if (inet_pton(AF_INET, host, net.addr) != 1) {
        net.family = AF_INET6;
        net.prefix = 128;
        if (inet_pton(AF_INET6, host, net.addr) != 1) {
            return "not a network";
        }
    }
    if (slash < text.len) {
        if (!bytes_to_u64(bytes_skip(text, slash + 1), net.prefix, &bits)) {
            return "not a prefix length behind `/`";
        }
        net.prefix = (unsigned)bits;
    }
    unmap(&net);
    why = check_host_bits(&net, hint);
    if (why == NULL) {
        *network_out = net;
    }
    return why;
}

/* False: neither IPv4 nor IPv6. */
static bool
from_sockaddr(const struct sockaddr *addr, struct conf_network *out)
{
    *out = (struct conf_network){ addr->sa_family, { 0 }, 32 };
    if (addr->sa_family == AF_INET) {
        const struct sockaddr_in *in =
            (const struct sockaddr_in *)(const void *)addr;

        memcpy(out->addr, &in->sin_addr, 4);
        return true;
    }
    if (addr->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 =
            (const struct sockaddr_in6 *)(const void *)addr;

        memcpy(out->addr, &in6->sin6_addr, 16);
        out->prefix = 128;
        unmap(out);
        return true;
    }
    return false;
}

bool
conf_networks_has(const struct conf_networks *nets, const struct sockaddr *addr)
{
    struct conf_network host;
    uint8_t base[16];

    if (!from_sockaddr(addr, &host)) {
        return false;
    }
    for (size_t i = 0; i < nets->count; i++) {
        const struct conf_network *net = &nets->nets[i];

        if (net->family == host.family) {
            host.prefix = net->prefix;
            mask(&host, base);
            if (memcmp(base, net->addr, sizeof(base)) == 0) {
                return true;
            }
        }
    }
    return false;
}

static bool
is_loopback(const char *host)
{
    uint8_t addr[16];
    static const uint8_t six[16] = { [15] = 1 };
    static const uint8_t mapped[13] = { [10] = 255, [11] = 255, [12] = 127 };

    if (inet_pton(AF_INET, host, addr) == 1) {
        return addr[0] == 127; /* RFC 1122 3.2.1.3 */
    }
    if (inet_pton(AF_INET6, host, addr) != 1) {
        return false;
    }
    return memcmp(addr, six, sizeof(six)) == 0 ||
           memcmp(addr, mapped, sizeof(mapped)) == 0;
}

bool
conf_all_loopback(const struct conf_addresses *addresses)
{
    for (size_t i = 0; i < addresses->count; i++) {
        if (!is_loopback(addresses->list[i].host)) {
            return false;
        }
    }
    return addresses->count > 0;
}
