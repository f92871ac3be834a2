/*
 * listener_tls - the TLS context of one listener.
 */
#ifndef PROXY_LISTENER_TLS_H
#define PROXY_LISTENER_TLS_H

#include <base/buf.h>

#include <openssl/ssl.h>

#include <proxy/worker.h>

/* From the files of w->conf->listens[listener], for the caller to free. NULL:
 * error names the file and the mend. */
SSL_CTX *listener_tls_new(const struct worker *w, size_t listener,
                          struct buf *error);

#endif
