/*
 * proxyproto - the header by which a load balancer names the client.
 *
 * Bytes in, a value out. It stands before everything else on a connection,
 * TLS too, so that the parser says to the octet where it ends.
 *
 * The PROXY protocol, versions 1 and 2
 * (https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt).
 */
#ifndef PROXY_NET_PROXYPROTO_H
#define PROXY_NET_PROXYPROTO_H

#include <proxy/net/address.h>

enum {
    PROXYPROTO_V1_MAX = 107,     /* octets with CRLF: 2.1 */
    PROXYPROTO_V2_FIXED = 16,    /* 2.2: signature, command, family, length */
    PROXYPROTO_V2_LENGTH = 4096, /* ours: addresses and TLVs */
    PROXYPROTO_MAX = PROXYPROTO_V2_FIXED + PROXYPROTO_V2_LENGTH
};

enum proxyproto_result {
    PROXYPROTO_MORE,    /* every octet so far belongs to a header */
    PROXYPROTO_CLIENT,  /* the addresses are those of the header */
    PROXYPROTO_LOCAL,   /* the balancer speaks for itself: a health check */
    PROXYPROTO_UNKNOWN, /* for a client, and can't say whom */
    PROXYPROTO_BAD      /* this is no header; close without a word */
};

struct proxyproto {
    size_t octets;                 /* of the header; what follows is payload */
    union net_address source;      /* CLIENT: with port; else AF_UNSPEC */
    union net_address destination; /* the same */
};

/*
 * in     what came since the connection was made, whole: not split
 * out    written for CLIENT, LOCAL and UNKNOWN
 *
 * MORE is given to at most PROXYPROTO_MAX - 1 octets; the first octet that
 * no header has makes it BAD, the rest is judged when the line or the fixed
 * part is there. TLVs are skipped. A unix socket's address is UNKNOWN.
 */
enum proxyproto_result proxyproto_parse(struct bytes in,
                                        struct proxyproto *out);

#endif
