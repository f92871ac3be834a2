/*
 * names - domain names inside DNS messages; see names.h.
 */
#include "proxy/dns/names.h"

#include <netinet/in.h>
#include <resolv.h>

enum {
    HEADER_OCTETS = 12
};

/*
 * The octets that the name at offset at takes there; 0: broken. A pointer
 * must lead to before the labels that it continues (1035 4.1.4: a prior
 * occurrence), so every chain of them ends.
 */
static size_t
name_octets(struct bytes m, size_t at)
{
    size_t start = at;
    size_t taken = 0;
    size_t p = at;

    while (p < m.len) {
        uint8_t c = m.ptr[p];

        if (c == 0) {
            return taken > 0 ? taken : p + 1 - at;
        }
        if (c < 0x40) {
            p += 1u + c;
        } else if (c >= 0xc0 && p + 1 < m.len) {
            size_t to = (c & 0x3fu) << 8 | m.ptr[p + 1];

            taken = taken > 0 ? taken : p + 2 - at;
            if (to >= start) {
                return 0;
            }
            start = p = to;
        } else {
            return 0;
        }
    }
    return 0;
}

bool
names_sound(struct bytes m)
{
    unsigned count =
        ns_get16(m.ptr + 6) + ns_get16(m.ptr + 8) + ns_get16(m.ptr + 10);
    size_t at = HEADER_OCTETS + name_octets(m, HEADER_OCTETS) + 4;

    for (; count > 0; count--) {
        size_t n = at < m.len ? name_octets(m, at) : 0;

        if (n == 0 || m.len - at < n + 10) {
            return false;
        }
        at += n + 10;
        n = ns_get16(m.ptr + at - 2);
        if (m.len - at < n) {
            return false;
        }
        at += n;
    }
    return at == m.len;
}

bool
names_rdata(struct bytes message, const ns_rr *rr, size_t skip,
            struct packet_name *name_out)
{
    const uint8_t *p = ns_rr_rdata(*rr) + skip;
    size_t at = (size_t)(p - message.ptr);

    return ns_rr_rdlen(*rr) > skip &&
           name_octets(message, at) == ns_rr_rdlen(*rr) - skip &&
           dn_expand(message.ptr, message.ptr + message.len, p, name_out->text,
                     sizeof(name_out->text)) >= 0;
}
