/*
 * config_site - a machine for `sealpostd -t` to look at; see config_site.h.
 */
#include "config_site.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <proxy/config/conf.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <tests/support/cmocka.h>
#include <unistd.h>

static void
set_name(X509_NAME *name, const char *text)
{
    assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                                (const unsigned char *)text, -1,
                                                -1, 0),
                     1);
}

static void
set_alt_name(X509 *cert, const char *value)
{
    X509_EXTENSION *e =
        X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, value);

    assert_non_null(e);
    assert_int_equal(X509_set_version(cert, 2), 1);
    assert_int_equal(X509_add_ext(cert, e, -1), 1);
    X509_EXTENSION_free(e);
}

/* Self-signed unless issuer differs; valid from..to seconds from now. */
static void
put_certificate_of(struct buf *out, EVP_PKEY *key, const char *subject,
                   const char *issuer, const char *names, long from_s,
                   long to_s)
{
    X509 *cert = X509_new();
    BIO *bio = BIO_new(BIO_s_mem());
    char *pem;
    long n;

    assert_non_null(cert);
    set_name(X509_get_subject_name(cert), subject);
    set_name(X509_get_issuer_name(cert), issuer);
    X509_gmtime_adj(X509_getm_notBefore(cert), from_s);
    X509_gmtime_adj(X509_getm_notAfter(cert), to_s);
    X509_set_pubkey(cert, key);
    set_alt_name(cert, names);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_bio_X509(bio, cert), 1);
    n = BIO_get_mem_data(bio, &pem);
    buf_put(out, bytes_make(pem, (size_t)n));
    BIO_free(bio);
    X509_free(cert);
}

void
put_certificate(struct buf *out, EVP_PKEY *key, const char *subject,
                const char *issuer, long from_s, long to_s)
{
    put_certificate_of(out, key, subject, issuer, "DNS:relay.example.com",
                       from_s, to_s);
}

void
put_named_certificate(struct buf *out, EVP_PKEY *key, const char *names)
{
    put_certificate_of(out, key, "relay.example.com", "relay.example.com",
                       names, -DAY, 60 * DAY);
}

void
put_key(struct buf *out, EVP_PKEY *key, const char *password)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *pem;
    long n;

    assert_int_equal(PEM_write_bio_PKCS8PrivateKey(
                         bio, key, password == NULL ? NULL : EVP_aes_128_cbc(),
                         password, password == NULL ? 0 : (int)strlen(password),
                         NULL, NULL),
                     1);
    n = BIO_get_mem_data(bio, &pem);
    buf_put(out, bytes_make(pem, (size_t)n));
    BIO_free(bio);
}

void
write_certificate(struct site *s, EVP_PKEY *key, long from_s, long to_s)
{
    struct buf text = BUF_INIT;

    put_certificate(&text, key, "relay.example.com", "relay.example.com",
                    from_s, to_s);
    tempdir_write(&s->dir, "cert.pem", buf_bytes(&text), 0644);
    buf_free(&text);
}

void
give(struct site *s, const char *name, mode_t mode)
{
    const struct passwd *account = getpwnam(s->user);
    char path[TEMPDIR_PATH_MAX];

    (void)tempdir_name(&s->dir, name, path);
    if (geteuid() == 0) {
        assert_non_null(account);
        assert_int_equal(chown(path, 0, account->pw_gid), 0);
    }
    assert_int_equal(chmod(path, mode), 0);
}

void
write_key(struct site *s, EVP_PKEY *key, const char *password)
{
    struct buf text = BUF_INIT;

    put_key(&text, key, password);
    tempdir_write(&s->dir, "key.pem", buf_bytes(&text), 0600);
    give(s, "key.pem", 0640);
    buf_free(&text);
}

void
write_conf_with(struct site *s, const char *server, const char *upstream,
                const char *listen)
{
    struct buf text = BUF_INIT;
    struct buf more = BUF_INIT;

    for (; *listen != '\0'; listen++) {
        if (*listen == '@') {
            buf_puts(&more, s->dir.path);
        } else {
            buf_putc(&more, *listen);
        }
    }

    buf_printf(&text,
               "[server]\nhostname = relay.example.com\nuser = %s\n"
               "keys_user = %s\nstate_dir = %s/state\n%s"
               "[listen a]\naddress = 127.0.0.1:1587\nupstream = b\n"
               "certificate = %s/cert.pem\nprivate_key = %s/key.pem\n%s"
               "[upstream b]\naddress = smtp.example.net:587\n%s",
               s->user, s->user, s->dir.path, server, s->dir.path, s->dir.path,
               more.len == 0 ? "" : buf_str(&more), upstream);
    tempdir_write(&s->dir, "sealpost.conf", buf_bytes(&text), 0644);
    buf_free(&text);
    buf_free(&more);
}

void
write_conf(struct site *s, const char *server, const char *upstream)
{
    write_conf_with(s, server, upstream, "");
}

int
setup(void **state)
{
    struct site *s = calloc(1, sizeof(*s));
    const struct passwd *account;
    char path[TEMPDIR_PATH_MAX];

    assert_non_null(s);
    account = geteuid() == 0 ? getpwnam("nobody") : getpwuid(geteuid());
    assert_non_null(account);
    (void)snprintf(s->user, sizeof(s->user), "%s", account->pw_name);
    tempdir_make(&s->dir);
    tempdir_mkdir(&s->dir, "state", 0755);
    assert_int_equal(chown(tempdir_name(&s->dir, "state", path),
                           account->pw_uid, account->pw_gid),
                     0);
    s->key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    s->other_key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    write_certificate(s, s->key, -DAY, 60 * DAY);
    write_key(s, s->key, NULL);
    write_conf(s, "", "");
    *state = s;
    return 0;
}

int
teardown(void **state)
{
    struct site *s = *state;

    tempdir_remove(&s->dir);
    EVP_PKEY_free(s->key);
    EVP_PKEY_free(s->other_key);
    free(s);
    return 0;
}

void
check(struct site *s, struct buf *out)
{
    char path[TEMPDIR_PATH_MAX];
    struct conf_errors *e;
    struct conf *conf;

    buf_clear(out);
    conf_load(tempdir_name(&s->dir, "sealpost.conf", path), &conf, &e);
    assert_int_equal(conf_errors_count(e), 0);
    conf_check(conf, e);
    for (size_t i = 0; i < conf_errors_count(e); i++) {
        const char *line = conf_errors_line(e, i), *hit;

        buf_puts(out, conf_errors_is_warning(e, i) ? "W " : "E ");
        while ((hit = strstr(line, s->dir.path)) != NULL) {
            buf_put(out, bytes_make(line, (size_t)(hit - line)));
            buf_putc(out, '@');
            line = hit + strlen(s->dir.path);
        }
        buf_puts(out, line);
        buf_putc(out, '\n');
    }
    conf_free(&conf);
    conf_errors_free(&e);
}

void
expect(struct site *s, const char *want)
{
    struct buf got = BUF_INIT;
    const char *text;

    check(s, &got);
    text = buf_str(&got);
    if (want[0] == '\0') {
        assert_string_equal(text, "");
    } else if (strncmp(text, want, strlen(want)) != 0 ||
               strchr(text, '\n') != text + strlen(text) - 1) {
        fail_msg("got  %swant %s", text, want);
    }
    buf_free(&got);
}
