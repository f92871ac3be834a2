/*
 * test_dkim_keyrecord - key records: for each tag what is taken and what is
 * not, which of several records counts, and their names (RFC 6376 3.6).
 */
#include "tests/support/cmocka.h"

#include <dkim/keyrecord.h>

#define ED "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

static void
key_tags(void **state)
{
    static const struct {
        const char *record;
        enum dkim_key_err want;
    } rows[] = {
        { "v=DKIM1; p=AAAA", DKIM_KEY_OK },
        { "p=AAAA", DKIM_KEY_OK },
        { " v = DKIM1 ;p= AA AA ;", DKIM_KEY_OK },
        { "v=DKIM2; p=AAAA", DKIM_KEY_VERSION },
        { "v=dkim1; p=AAAA", DKIM_KEY_VERSION },
        { "p=AAAA; v=DKIM1", DKIM_KEY_VERSION },
        { "k=rsa; p=AAAA", DKIM_KEY_OK },
        { "k=ed25519; p=AAAA", DKIM_KEY_OK },
        { "k=foo; p=AAAA", DKIM_KEY_TYPE },
        { "k=; p=AAAA", DKIM_KEY_TYPE },
        { "h=sha1; p=AAAA", DKIM_KEY_OK },
        { "h=; p=AAAA", DKIM_KEY_OK },
        { "s=other; p=AAAA", DKIM_KEY_OK },
        { "t=y:s; p=AAAA", DKIM_KEY_OK },
        { "n=a note, any; p=AAAA", DKIM_KEY_OK },
        { "g=other; p=AAAA", DKIM_KEY_OK },
        { "x=unknown; p=AAAA", DKIM_KEY_OK },
        { "v=DKIM1", DKIM_KEY_NO_P },
        { "v=DKIM1; p=", DKIM_KEY_REVOKED },
        { "v=DKIM1; p= ;", DKIM_KEY_REVOKED },
        { "v=DKIM1; p=AAA", DKIM_KEY_BASE64 },
        { "v=DKIM1; p=-----", DKIM_KEY_BASE64 },
        { "v=DKIM1; k=ed25519; p=" ED "v=DKIM1; n=", DKIM_KEY_BASE64 },
        { "v=DKIM1; p=AAAA; p=AAAA", DKIM_KEY_DUPLICATE },
        { "v=DKIM1; x=1; x=1; p=AAAA", DKIM_KEY_DUPLICATE },
        { "v=DKIM1; p=AAAA;;", DKIM_KEY_SYNTAX },
        { "v=DKIM1; p=AA\x01"
          "AA",
          DKIM_KEY_SYNTAX },
        { "v=DKIM1\\; p=AAAA", DKIM_KEY_VERSION },
        { "", DKIM_KEY_SYNTAX },
    };
    struct dkim_key_record key;
    struct buf b = BUF_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum dkim_key_err err = dkim_key_parse(bytes_str(rows[i].record), &key);

        if (err != rows[i].want) {
            fail_msg("%s: %s", rows[i].record, dkim_key_err_text(err));
        }
    }
    buf_puts(&b, "p=AAAA; n=");
    while (b.len < DKIM_KEY_RECORD_MAX) {
        buf_putc(&b, 'x');
    }
    assert_int_equal(dkim_key_parse(buf_bytes(&b), &key), DKIM_KEY_OK);
    buf_putc(&b, 'x');
    assert_int_equal(dkim_key_parse(buf_bytes(&b), &key), DKIM_KEY_SYNTAX);
    buf_free(&b);
}

/* What loading says of a record for an algorithm. */
static enum dkim_key_err
load(const char *record, enum dkim_alg alg)
{
    struct dkim_key_record key;
    EVP_PKEY *pkey = NULL;
    unsigned bits = 0;
    enum dkim_key_err err = dkim_key_parse(bytes_str(record), &key);

    if (err == DKIM_KEY_OK) {
        err = dkim_key_load(&key, alg, false, &pkey, &bits);
    }
    EVP_PKEY_free(pkey);
    return err;
}

static void
key_uses(void **state)
{
    static const struct {
        const char *record;
        enum dkim_key_err want;
    } rows[] = {
        { "k=ed25519; p=" ED, DKIM_KEY_OK },
        { "k=ed25519; h=sha256; p=" ED, DKIM_KEY_OK },
        { "k=ed25519; h=sha1:sha256:x; p=" ED, DKIM_KEY_OK },
        { "k=ed25519; h=sha1; p=" ED, DKIM_KEY_HASH },
        { "k=ed25519; h=; p=" ED, DKIM_KEY_HASH },
        { "k=ed25519; s=*; p=" ED, DKIM_KEY_OK },
        { "k=ed25519; s=other : email; p=" ED, DKIM_KEY_OK },
        { "k=ed25519; s=other; p=" ED, DKIM_KEY_SERVICE },
        { "k=ed25519; s=; p=" ED, DKIM_KEY_SERVICE },
        { "k=rsa; p=" ED, DKIM_KEY_MISMATCH },
        { "p=" ED, DKIM_KEY_MISMATCH },
        { "k=ed25519; p=AAAA", DKIM_KEY_FORMAT },
        { "k=ed25519; p=" /* 31 octets */
          "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
          DKIM_KEY_FORMAT },
        { "k=ed25519; p=" /* 33 octets */
          "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
          DKIM_KEY_FORMAT },
        /* 8463 4.2: no SubjectPublicKeyInfo */
        { "k=ed25519; p=MCowBQYDK2VwAyEA"
          "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
          DKIM_KEY_FORMAT },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum dkim_key_err err = load(rows[i].record, DKIM_ALG_ED25519_SHA256);

        if (err != rows[i].want) {
            fail_msg("%s: %s", rows[i].record, dkim_key_err_text(err));
        }
    }
    assert_int_equal(load("k=ed25519; p=" ED, DKIM_ALG_RSA_SHA256),
                     DKIM_KEY_MISMATCH);
    assert_int_equal(load("k=rsa; p=AAAA", DKIM_ALG_RSA_SHA256),
                     DKIM_KEY_FORMAT);
}

static void
key_flags(void **state)
{
    struct dkim_key_record key;

    (void)state;
    assert_int_equal(dkim_key_parse(BYTES_LIT("t= y : x; p=AAAA"), &key), 0);
    assert_true(key.testing && !key.strict);
    assert_int_equal(dkim_key_parse(BYTES_LIT("t=s; p=AAAA"), &key), 0);
    assert_true(!key.testing && key.strict);
    assert_int_equal(dkim_key_parse(BYTES_LIT("t=Y:ss; p=AAAA"), &key), 0);
    assert_true(!key.testing && !key.strict);
}

/* up to three records; NULL ends them */
static enum dkim_key_err
answered(enum dns_status status, const char *a, const char *b, const char *c)
{
    const char *text[] = { a, b, c };
    struct dns_record records[3];
    struct dns_answer answer = { .status = status, .records = records };
    struct dkim_key_record key;

    while (answer.count < 3 && text[answer.count] != NULL) {
        records[answer.count] =
            (struct dns_record){ bytes_str(text[answer.count]), 0 };
        answer.count++;
    }
    return dkim_key_from_answer(&answer, &key);
}

static void
key_answers(void **state)
{
    const char *good = "v=DKIM1; p=AAAA";

    (void)state;
    assert_int_equal(answered(DNS_OK, good, NULL, NULL), DKIM_KEY_OK);
    assert_int_equal(answered(DNS_OK, good, good, NULL), DKIM_KEY_SEVERAL);
    assert_int_equal(answered(DNS_OK, good, "p=BBBB", NULL), DKIM_KEY_SEVERAL);
    assert_int_equal(answered(DNS_OK, good, "v=DKIM1", NULL), DKIM_KEY_SEVERAL);
    assert_int_equal(answered(DNS_OK, "v=spf1 -all", good, "junk"),
                     DKIM_KEY_OK);
    assert_int_equal(answered(DNS_OK, "v=DMARC1; p=none", good, NULL),
                     DKIM_KEY_SEVERAL);
    assert_int_equal(answered(DNS_OK, "v=spf1 -all", NULL, NULL),
                     DKIM_KEY_SYNTAX);
    assert_int_equal(answered(DNS_OK, "junk", "more junk", NULL),
                     DKIM_KEY_NONE);
    assert_int_equal(answered(DNS_OK, "v=DKIM2; p=AAAA", NULL, NULL),
                     DKIM_KEY_VERSION);
    assert_int_equal(answered(DNS_NXDOMAIN, NULL, NULL, NULL), DKIM_KEY_NONE);
    assert_int_equal(answered(DNS_NODATA, NULL, NULL, NULL), DKIM_KEY_NONE);
    assert_int_equal(answered(DNS_TEMPFAIL, NULL, NULL, NULL),
                     DKIM_KEY_TEMPFAIL);
}

static void
key_names(void **state)
{
    struct dns_question q;
    char domain[200];

    (void)state;
    assert_true(dkim_key_question("s.t", "example.com", &q));
    assert_string_equal(q.name, "s.t._domainkey.example.com");
    assert_int_equal(q.type, DNS_TXT);
    memset(domain, 'd', sizeof(domain));
    domain[DNS_NAME_MAX - 63 - 12] = '\0';
    /* 63 octets, "._domainkey.", and as many as there is room for */
    assert_true(dkim_key_question("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                                  "aaaaaaaaaaaaaaaaaaa",
                                  domain, &q));
    assert_int_equal(strlen(q.name), DNS_NAME_MAX);
    assert_false(
        dkim_key_question("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                          "aaaaaaaaaaaaaaaaaaa",
                          domain, &q));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_tags),  cmocka_unit_test(key_uses),
        cmocka_unit_test(key_flags), cmocka_unit_test(key_answers),
        cmocka_unit_test(key_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
