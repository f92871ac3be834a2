/*
 * tls_pair - certificates with their keys, and which of them a client gets.
 *
 * A listener has any number of pairs: RSA and ECDSA for one name, and several
 * names. A client that names a host (SNI, RFC 6066 3) gets the pairs whose
 * certificate is for that host, one of each kind of key; OpenSSL takes the one
 * that the client can verify. Who names none, or a host that is in no
 * certificate, gets the first pair and those that are for the same host.
 *
 * Private to proxy/net.
 */
#ifndef PROXY_NET_TLS_PAIR_H
#define PROXY_NET_TLS_PAIR_H

#include <base/buf.h>

#include <openssl/ssl.h>

#include <proxy/config/conf.h>

enum {
    TLS_KEY_KINDS_MAX = 8 /* more than OpenSSL has for certificates */
};

struct tls_pair {
    X509 *cert;             /* owns, all three */
    STACK_OF(X509) * chain; /* those that issued it; may be empty */
    EVP_PKEY *key;
};

struct tls_pairs {
    struct tls_pair *list; /* owns */
    size_t count;          /* at least one */
    char name[256];        /* of the first: its first name; "" for none */
};

/* Reads both files. False: *error has one sentence, and nothing is owned. */
bool tls_pair_load(const char *certificate, const char *private_key,
                   struct tls_pair *pair_out, struct buf *error);
void tls_pair_free(struct tls_pair *pair); /* what it owns; not itself */

/* The two lists of a listener, in step. NULL: *error as above. */
struct tls_pairs *tls_pairs_load(conf_list certificates, conf_list private_keys,
                                 struct buf *error);
void tls_pairs_free(struct tls_pairs **pairs);

/* RFC 6125 6.4: without case, a wildcard for the whole leftmost label. */
bool tls_pair_is_for(const struct tls_pair *pair, const char *name);

/*
 * The pairs for a client that asks for name (NULL: for none), the first of
 * each kind of key, in their order. Returns how many, at least one; named_out:
 * name was found.
 */
size_t tls_pairs_choose(const struct tls_pairs *pairs, const char *name,
                        const struct tls_pair *chosen_out[TLS_KEY_KINDS_MAX],
                        bool *named_out);

#endif
