/*
 * scram - SCRAM-SHA-256 and -PLUS towards an upstream, by libgsasl.
 *
 * Private to proxy/upstream; the only user of gsasl there. RFC 5802, 7677;
 * -PLUS is bound to the TLS connection by tls-exporter (RFC 9266).
 */
#ifndef PROXY_UPSTREAM_SCRAM_H
#define PROXY_UPSTREAM_SCRAM_H

#include <smtp/client.h>

#include <proxy/net/conn.h>

struct upstream_scram;

/* Copies what it needs. NULL: no memory, or no channel binding for -PLUS. */
struct upstream_scram *upstream_scram_new(enum smtp_mech mech, const char *user,
                                          const char *password,
                                          struct conn *conn);
/* As smtp_scram_step; s NULL: FAILED. */
enum smtp_scram_result upstream_scram_step(struct upstream_scram *s,
                                           struct bytes challenge,
                                           struct buf *response);
/* Wipes; *s is NULL afterwards, NULL is fine. */
void upstream_scram_free(struct upstream_scram **s);

#endif
