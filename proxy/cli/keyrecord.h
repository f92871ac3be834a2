/*
 * keyrecord - a key's DNS record in the forms that zones and providers take.
 */
#ifndef PROXY_CLI_KEYRECORD_H
#define PROXY_CLI_KEYRECORD_H

#include <base/buf.h>

#include <proxy/keys/keystore.h>

/* How the record is shown: `key show --format`. */
struct keyrecord_format {
    const char *name;
    /* zone: of a delegated key, whose record stands there; "": none */
    void (*put)(const struct keystore_key *key, const char *zone,
                struct buf *out);
    const char *begin, *between, *end; /* around all keys that are shown */
};

/* NULL: no such format. */
const struct keyrecord_format *keyrecord_format(const char *name);
/* "zone, value, ..." */
void keyrecord_formats(struct buf *out);

/* "v=DKIM1; k=rsa; n=note; p=..." (RFC 6376 3.6.1). A revoked key has an empty
 * p=. */
void keyrecord_value(const struct keystore_key *key, struct buf *out);
/* "SELECTOR._domainkey.DOMAIN", or "SELECTOR.ZONE". */
void keyrecord_name(const struct keystore_key *key, const char *zone,
                    struct buf *out);

#endif
