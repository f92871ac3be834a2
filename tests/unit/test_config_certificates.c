/*
 * test_config_certificates - what `sealpostd -t` finds in certificates, their
 * keys and the files of authorities.
 */
#include <base/buf.h>

#include <tests/support/cmocka.h>
#include <tests/support/config_site.h>

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

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_validity), CASE(test_match), CASE(test_chain),
        CASE(test_hostname), CASE(test_pairs), CASE(test_own_certificate),
        CASE(test_contents), CASE(test_ca),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
