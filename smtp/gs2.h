/*
 * gs2 - the header that SCRAM and OAUTHBEARER messages begin with (RFC 5801 4).
 *
 * Private to the room.
 */
#ifndef SMTP_GS2_H
#define SMTP_GS2_H

#include <base/bytes.h>

#include <smtp/sasl.h>

struct smtp_gs2 {
    uint8_t flag;         /* 'n', 'y' or 'p' */
    struct bytes binding; /* 'p': its type; a view */
    char authzid[SMTP_SASL_USER_MAX + 1];
};

/* Takes "n,a=...," off the front of *in. False: malformed; *in anywhere. */
bool smtp_gs2_take(struct bytes *in, struct smtp_gs2 *gs2_out);

/*
 * RFC 5801 4, saslname: =2C and =3D stand for comma and equals sign. 1 to
 * SMTP_SASL_USER_MAX octets of UTF-8 without NUL, with a NUL in out.
 */
bool smtp_gs2_name(struct bytes text, char *out);

#endif
