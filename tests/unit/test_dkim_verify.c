/*
 * test_dkim_verify - verdicts on messages: changed ones, those longer than
 * their l= says, odd ones, and those with many signatures.
 *
 * Each row is signed as it stands, so that a verdict other than pass is
 * never just a broken hash.
 */
#include "tests/support/cmocka.h"
#include "tests/support/judged_one.h"

#include <openssl/err.h>

#include <time.h>

/* A signature that is wrong leaves nothing in libcrypto's queue. */
static void
wrong_signature(void **state)
{
    static const char *const keys[] = { "rsa2048.pem",
                                        "rfc8463-a2-ed25519.pem" };
    static const char *const tags[] = {
        " v=1; a=rsa-sha256; d=example.com; s=sel; c=relaxed/relaxed; " TAIL,
        GOOD,
    };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        EVP_PKEY *key = signer_key(keys[i]);
        struct buf record = signer_record(key);
        struct craft c = craft_for(tags[i], key);
        struct buf out = signer_craft(&c, bytes_str(PLAIN));
        char *subject = strstr(buf_str(&out), "Subject: hello");
        struct dkim_verify_result r;
        unsigned questions;

        assert_non_null(subject);
        out.ptr[(size_t)(subject - buf_str(&out)) + 9] = 'j';
        r = judge_first(buf_bytes(&out), buf_str(&record), &questions);
        judge_is(&r, DKIM_FAIL, keys[i]);
        assert_int_equal(ERR_peek_error(), 0);
        buf_free(&out);
        buf_free(&record);
        EVP_PKEY_free(key);
    }
}

/* Every octet of a signed message matters, but for what relaxed forgives. */
static void
each_octet(void **state)
{
    EVP_PKEY *key = signer_key("rfc8463-a2-ed25519.pem");
    struct buf record = signer_record(key);
    struct craft c = craft_for(HEAD TAIL, key);
    struct buf out;
    unsigned questions;

    (void)state;
    c.header = c.body = DKIM_CANON_SIMPLE;
    out = signer_craft(&c, bytes_str(PLAIN));
    for (size_t i = 15; i < out.len; i++) {
        struct dkim_verify_result r;
        uint8_t was = out.ptr[i];

        out.ptr[i] = was == 'x' ? 'y' : 'x';
        r = judge_first(buf_bytes(&out), buf_str(&record), &questions);
        if (r.verdict == DKIM_PASS) {
            fail_msg("octet %zu may change", i);
        }
        out.ptr[i] = was;
    }
    buf_free(&out);
    buf_free(&record);
    EVP_PKEY_free(key);
}

static void
length_tag(void **state)
{
    static const struct {
        const char *l;
        uint64_t limit;
        const char *more;
        enum dkim_verdict want;
    } rows[] = {
        /* "Hi there.\r\n" is 11 octets in relaxed form */
        { "11", 11, "", DKIM_PASS },
        { "11", 11, "<b>more</b>\r\n", DKIM_POLICY },
        { "11", 11, "\r\n", DKIM_PASS }, /* dropped by the canonical form */
        { "5", 5, "", DKIM_POLICY },
        { "12", 12, "", DKIM_PERMERROR },
        { "18446744073709551614", 11, "", DKIM_PERMERROR },
        { "99999999999999999999", 11, "", DKIM_PERMERROR },
    };
    EVP_PKEY *key = signer_key("rfc8463-a2-ed25519.pem");
    struct buf record = signer_record(key);

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf tags = BUF_INIT, out;
        struct dkim_verify_result r;
        unsigned questions;
        struct craft c;

        buf_printf(&tags, HEAD "c=relaxed/relaxed; l=%s; " TAIL, rows[i].l);
        c = craft_for(buf_str(&tags), key);
        c.limit = rows[i].limit;
        out = signer_craft(&c, bytes_str(PLAIN));
        buf_puts(&out, rows[i].more);
        r = judge_first(buf_bytes(&out), buf_str(&record), &questions);
        judge_is(&r, rows[i].want, rows[i].l);
        buf_free(&out);
        buf_free(&tags);
    }
    buf_free(&record);
    EVP_PKEY_free(key);
}

/* l=0 hashes nothing, so that one hash is right for every body. */
static void
length_zero(void **state)
{
    EVP_PKEY *key = signer_key("rfc8463-a2-ed25519.pem");
    struct buf record = signer_record(key);
    struct craft c = craft_for(HEAD "c=relaxed/relaxed; l=0; " TAIL, key);
    struct buf out = signer_craft(&c, bytes_str(FROM "\r\n"));
    struct dkim_verify_result r;
    unsigned questions;

    (void)state;
    r = judge_first(buf_bytes(&out), buf_str(&record), &questions);
    judge_is(&r, DKIM_PASS, "l=0 and no body");
    buf_puts(&out, "anything\r\n");
    r = judge_first(buf_bytes(&out), buf_str(&record), &questions);
    judge_is(&r, DKIM_POLICY, "l=0 and a body");
    buf_free(&out);
    buf_free(&record);
    EVP_PKEY_free(key);
}

/* h= takes the instances of a field from the bottom up (RFC 6376 5.4.2). */
static void
instances(void **state)
{
#define S(n) "Subject: " n "\r\n"
#define END  FROM "\r\nHi\r\n"
    static const struct {
        const char *names, *sent, *seen;
        enum dkim_verdict want;
    } rows[] = {
        { "subject", S("1") S("2") END, S("x") S("2") END, DKIM_PASS },
        { "subject", S("1") S("2") END, S("2") END, DKIM_PASS },
        { "subject", S("1") S("2") END, S("1") S("x") END, DKIM_FAIL },
        { "subject", S("1") S("2") END, S("2") S("1") END, DKIM_FAIL },
        { "subject:subject", S("1") END, S("1") END, DKIM_PASS },
        { "subject:subject", S("1") END, S("x") S("1") END, DKIM_FAIL },
        { "subject:subject", S("1") END, S("1") S("x") END, DKIM_FAIL },
        { "subject:subject", S("1") S("2") S("3") END, S("x") S("2") S("3") END,
          DKIM_PASS },
        { "subject:subject", S("1") S("2") S("3") END, S("2") S("3") END,
          DKIM_PASS },
        { "subject:subject", S("1") S("2") S("3") END, S("1") S("x") S("3") END,
          DKIM_FAIL },
        { "subject:subject", S("1") S("2") S("3") END, S("1") S("3") S("2") END,
          DKIM_FAIL },
        { "x-none", S("1") END, S("1") END, DKIM_PASS },
        { "x-none", S("1") END, "X-None: y\r\n" S("1") END, DKIM_FAIL },
    };
    EVP_PKEY *key = signer_key("rfc8463-a2-ed25519.pem");
    struct buf record = signer_record(key);

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf tags = BUF_INIT, out, seen = BUF_INIT;
        struct dkim_verify_result r;
        unsigned questions;
        struct craft c;

        buf_printf(&tags, HEAD "c=relaxed/relaxed; h=from:%s; bh={bh}; b=",
                   rows[i].names);
        c = craft_for(buf_str(&tags), key);
        out = signer_craft(&c, bytes_str(rows[i].sent));
        buf_put(&seen,
                bytes_take(buf_bytes(&out), out.len - strlen(rows[i].sent)));
        buf_puts(&seen, rows[i].seen);
        r = judge_first(buf_bytes(&seen), buf_str(&record), &questions);
        judge_is(&r, rows[i].want, rows[i].seen);
        buf_free(&seen);
        buf_free(&out);
        buf_free(&tags);
    }
    buf_free(&record);
    EVP_PKEY_free(key);
#undef END
#undef S
}

/* Message and header as they come: what each does to a good signature. */
static void
messages(void **state)
{
    static const struct {
        const char *message;
        enum dkim_verdict want;
    } rows[] = {
        { PLAIN, DKIM_PASS },
        { "Subject: x\r\n\r\n", DKIM_PERMERROR }, /* no From */
        { FROM "no field here\r\n\r\n", DKIM_NEUTRAL },
        { FROM "From: b@example.org\r\n\r\n", DKIM_PASS },
        { "From : a@example.com\r\n\r\n", DKIM_PASS },
        { FROM, DKIM_PASS }, /* no blank line */
        { "From:\r\n\r\n", DKIM_PASS },
    };
    EVP_PKEY *key = signer_key("rfc8463-a2-ed25519.pem");

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct craft c = craft_for(GOOD, key);
        struct dkim_verify_result r = judge_crafted(&c, rows[i].message);

        judge_is(&r, rows[i].want, rows[i].message);
    }
    EVP_PKEY_free(key);
}

/* count signatures, of selectors s0 .. s(distinct - 1), over one message. */
static struct buf
many(unsigned count, unsigned distinct, const char *tags)
{
    EVP_PKEY *key = signer_key("rfc8463-a2-ed25519.pem");
    struct buf out = BUF_INIT, text = BUF_INIT;

    for (unsigned i = count; i-- > 0;) {
        struct craft c = craft_for(NULL, key);
        struct buf one;

        buf_clear(&text);
        buf_printf(&text,
                   " v=1; a=ed25519-sha256; d=example.com; s=s%u; "
                   "c=relaxed/relaxed; %s" TAIL,
                   i % distinct, tags);
        c.tags = buf_str(&text);
        one = signer_craft(&c, bytes_str(PLAIN));
        buf_put(&out, bytes_take(buf_bytes(&one), one.len - strlen(PLAIN)));
        buf_free(&one);
    }
    buf_puts(&out, PLAIN);
    buf_free(&text);
    EVP_PKEY_free(key);
    return out;
}

static void
check_many(unsigned count, unsigned distinct, unsigned questions,
           unsigned passes)
{
    EVP_PKEY *key = signer_key("rfc8463-a2-ed25519.pem");
    struct buf record = signer_record(key);
    struct buf out = many(count, distinct, "");
    const struct judge_dns dns[] = { { "*", DNS_OK, { buf_str(&record) } } };
    struct judged j;

    judge(&j, buf_bytes(&out), dns, &judge_conf);
    assert_int_equal(j.questions, questions);
    assert_int_equal(dkim_verify_count(j.verify), count);
    for (unsigned i = 0; i < count; i++) {
        const struct dkim_verify_result *r = dkim_verify_result(j.verify, i);

        judge_is(r, i < passes ? DKIM_PASS : DKIM_POLICY, "many");
        assert_string_equal(r->domain, "example.com");
    }
    judge_free(&j);
    buf_free(&out);
    buf_free(&record);
    EVP_PKEY_free(key);
}

static void
many_signatures(void **state)
{
    clock_t start = clock();

    (void)state;
    check_many(1, 1, 1, 1);
    check_many(2, 1, 1, 2); /* one question for one name */
    check_many(8, 8, 8, 8);
    check_many(9, 9, 8, 8);
    check_many(100, 100, 8, 8);
    check_many(900, 900, 8, 8);
    assert_true(clock() - start < 5 * CLOCKS_PER_SEC);
}

/* The fifth kind of body hash is not computed. */
static void
many_bodies(void **state)
{
    EVP_PKEY *key = signer_key("rfc8463-a2-ed25519.pem");
    struct buf record = signer_record(key), out = BUF_INIT, tags = BUF_INIT;
    const struct judge_dns dns[] = { { "*", DNS_OK, { buf_str(&record) } } };
    struct judged j;

    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        struct buf one;
        struct craft c;

        buf_clear(&tags);
        buf_printf(&tags, HEAD "c=relaxed/relaxed; l=%u; " TAIL, 1 + i % 5);
        c = craft_for(buf_str(&tags), key);
        c.limit = 1 + i % 5;
        one = signer_craft(&c, bytes_str(PLAIN));
        buf_put(&out, bytes_take(buf_bytes(&one), one.len - strlen(PLAIN)));
        buf_free(&one);
    }
    buf_puts(&out, PLAIN);
    judge(&j, buf_bytes(&out), dns, &judge_conf);
    for (unsigned i = 0; i < 6; i++) {
        const char *reason = dkim_verify_result(j.verify, i)->reason;

        judge_is(dkim_verify_result(j.verify, i), DKIM_POLICY, "bodies");
        assert_true((strstr(reason, "too many") != NULL) == (i == 4));
    }
    judge_free(&j);
    buf_free(&out);
    buf_free(&tags);
    buf_free(&record);
    EVP_PKEY_free(key);
}

/* h= and sizes that cost: 256 names over 999 fields, eight times. */
static void
costly(void **state)
{
    EVP_PKEY *key = signer_key("rfc8463-a2-ed25519.pem");
    struct buf names = BUF_INIT, tags = BUF_INIT, message = BUF_INIT;
    clock_t start;
    struct craft c;
    struct dkim_verify_result r;

    (void)state;
    buf_puts(&names, "from");
    for (int i = 0; i < 255; i++) {
        buf_puts(&names, ":absent");
    }
    for (int i = 0; i < 990; i++) {
        buf_puts(&message, "Absenx: x\r\n");
    }
    buf_puts(&message, PLAIN);
    buf_printf(&tags,
               HEAD "c=relaxed/relaxed; h=%s; bh={bh}; b=", buf_str(&names));
    c = craft_for(buf_str(&tags), key);
    start = clock();
    r = judge_crafted(&c, buf_str(&message));
    judge_is(&r, DKIM_PASS, "256 names");
    buf_puts(&names, ":x");
    for (int i = 0; i < 50000; i++) {
        buf_puts(&names, ":from");
    }
    buf_clear(&tags);
    buf_printf(&tags,
               HEAD "c=relaxed/relaxed; h=%s; bh={bh}; b=", buf_str(&names));
    c = craft_for(buf_str(&tags), key);
    r = judge_crafted(&c, PLAIN);
    judge_is(&r, DKIM_PERMERROR, "50000 names");
    assert_true(clock() - start < CLOCKS_PER_SEC);
    buf_free(&names);
    buf_free(&tags);
    buf_free(&message);
    EVP_PKEY_free(key);
}

static void
none(void **state)
{
    const struct judge_dns dns[] = { { NULL, DNS_OK, { NULL } } };
    struct dkim_verify *v = NULL;
    struct judged j;

    (void)state;
    judge(&j, BYTES_LIT(PLAIN), dns, &judge_conf);
    assert_int_equal(dkim_verify_count(j.verify), 0);
    assert_int_equal(j.questions, 0);
    judge_free(&j);
    dkim_verify_free(&v);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_octet),  cmocka_unit_test(wrong_signature),
        cmocka_unit_test(length_tag),  cmocka_unit_test(length_zero),
        cmocka_unit_test(messages),    cmocka_unit_test(many_signatures),
        cmocka_unit_test(many_bodies), cmocka_unit_test(costly),
        cmocka_unit_test(none),        cmocka_unit_test(instances),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
