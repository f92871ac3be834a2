/*
 * session_peer - for whom the client of a session is taken. Private to
 * session*.c.
 */
#ifndef PROXY_SESSION_PEER_H
#define PROXY_SESSION_PEER_H

#include <smtp/command.h>

#include <proxy/net/address.h>

struct log_line;
struct session;
struct smtp_xattrs;

struct session_peer {
    union net_address address;      /* of the socket, PROXY or XCLIENT */
    char counted[INET6_ADDRSTRLEN]; /* by the listener as this; "": no more */
    struct smtp_xattrs *forwarded;  /* owns; of XFORWARD, NULL: nothing */
    bool anonymous;   /* the address is another's: see session_new() */
    bool may_xclient; /* XCLIENT, XFORWARD */
    bool helo_told;   /* helo is XCLIENT's: EHLO has another's name */
};

/* Whose session this is from now on; identity was given back before. */
void session_set_peer(struct session *s, const union net_address *address,
                      bool anonymous);
void session_xclient(struct session *s, const struct smtp_command *cmd);
void session_xforward(struct session *s, const struct smtp_command *cmd);
void session_forget_forwarded(struct session *s);
void session_log_forwarded(const struct session *s, struct log_line *l);

#endif
