/*
 * test_arc - chains of others (the suite arc, skipped when it is not there)
 * and chains that are sealed here, with each defect of RFC 8617 5.2.
 */
#include "tests/support/cases.h"
#include "tests/support/cmocka.h"

#include <base/base64.h>

#include <dkim/arc.h>
#include <dkim/headerhash.h>

#include <openssl/evp.h>

#include <proxy/dns/file.h>
#include <stdio.h>
#include <stdlib.h>

/* --- the suite ------------------------------------------------------------ */

/* Files that have no CRLF at all have LF line ends. */
static void
to_crlf(struct bytes in, struct buf *out)
{
    bool crlf = false;

    for (size_t i = 0; i + 1 < in.len; i++) {
        crlf = crlf || (in.ptr[i] == '\r' && in.ptr[i + 1] == '\n');
    }
    for (size_t i = 0; i < in.len; i++) {
        if (in.ptr[i] == '\n' && !crlf) {
            buf_putc(out, '\r');
        }
        buf_putc(out, (char)in.ptr[i]);
    }
}

static struct arc *
evaluate(struct bytes message, struct dkim_header *header, struct dns_file *dns)
{
    struct bytes block = message;
    size_t end = dkim_header_end(message, 0, &block);
    struct dns_question q;
    struct dns_answer answer;
    struct arc *a;
    unsigned id;

    assert_int_equal(dkim_header_parse(block, header), DKIM_HEADER_OK);
    a = arc_new(header);
    assert_non_null(a);
    while (arc_question(a, &q, &id)) {
        dns_file_ask(dns, &q, &answer);
        arc_answer(a, id, &answer);
    }
    assert_int_equal(arc_waiting(a), 0);
    arc_body(a, end == 0 ? bytes_make(NULL, 0) : bytes_skip(message, end));
    arc_end(a);
    return a;
}

static bool
case_is_right(const struct cases *c)
{
    struct buf message = BUF_INIT, error = BUF_INIT;
    struct dns_file *dns = dns_file_load(c->dns_path, &error);
    char *want = json_text(c->expect, "arc", "");
    struct dkim_header header;
    struct arc *a;
    bool right;

    assert_non_null(dns);
    to_crlf(c->message, &message);
    a = evaluate(buf_bytes(&message), &header, dns);
    right = strcmp(want, arc_result_name(arc_result(a))) == 0 &&
            (arc_result(a) == ARC_FAIL) == (arc_reason(a)[0] != '\0');
    if (!right) {
        print_error("%s: %s (%s)\n", c->name, arc_result_name(arc_result(a)),
                    arc_reason(a));
    }
    arc_free(&a);
    dkim_header_free(&header);
    dns_file_free(&dns);
    free(want);
    buf_free(&message);
    buf_free(&error);
    return right;
}

static void
valimail_suite(void **state)
{
    struct cases *c = cases_open("arc");
    unsigned wrong = 0, count = 0;

    (void)state;
    if (c == NULL) {
        print_message("0 cases run: no vectors\n");
        skip();
    }
    for (; cases_next(c); count++) {
        wrong += !case_is_right(c);
    }
    cases_close(&c);
    print_message("%u cases run, %u wrong\n", count, wrong);
    assert_true(count >= 171);
    assert_int_equal(wrong, 0);
}

/* --- chains of our own ---------------------------------------------------- */

static const char plain[] = "From: a@a.test\r\n"
                            "Subject: x\r\n";
static const char body[] = "Hello\r\n";

struct sealer {
    EVP_PKEY *key;
    struct buf zone;
    struct buf sets[ARC_SETS_MAX + 2]; /* AAR, AMS and AS of each i= */
    unsigned count;
    struct buf fields; /* below the chain */
};

static void
begin(struct sealer *s)
{
    uint8_t raw[32];
    char text[BASE64_LEN(32) + 1] = "";
    size_t len = sizeof(raw);

    memset(s, 0, sizeof(*s));
    s->key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    assert_non_null(s->key);
    assert_int_equal(EVP_PKEY_get_raw_public_key(s->key, raw, &len), 1);
    (void)base64_encode(bytes_make(raw, len), text);
    buf_printf(&s->zone, "s._domainkey.d.test TXT \"k=ed25519; p=%s\"\n", text);
    buf_puts(&s->fields, plain);
}

static void
end(struct sealer *s)
{
    for (unsigned i = 0; i < s->count; i++) {
        buf_free(&s->sets[i]);
    }
    buf_free(&s->zone);
    buf_free(&s->fields);
    EVP_PKEY_free(s->key);
}

/* field ends in "b="; puts it with its signature and CRLF. */
static void
put_signed(struct sealer *s, struct dkim_header_hash *h, const char *field,
           struct buf *out)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t digest[DKIM_HASH_OCTETS_MAX], b[64];
    char text[BASE64_LEN(64) + 1] = "";
    size_t n, len = sizeof(b);
    struct buf raw = BUF_INIT;

    buf_printf(&raw, "%s\r\n", field);
    /* A list that is spoilt on purpose has no input; any signature will do. */
    (void)dkim_header_hash_signature(h, buf_bytes(&raw));
    n = dkim_header_hash_end(h, digest);
    assert_int_equal(n, 32);
    assert_non_null(ctx);
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, NULL, NULL, s->key), 1);
    assert_int_equal(EVP_DigestSign(ctx, b, &len, digest, n), 1);
    (void)base64_encode(bytes_make(b, len), text);
    buf_printf(out, "%s%s\r\n", field, text);
    dkim_header_hash_free(&h);
    EVP_MD_CTX_free(ctx);
    buf_free(&raw);
}

static void
put_body_hash(struct buf *out)
{
    struct dkim_body_hash *h =
        dkim_body_hash_new(DKIM_CANON_RELAXED, DKIM_HASH_SHA256, UINT64_MAX);
    uint8_t digest[DKIM_HASH_OCTETS_MAX];
    char text[BASE64_LEN(32) + 1] = "";

    dkim_body_hash_feed(h, bytes_str(body));
    assert_int_equal(dkim_body_hash_end(h, digest), 32);
    (void)base64_encode(bytes_make(digest, 32), text);
    buf_puts(out, text);
    dkim_body_hash_free(&h);
}

/* What a seal could be told to be instead of right. */
struct twist {
    const char *cv;           /* NULL: the right one */
    const char *seal_tags;    /* more of them, "; "-ended */
    const char *message_tags; /* likewise */
    unsigned instance;        /* 0: the right one */
};

static void
put_message(struct sealer *s, unsigned i, const struct twist *t,
            struct buf *out)
{
    struct dkim_header_hash *h =
        dkim_header_hash_new(DKIM_CANON_RELAXED, DKIM_HASH_SHA256);
    struct dkim_header header;
    struct buf field = BUF_INIT;

    buf_printf(&field,
               "ARC-Message-Signature: i=%u; a=ed25519-sha256; d=d.test; "
               "s=s; c=relaxed/relaxed; h=from:subject; %sbh=",
               i, t->message_tags == NULL ? "" : t->message_tags);
    put_body_hash(&field);
    buf_puts(&field, "; b=");
    assert_int_equal(dkim_header_parse(buf_bytes(&s->fields), &header),
                     DKIM_HEADER_OK);
    dkim_header_hash_names(h, &header, BYTES_LIT("from:subject"), NULL);
    put_signed(s, h, buf_str(&field), out);
    dkim_header_free(&header);
    buf_free(&field);
}

/* The fields of earlier sets go in as they stand: AAR, AMS, AS. */
static void
put_seal(struct sealer *s, unsigned i, const struct twist *t, struct buf *set)
{
    struct dkim_header_hash *h =
        dkim_header_hash_new(DKIM_CANON_RELAXED, DKIM_HASH_SHA256);
    struct buf field = BUF_INIT;
    struct dkim_header header;

    for (unsigned k = 0; k <= s->count; k++) {
        struct bytes text = buf_bytes(k < s->count ? &s->sets[k] : set);

        assert_int_equal(dkim_header_parse(text, &header), DKIM_HEADER_OK);
        for (size_t n = 0; n < header.count; n++) {
            dkim_header_hash_field(h, header.fields[n].raw);
        }
        dkim_header_free(&header);
    }
    buf_printf(
        &field,
        "ARC-Seal: i=%u; a=ed25519-sha256; d=d.test; s=s; cv=%s; %sb=", i,
        t->cv != NULL ? t->cv
        : i == 1      ? "none"
                      : "pass",
        t->seal_tags == NULL ? "" : t->seal_tags);
    put_signed(s, h, buf_str(&field), set);
    buf_free(&field);
}

static void
add_set(struct sealer *s, const struct twist *twist)
{
    static const struct twist right = { NULL, NULL, NULL, 0 };
    const struct twist *t = twist == NULL ? &right : twist;
    unsigned i = t->instance != 0 ? t->instance : s->count + 1;
    struct buf *set = &s->sets[s->count];

    buf_printf(set, "ARC-Authentication-Results: i=%u; d.test; none\r\n", i);
    put_message(s, i, t, set);
    put_seal(s, i, t, set);
    s->count++;
}

/* "result oldest-pass reason" of the chain as it stands on the message. */
static char *
judge(struct sealer *s, const char *text)
{
    struct buf message = BUF_INIT, error = BUF_INIT, out = BUF_INIT;
    struct dns_file *dns = dns_file_parse("zone", buf_bytes(&s->zone), &error);
    struct dkim_header header;
    struct arc *a;

    assert_non_null(dns);
    for (unsigned i = s->count; i-- > 0;) {
        buf_put(&message, buf_bytes(&s->sets[i]));
    }
    buf_put(&message, buf_bytes(&s->fields));
    buf_puts(&message, "\r\n");
    buf_puts(&message, text);
    a = evaluate(buf_bytes(&message), &header, dns);
    buf_printf(&out, "%s %u %s", arc_result_name(arc_result(a)),
               arc_oldest_pass(a), arc_reason(a));
    if (arc_result(a) == ARC_PASS) {
        assert_true(arc_count(a) > 0 && arc_count(a) <= s->count);
        assert_string_equal(arc_sealer(a, arc_count(a)), "d.test");
    } else {
        assert_int_equal(arc_count(a), 0);
    }
    assert_string_equal(arc_sealer(a, 0), "");
    arc_free(&a);
    assert_null(a);
    dkim_header_free(&header);
    dns_file_free(&dns);
    buf_free(&message);
    buf_free(&error);
    (void)buf_str(&out);
    return (char *)out.ptr; /* the caller frees it */
}

static void
expect(struct sealer *s, const char *text, const char *want)
{
    char *seen = judge(s, text);

    if (strncmp(seen, want, strlen(want)) != 0) {
        fail_msg("\"%s\", not \"%s\"", seen, want);
    }
    free(seen);
}

static void
chains_up_to_50_pass(void **state)
{
    struct sealer s;

    (void)state;
    begin(&s);
    expect(&s, body, "none 0 ");
    for (unsigned i = 1; i <= ARC_SETS_MAX; i++) {
        add_set(&s, NULL);
        if (i <= 3 || i >= ARC_SETS_MAX - 1) {
            expect(&s, body, "pass 0 ");
        }
    }
    add_set(&s, NULL);
    expect(&s, body, "fail 0 an ARC field has no good i=");
    end(&s);
}

static void
changes_are_seen(void **state)
{
    struct sealer s;

    (void)state;
    begin(&s);
    add_set(&s, NULL);
    add_set(&s, NULL);
    expect(&s, "Other\r\n", "fail 0 the newest");
    /* a field that is not signed may come */
    buf_puts(&s.fields, "X-Other: y\r\n");
    expect(&s, body, "pass 0 ");
    buf_clear(&s.fields);
    buf_puts(&s.fields, "From: b@a.test\r\nSubject: x\r\n");
    expect(&s, body, "fail 0 the newest");
    end(&s);
}

/* The list changes Subject before it seals: only its signature holds. */
static void
oldest_pass_is_told(void **state)
{
    struct sealer s;

    (void)state;
    begin(&s);
    add_set(&s, NULL);
    add_set(&s, NULL);
    buf_clear(&s.fields);
    buf_puts(&s.fields, "From: a@a.test\r\nSubject: [list] x\r\n");
    add_set(&s, NULL);
    expect(&s, body, "pass 3 ");
    add_set(&s, NULL);
    expect(&s, body, "pass 3 ");
    end(&s);
}

static const struct twist_case {
    struct twist twist; /* of i=2, of three */
    const char *want;
} twists[] = {
    { { NULL, NULL, NULL, 0 }, "pass 0 " },
    { { NULL, "t=1; ", "t=1; ", 0 }, "pass 0 " },
    { { NULL, "zz=1; ", "zz=1; ", 0 }, "pass 0 " },
    { { "none", NULL, NULL, 0 }, "fail 0 cv= of" },
    { { "fail", NULL, NULL, 0 }, "fail 0 the chain was already" },
    { { "Pass", NULL, NULL, 0 }, "fail 0 an ARC-Seal is malformed" },
    { { NULL, "h=from; ", NULL, 0 }, "fail 0 an ARC-Seal is malformed" },
    { { NULL, "t=x; ", NULL, 0 }, "fail 0 an ARC-Seal is malformed" },
    { { NULL, "a=x; ", NULL, 0 }, "fail 0 an ARC-Seal is malformed" },
    { { NULL, NULL, NULL, 1 }, "fail 0 an ARC field has no good i=" },
    { { NULL, NULL, NULL, 4 }, "fail 0 an ARC set is not complete" },
    { { NULL, NULL, NULL, 51 }, "fail 0 an ARC field has no good i=" },
    /* an old message signature need not be good, only there */
    { { NULL, NULL, "t=x; ", 0 }, "pass 3 " },
    { { NULL, NULL, "t=1; t=1; ", 0 }, "pass 3 " },
};

static void
defects_by_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(twists) / sizeof(*twists); i++) {
        struct sealer s;

        begin(&s);
        add_set(&s, NULL);
        add_set(&s, &twists[i].twist);
        add_set(&s, NULL);
        expect(&s, body, twists[i].want);
        end(&s);
    }
}

static void
missing_fields_and_keys_fail(void **state)
{
    struct sealer s;
    size_t len;

    (void)state;
    begin(&s);
    add_set(&s, NULL);
    add_set(&s, NULL);
    len = s.zone.len;
    s.zone.len = 0;
    expect(&s, body, "fail 0 the newest");
    s.zone.len = len;
    expect(&s, body, "pass 0 ");
    /* without the AAR of i=2 */
    buf_consume(&s.sets[1], bytes_find(buf_bytes(&s.sets[1]), '\n') + 1);
    expect(&s, body, "fail 0 an ARC set is not complete");
    buf_clear(&s.sets[1]);
    expect(&s, body, "pass 0 "); /* i=1 alone is whole */
    buf_puts(&s.sets[1], "ARC-Seal: x\r\n");
    expect(&s, body, "fail 0 an ARC field has no good i=");
    end(&s);
}

/* Later seals cover the bad one, so only its own check can find it. */
static void
every_seal_is_checked(void **state)
{
    (void)state;
    for (unsigned bad = 1; bad <= 3; bad++) {
        struct sealer s;

        begin(&s);
        for (unsigned i = 1; i <= 3; i++) {
            struct buf *set = &s.sets[s.count];
            uint8_t *b;

            add_set(&s, NULL);
            b = set->ptr + set->len - 10; /* inside b= of the seal */
            if (i == bad) {
                *b = *b == 'A' ? 'B' : 'A';
            }
        }
        expect(&s, body, "fail 0 an ARC-Seal does not verify");
        end(&s);
    }
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(valimail_suite),
        cmocka_unit_test(chains_up_to_50_pass),
        cmocka_unit_test(changes_are_seen),
        cmocka_unit_test(oldest_pass_is_told),
        cmocka_unit_test(defects_by_table),
        cmocka_unit_test(missing_fields_and_keys_fail),
        cmocka_unit_test(every_seal_is_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
