/*
 * transport - octets in and out of one nonblocking socket, plain or TLS.
 *
 * Each call tries once and says what it waits for. Under TLS either direction
 * may wait for the other: the caller watches what the result says and calls
 * again with the same octets first. No call raises SIGPIPE as long as the
 * process ignores it.
 */
#ifndef PROXY_NET_TRANSPORT_H
#define PROXY_NET_TRANSPORT_H

#include <base/bytes.h>

#include <openssl/ssl.h>

enum transport_result {
    TRANSPORT_DONE,       /* all that was asked */
    TRANSPORT_WANT_READ,  /* call again when the socket is readable */
    TRANSPORT_WANT_WRITE, /* call again when it is writable */
    TRANSPORT_END,        /* the peer closed properly */
    TRANSPORT_FAILED      /* *error is set */
};

enum {
    TRANSPORT_RECORD_MAX = 16 * 1024
}; /* RFC 8446 5.1 */
enum {
    TRANSPORT_CHANNEL_BINDING_OCTETS = 32
}; /* RFC 9266 2 */

struct transport {
    int fd;            /* owned by the caller */
    SSL *ssl;          /* NULL: plain */
    const char *error; /* a static sentence after FAILED */
};

/*
 * Reads up to cap octets. *len_out may be more than zero with any result;
 * DONE: the room is used up, or (plain) more may be there.
 */
enum transport_result transport_read(struct transport *t, uint8_t *room,
                                     size_t cap, size_t *len_out);

/*
 * Writes the runs in as few system calls as it can. *len_out octets, from the
 * first on, have left. scratch: TRANSPORT_RECORD_MAX octets for putting small
 * runs into one TLS record.
 */
enum transport_result transport_write(struct transport *t,
                                      const struct bytes *runs, size_t count,
                                      uint8_t *scratch, size_t *len_out);

enum transport_result transport_handshake(struct transport *t);

/* Octets that TLS holds already: no event of the socket will tell of them. */
bool transport_has_input(const struct transport *t);

/* The tls-exporter channel binding (RFC 9266 2) after the handshake. False:
 * plain, or older than TLS 1.3; out untouched. */
bool transport_channel_binding(const struct transport *t,
                               uint8_t out[TRANSPORT_CHANNEL_BINDING_OCTETS]);

/* A static sentence for an errno of a socket call. */
const char *transport_error_text(int error);

#endif
