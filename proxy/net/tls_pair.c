/*
 * tls_pair - see tls_pair.h.
 */
#include "proxy/net/tls_pair.h"

#include "proxy/net/tls_private.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

/* --- reading -------------------------------------------------------------- */

/* Passwords for keys are not asked for: nobody sits there. */
static int
no_password(char *room, int size, int writing, void *arg)
{
    (void)room;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

/* All that follow the first one, to the file's end. */
static bool
read_chain(FILE *f, STACK_OF(X509) * chain)
{
    X509 *issuer;

    while ((issuer = PEM_read_X509(f, NULL, no_password, NULL)) != NULL) {
        if (sk_X509_push(chain, issuer) <= 0) {
            X509_free(issuer);
            return false;
        }
    }
    /* The end of the file is this one error. */
    return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

static bool
read_certificate(const char *file, struct tls_pair *pair, struct buf *error)
{
    FILE *f = fopen(file, "re");
    bool good;

    if (f == NULL) {
        buf_printf(error,
                   "cannot read certificate %s: %s; it must be readable by "
                   "the service's user",
                   file, strerror(errno));
        return false;
    }
    pair->cert = PEM_read_X509_AUX(f, NULL, no_password, NULL);
    pair->chain = sk_X509_new_null();
    good =
        pair->cert != NULL && pair->chain != NULL && read_chain(f, pair->chain);
    (void)fclose(f);
    if (!good) {
        buf_printf(error,
                   "certificate %s is of no use (%s); it must be PEM, the "
                   "server's own certificate first, then the chain",
                   file, tls_reason());
    }
    return good;
}

static bool
read_key(const char *file, struct tls_pair *pair, struct buf *error)
{
    FILE *f = fopen(file, "re");
    struct stat st;

    if (f == NULL) {
        buf_printf(error,
                   "cannot read private_key %s: %s; give it to the service's "
                   "group: chgrp sealpost %s && chmod 640 %s",
                   file, strerror(errno), file, file);
        return false;
    }
    if (fstat(fileno(f), &st) != 0 || (st.st_mode & S_IRWXO) != 0) {
        buf_printf(error, "private_key %s is open to everybody; chmod o= %s",
                   file, file);
        (void)fclose(f);
        return false;
    }
    pair->key = PEM_read_PrivateKey(f, NULL, no_password, NULL);
    (void)fclose(f);
    if (pair->key == NULL) {
        buf_printf(error,
                   "private_key %s is no PEM private key without a password "
                   "(%s); openssl pkey -in %s writes one",
                   file, tls_reason(), file);
    }
    return pair->key != NULL;
}

bool
tls_pair_load(const char *certificate, const char *private_key,
              struct tls_pair *pair_out, struct buf *error)
{
    struct tls_pair pair = { NULL, NULL, NULL };
    bool good;

    ERR_clear_error();
    good = read_certificate(certificate, &pair, error) &&
           read_key(private_key, &pair, error);
    if (good && X509_check_private_key(pair.cert, pair.key) != 1) {
        buf_printf(error,
                   "private_key %s does not belong to the first certificate "
                   "in %s (%s); the server's own certificate comes first",
                   private_key, certificate, tls_reason());
        good = false;
    }
    ERR_clear_error();
    if (!good) {
        tls_pair_free(&pair);
        return false;
    }
    *pair_out = pair;
    return true;
}

void
tls_pair_free(struct tls_pair *pair)
{
    X509_free(pair->cert);
    sk_X509_pop_free(pair->chain, X509_free);
    EVP_PKEY_free(pair->key);
    *pair = (struct tls_pair){ NULL, NULL, NULL };
}

/* The first DNS name of the certificate; "" for none or one with NUL. */
static void
first_name(X509 *cert, char *out, size_t cap)
{
    GENERAL_NAMES *names =
        X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);

    out[0] = '\0';
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && out[0] == '\0'; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type == GEN_DNS) {
            const ASN1_IA5STRING *text = name->d.dNSName;
            struct bytes b = bytes_make(ASN1_STRING_get0_data(text),
                                        (size_t)ASN1_STRING_length(text));

            (void)bytes_copy(b, out, cap);
        }
    }
    GENERAL_NAMES_free(names);
    /* A wildcard is found again by any name that it stands for. */
    if (out[0] == '*') {
        out[0] = 'a';
    }
}

struct tls_pairs *
tls_pairs_load(conf_list certificates, conf_list private_keys,
               struct buf *error)
{
    size_t count = conf_list_count(certificates);
    struct tls_pairs *pairs = calloc(1, sizeof(*pairs));

    if (pairs != NULL) {
        pairs->list = calloc(count + 1, sizeof(pairs->list[0]));
    }
    if (pairs == NULL || pairs->list == NULL) {
        buf_puts(error, "out of memory");
        tls_pairs_free(&pairs);
        return NULL;
    }
    for (; pairs->count < count; pairs->count++) {
        if (!tls_pair_load(certificates[pairs->count],
                           private_keys[pairs->count],
                           &pairs->list[pairs->count], error)) {
            tls_pairs_free(&pairs);
            return NULL;
        }
    }
    first_name(pairs->list[0].cert, pairs->name, sizeof(pairs->name));
    return pairs;
}

void
tls_pairs_free(struct tls_pairs **pairs)
{
    if (*pairs == NULL) {
        return;
    }
    for (size_t i = 0; i < (*pairs)->count; i++) {
        tls_pair_free(&(*pairs)->list[i]);
    }
    free((*pairs)->list);
    free(*pairs);
    *pairs = NULL;
}

/* --- choosing ------------------------------------------------------------- */

bool
tls_pair_is_for(const struct tls_pair *pair, const char *name)
{
    return X509_check_host(pair->cert, name, strlen(name),
                           X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
}

/* One of each kind of key: OpenSSL has room for no more. */
static bool
has_kind(const struct tls_pair *const *chosen, size_t count, EVP_PKEY *key)
{
    for (size_t i = 0; i < count; i++) {
        if (EVP_PKEY_get_base_id(chosen[i]->key) == EVP_PKEY_get_base_id(key)) {
            return true;
        }
    }
    return count == TLS_KEY_KINDS_MAX;
}

/* Adds those for name, from the pair `from` on. */
static size_t
add_named(const struct tls_pairs *pairs, size_t from, const char *name,
          const struct tls_pair **chosen, size_t count)
{
    for (size_t i = from; i < pairs->count; i++) {
        const struct tls_pair *pair = &pairs->list[i];

        if (!has_kind(chosen, count, pair->key) &&
            tls_pair_is_for(pair, name)) {
            chosen[count++] = pair;
        }
    }
    return count;
}

size_t
tls_pairs_choose(const struct tls_pairs *pairs, const char *name,
                 const struct tls_pair *chosen_out[TLS_KEY_KINDS_MAX],
                 bool *named_out)
{
    size_t count = 0;

    if (name != NULL && name[0] != '\0') {
        count = add_named(pairs, 0, name, chosen_out, 0);
    }
    *named_out = count > 0;
    if (count == 0) {
        chosen_out[count++] = &pairs->list[0];
        if (pairs->name[0] != '\0') {
            count = add_named(pairs, 1, pairs->name, chosen_out, count);
        }
    }
    ERR_clear_error();
    return count;
}
