/*
 * keyprivate - private keys of the store, for those who sign; see keystore.h.
 *
 * The note says which public key it is about; a private key of another is not
 * handed out.
 */
#include "proxy/keys/keystore.h"
#include "proxy/users/strings.h"

#include <base/base64.h>

#include <dkim/address.h>
#include <dkim/keyrecord.h>

/* The key and its .conf are one: an exchanged .pem must not sign. */
static enum key_err
compare_public(EVP_PKEY *key, const struct keystore_key *about)
{
    struct buf b64 = BUF_INIT;
    enum key_err err = keyfile_put_public(key, &b64);

    if (err == KEY_OK && !bytes_is(buf_bytes(&b64), about->public_b64)) {
        err = KEY_ERR_MISMATCH;
    }
    buf_free(&b64);
    return err;
}

static enum key_err
load_private(const struct keystore_conf *conf, const struct keystore_key *key,
             EVP_PKEY **key_out, enum dkim_alg *alg_out)
{
    struct keyfile_rules rules = { conf->uid, conf->short_keys };
    EVP_PKEY *loaded = NULL;
    struct buf path = BUF_INIT;
    enum key_err err;

    keystore_path(conf, key->view.domain, key->view.selector, ".pem", &path);
    err = buf_failed(&path)
              ? KEY_ERR_NO_MEMORY
              : keyfile_load((const char *)path.ptr, &rules, &loaded, alg_out);
    buf_free(&path);
    if (err == KEY_OK) {
        err = compare_public(loaded, key);
    }
    if (err != KEY_OK) {
        EVP_PKEY_free(loaded);
        return err;
    }
    *key_out = loaded;
    return KEY_OK;
}

/* The public key that the note names, and its octets. */
static enum key_err
read_public(const struct keystore_key *key, struct keystore_pair *pair)
{
    struct dkim_key_record record = { .type = key->view.alg ==
                                                      DKIM_ALG_ED25519_SHA256
                                                  ? DKIM_KEY_ED25519
                                                  : DKIM_KEY_RSA,
                                      .sha256 = true,
                                      .email = true };
    unsigned bits;

    if (!base64_decode(bytes_str(key->public_b64), false, pair->p,
                       sizeof(pair->p), &pair->p_len)) {
        return KEY_ERR_MISMATCH;
    }
    memcpy(record.p, pair->p, pair->p_len);
    record.p_len = pair->p_len;
    return dkim_key_load(&record, key->view.alg, false, &pair->public_key,
                         &bits) == DKIM_KEY_OK
               ? KEY_OK
               : KEY_ERR_MISMATCH;
}

/* pair NULL: without the public half. */
static enum key_err
load_key(const struct keystore_conf *conf, const char *domain,
         const char *selector, EVP_PKEY **key_out, enum dkim_alg *alg_out,
         struct keystore_pair *pair)
{
    char d[DKIM_DOMAIN_MAX + 1];
    char s[DKIM_DOMAIN_MAX + 1];
    struct keystore_key key = { .note = "" };
    struct strings strings = { NULL };
    enum key_err err;

    if (!dkim_domain_parse(bytes_str(domain), false, d) ||
        !keystore_selector_parse(bytes_str(selector), s)) {
        return KEY_ERR_NAME;
    }
    key.view.domain = d;
    key.view.selector = s;
    err = keystore_note(conf, &strings, &key);
    if (err == KEY_OK) {
        err = load_private(conf, &key, key_out, alg_out);
    }
    if (err == KEY_OK && pair != NULL) {
        err = read_public(&key, pair);
    }
    strings_free(&strings);
    return err;
}

enum key_err
keystore_private(const struct keystore_conf *conf, const char *domain,
                 const char *selector, EVP_PKEY **key_out,
                 enum dkim_alg *alg_out)
{
    return load_key(conf, domain, selector, key_out, alg_out, NULL);
}

enum key_err
keystore_pair(const struct keystore_conf *conf, const char *domain,
              const char *selector, struct keystore_pair *pair_out)
{
    struct keystore_pair pair = { .private_key = NULL };
    enum key_err err =
        load_key(conf, domain, selector, &pair.private_key, &pair.alg, &pair);

    if (err != KEY_OK) {
        EVP_PKEY_free(pair.private_key);
        return err;
    }
    *pair_out = pair;
    return KEY_OK;
}

void
keystore_check_all(const struct keystore_conf *conf, const struct keystore *s,
                   struct conf_errors *errors)
{
    for (size_t i = 0; i < keystore_count(s); i++) {
        const struct keystore_key *k = keystore_key_at(s, i);
        enum key_err err = KEY_OK;
        EVP_PKEY *key = NULL;
        struct buf path = BUF_INIT;

        if (k->view.state != VIEW_KEY_REVOKED) {
            err = load_private(conf, k, &key, NULL);
        }
        if (err != KEY_OK) {
            keystore_path(conf, k->view.domain, k->view.selector, ".pem",
                          &path);
            conf_error(errors,
                       buf_failed(&path) ? "keys" : (const char *)path.ptr, 0,
                       "%s", key_err_text(err));
        }
        EVP_PKEY_free(key);
        buf_free(&path);
    }
}
