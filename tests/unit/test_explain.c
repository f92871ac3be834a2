/*
 * test_explain - what happens to signed messages, and the sentence about it.
 */
#include "tests/support/cmocka.h"
#include "tests/support/judge.h"
#include "tests/support/signer.h"

#include <dkim/explain.h>

#include <stdio.h>
#include <stdlib.h>

#define HEAD    "From: a@a.test\r\nSubject: x\r\nTo: b@b.test\r\n"
#define BODY    "One line.\r\n.dot\r\n\r\nLast  line. \r\n"
#define SIMPLE  "simple/simple"
#define RELAXED "relaxed/relaxed"
#define ALL     "from:subject:to"

static const struct explain_case {
    const char *canon;               /* c= */
    const char *names;               /* h= */
    const char *head, *body;         /* as signed */
    const char *new_head, *new_body; /* as received; NULL: unchanged */
    const char *want;                /* a part of what is said */
} cases[] = {
    { RELAXED, ALL, HEAD, BODY, NULL, NULL, "pass" },
    { RELAXED, ALL, HEAD, BODY, NULL, NULL, "It signs from, subject, to." },
    /* the body */
    { RELAXED, ALL, HEAD, BODY, NULL, BODY "-- \r\nlist\r\n",
      "Without its last 2 lines it would: a footer was added" },
    { RELAXED, ALL, HEAD, BODY, NULL, BODY "by list",
      "Without its last 1 line it would: a footer was added" },
    { RELAXED, ALL, HEAD, BODY, NULL, BODY "-- \r\nlist\r\n",
      "The signed fields are as they were signed." },
    { RELAXED, ALL, HEAD, "a\r\nb\r\n", NULL, "a\nb\n",
      "With each bare LF as CRLF it would" },
    { RELAXED, ALL, HEAD, "a\nb\n", NULL, "a\r\nb\r\n",
      "With bare LF line ends it would" },
    { RELAXED, ALL, HEAD, BODY, NULL,
      "One line.\r\n..dot\r\n\r\nLast line.\r\n", "dots were stuffed twice" },
    { RELAXED, ALL, HEAD, "One\r\n..dot\r\n", NULL, "One\r\n.dot\r\n",
      "hashed the body after dot-stuffing" },
    { SIMPLE, ALL, HEAD, BODY, NULL, "\r\n" BODY,
      "Without its first empty line it would" },
    { SIMPLE, ALL, HEAD, "", NULL, "added\r\n",
      "The signer saw an empty body" },
    { SIMPLE, ALL, HEAD, "a b\r\n", NULL, "a  b\r\n",
      "With relaxed canonicalization of the body it would: only white" },
    { RELAXED, ALL, HEAD, BODY, NULL, "Other\r\n",
      "the text itself was changed" },
    { RELAXED, ALL, HEAD, BODY, NULL, "Other\r\n", "The body does not fit" },
    /* the header */
    { RELAXED, ALL, HEAD, BODY, "From: e@e.test\r\n" HEAD, NULL,
      "It signs from, subject, to.\nOf from the message has more" },
    { RELAXED, ALL, HEAD, BODY, HEAD "From: e@e.test\r\n", NULL,
      "it was added after signing. From: e@e.test" },
    { RELAXED, ALL ":cc", HEAD, BODY, "Cc: c@c.test\r\n" HEAD, NULL,
      "it was added after signing. Cc: c@c.test" },
    { RELAXED, "from:from", HEAD, BODY, "From: e\x01@e.test\r\n" HEAD, NULL,
      "it was added after signing. From: e?@e.test" },
    { RELAXED, ALL, HEAD, BODY,
      "From: a@a.test\r\nSubject: [list] x\r\nTo: b@b.test\r\n", NULL,
      "Without the prefix [list] of Subject" },
    { RELAXED, ALL, HEAD, BODY, "From: a@a.test\r\nSubject: x\r\n", NULL,
      "h= names to, which the message does not have" },
    { RELAXED, ALL, HEAD, BODY, "From: a@a.test\r\nSubject: x\r\n", NULL,
      "A signed field was changed or removed" },
    { SIMPLE, ALL, HEAD, BODY,
      "From: a@a.test\r\nSubject:  x\r\nTo: b@b.test\r\n", NULL,
      "c= is simple for the header" },
    { RELAXED, ALL, HEAD, BODY,
      "From: a@a.test\r\nSubject: y\r\nTo: b@b.test\r\n", NULL,
      "The body is as it was signed." },
    { RELAXED, "from:subject:reply-to", HEAD, BODY,
      "From: a@a.test\r\nSubject: y\r\n", NULL, "h= names reply-to, which" },
};

static struct buf
signed_message(const struct explain_case *c, EVP_PKEY *key)
{
    char tags[300];
    struct buf message = BUF_INIT, out;
    bool simple = strcmp(c->canon, SIMPLE) == 0;
    struct craft craft = {
        .tags = tags,
        .alg = DKIM_ALG_ED25519_SHA256,
        .header = simple ? DKIM_CANON_SIMPLE : DKIM_CANON_RELAXED,
        .body = simple ? DKIM_CANON_SIMPLE : DKIM_CANON_RELAXED,
        .key = key,
    };

    snprintf(tags, sizeof(tags),
             " v=1; a=ed25519-sha256; c=%s; d=a.test; s=k; h=%s; bh={bh}; b=",
             c->canon, c->names);
    buf_printf(&message, "%s\r\n%s", c->head, c->body);
    out = signer_craft(&craft, buf_bytes(&message));
    buf_free(&message);
    return out;
}

/* The signature on the message as it arrives. */
static void
rebuild(const struct explain_case *c, const struct buf *was, struct buf *out)
{
    struct bytes field = bytes_take(buf_bytes(was), was->len - strlen(c->head) -
                                                        2 - strlen(c->body));

    buf_put(out, field);
    buf_printf(out, "%s\r\n%s", c->new_head == NULL ? c->head : c->new_head,
               c->new_body == NULL ? c->body : c->new_body);
}

static void
tell(struct bytes message, const char *record, struct buf *out)
{
    const struct judge_dns dns[] = {
        { "*", record == NULL ? DNS_NXDOMAIN : DNS_OK, { record, NULL } },
        { NULL, DNS_OK, { NULL } },
    };
    const struct dkim_verify_conf conf = { .now_s = 1795000060,
                                           .signatures_max = 8 };
    struct dns_record key = { bytes_str(record), 0 };
    struct dns_answer answer = { record == NULL ? DNS_NXDOMAIN : DNS_OK, &key,
                                 record == NULL ? 0 : 1, 1, false };
    struct bytes block;
    struct dkim_explain e = { .key = &answer };
    size_t end = dkim_header_end(message, 0, &block);
    struct judged j;

    judge(&j, message, dns, &conf);
    assert_int_equal(dkim_verify_count(j.verify), 1);
    e.header = &j.header;
    e.field = dkim_header_get(&j.header, "dkim-signature", 0);
    e.body = bytes_skip(message, end);
    e.result = dkim_verify_result(j.verify, 0);
    dkim_explain(&e, out);
    judge_free(&j);
}

static void
sentences_by_table(void **state)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    struct buf record = signer_record(key);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct buf was = signed_message(&cases[i], key);
        struct buf message = BUF_INIT, out = BUF_INIT;

        rebuild(&cases[i], &was, &message);
        tell(buf_bytes(&message), buf_str(&record), &out);
        if (strstr(buf_str(&out), cases[i].want) == NULL) {
            fail_msg("row %zu: not \"%s\" in:\n%s", i, cases[i].want,
                     buf_str(&out));
        }
        buf_free(&was);
        buf_free(&message);
        buf_free(&out);
    }
    buf_free(&record);
    EVP_PKEY_free(key);
}

static const struct record_case {
    const char *record;
    const char *want;
} records[] = {
    { NULL, "The key record at k._domainkey.a.test is the trouble: " },
    { "v=DKIM1; p=", "is the trouble: " },
    { "v=DKIM1; p=", "It reads: v=DKIM1; p=\n" },
    { "v=DKIM1; k=ed25519; h=sha1; p=AAAA", "It reads: v=DKIM1; k=ed25519; h" },
    { "v=DKIM1; p=\x01\xff", "It reads: v=DKIM1; p=??\n" },
};

static void
records_by_table(void **state)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    struct buf message = signed_message(&cases[0], key);

    (void)state;
    for (size_t i = 0; i < sizeof(records) / sizeof(*records); i++) {
        struct buf out = BUF_INIT;

        tell(buf_bytes(&message), records[i].record, &out);
        if (strstr(buf_str(&out), records[i].want) == NULL) {
            fail_msg("row %zu: not \"%s\" in:\n%s", i, records[i].want,
                     buf_str(&out));
        }
        buf_free(&out);
    }
    buf_free(&message);
    EVP_PKEY_free(key);
}

/* c= says the one, the header was hashed by the other. */
static void
a_wrong_canonicalization_is_named(void **state)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    struct buf record = signer_record(key);

    (void)state;
    for (int simple = 0; simple < 2; simple++) {
        struct craft craft = {
            .tags = simple ? " v=1; a=ed25519-sha256; c=simple; d=a.test; "
                             "s=k; h=from; bh={bh}; b="
                           : " v=1; a=ed25519-sha256; c=relaxed/simple; "
                             "d=a.test; s=k; h=from; bh={bh}; b=",
            .alg = DKIM_ALG_ED25519_SHA256,
            .header = simple ? DKIM_CANON_RELAXED : DKIM_CANON_SIMPLE,
            .body = DKIM_CANON_SIMPLE,
            .key = key,
        };
        struct buf message = signer_craft(&craft, BYTES_LIT(HEAD "\r\n" BODY));
        struct buf out = BUF_INIT;

        tell(buf_bytes(&message), buf_str(&record), &out);
        assert_non_null(strstr(buf_str(&out),
                               simple ? "With relaxed canonicalization of the "
                                        "header it would: the signer named the "
                                        "wrong one in c=."
                                      : "With simple canonicalization of the "
                                        "header it would: the signer named the "
                                        "wrong one in c=."));
        buf_free(&message);
        buf_free(&out);
    }
    buf_free(&record);
    EVP_PKEY_free(key);
}

static void
test_mode_is_told(void **state)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    struct buf message = signed_message(&cases[0], key);
    struct buf record = signer_record(key), out = BUF_INIT;

    (void)state;
    tell(buf_bytes(&message), buf_str(&record), &out);
    assert_null(strstr(buf_str(&out), "test mode"));
    buf_clear(&out);
    buf_puts(&record, "; t=y");
    tell(buf_bytes(&message), buf_str(&record), &out);
    assert_non_null(strstr(buf_str(&out), "The key is in test mode (t=y)."));
    buf_free(&message);
    buf_free(&record);
    buf_free(&out);
    EVP_PKEY_free(key);
}

static void
a_bad_field_is_named(void **state)
{
    static const char message[] =
        "DKIM-Signature: v=1; a=rsa-sha256; d=a..test; s=k; h=from; "
        "bh=AAAA; b=AAAA\r\nFrom: a@a.test\r\n\r\nx\r\n";
    struct buf out = BUF_INIT;

    (void)state;
    tell(bytes_str(message), NULL, &out);
    assert_non_null(strstr(buf_str(&out), "The DKIM-Signature field is wrong: "
                                          "d= is not a domain name"));
    buf_free(&out);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(sentences_by_table),
        cmocka_unit_test(records_by_table),
        cmocka_unit_test(a_wrong_canonicalization_is_named),
        cmocka_unit_test(test_mode_is_told),
        cmocka_unit_test(a_bad_field_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
