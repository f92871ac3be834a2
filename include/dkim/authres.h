/*
 * authres - Authentication-Results: made, and foreign claims to our name found.
 *
 * One field carries all results. Each method appends its part; values are
 * quoted where they are no token, so that nothing from a message can add a
 * result. RFC 8601; 6008 (header.b).
 */
#ifndef DKIM_AUTHRES_H
#define DKIM_AUTHRES_H

#include <base/buf.h>
#include <base/bytes.h>
#include <dkim/header.h>
#include <dkim/verify.h>

enum {
    DKIM_AUTHRES_SIGNATURES_MAX = 32,
    DKIM_AUTHRES_VALUE_MAX = 320 /* octets of a property; the rest is cut */
};

struct dkim_authres {
    struct buf text; /* private */
    size_t column;
    unsigned results;
};

/* "Authentication-Results: ID". authserv_id: quoted when it is no token. */
void dkim_authres_begin(struct dkim_authres *a, const char *authserv_id);
/* "; METHOD=RESULT", folded; reason "" for none. */
void dkim_authres_result(struct dkim_authres *a, const char *method,
                         const char *result, const char *reason);
/* " PTYPE.PROPERTY=VALUE"; the value is quoted when needed, controls dropped. */
void dkim_authres_property(struct dkim_authres *a, const char *ptype_property,
                           struct bytes value);
/*
 * All signatures of a message; "dkim=none" when there are none. After
 * DKIM_AUTHRES_SIGNATURES_MAX one more result says how many are left out.
 */
void dkim_authres_dkim(struct dkim_authres *a, const struct dkim_verify *v);
/* "; none" when there was no result; the final CRLF. False: no memory. Lends
 * *field_out until dkim_authres_free(). */
bool dkim_authres_end(struct dkim_authres *a, struct bytes *field_out);
void dkim_authres_free(struct dkim_authres *a);

/*
 * An Authentication-Results field that claims, or could be read to claim,
 * authserv_id: any case, comments, quotes, folds, any length; an unparsable
 * one too. Such a field is removed before ours is added (RFC 8601 5).
 */
bool dkim_authres_claims(const struct dkim_field *field,
                         const char *authserv_id);

#endif
