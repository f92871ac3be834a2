/*
 * test_keyfile - which key files are loaded, and the word for each that is
 * not.
 */
#include "proxy/keys/keyfile.h"
#include "proxy/keys/keysign.h"
#include "tests/support/cmocka.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct keyfile_rules rules = { (uid_t)-1, false };
static const struct keyfile_rules short_rules = { (uid_t)-1, true };

/* Made once: keys as PEM text. */
static struct {
    struct buf rsa, rsa_pkcs1, ed25519, ec, rsa1024, rsa512, rsa5120, rsa_e17;
    struct buf encrypted, encrypted_pkcs1, public, pss, x25519;
} pem;

static char dir[64];
static char path[128];

static void
take_bio(BIO *bio, struct buf *out)
{
    char *text = NULL;
    long n = BIO_get_mem_data(bio, &text);

    assert_true(n > 0);
    buf_put(out, bytes_make(text, (size_t)n));
    BIO_free(bio);
}

static void
put_pkcs8(EVP_PKEY *key, const EVP_CIPHER *cipher, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char pass[] = "pass";

    assert_int_equal(PEM_write_bio_PKCS8PrivateKey(
                         bio, key, cipher, cipher == NULL ? NULL : pass,
                         cipher == NULL ? 0 : 4, NULL, NULL),
                     1);
    take_bio(bio, out);
}

static void
put_pkcs1(EVP_PKEY *key, const EVP_CIPHER *cipher, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    unsigned char pass[] = "pass";

    assert_int_equal(PEM_write_bio_PrivateKey_traditional(
                         bio, key, cipher, cipher == NULL ? NULL : pass,
                         cipher == NULL ? 0 : 4, NULL, NULL),
                     1);
    take_bio(bio, out);
}

static void
put_rsa(size_t bits, struct buf *out)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", bits);

    assert_non_null(key);
    put_pkcs8(key, NULL, out);
    EVP_PKEY_free(key);
}

/* An RSA key with the public exponent 17. */
static EVP_PKEY *
make_e17(void)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, NULL);
    BIGNUM *e = BN_new();
    EVP_PKEY *key = NULL;

    assert_true(BN_set_word(e, 17));
    assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 2048), 1);
    assert_int_equal(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, e), 1);
    assert_int_equal(EVP_PKEY_generate(ctx, &key), 1);
    EVP_PKEY_CTX_free(ctx);
    BN_free(e);
    return key;
}

static void
put_named(EVP_PKEY *key, struct buf *out)
{
    assert_non_null(key);
    put_pkcs8(key, NULL, out);
    EVP_PKEY_free(key);
}

static int
make_keys(void **state)
{
    EVP_PKEY *rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    BIO *bio = BIO_new(BIO_s_mem());

    (void)state;
    put_pkcs8(rsa, NULL, &pem.rsa);
    put_pkcs1(rsa, NULL, &pem.rsa_pkcs1);
    put_pkcs8(rsa, EVP_aes_128_cbc(), &pem.encrypted);
    put_pkcs1(rsa, EVP_aes_128_cbc(), &pem.encrypted_pkcs1);
    assert_int_equal(PEM_write_bio_PUBKEY(bio, rsa), 1);
    take_bio(bio, &pem.public);
    EVP_PKEY_free(rsa);
    put_named(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), &pem.ed25519);
    put_named(EVP_PKEY_Q_keygen(NULL, NULL, "X25519"), &pem.x25519);
    put_named(EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256"), &pem.ec);
    put_rsa(1024, &pem.rsa1024);
    put_rsa(512, &pem.rsa512);
    put_rsa(5120, &pem.rsa5120);
    put_named(make_e17(), &pem.rsa_e17);
    snprintf(dir, sizeof(dir), "/tmp/sealpost-keyfile-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/key.pem", dir);
    return 0;
}

static int
drop_keys(void **state)
{
    struct buf *all = (struct buf *)&pem;

    (void)state;
    for (size_t i = 0; i < sizeof(pem) / sizeof(*all); i++) {
        buf_free(all + i);
    }
    return rmdir(dir);
}

static enum key_err
parse(struct bytes text, bool short_keys)
{
    EVP_PKEY *key = NULL;
    enum key_err err = keyfile_parse(text, short_keys, &key, NULL);

    assert_int_equal(key != NULL, err == KEY_OK);
    EVP_PKEY_free(key);
    return err;
}

/* --- contents ----------------------------------------------------------- */

static void
test_good(void **state)
{
    const struct {
        const struct buf *text;
        enum dkim_alg alg;
    } rows[] = {
        { &pem.rsa, DKIM_ALG_RSA_SHA256 },
        { &pem.rsa_pkcs1, DKIM_ALG_RSA_SHA256 },
        { &pem.ed25519, DKIM_ALG_ED25519_SHA256 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum dkim_alg alg = DKIM_ALGS;
        EVP_PKEY *key = NULL;
        struct bytes text = buf_bytes(rows[i].text);

        assert_int_equal(keyfile_parse(text, false, &key, &alg), KEY_OK);
        assert_int_equal(alg, rows[i].alg);
        EVP_PKEY_free(key);
        text.len--; /* the last line need not have an end */
        assert_int_equal(parse(text, false), KEY_OK);
        text.len--;
        assert_int_equal(parse(text, false), KEY_ERR_FORMAT);
    }
    assert_int_equal(parse(buf_bytes(&pem.rsa1024), true), KEY_OK);
}

static void
test_bad(void **state)
{
    const struct {
        const struct buf *text;
        enum key_err want;
    } rows[] = {
        { &pem.ec, KEY_ERR_KIND },
        { &pem.x25519, KEY_ERR_KIND },
        { &pem.rsa1024, KEY_ERR_WEAK },
        { &pem.rsa512, KEY_ERR_WEAK },
        { &pem.rsa5120, KEY_ERR_BIG },
        { &pem.rsa_e17, KEY_ERR_EXPONENT },
        { &pem.encrypted, KEY_ERR_ENCRYPTED },
        { &pem.encrypted_pkcs1, KEY_ERR_ENCRYPTED },
        { &pem.public, KEY_ERR_PUBLIC },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(parse(buf_bytes(rows[i].text), false), rows[i].want);
    }
    assert_int_equal(parse(buf_bytes(&pem.rsa512), true), KEY_ERR_WEAK);
    assert_int_equal(parse(BYTES_LIT(""), false), KEY_ERR_FORMAT);
    assert_int_equal(parse(BYTES_LIT("hello\n"), false), KEY_ERR_FORMAT);
    assert_int_equal(parse(BYTES_LIT("-----BEGIN PRIVATE KEY-----\n"
                                     "-----END PRIVATE KEY-----\n"),
                           false),
                     KEY_ERR_FORMAT);
    assert_int_equal(parse(BYTES_LIT("-----BEGIN PRIVATE KEY-----\n"
                                     "AAAA\n"
                                     "-----END RSA PRIVATE KEY-----\n"),
                           false),
                     KEY_ERR_FORMAT);
    assert_int_equal(parse(BYTES_LIT("-----BEGIN SECRETS-----\nAAAA\n"
                                     "-----END SECRETS-----\n"),
                           false),
                     KEY_ERR_FORMAT);
}

static void
test_around(void **state)
{
    struct buf text = BUF_INIT;

    (void)state;
    buf_puts(&text, "Bag Attributes\n");
    buf_put(&text, buf_bytes(&pem.rsa));
    assert_int_equal(parse(buf_bytes(&text), false), KEY_ERR_JUNK);
    buf_clear(&text);
    buf_put(&text, buf_bytes(&pem.rsa));
    buf_puts(&text, "\n");
    assert_int_equal(parse(buf_bytes(&text), false), KEY_ERR_JUNK);
    buf_clear(&text);
    buf_put(&text, buf_bytes(&pem.rsa));
    buf_put(&text, buf_bytes(&pem.ed25519));
    assert_int_equal(parse(buf_bytes(&text), false), KEY_ERR_JUNK);
    buf_clear(&text);
    for (size_t i = 0; i < pem.rsa.len; i++) {
        if (pem.rsa.ptr[i] == '\n') {
            buf_putc(&text, '\r');
        }
        buf_putc(&text, (char)pem.rsa.ptr[i]);
    }
    assert_int_equal(parse(buf_bytes(&text), false), KEY_ERR_LINE_ENDS);
    buf_free(&text);
}

/* False: key does not make what the undamaged key's public half verifies. */
static bool
signs_like_original(EVP_PKEY *key)
{
    uint8_t digest[DKIM_SHA256_OCTETS] = { 4, 5, 6 };
    uint8_t sig[KEYSIGN_OCTETS_MAX];
    size_t len = keysign(key, DKIM_ALG_RSA_SHA256, digest, sig);
    BIO *bio = BIO_new_mem_buf(pem.public.ptr, (int)pem.public.len);
    EVP_PKEY *original = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(original, NULL);
    bool same = EVP_PKEY_verify_init(ctx) == 1 &&
                EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
                EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1 &&
                EVP_PKEY_verify(ctx, sig, len, digest, sizeof(digest)) == 1;

    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(original);
    BIO_free(bio);
    return same;
}

/* A file with one changed octet is refused, or still signs (OpenSSL does
 * without a damaged prime) and is refused when it comes into the store. */
static void
test_damaged(void **state)
{
    struct buf text = BUF_INIT;
    unsigned refused = 0;

    (void)state;
    for (size_t at = 60; at < pem.rsa.len - 60; at += 97) {
        EVP_PKEY *key = NULL;

        buf_clear(&text);
        buf_put(&text, buf_bytes(&pem.rsa));
        if (text.ptr[at] == '\n') {
            continue;
        }
        text.ptr[at] = text.ptr[at] == 'A' ? 'B' : 'A';
        if (keyfile_parse(buf_bytes(&text), false, &key, NULL) != KEY_OK) {
            refused++;
        } else {
            assert_true(signs_like_original(key));
            assert_int_equal(keyfile_prove(key), KEY_ERR_PROBE);
        }
        EVP_PKEY_free(key);
    }
    assert_true(refused >= 3);
    buf_free(&text);
}

static void
test_prove(void **state)
{
    const struct buf *good[] = { &pem.rsa, &pem.ed25519 };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        EVP_PKEY *key = NULL;

        assert_int_equal(keyfile_parse(buf_bytes(good[i]), false, &key, NULL),
                         KEY_OK);
        assert_int_equal(keyfile_prove(key), KEY_OK);
        EVP_PKEY_free(key);
    }
}

static void
test_cuts(void **state)
{
    (void)state;
    for (size_t n = 0; n + 1 < pem.ed25519.len; n++) {
        assert_int_not_equal(
            parse(bytes_take(buf_bytes(&pem.ed25519), n), false), KEY_OK);
    }
}

/* --- the file ----------------------------------------------------------- */

static void
write_file(struct bytes text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text.ptr, text.len), (ssize_t)text.len);
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
}

static enum key_err
load(const struct keyfile_rules *r)
{
    EVP_PKEY *key = NULL;
    enum key_err err = keyfile_load(path, r, &key, NULL);

    assert_int_equal(key != NULL, err == KEY_OK);
    EVP_PKEY_free(key);
    return err;
}

static void
test_modes(void **state)
{
    static const struct {
        mode_t mode;
        enum key_err want;
    } rows[] = {
        { 0600, KEY_OK },       { 0400, KEY_OK },       { 0700, KEY_OK },
        { 0644, KEY_ERR_MODE }, { 0640, KEY_ERR_MODE }, { 0604, KEY_ERR_MODE },
        { 0620, KEY_ERR_MODE }, { 0601, KEY_ERR_MODE },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        write_file(buf_bytes(&pem.ed25519), rows[i].mode);
        assert_int_equal(load(&rules), rows[i].want);
        assert_int_equal(keyfile_check(path, &rules), rows[i].want);
        assert_int_equal(unlink(path), 0);
    }
    write_file(buf_bytes(&pem.rsa1024), 0600);
    assert_int_equal(load(&rules), KEY_ERR_WEAK);
    assert_int_equal(load(&short_rules), KEY_OK);
    assert_int_equal(unlink(path), 0);
}

static void
test_types(void **state)
{
    (void)state;
    assert_int_equal(load(&rules), KEY_ERR_MISSING);
    assert_int_equal(keyfile_check(path, &rules), KEY_ERR_MISSING);

    write_file(BYTES_LIT(""), 0600);
    assert_int_equal(load(&rules), KEY_ERR_FORMAT);
    assert_int_equal(unlink(path), 0);

    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(load(&rules), KEY_ERR_TYPE);
    assert_int_equal(keyfile_check(path, &rules), KEY_ERR_TYPE);
    assert_int_equal(rmdir(path), 0);

    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(load(&rules), KEY_ERR_TYPE); /* and does not wait */
    assert_int_equal(keyfile_check(path, &rules), KEY_ERR_TYPE);
    assert_int_equal(unlink(path), 0);

    assert_int_equal(symlink("/dev/null", path), 0);
    assert_int_equal(load(&rules), KEY_ERR_TYPE);
    assert_int_equal(keyfile_check(path, &rules), KEY_ERR_TYPE);
    assert_int_equal(unlink(path), 0);
}

static void
test_sizes(void **state)
{
    (void)state;
    write_file(BYTES_LIT(""), 0600);
    assert_int_equal(truncate(path, 10 * 1024 * 1024), 0);
    assert_int_equal(load(&rules), KEY_ERR_SIZE);
    assert_int_equal(keyfile_check(path, &rules), KEY_ERR_SIZE);
    assert_int_equal(truncate(path, KEYFILE_OCTETS_MAX + 1), 0);
    assert_int_equal(load(&rules), KEY_ERR_SIZE);
    assert_int_equal(truncate(path, KEYFILE_OCTETS_MAX), 0);
    assert_int_equal(load(&rules), KEY_ERR_FORMAT);
    assert_int_equal(unlink(path), 0);
}

/* Only root can make such a file; others have nothing to test here. */
static void
test_owner(void **state)
{
    const struct keyfile_rules nobody = { 65534, false };

    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    write_file(buf_bytes(&pem.ed25519), 0600);
    assert_int_equal(chown(path, 65534, 65534), 0);
    assert_int_equal(load(&rules), KEY_ERR_OWNER);
    assert_int_equal(keyfile_check(path, &rules), KEY_ERR_OWNER);
    assert_int_equal(load(&nobody), KEY_OK);
    assert_int_equal(unlink(path), 0);
}

/* --- new keys ----------------------------------------------------------- */

static void
test_generate(void **state)
{
    uint8_t digest[DKIM_SHA256_OCTETS] = { 1, 2, 3 };
    uint8_t sig[KEYSIGN_OCTETS_MAX];
    struct buf text = BUF_INIT;
    EVP_PKEY *key = NULL;

    (void)state;
    assert_int_equal(keyfile_generate(DKIM_ALG_RSA_SHA256, 1024, false, &key),
                     KEY_ERR_WEAK);
    assert_int_equal(keyfile_generate(DKIM_ALG_RSA_SHA256, 512, true, &key),
                     KEY_ERR_WEAK);
    assert_int_equal(keyfile_generate(DKIM_ALG_RSA_SHA256, 4097, false, &key),
                     KEY_ERR_BIG);
    assert_null(key);
    assert_int_equal(keyfile_generate(DKIM_ALG_RSA_SHA256, 0, false, &key),
                     KEY_OK);
    assert_int_equal(EVP_PKEY_get_bits(key), 2048);
    assert_int_equal(keysign(key, DKIM_ALG_RSA_SHA256, digest, sig), 256);
    assert_int_equal(keyfile_put(key, &text), KEY_OK);
    assert_int_equal(parse(buf_bytes(&text), false), KEY_OK);
    EVP_PKEY_free(key);
    buf_clear(&text);
    assert_int_equal(keyfile_generate(DKIM_ALG_ED25519_SHA256, 0, false, &key),
                     KEY_OK);
    assert_int_equal(keysign(key, DKIM_ALG_ED25519_SHA256, digest, sig), 64);
    assert_int_equal(keyfile_put_public(key, &text), KEY_OK);
    assert_int_equal(text.len, 44); /* 32 raw octets (RFC 8463 4.2) */
    EVP_PKEY_free(key);
    buf_free(&text);
}

static void
test_texts(void **state)
{
    (void)state;
    for (int i = 0; i < KEY_ERRS; i++) {
        assert_true(strlen(key_err_text((enum key_err)i)) > 5);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),   cmocka_unit_test(test_bad),
        cmocka_unit_test(test_around), cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_cuts),   cmocka_unit_test(test_modes),
        cmocka_unit_test(test_types),  cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_owner),  cmocka_unit_test(test_generate),
        cmocka_unit_test(test_texts),  cmocka_unit_test(test_prove),
    };

    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
