/*
 * keychange - the key store, written; see keystore.h.
 *
 * All changes hold STATE_DIR/keys/.lock. The .pem is written before the
 * .conf, and without a .conf a key is nothing: a crash between the two
 * leaves no key that signs.
 */
#include "proxy/keys/keynote.h"
#include "proxy/keys/keystore.h"
#include "proxy/keys/notefile.h"

#include <base/wipe.h>

#include <dkim/address.h>
#include <dkim/keyrecord.h>

#include <errno.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static bool
is_there(const struct keystore_conf *conf, const char *domain,
         const char *selector, const char *suffix)
{
    struct buf path = BUF_INIT;
    struct stat st;
    int why = ENOMEM;

    keystore_path(conf, domain, selector, suffix, &path);
    if (!buf_failed(&path)) {
        why = lstat((const char *)path.ptr, &st) == 0 ? EEXIST : errno;
    }
    buf_free(&path);
    errno = why;
    return why != ENOENT; /* what cannot be told from a key counts as one */
}

static enum key_err
write_part(const struct keystore_conf *conf, const struct keystore_key *about,
           const char *suffix, const struct buf *contents)
{
    struct replace_owner owner = notefile_owner(conf, 0600);
    struct buf path = BUF_INIT;
    enum key_err err = KEY_OK;
    int error;

    keystore_path(conf, about->view.domain, about->view.selector, suffix,
                  &path);
    if (buf_failed(&path) || buf_failed(contents)) {
        err = KEY_ERR_NO_MEMORY;
    } else if (!replace_file((const char *)path.ptr, buf_bytes(contents),
                             &owner)) {
        err = KEY_ERR_WRITE;
    }
    error = errno;
    buf_free(&path);
    errno = error;
    return err;
}

static bool
make_domain(const struct keystore_conf *conf, const char *domain)
{
    struct replace_owner owner = notefile_owner(conf, 0700);
    struct buf path = BUF_INIT;
    bool good;

    buf_printf(&path, "%s/keys/%s", conf->state_dir, domain);
    good =
        buf_str(&path) != NULL && replace_mkdir((const char *)path.ptr, &owner);
    buf_free(&path);
    return good;
}

static bool
names_ok(const struct keystore_key *about)
{
    char domain[DKIM_DOMAIN_MAX + 1];
    char selector[DKIM_DOMAIN_MAX + 1];

    return dkim_domain_parse(bytes_str(about->view.domain), false, domain) &&
           keystore_selector_parse(bytes_str(about->view.selector), selector) &&
           strcmp(domain, about->view.domain) == 0 &&
           strcmp(selector, about->view.selector) == 0;
}

static enum key_err
write_note(const struct keystore_conf *conf, const struct keystore_key *about)
{
    struct buf text = BUF_INIT;
    enum key_err err;
    int error;

    keynote_put(about, &text);
    err = write_part(conf, about, ".conf", &text);
    error = errno;
    buf_free(&text);
    errno = error;
    return err;
}

/* pem: room is taken at once, since a buffer that grows leaves copies. */
static enum key_err
write_pem(const struct keystore_conf *conf, EVP_PKEY *key,
          const struct keystore_key *about)
{
    struct buf pem = BUF_INIT;
    enum key_err err = KEY_ERR_NO_MEMORY;
    int error;

    if (buf_reserve(&pem, KEYFILE_OCTETS_MAX)) {
        err = keyfile_put(key, &pem);
    }
    if (err == KEY_OK) {
        err = write_part(conf, about, ".pem", &pem);
    }
    error = errno;
    if (pem.ptr != NULL) {
        wipe(pem.ptr, pem.cap);
    }
    buf_free(&pem);
    errno = error;
    return err;
}

static enum key_err
add_locked(const struct keystore_conf *conf, EVP_PKEY *key,
           const struct keystore_key *about)
{
    enum key_err err;

    if (is_there(conf, about->view.domain, about->view.selector, ".pem") ||
        is_there(conf, about->view.domain, about->view.selector, ".conf")) {
        return KEY_ERR_EXISTS;
    }
    if (!make_domain(conf, about->view.domain)) {
        return KEY_ERR_WRITE;
    }
    err = write_pem(conf, key, about);
    return err == KEY_OK ? write_note(conf, about) : err;
}

enum key_err
keystore_add(const struct keystore_conf *conf, EVP_PKEY *key,
             const struct keystore_key *about)
{
    struct keystore_key whole = *about;
    struct dns_question name;
    struct buf b64 = BUF_INIT;
    enum key_err err;
    int lock = -1;
    int error;

    if (!names_ok(about) || !keynote_text_ok(about->note)) {
        return KEY_ERR_NAME;
    }
    if (!dkim_key_question(about->view.selector, about->view.domain, &name)) {
        return KEY_ERR_LONG;
    }
    err = keyfile_prove(key);
    if (err != KEY_OK) {
        return err;
    }
    err = keyfile_put_public(key, &b64);
    whole.public_b64 = buf_str(&b64);
    if (err != KEY_OK || whole.public_b64 == NULL) {
        buf_free(&b64);
        return KEY_ERR_NO_MEMORY;
    }
    whole.view.bits = (unsigned)EVP_PKEY_get_bits(key);
    whole.view.alg = DKIM_ALG_RSA_SHA256;
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519) {
        whole.view.alg = DKIM_ALG_ED25519_SHA256;
        whole.view.bits = 256;
    }
    lock = notefile_lock(conf, "keys");
    err = lock < 0 ? KEY_ERR_WRITE : add_locked(conf, key, &whole);
    error = errno;
    if (lock >= 0) {
        close(lock);
    }
    buf_free(&b64);
    errno = error;
    return err;
}

/* A key that signs has been parsed and has proved itself. */
static enum key_err
prove(const struct keystore_conf *conf, const struct keystore_key *about)
{
    EVP_PKEY *key = NULL;
    enum key_err err = keystore_private(conf, about->view.domain,
                                        about->view.selector, &key, NULL);

    EVP_PKEY_free(key);
    return err;
}

enum key_err
keystore_update(const struct keystore_conf *conf,
                const struct keystore_key *about)
{
    enum key_err err = KEY_OK;
    int error;
    int lock;

    if (!names_ok(about) || !keynote_text_ok(about->note)) {
        return KEY_ERR_NAME;
    }
    lock = notefile_lock(conf, "keys");
    if (lock < 0) {
        return KEY_ERR_WRITE;
    }
    if (!is_there(conf, about->view.domain, about->view.selector, ".conf")) {
        err = KEY_ERR_MISSING;
    } else if (about->view.state == VIEW_KEY_ACTIVE) {
        err = prove(conf, about);
    }
    if (err == KEY_OK) {
        err = write_note(conf, about);
    }
    error = errno;
    close(lock);
    errno = error;
    return err;
}

enum key_err
keystore_generate(const struct keystore_conf *conf, enum dkim_alg alg,
                  unsigned bits, const struct keystore_key *about)
{
    EVP_PKEY *key = NULL;
    enum key_err err = keyfile_generate(alg, bits, conf->short_keys, &key);

    if (err == KEY_OK) {
        err = keystore_add(conf, key, about);
    }
    EVP_PKEY_free(key);
    return err;
}

static enum key_err
remove_part(const struct keystore_conf *conf, const char *domain,
            const char *selector, const char *suffix)
{
    struct buf path = BUF_INIT;
    enum key_err err = KEY_OK;
    int error;

    keystore_path(conf, domain, selector, suffix, &path);
    if (buf_failed(&path)) {
        err = KEY_ERR_NO_MEMORY;
    } else if (unlink((const char *)path.ptr) != 0 && errno != ENOENT) {
        err = KEY_ERR_WRITE;
    }
    error = errno;
    buf_free(&path);
    errno = error;
    return err;
}

enum key_err
keystore_remove(const struct keystore_conf *conf, const char *domain,
                const char *selector)
{
    const struct keystore_key about = { .view = { .domain = domain,
                                                  .selector = selector } };
    enum key_err err;
    int error;
    int lock;

    if (!names_ok(&about)) {
        return KEY_ERR_NAME;
    }
    lock = notefile_lock(conf, "keys");
    if (lock < 0) {
        return KEY_ERR_WRITE;
    }
    err = remove_part(conf, domain, selector, ".conf");
    if (err == KEY_OK) {
        err = remove_part(conf, domain, selector, ".pem");
    }
    error = errno;
    close(lock);
    errno = error;
    return err;
}

bool
keystore_new_selector(const struct keystore_conf *conf, const char *domain,
                      uint64_t now_s, char *out)
{
    time_t t = (time_t)now_s;
    char month[8];
    struct tm tm;

    if (gmtime_r(&t, &tm) == NULL ||
        strftime(month, sizeof(month), "%Y%m", &tm) == 0) {
        return false;
    }
    for (unsigned n = 0; n < 26 + 26 * 26; n++) {
        char letters[3] = { (char)('a' + n), '\0', '\0' };

        if (n >= 26) {
            letters[0] = (char)('a' + (n - 26) / 26);
            letters[1] = (char)('a' + (n - 26) % 26);
        }
        snprintf(out, 16, "sp%s%s", month, letters);
        if (!is_there(conf, domain, out, ".pem") &&
            !is_there(conf, domain, out, ".conf")) {
            return true;
        }
    }
    return false;
}
