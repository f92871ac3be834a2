/*
 * certs - certificates and handshakes in memory, for tests of TLS.
 *
 * NAME.pem and NAME.key lie in a scratch folder. Failures are failed
 * assertions.
 */
#ifndef TESTS_SUPPORT_CERTS_H
#define TESTS_SUPPORT_CERTS_H

#include <base/bytes.h>

#include <openssl/ssl.h>

#include <sys/stat.h>

extern char certs_folder[64];

void certs_begin(void);
void certs_end(void);
/* certs_end() as the teardown of a group. */
int certs_teardown(void **state);

/* FOLDER/NAME; good for four calls. */
const char *certs_path(const char *name);

/*
 * Self-signed, with CN=NAME and these subject alternative names, valid until
 * `seconds` from now. key is taken; password NULL: none.
 */
void certs_make_of(EVP_PKEY *key, const char *name, const char *alt,
                   long seconds, mode_t mode, const char *password);
/* The same with a key of P-256. */
void certs_make(const char *name, const char *alt, long seconds, mode_t mode,
                const char *password);
/* Issued by ISSUER.pem; subject: "CN=alice,O=Example", one value a part. */
void certs_issue(const char *issuer, const char *name, const char *subject,
                 long seconds);

/* Read from NAME.pem; the caller frees it. */
X509 *certs_read(const char *name);

/* A listener's, which shows NAME.pem; the caller frees it. */
SSL_CTX *certs_listener(const char *name);

/* Both ends in memory. True: the handshake succeeded on both. */
bool certs_shake(SSL *client, SSL *server);

#endif
