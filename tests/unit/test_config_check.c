/*
 * test_config_check - what `sealpostd -t` finds on the machine: files,
 * modes, certificates, accounts. As root also with another account's rights.
 */
#include <base/buf.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <grp.h>
#include <proxy/config/conf.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <tests/support/cmocka.h>
#include <tests/support/tempdir.h>
#include <time.h>
#include <unistd.h>

enum {
    DAY = 86400
};

struct site {
    struct tempdir dir;
    EVP_PKEY *key;
    EVP_PKEY *other_key;
    char user[64]; /* whose rights are tried */
};

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

static void
put_certificate(struct buf *out, EVP_PKEY *key, const char *subject,
                const char *issuer, long from_s, long to_s)
{
    put_certificate_of(out, key, subject, issuer, "DNS:relay.example.com",
                       from_s, to_s);
}

static void
put_named_certificate(struct buf *out, EVP_PKEY *key, const char *names)
{
    put_certificate_of(out, key, "relay.example.com", "relay.example.com",
                       names, -DAY, 60 * DAY);
}

static void
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

static void
write_certificate(struct site *s, EVP_PKEY *key, long from_s, long to_s)
{
    struct buf text = BUF_INIT;

    put_certificate(&text, key, "relay.example.com", "relay.example.com",
                    from_s, to_s);
    tempdir_write(&s->dir, "cert.pem", buf_bytes(&text), 0644);
    buf_free(&text);
}

/* Readable by the account that is tried. */
static void
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

static void
write_key(struct site *s, EVP_PKEY *key, const char *password)
{
    struct buf text = BUF_INIT;

    put_key(&text, key, password);
    tempdir_write(&s->dir, "key.pem", buf_bytes(&text), 0600);
    give(s, "key.pem", 0640);
    buf_free(&text);
}

/* listen: lines of [listen a], with the folder as @. */
static void
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

static void
write_conf(struct site *s, const char *server, const char *upstream)
{
    write_conf_with(s, server, upstream, "");
}

static int
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

static int
teardown(void **state)
{
    struct site *s = *state;

    tempdir_remove(&s->dir);
    EVP_PKEY_free(s->key);
    EVP_PKEY_free(s->other_key);
    free(s);
    return 0;
}

/* All lines of conf_check(), warnings too, with the folder's name as @. */
static void
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

/* One line, and it begins so; "" for none. */
static void
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

static void
test_good(void **state)
{
    expect(*state, "");
}

static void
test_validity(void **state)
{
    struct site *s = *state;

    write_certificate(s, s->key, -20 * DAY, -DAY);
    expect(s, "E @/sealpost.conf:9: certificate = @/cert.pem: expired on ");
    write_certificate(s, s->key, DAY, 20 * DAY);
    expect(s, "E @/sealpost.conf:9: certificate = @/cert.pem: valid from ");
    write_certificate(s, s->key, -DAY, 13 * DAY);
    expect(s, "W @/sealpost.conf:9: certificate = @/cert.pem: expires on ");
    write_certificate(s, s->key, -DAY, 15 * DAY);
    expect(s, "");
}

static void
test_match(void **state)
{
    struct site *s = *state;

    write_key(s, s->other_key, NULL);
    expect(s, "E @/sealpost.conf:10: private_key = @/key.pem: not the key of "
              "@/cert.pem; ");
}

static void
test_chain(void **state)
{
    struct site *s = *state;
    struct buf text = BUF_INIT;

    put_certificate(&text, s->key, "relay", "issuer", -DAY, 60 * DAY);
    put_certificate(&text, s->other_key, "issuer", "root", -DAY, 60 * DAY);
    put_certificate(&text, s->other_key, "root", "root", -DAY, 60 * DAY);
    tempdir_write(&s->dir, "cert.pem", buf_bytes(&text), 0644);
    expect(s, "");
    buf_clear(&text);
    put_certificate(&text, s->key, "relay", "issuer", -DAY, 60 * DAY);
    put_certificate(&text, s->other_key, "root", "root", -DAY, 60 * DAY);
    put_certificate(&text, s->other_key, "issuer", "root", -DAY, 60 * DAY);
    tempdir_write(&s->dir, "cert.pem", buf_bytes(&text), 0644);
    expect(s, "E @/sealpost.conf:9: certificate = @/cert.pem: certificate 2 "
              "did not issue certificate 1; ");
    buf_clear(&text);
    put_certificate(&text, s->other_key, "issuer", "relay", -DAY, 60 * DAY);
    put_certificate(&text, s->key, "relay", "issuer", -DAY, 60 * DAY);
    tempdir_write(&s->dir, "cert.pem", buf_bytes(&text), 0644);
    expect(s, "E @/sealpost.conf:10: private_key = @/key.pem: the key of "
              "certificate 2 in @/cert.pem; ");
    buf_free(&text);
}

/* No client looks at the subject's CN any more. */
static void
test_hostname(void **state)
{
    static const struct {
        const char *names;
        bool good;
    } cases[] = {
        { "DNS:*.example.com", true },
        { "DNS:a.test,DNS:RELAY.example.com", true },
        { "DNS:example.com", false },
        { "DNS:*.com", false },
        { "IP:127.0.0.1", false },
    };
    struct site *s = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf text = BUF_INIT;

        put_named_certificate(&text, s->key, cases[i].names);
        tempdir_write(&s->dir, "cert.pem", buf_bytes(&text), 0644);
        expect(s, cases[i].good
                      ? ""
                      : "W @/sealpost.conf:9: no certificate is for "
                        "relay.example.com ([server] hostname): clients ");
        buf_free(&text);
    }
}

/* The second pair of a listener is told of with its own line. */
static void
test_pairs(void **state)
{
    struct site *s = *state;
    struct buf text = BUF_INIT;

    put_named_certificate(&text, s->other_key, "DNS:customer.example");
    tempdir_write(&s->dir, "cert2.pem", buf_bytes(&text), 0644);
    buf_clear(&text);
    put_key(&text, s->other_key, NULL);
    tempdir_write(&s->dir, "key2.pem", buf_bytes(&text), 0600);
    give(s, "key2.pem", 0640);
    buf_clear(&text);
    put_key(&text, s->key, NULL);
    tempdir_write(&s->dir, "key3.pem", buf_bytes(&text), 0600);
    give(s, "key3.pem", 0640);
    write_conf_with(s, "", "",
                    "certificate += @/cert2.pem\n"
                    "private_key += @/key2.pem\n");
    expect(s, "");
    write_conf_with(s, "", "",
                    "certificate += @/cert2.pem\n"
                    "private_key += @/key3.pem\n");
    expect(s, "E @/sealpost.conf:12: private_key = @/key3.pem: not the key of "
              "@/cert2.pem; ");
    write_conf_with(s, "", "",
                    "certificate += @/none.pem\n"
                    "private_key += @/key2.pem\n");
    expect(s, "E @/sealpost.conf:11: certificate = @/none.pem: No such file");
    buf_free(&text);
}

/* What an upstream is shown. */
static void
test_own_certificate(void **state)
{
    struct site *s = *state;
    struct buf text = BUF_INIT;

    put_key(&text, s->other_key, NULL);
    tempdir_write(&s->dir, "key2.pem", buf_bytes(&text), 0600);
    give(s, "key2.pem", 0640);
    buf_clear(&text);
    buf_printf(&text, "certificate = %s/cert.pem\nprivate_key = %s/key.pem\n",
               s->dir.path, s->dir.path);
    write_conf(s, "", buf_str(&text));
    expect(s, "");
    buf_clear(&text);
    buf_printf(&text, "certificate = %s/cert.pem\nprivate_key = %s/key2.pem\n",
               s->dir.path, s->dir.path);
    write_conf(s, "", buf_str(&text));
    expect(s, "E @/sealpost.conf:14: private_key = @/key2.pem: not the key of "
              "@/cert.pem; ");
    buf_free(&text);
}

static void
test_contents(void **state)
{
    struct site *s = *state;

    tempdir_write(&s->dir, "cert.pem", BYTES_LIT("no PEM\n"), 0644);
    expect(s, "E @/sealpost.conf:9: certificate = @/cert.pem: no certificate "
              "in it; a PEM file");
    tempdir_write(&s->dir, "cert.pem", BYTES_LIT(""), 0644);
    expect(s, "E @/sealpost.conf:9: certificate = @/cert.pem: no certificate");
    write_certificate(s, s->key, -DAY, 60 * DAY);
    write_key(s, s->key, "secret");
    expect(s, "E @/sealpost.conf:10: private_key = @/key.pem: the key is "
              "encrypted; openssl pkey -in @/key.pem -out NEW");
    tempdir_write(&s->dir, "key.pem", BYTES_LIT("junk"), 0600);
    give(s, "key.pem", 0640);
    expect(s, "E @/sealpost.conf:10: private_key = @/key.pem: no private key "
              "in it; a PEM file");
}

static void
test_modes(void **state)
{
    struct site *s = *state;
    char path[TEMPDIR_PATH_MAX];

    give(s, "key.pem", 0644);
    expect(s, "E @/sealpost.conf:10: private_key = @/key.pem: anybody may "
              "read it; chgrp ");
    give(s, "key.pem", 0642);
    expect(s, "E @/sealpost.conf:10: private_key = @/key.pem: anybody may "
              "change it; chgrp ");
    give(s, "key.pem", 0640);
    give(s, "cert.pem", 0666);
    expect(s, "E @/sealpost.conf:9: certificate = @/cert.pem: anybody may "
              "change it; chgrp ");
    give(s, "cert.pem", 0644);
    assert_int_equal(chmod(tempdir_name(&s->dir, "sealpost.conf", path), 0646),
                     0);
    expect(s, "E @/sealpost.conf: anybody may change the configuration; "
              "chmod o-w @/sealpost.conf");
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(unlink(tempdir_name(&s->dir, "key.pem", path)), 0);
    expect(s, "E @/sealpost.conf:10: private_key = @/key.pem: No such file or "
              "directory; a file that ");
    assert_int_equal(mkfifo(path, 0640), 0);
    expect(s, "E @/sealpost.conf:10: private_key = @/key.pem: ");
}

/* root:root 0600, or a folder that is closed: only as root it is a case. */
static void
test_denied(void **state)
{
    struct site *s = *state;
    char path[TEMPDIR_PATH_MAX];
    gid_t groups[] = { 0, 4242 }, after[8];

    if (geteuid() != 0) {
        skip();
    }
    assert_int_equal(setgroups(2, groups), 0);
    assert_int_equal(chmod(tempdir_name(&s->dir, "key.pem", path), 0600), 0);
    expect(
        s,
        "E @/sealpost.conf:10: private_key = @/key.pem: the account nobody may not "
        "read it; chgrp nogroup @/key.pem && chmod 640 @/key.pem");
    assert_int_equal(geteuid(), 0); /* our rights are back */
    assert_int_equal(getegid(), getgid());
    assert_int_equal(getgroups(8, after), 2);
    assert_memory_equal(after, groups, sizeof(groups));
    give(s, "key.pem", 0640);
    assert_int_equal(chmod(tempdir_name(&s->dir, "state", path), 0555), 0);
    expect(
        s,
        "E @/sealpost.conf:5: state_dir = @/state: the account nobody may not write "
        "to it; chgrp nogroup @/state && chmod 0771 @/state");
    assert_int_equal(chmod(path, 0700), 0);
    assert_int_equal(chown(path, 0, 0), 0);
    expect(
        s,
        "E @/sealpost.conf:5: state_dir = @/state: the account nobody may not write "
        "to it; ");
    assert_int_equal(chown(path, 65534, 65534), 0);
    expect(s, "");
    assert_int_equal(chmod(s->dir.path, 0700), 0);
    {
        struct buf got = BUF_INIT;

        check(s, &got);
        assert_non_null(strstr(
            buf_str(&got), "key.pem: the account nobody may not enter @; chgrp "
                           "nogroup @ && chmod g+x @\n"));
        buf_free(&got);
    }
}

static void
test_directories(void **state)
{
    struct site *s = *state;
    struct buf line = BUF_INIT;
    char path[TEMPDIR_PATH_MAX];

    assert_int_equal(rmdir(tempdir_name(&s->dir, "state", path)), 0);
    expect(s, "E @/sealpost.conf:5: state_dir = @/state: No such file or "
              "directory; install -d -o ");
    tempdir_write(&s->dir, "state", BYTES_LIT(""), 0644);
    expect(s, "E @/sealpost.conf:5: state_dir = @/state: not a directory; ");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(chmod(path, 0777), 0);
    expect(s, "E @/sealpost.conf:5: state_dir = @/state: anybody may write to "
              "it; chmod o-w @/state");
    give(s, "state", 0770);
    buf_printf(&line, "[spool]\ndirectory = %s/spool\n", s->dir.path);
    write_conf(s, "", buf_str(&line));
    expect(s, "E @/sealpost.conf:14: directory = @/spool: No such file or ");
    tempdir_mkdir(&s->dir, "spool", 0755);
    give(s, "spool", 0770);
    expect(s, "");
    buf_clear(&line);
    buf_printf(&line, "log = %s/logs/x.log\n", s->dir.path);
    write_conf(s, buf_str(&line), "");
    expect(s, "E @/sealpost.conf:6: log = @/logs: No such file or directory");
    tempdir_mkdir(&s->dir, "logs", 0755);
    give(s, "logs", 0770);
    expect(s, "");
    buf_clear(&line);
    buf_printf(&line, "log = %s/logs\n", s->dir.path);
    write_conf(s, buf_str(&line), "");
    expect(s, "E @/sealpost.conf:6: log = @/logs: not a file; ");
    buf_free(&line);
}

static void
test_password(void **state)
{
    struct site *s = *state;
    struct buf upstream = BUF_INIT, big = BUF_INIT;

    buf_printf(&upstream,
               "login = password\nusername = relay\npassword_file = %s/pw\n",
               s->dir.path);
    write_conf(s, "", buf_str(&upstream));
    expect(s, "E @/sealpost.conf:15: password_file = @/pw: No such file or ");
    tempdir_write(&s->dir, "pw", BYTES_LIT("secret\nnot this\n"), 0600);
    give(s, "pw", 0640);
    expect(s, "");
    give(s, "pw", 0644);
    expect(s, "E @/sealpost.conf:15: password_file = @/pw: anybody may read "
              "it; chgrp ");
    tempdir_write(&s->dir, "pw", BYTES_LIT("\nsecret\n"), 0600);
    give(s, "pw", 0640);
    expect(s, "E @/sealpost.conf:15: password_file = @/pw: no password; 1 to "
              "1024 octets in the first line");
    tempdir_write(&s->dir, "pw", BYTES_LIT("a\0b\n"), 0600);
    give(s, "pw", 0640);
    expect(s, "E @/sealpost.conf:15: password_file = @/pw: no password; ");
    for (size_t i = 0; i < 1024; i++) {
        buf_putc(&big, 'x');
    }
    tempdir_write(&s->dir, "pw", buf_bytes(&big), 0600);
    give(s, "pw", 0640);
    expect(s, "");
    buf_putc(&big, 'x');
    tempdir_write(&s->dir, "pw", buf_bytes(&big), 0600);
    give(s, "pw", 0640);
    expect(s, "E @/sealpost.conf:15: password_file = @/pw: no password; ");
    buf_free(&upstream);
    buf_free(&big);
}

static void
test_ca(void **state)
{
    struct site *s = *state;
    struct buf upstream = BUF_INIT;

    buf_printf(&upstream, "ca_file = %s/cert.pem\n", s->dir.path);
    write_conf(s, "", buf_str(&upstream));
    expect(s, "");
    buf_clear(&upstream);
    buf_printf(&upstream, "ca_file = %s/sealpost.conf\n", s->dir.path);
    write_conf(s, "", buf_str(&upstream));
    expect(s, "E @/sealpost.conf:13: ca_file = @/sealpost.conf: no "
              "certificate in it; a PEM file");
    buf_free(&upstream);
}

/* The rest is still looked at: both mistakes are told. */
static void
test_accounts(void **state)
{
    struct site *s = *state;
    struct buf got = BUF_INIT;

    give(s, "key.pem", 0644);
    (void)snprintf(s->user, sizeof(s->user), "no-such-account");
    write_conf(s, "", "");
    check(s, &got);
    assert_non_null(strstr(buf_str(&got),
                           "E @/sealpost.conf:3: user = no-such-account: no "
                           "such account; useradd --system no-such-account"));
    assert_non_null(strstr(buf_str(&got),
                           "E @/sealpost.conf:4: keys_user = no-such-account:"
                           " no such account; "));
    assert_non_null(strstr(buf_str(&got), "anybody may read it"));
    buf_free(&got);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_good),
        CASE(test_validity),
        CASE(test_match),
        CASE(test_chain),
        CASE(test_hostname),
        CASE(test_pairs),
        CASE(test_own_certificate),
        CASE(test_contents),
        CASE(test_modes),
        CASE(test_denied),
        CASE(test_password),
        CASE(test_ca),
        CASE(test_directories),
        CASE(test_accounts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
