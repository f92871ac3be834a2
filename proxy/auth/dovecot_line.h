/*
 * dovecot_line - one line of Dovecot's auth client protocol, read and written.
 *
 * Fields are parted by tabs; octets that would part or end them are escaped
 * by octet 1. Only computes.
 *
 * Dovecot: "Authentication Protocol v1.2".
 */
#ifndef PROXY_AUTH_DOVECOT_LINE_H
#define PROXY_AUTH_DOVECOT_LINE_H

#include <base/buf.h>
#include <base/bytes.h>

enum {
    DOVECOT_LINE_MAX = 8192, /* octets with LF; Dovecot's own limit */
    DOVECOT_USER_MAX = 255,
    DOVECOT_REASON_MAX = 200
};

enum dovecot_word {
    DOVECOT_OTHER, /* nothing that we need */
    DOVECOT_VERSION,
    DOVECOT_MECH,
    DOVECOT_DONE, /* the handshake is over */
    DOVECOT_CONT,
    DOVECOT_OK,
    DOVECOT_FAIL
};

/* Only the fields of its word mean something. */
struct dovecot_line {
    enum dovecot_word word;
    uint32_t major;         /* VERSION */
    unsigned mech;          /* MECH: enum smtp_mech; 0: not one to offer */
    uint32_t id;            /* CONT, OK, FAIL */
    struct bytes challenge; /* CONT: base64, a view */
    bool temporary;         /* FAIL: nothing was judged */
    char user[DOVECOT_USER_MAX + 1];     /* OK: of a mailbox, FAIL: "" or so */
    char reason[DOVECOT_REASON_MAX + 1]; /* FAIL: for the log, printable */
};

/* line: without LF. False: not of this protocol. */
bool dovecot_line_parse(struct bytes line, struct dovecot_line *out);

/* What AUTH says of a client. Strings are printable without tabs. */
struct dovecot_asked {
    uint32_t id;
    const char *mech;
    bool secured;                               /* TLS */
    const char *session;                        /* for Dovecot's log */
    const char *remote_address, *local_address; /* "": not known */
    unsigned remote_port, local_port;
    bool has_initial;
    struct bytes initial; /* base64 */
};

void dovecot_put_hello(struct buf *out, long pid);
/* False: the line would be longer than Dovecot reads; nothing is put. */
bool dovecot_put_auth(struct buf *out, const struct dovecot_asked *asked);
bool dovecot_put_cont(struct buf *out, uint32_t id, struct bytes base64);
void dovecot_put_cancel(struct buf *out, uint32_t id);

#endif
