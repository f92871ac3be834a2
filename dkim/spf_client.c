/*
 * spf_client - the client's addresses and its validated names.
 *
 * The names are found out once and serve every ptr mechanism and %{p}; see
 * dkim/spf_state.h. RFC 7208 5.5, 7.3.
 */
#include "spf_state.h"

#include <stdio.h>

bool
spf_same_network(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8, left = bits % 8;

    return memcmp(a, b, whole) == 0 &&
           (left == 0 || (a[whole] ^ b[whole]) >> (8 - left) == 0);
}

bool
spf_address_matches(const struct spf *s, const struct dns_answer *a,
                    unsigned cidr4, unsigned cidr6)
{
    for (size_t i = 0; i < a->count; i++) {
        struct bytes data = a->records[i].data;

        if (data.len == (s->ip4 ? 4u : 16u) &&
            spf_same_network(data.ptr, s->ip, s->ip4 ? cidr4 : cidr6)) {
            return true;
        }
    }
    return false;
}

enum dns_type
spf_address_type(const struct spf *s)
{
    return s->ip4 ? DNS_A : DNS_AAAA;
}

static bool
name_within(const char *name, const char *domain)
{
    struct bytes n = bytes_str(name), d = bytes_str(domain);

    return bytes_ends_ci(n, d) &&
           (n.len == d.len || n.ptr[n.len - d.len - 1] == '.');
}

const char *
spf_best_validated(const struct spf *s, const char *domain)
{
    const char *best = s->ptr_valid > 0 ? s->ptr.name[0] : "unknown";
    bool below = false;

    for (size_t i = 0; i < s->ptr_valid; i++) {
        const char *name = s->ptr.name[i];

        if (strcmp(name, domain) == 0) {
            return name;
        }
        if (!below && name_within(name, domain)) {
            best = name;
            below = true;
        }
    }
    return best;
}

bool
spf_ptr_matches(const struct spf *s, const char *target)
{
    for (size_t i = 0; i < s->ptr_valid; i++) {
        if (name_within(s->ptr.name[i], target)) {
            return true;
        }
    }
    return false;
}

static void
next_ptr(struct spf *s)
{
    if (s->ptr.next == s->ptr.count) {
        s->ptr_known = true; /* the term that waits for it begins again */
    } else {
        spf_ask(s, SPF_WANT_PTR_ADDRESS, spf_address_type(s),
                s->ptr.name[s->ptr.next++]);
    }
}

/* 5.5: an error here only means that there is no validated name. */
void
spf_on_ptr(struct spf *s, const struct dns_answer *a)
{
    if (!s->explaining && spf_top(s)->term.mechanism == SPF_MECH_PTR &&
        !spf_count_void(s, a)) {
        return;
    }
    spf_take_names(&s->ptr, a);
    s->ptr_valid = 0;
    next_ptr(s);
}

void
spf_on_ptr_address(struct spf *s, const struct dns_answer *a)
{
    if (spf_address_matches(s, a, 32, 128)) {
        memmove(s->ptr.name[s->ptr_valid++], s->ptr.name[s->ptr.next - 1],
                sizeof(s->ptr.name[0]));
    }
    next_ptr(s);
}

void
spf_ask_ptr(struct spf *s)
{
    static const char hex[] = "0123456789abcdef";
    char name[DNS_NAME_MAX + 1];
    size_t n = 0;

    if (s->ip4) {
        snprintf(name, sizeof(name), "%u.%u.%u.%u.in-addr.arpa", s->ip[3],
                 s->ip[2], s->ip[1], s->ip[0]);
    } else {
        for (size_t i = 16; i-- > 0;) {
            name[n++] = hex[s->ip[i] & 15];
            name[n++] = '.';
            name[n++] = hex[s->ip[i] >> 4];
            name[n++] = '.';
        }
        memcpy(name + n, "ip6.arpa", 9);
    }
    spf_ask(s, SPF_WANT_PTR, DNS_PTR, name);
}
