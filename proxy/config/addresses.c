/*
 * addresses - HOST:PORT; see values.h.
 *
 * An IPv6 address with a port stands in brackets (RFC 3986 3.2.2).
 */
#include "values.h"

#include <arpa/inet.h>

enum {
    PORT_MAX = 65535
};

struct parts {
    struct bytes host; /* without brackets */
    struct bytes port;
    bool has_port;
    bool brackets;
};

static const char *
split(struct bytes text, struct parts *parts_out)
{
    struct parts p = { text, { NULL, 0 }, false, false };
    size_t colon = bytes_find(text, ':');
    struct bytes rest;

    if (text.len > 0 && text.ptr[0] == '[') {
        size_t end = bytes_find(text, ']');

        if (end == text.len) {
            return "`[` without `]`";
        }
        p.brackets = true;
        p.host = bytes_make(text.ptr + 1, end - 1);
        rest = bytes_skip(text, end + 1);
        if (rest.len > 0 && rest.ptr[0] != ':') {
            return "text behind `]` that is no port";
        }
    } else {
        rest = bytes_skip(text, colon);
        if (rest.len > 0 &&
            bytes_find(bytes_skip(rest, 1), ':') + 1 < rest.len) {
            rest.len = 0; /* a bare IPv6 address: no port */
        }
        p.host.len -= rest.len;
    }
    p.has_port = rest.len > 0;
    p.port = p.has_port ? bytes_skip(rest, 1) : rest;
    *parts_out = p;
    return NULL;
}

/* 1: IPv4, 2: IPv6, 0: neither. */
static int
numeric_kind(struct bytes host)
{
    char text[INET6_ADDRSTRLEN];
    uint8_t addr[16];

    if (!bytes_copy(host, text, sizeof(text))) {
        return 0;
    }
    if (inet_pton(AF_INET, text, addr) == 1) {
        return 1;
    }
    return inet_pton(AF_INET6, text, addr) == 1 ? 2 : 0;
}

static bool
only_digits_and_dots(struct bytes host)
{
    for (size_t i = 0; i < host.len; i++) {
        if (!byte_is_digit(host.ptr[i]) && host.ptr[i] != '.') {
            return false;
        }
    }
    return true;
}

static const char *
check_host(const struct parts *p, bool numeric)
{
    int kind = numeric_kind(p->host);

    if (p->host.len == 0) {
        return "no address before the port";
    }
    if (p->brackets && kind != 2) {
        return "no IPv6 address inside `[ ]`";
    }
    if (kind == 2 && !p->brackets && p->has_port) {
        return "an IPv6 address with a port stands in `[ ]`";
    }
    if (kind != 0) {
        return NULL;
    }
    if (numeric || only_digits_and_dots(p->host)) {
        return "not an IP address";
    }
    return conf_is_host(p->host) ? NULL : "not a DNS name or IP address";
}

const char *
conf_address_parse(struct conf_arena *arena, struct bytes text, bool numeric,
                   uint16_t default_port, struct conf_address *address_out)
{
    uint64_t port = default_port;
    struct parts p;
    const char *why = split(text, &p);

    if (why == NULL) {
        why = check_host(&p, numeric);
    }
    if (why != NULL) {
        return why;
    }
    if (!p.has_port && default_port == 0) {
        return numeric_kind(p.host) == 2 && !p.brackets
                   ? "no port; an IPv6 address stands in `[ ]` before it"
                   : "no port";
    }
    if (p.has_port && (!bytes_to_u64(p.port, PORT_MAX, &port) || port == 0)) {
        return "not a port";
    }
    address_out->host = conf_arena_text(arena, p.host);
    address_out->port = (uint16_t)port;
    return NULL;
}
