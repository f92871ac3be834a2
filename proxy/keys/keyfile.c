/*
 * keyfile - one private key in a PEM file; see keyfile.h.
 *
 * The octets are judged before OpenSSL sees them: one block, one known label,
 * nothing around it. OpenSSL would skip what it does not know, ask a terminal
 * for a pass phrase, and load kinds of keys that DKIM has no name for.
 */
#include "proxy/keys/keyfile.h"

#include <base/base64.h>
#include <base/wipe.h>

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const err_texts[KEY_ERRS] = {
    [KEY_OK] = "no error",
    [KEY_ERR_MISSING] = "there is no such key file",
    [KEY_ERR_OPEN] = "the key file cannot be read; give it to the account "
                     "that runs the keeper (keys_user)",
    [KEY_ERR_TYPE] = "the key is not a regular file (a symlink, directory or "
                     "FIFO); put the file itself there",
    [KEY_ERR_OWNER] = "the key file belongs to another account; chown it to "
                      "keys_user",
    [KEY_ERR_MODE] = "group or others have access to the key file; chmod 600",
    [KEY_ERR_SIZE] = "the key file is over 16384 octets; no key that is "
                     "allowed is so long",
    [KEY_ERR_FORMAT] = "the file is not a PEM private key (PKCS#8 or PKCS#1)",
    [KEY_ERR_JUNK] = "there is text before or behind the PEM block; leave "
                     "only the private key in the file",
    [KEY_ERR_LINE_ENDS] = "the file has CR line ends; remove them with "
                          "tr -d '\\r'",
    [KEY_ERR_ENCRYPTED] = "the key is encrypted; decrypt it with openssl pkey "
                          "-in OLD -out NEW",
    [KEY_ERR_PUBLIC] = "the file holds a public key or a certificate; the "
                       "private key is needed",
    [KEY_ERR_KIND] = "the key is neither RSA nor Ed25519, and DKIM knows no "
                     "others",
    [KEY_ERR_WEAK] = "the RSA key is shorter than 2048 bits; make a new one, "
                     "or set allow_short_keys = yes (1024 at least)",
    [KEY_ERR_BIG] = "the RSA key is longer than 4096 bits; verifiers refuse "
                    "it",
    [KEY_ERR_EXPONENT] = "the RSA key's public exponent is neither 65537 nor "
                         "3, and verifiers refuse others; make a new key",
    [KEY_ERR_PROBE] = "a signature made with the key does not verify; the "
                      "file is damaged",
    [KEY_ERR_MISMATCH] = "the private key is not the one that its .conf file "
                         "names as public",
    [KEY_ERR_EXISTS] = "a key of this domain and selector exists; take "
                       "another selector",
    [KEY_ERR_NAME] = "not a domain or not a selector; letters, digits, "
                     "hyphens, underscores and dots",
    [KEY_ERR_LONG] = "SELECTOR._domainkey.DOMAIN is longer than the 253 octets "
                     "of a name in DNS; take a shorter selector",
    [KEY_ERR_STATE] = "a retiring or revoked key does not become active "
                      "again; generate a new one",
    [KEY_ERR_WRITE] = "the key store cannot be written",
    [KEY_ERR_NO_MEMORY] = "no memory",
};

/* PEM labels (RFC 7468, and PKCS#1's traditional one) and what they mean. */
static const struct {
    const char *label;
    enum key_err err;
} labels[] = {
    { "PRIVATE KEY", KEY_OK },
    { "RSA PRIVATE KEY", KEY_OK },
    { "ENCRYPTED PRIVATE KEY", KEY_ERR_ENCRYPTED },
    { "EC PRIVATE KEY", KEY_ERR_KIND },
    { "EC PARAMETERS", KEY_ERR_KIND },
    { "DSA PRIVATE KEY", KEY_ERR_KIND },
    { "OPENSSH PRIVATE KEY", KEY_ERR_KIND },
    { "PUBLIC KEY", KEY_ERR_PUBLIC },
    { "RSA PUBLIC KEY", KEY_ERR_PUBLIC },
    { "CERTIFICATE", KEY_ERR_PUBLIC },
};

const char *
key_err_text(enum key_err err)
{
    return (unsigned)err < KEY_ERRS ? err_texts[err] : "unknown error";
}

/* --- the file ----------------------------------------------------------- */

static enum key_err
judge_stat(const struct stat *st, const struct keyfile_rules *rules)
{
    if (!S_ISREG(st->st_mode)) {
        return KEY_ERR_TYPE;
    }
    if (st->st_uid != 0 && st->st_uid != geteuid() &&
        st->st_uid != rules->owner) {
        return KEY_ERR_OWNER;
    }
    if (st->st_mode & (S_IRWXG | S_IRWXO)) {
        return KEY_ERR_MODE;
    }
    return st->st_size > KEYFILE_OCTETS_MAX ? KEY_ERR_SIZE : KEY_OK;
}

enum key_err
keyfile_check(const char *path, const struct keyfile_rules *rules)
{
    struct stat st;

    if (lstat(path, &st) != 0) {
        return errno == ENOENT ? KEY_ERR_MISSING : KEY_ERR_OPEN;
    }
    return judge_stat(&st, rules);
}

static enum key_err
open_err(int error)
{
    switch (error) {
    case ENOENT:
        return KEY_ERR_MISSING;
    case ELOOP: /* O_NOFOLLOW and a symlink */
    case ENXIO: /* a socket */
        return KEY_ERR_TYPE;
    default:
        return KEY_ERR_OPEN;
    }
}

enum key_err
keyfile_read(int fd, struct buf *out)
{
    for (;;) {
        ssize_t n;

        if (!buf_reserve(out, KEYFILE_OCTETS_MAX + 1)) {
            return KEY_ERR_NO_MEMORY;
        }
        n = read(fd, out->ptr + out->len, KEYFILE_OCTETS_MAX + 1);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return KEY_ERR_OPEN;
        }
        if (n == 0) {
            return KEY_OK;
        }
        out->len += (size_t)n;
        if (out->len > KEYFILE_OCTETS_MAX) {
            return KEY_ERR_SIZE;
        }
    }
}

static void
wipe_buf(struct buf *b)
{
    if (b->ptr != NULL) {
        wipe(b->ptr, b->cap);
    }
    buf_free(b);
}

enum key_err
keyfile_load(const char *path, const struct keyfile_rules *rules,
             EVP_PKEY **key_out, enum dkim_alg *alg_out)
{
    struct buf pem = BUF_INIT;
    enum key_err err;
    struct stat st;
    int fd;

    /* Not blocking: a FIFO must be seen, not waited for. */
    fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return open_err(errno);
    }
    /* One allocation: a buffer that grows leaves copies behind. */
    if (!buf_reserve(&pem, 2 * KEYFILE_OCTETS_MAX + 2)) {
        err = KEY_ERR_NO_MEMORY;
        goto out;
    }
    if (fstat(fd, &st) != 0) {
        err = KEY_ERR_OPEN;
        goto out;
    }
    err = judge_stat(&st, rules);
    if (err == KEY_OK) {
        err = keyfile_read(fd, &pem);
    }
    if (err == KEY_OK) {
        err =
            keyfile_parse(buf_bytes(&pem), rules->short_keys, key_out, alg_out);
    }
out:
    wipe_buf(&pem);
    close(fd);
    return err;
}

/* --- the contents ------------------------------------------------------- */

/* The label between "-----BEGIN " and "-----"; empty: not such a line. */
static struct bytes
label_of(struct bytes line, const char *begin)
{
    struct bytes tail = BYTES_LIT("-----");
    size_t skip = strlen(begin);

    if (!bytes_eq(bytes_take(line, skip), bytes_str(begin)) ||
        line.len < skip + tail.len || !bytes_ends_ci(line, tail)) {
        return bytes_make(NULL, 0);
    }
    line.len -= tail.len;
    return bytes_skip(line, skip);
}

static struct bytes
next_line(struct bytes *rest)
{
    size_t end = bytes_find(*rest, '\n');
    struct bytes line = bytes_take(*rest, end);

    *rest = bytes_skip(*rest, end < rest->len ? end + 1 : end);
    return line;
}

static enum key_err
judge_label(struct bytes label)
{
    for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
        if (bytes_is(label, labels[i].label)) {
            return labels[i].err;
        }
    }
    return KEY_ERR_FORMAT;
}

static bool
is_base64_line(struct bytes line)
{
    for (size_t i = 0; i < line.len; i++) {
        if (base64_value(line.ptr[i]) < 0 && line.ptr[i] != '=') {
            return false;
        }
    }
    return line.len > 0;
}

static bool
has_begin(struct bytes text)
{
    while (text.len > 0) {
        if (label_of(next_line(&text), "-----BEGIN ").len > 0) {
            return true;
        }
    }
    return false;
}

/* One block of a label we know, base64 lines, nothing else. */
static enum key_err
judge_text(struct bytes pem)
{
    struct bytes rest = pem;
    struct bytes label = label_of(next_line(&rest), "-----BEGIN ");
    struct bytes line;
    enum key_err err;

    if (bytes_find(pem, '\r') < pem.len) {
        return bytes_starts_ci(pem, "-----BEGIN ") ? KEY_ERR_LINE_ENDS
                                                   : KEY_ERR_FORMAT;
    }
    if (label.len == 0) {
        return has_begin(rest) ? KEY_ERR_JUNK : KEY_ERR_FORMAT;
    }
    err = judge_label(label);
    if (err != KEY_OK) {
        return err;
    }
    line = next_line(&rest);
    if (bytes_starts_ci(line, "Proc-Type:")) {
        return KEY_ERR_ENCRYPTED; /* RFC 1421 4.6.1.1 */
    }
    while (is_base64_line(line)) {
        line = next_line(&rest);
    }
    if (!bytes_eq(label_of(line, "-----END "), label)) {
        return KEY_ERR_FORMAT;
    }
    return rest.len > 0 ? KEY_ERR_JUNK : KEY_OK;
}

/* OpenSSL asks this instead of a terminal: there is no pass phrase. */
static int
no_pass_phrase(char *out, int size, int writing, void *arg)
{
    (void)writing;
    (void)arg;
    if (size > 0) {
        out[0] = '\0';
    }
    return -1;
}

/* What dkim_key_load() takes, for a key that it refuses is of no use. */
static bool
has_exponent(const EVP_PKEY *key)
{
    BIGNUM *e = NULL;
    bool good;

    good = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) == 1 &&
           (BN_is_word(e, 3) || BN_is_word(e, RSA_F4));
    BN_free(e);
    return good;
}

static enum key_err
judge_kind(const EVP_PKEY *key, bool short_keys, enum dkim_alg *alg_out)
{
    int bits = EVP_PKEY_get_bits(key);

    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519) {
        *alg_out = DKIM_ALG_ED25519_SHA256;
        return KEY_OK;
    }
    if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) {
        return KEY_ERR_KIND;
    }
    *alg_out = DKIM_ALG_RSA_SHA256;
    if (bits < (short_keys ? KEYFILE_RSA_BITS_SHORT : KEYFILE_RSA_BITS_MIN)) {
        return KEY_ERR_WEAK;
    }
    if (bits > KEYFILE_RSA_BITS_MAX) {
        return KEY_ERR_BIG;
    }
    return has_exponent(key) ? KEY_OK : KEY_ERR_EXPONENT;
}

/* A damaged key can load and then sign rubbish, or leak itself doing so. */
static enum key_err
probe(EVP_PKEY *key, enum dkim_alg alg)
{
    static const uint8_t text[] = "sealpost probes this key before using it";
    const EVP_MD *md = alg == DKIM_ALG_RSA_SHA256 ? EVP_sha256() : NULL;
    uint8_t sig[KEYFILE_RSA_BITS_MAX / 8];
    size_t len = sizeof(sig);
    EVP_MD_CTX *made = EVP_MD_CTX_new();
    EVP_MD_CTX *checked = EVP_MD_CTX_new();
    bool good;

    good = made != NULL && checked != NULL &&
           EVP_DigestSignInit(made, NULL, md, NULL, key) == 1 &&
           EVP_DigestSign(made, sig, &len, text, sizeof(text)) == 1 &&
           EVP_DigestVerifyInit(checked, NULL, md, NULL, key) == 1 &&
           EVP_DigestVerify(checked, sig, len, text, sizeof(text)) == 1;
    EVP_MD_CTX_free(made);
    EVP_MD_CTX_free(checked);
    return good ? KEY_OK : KEY_ERR_PROBE;
}

enum key_err
keyfile_parse(struct bytes pem, bool short_keys, EVP_PKEY **key_out,
              enum dkim_alg *alg_out)
{
    enum dkim_alg alg = DKIM_ALG_RSA_SHA256;
    EVP_PKEY *key = NULL;
    enum key_err err;
    BIO *bio;

    if (pem.len > KEYFILE_OCTETS_MAX) {
        return KEY_ERR_SIZE;
    }
    err = judge_text(pem);
    if (err != KEY_OK) {
        return err;
    }
    bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    if (bio == NULL) {
        return KEY_ERR_NO_MEMORY;
    }
    key = PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, NULL);
    BIO_free(bio);
    err = key == NULL ? KEY_ERR_FORMAT : judge_kind(key, short_keys, &alg);
    if (err == KEY_OK) {
        err = probe(key, alg);
    }
    if (err != KEY_OK) {
        EVP_PKEY_free(key);
        return err;
    }
    *key_out = key;
    if (alg_out != NULL) {
        *alg_out = alg;
    }
    return KEY_OK;
}

/* --- new keys, and keys as text ----------------------------------------- */

enum key_err
keyfile_generate(enum dkim_alg alg, unsigned bits, bool short_keys,
                 EVP_PKEY **key_out)
{
    EVP_PKEY *key;
    enum key_err err;

    if (alg == DKIM_ALG_ED25519_SHA256) {
        key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    } else {
        bits = bits == 0 ? KEYFILE_RSA_BITS_MIN : bits;
        if (bits <
            (short_keys ? KEYFILE_RSA_BITS_SHORT : KEYFILE_RSA_BITS_MIN)) {
            return KEY_ERR_WEAK;
        }
        if (bits > KEYFILE_RSA_BITS_MAX) {
            return KEY_ERR_BIG;
        }
        /* Exponent 65537 (RFC 6376 3.3.1) is OpenSSL's default. */
        key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)bits);
    }
    if (key == NULL) {
        return KEY_ERR_NO_MEMORY;
    }
    err = probe(key, alg);
    if (err != KEY_OK) {
        EVP_PKEY_free(key);
        return err;
    }
    *key_out = key;
    return KEY_OK;
}

enum key_err
keyfile_prove(EVP_PKEY *key)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    bool good = ctx != NULL && EVP_PKEY_check(ctx) == 1;

    EVP_PKEY_CTX_free(ctx);
    return good ? KEY_OK : KEY_ERR_PROBE;
}

enum key_err
keyfile_put(EVP_PKEY *key, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    char *text = NULL;
    long n = 0;

    if (bio != NULL && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0,
                                                     NULL, NULL) == 1) {
        n = BIO_get_mem_data(bio, &text);
    }
    if (n > 0) {
        buf_put(out, bytes_make(text, (size_t)n));
    }
    BIO_free(bio);
    return n > 0 && !buf_failed(out) ? KEY_OK : KEY_ERR_NO_MEMORY;
}

static void
put_base64(struct bytes in, struct buf *out)
{
    if (buf_reserve(out, BASE64_LEN(in.len))) {
        out->len += base64_encode(in, (char *)out->ptr + out->len);
    }
}

enum key_err
keyfile_put_public(EVP_PKEY *key, struct buf *out)
{
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519) {
        uint8_t raw[32];
        size_t len = sizeof(raw);

        if (EVP_PKEY_get_raw_public_key(key, raw, &len) != 1) {
            return KEY_ERR_FORMAT;
        }
        put_base64(bytes_make(raw, len), out);
    } else {
        uint8_t *der = NULL;
        int len = i2d_PUBKEY(key, &der);

        if (len <= 0) {
            return KEY_ERR_FORMAT;
        }
        put_base64(bytes_make(der, (size_t)len), out);
        OPENSSL_free(der);
    }
    return buf_failed(out) ? KEY_ERR_NO_MEMORY : KEY_OK;
}
