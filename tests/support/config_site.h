/*
 * config_site - what `sealpostd -t` looks at: a configuration, its certificate
 * and key, its folders, an account whose rights are tried.
 *
 * Each test has a site of its own, from setup() to teardown(), with which all
 * is well; the test spoils it. Every call fails the test when the machine
 * can't.
 */
#ifndef TESTS_SUPPORT_CONFIG_SITE_H
#define TESTS_SUPPORT_CONFIG_SITE_H

#include "tempdir.h"

#include <base/buf.h>

#include <openssl/evp.h>

enum {
    DAY = 86400
};

struct site {
    struct tempdir dir;
    EVP_PKEY *key;
    EVP_PKEY *other_key;
    char user[64]; /* whose rights are tried */
};

/* For cmocka: *state is the site. */
int setup(void **state);
int teardown(void **state);

/* PEM at the end of out: valid from..to seconds from now, self-signed unless
 * issuer differs, for relay.example.com. */
void put_certificate(struct buf *out, EVP_PKEY *key, const char *subject,
                     const char *issuer, long from_s, long to_s);
/* names: of OpenSSL's subjectAltName, as "DNS:a.test,IP:127.0.0.1". */
void put_named_certificate(struct buf *out, EVP_PKEY *key, const char *names);
/* password NULL: not encrypted. */
void put_key(struct buf *out, EVP_PKEY *key, const char *password);

/* cert.pem, key.pem, sealpost.conf anew. */
void write_certificate(struct site *s, EVP_PKEY *key, long from_s, long to_s);
void write_key(struct site *s, EVP_PKEY *key, const char *password);
/* Further lines of [server] and [upstream b]. */
void write_conf(struct site *s, const char *server, const char *upstream);
/* listen: lines of [listen a], with the folder as @. */
void write_conf_with(struct site *s, const char *server, const char *upstream,
                     const char *listen);
/* Readable by the account that is tried. */
void give(struct site *s, const char *name, mode_t mode);

/* All lines of conf_check(), warnings too, with the folder's name as @. */
void check(struct site *s, struct buf *out);
/* One line, and it begins so; "" for none. */
void expect(struct site *s, const char *want);

#endif
