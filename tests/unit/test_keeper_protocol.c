/*
 * test_keeper_protocol - packets there and back, cut, longer, and wrong.
 */
#include "tests/support/cmocka.h"

#include <proxy/keeper/protocol.h>
#include <stdlib.h>

static char long_text[2000];

/* clang-format off: one row a packet */
static const struct keeper_ask asks[] = {
    { .op = KEEPER_OP_AUTH,
      .id = 1,
      .user = { (const uint8_t *)"alice", 5 },
      .secret = { (const uint8_t *)"s\xffgeheim", 8 } },
    { .op = KEEPER_OP_AUTH, .id = 2, .user = { (const uint8_t *)"a", 1 } },
    { .op = KEEPER_OP_AUTH,
      .id = 3,
      .user = { (const uint8_t *)long_text, KEEPER_USER_MAX },
      .secret = { (const uint8_t *)long_text, KEEPER_SECRET_MAX } },
    { .op = KEEPER_OP_ASSERT, .id = 0xfffffffe, .listener = 0x01020304 },
    { .op = KEEPER_OP_SIGN,
      .id = 5,
      .handle = { { 1, 2, 3, [15] = 16 } },
      .alg = DKIM_ALG_RSA_SHA256,
      .domain = { (const uint8_t *)"example.com", 11 },
      .selector = { (const uint8_t *)"s1", 2 },
      .digest = { 9, [31] = 8 } },
    { .op = KEEPER_OP_SIGN,
      .id = 6,
      .alg = DKIM_ALG_ED25519_SHA256,
      .domain = { (const uint8_t *)long_text, KEEPER_DOMAIN_MAX },
      .selector = { (const uint8_t *)long_text, KEEPER_SELECTOR_MAX } },
    { .op = KEEPER_OP_RELEASE, .id = 0, .handle = { { 7, [15] = 7 } } },
    { .op = KEEPER_OP_VIEW, .id = 0 },
    { .op = KEEPER_OP_ASSERT,
      .id = 4,
      .listener = 1,
      .user = { (const uint8_t *)"bob", 3 } },
    { .op = KEEPER_OP_ASSERT,
      .id = 5,
      .user = { (const uint8_t *)long_text, KEEPER_USER_MAX } },
    { .op = KEEPER_OP_SEEN,
      .word = KEEPER_SEEN_DIFFERS,
      .domain = { (const uint8_t *)long_text, KEEPER_DOMAIN_MAX },
      .selector = { (const uint8_t *)long_text, KEEPER_SELECTOR_MAX },
      .public_hash = { 1, [31] = 2 } },
    { .op = KEEPER_OP_FROM,
      .count = 0x01020304,
      .domain = { (const uint8_t *)"sub.example.com", 15 } },
    { .op = KEEPER_OP_SCRAM,
      .id = 6,
      .plus = true,
      .plus_offered = true,
      .binding = { 1, [31] = 2 },
      .message = { (const uint8_t *)long_text, KEEPER_MESSAGE_MAX } },
    { .op = KEEPER_OP_SCRAM,
      .id = 7,
      .plus_offered = true,
      .message = { (const uint8_t *)"n", 1 } },
    { .op = KEEPER_OP_PROOF,
      .id = 8,
      .handle = { { 4, [15] = 5 } },
      .message = { (const uint8_t *)"c=biws", 6 } },
};

static const struct keeper_answer answers[] = {
    { .op = KEEPER_OP_AUTH, .id = 1, .handle = { { 3, [15] = 4 } } },
    { .op = KEEPER_OP_AUTH,
      .id = 2,
      .status = KEEPER_FAILED,
      .text = { (const uint8_t *)"why", 3 } },
    { .op = KEEPER_OP_ASSERT, .id = 3, .status = KEEPER_DENIED },
    { .op = KEEPER_OP_SIGN,
      .id = 4,
      .status = KEEPER_OK,
      .signature = { (const uint8_t *)long_text, KEEPER_SIGNATURE_MAX },
      .public_key = { (const uint8_t *)long_text, KEEPER_PUBLIC_MAX },
      .text = { (const uint8_t *)long_text, KEEPER_TEXT_MAX } },
    { .op = KEEPER_OP_SIGN, .id = 5, .status = KEEPER_BAD_KEY },
    { .op = KEEPER_OP_VIEW, .id = 0, .epoch = 0x0102030405060708 },
    { .op = KEEPER_OP_SCRAM,
      .id = 6,
      .handle = { { 1, [15] = 2 } },
      .message = { (const uint8_t *)long_text, KEEPER_MESSAGE_MAX },
      .text = { (const uint8_t *)long_text, KEEPER_TEXT_MAX } },
    { .op = KEEPER_OP_PROOF, .id = 7, .status = KEEPER_DENIED },
};
/* clang-format on */

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
assert_bytes(struct bytes a, struct bytes b)
{
    assert_true(bytes_eq(a, b));
}

static void
asks_come_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(asks); i++) {
        const struct keeper_ask *a = &asks[i];
        struct keeper_ask b;
        uint8_t packet[KEEPER_REQUEST_MAX];
        size_t len = keeper_ask_encode(a, packet);

        assert_true(len > 0);
        assert_true(keeper_ask_decode(bytes_make(packet, len), &b));
        assert_int_equal(a->op, b.op);
        assert_int_equal(a->id, b.id);
        assert_bytes(a->user, b.user);
        assert_bytes(a->secret, b.secret);
        assert_int_equal(a->listener, b.listener);
        assert_memory_equal(&a->handle, &b.handle, sizeof(b.handle));
        assert_int_equal(a->alg, b.alg);
        assert_bytes(a->domain, b.domain);
        assert_bytes(a->selector, b.selector);
        assert_memory_equal(a->digest, b.digest, sizeof(b.digest));
        assert_int_equal(a->word, b.word);
        assert_memory_equal(a->public_hash, b.public_hash,
                            sizeof(b.public_hash));
        assert_int_equal(a->count, b.count);
        assert_int_equal(a->plus, b.plus);
        assert_int_equal(a->plus_offered, b.plus_offered);
        assert_memory_equal(a->binding, b.binding, sizeof(b.binding));
        assert_bytes(a->message, b.message);
    }
}

static void
answers_come_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(answers); i++) {
        const struct keeper_answer *a = &answers[i];
        struct keeper_answer b;
        uint8_t packet[KEEPER_REPLY_MAX];
        size_t len = keeper_answer_encode(a, packet);

        assert_true(len > 0);
        assert_true(keeper_answer_decode(bytes_make(packet, len), &b));
        assert_int_equal(a->op, b.op);
        assert_int_equal(a->id, b.id);
        assert_int_equal(a->status, b.status);
        assert_memory_equal(&a->handle, &b.handle, sizeof(b.handle));
        assert_bytes(a->signature, b.signature);
        assert_bytes(a->public_key, b.public_key);
        assert_bytes(a->message, b.message);
        assert_bytes(a->text, b.text);
        assert_true(a->epoch == b.epoch);
    }
}

/* Judged in memory of exactly its size, so that an over-read is seen. */
static bool
decodes(bool is_ask, const uint8_t *packet, size_t len)
{
    uint8_t *copy = malloc(len == 0 ? 1 : len);
    struct keeper_answer answer;
    struct keeper_ask ask;
    bool good;

    assert_non_null(copy);
    memcpy(copy, packet, len);
    good = is_ask ? keeper_ask_decode(bytes_make(copy, len), &ask)
                  : keeper_answer_decode(bytes_make(copy, len), &answer);
    free(copy);
    return good;
}

/* No prefix of a packet and no packet with one octet more is a packet. */
static void
length_is_exact(void **state)
{
    uint8_t packet[KEEPER_REQUEST_MAX + 1] = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT(asks) + COUNT(answers); i++) {
        bool is_ask = i < COUNT(asks);
        size_t len =
            is_ask ? keeper_ask_encode(&asks[i], packet)
                   : keeper_answer_encode(&answers[i - COUNT(asks)], packet);

        assert_true(decodes(is_ask, packet, len));
        for (size_t n = 0; n < len; n++) {
            assert_false(decodes(is_ask, packet, n));
        }
        packet[len] = 0;
        assert_false(decodes(is_ask, packet, len + 1));
    }
}

static void
header_is_strict(void **state)
{
    static const struct {
        const char *name;
        size_t at;
        uint8_t octet;
        bool ask;
        bool answer;
    } cases[] = {
        { "version 0", 0, 0, false, false },
        { "version 2", 0, 2, false, false },
        { "operation 0", 1, 0, false, false },
        { "operation too big", 1, KEEPER_OPS, false, false },
        { "operation of another length", 1, KEEPER_OP_VIEW, false, false },
        { "status in a request", 2, KEEPER_DENIED, false, true },
        { "status gone", 2, KEEPER_GONE, false, false },
        { "status too big", 2, KEEPER_STATUSES, false, false },
        { "octet 3 is zero", 3, 1, false, false },
        { "any id", 4, 0xff, true, true },
    };
    uint8_t ask[KEEPER_REQUEST_MAX], answer[KEEPER_REPLY_MAX];
    size_t ask_len = keeper_ask_encode(&asks[0], ask);
    size_t answer_len = keeper_answer_encode(&answers[0], answer);

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t ask_was = ask[cases[i].at];
        uint8_t answer_was = answer[cases[i].at];

        ask[cases[i].at] = cases[i].octet;
        answer[cases[i].at] = cases[i].octet;
        if (decodes(true, ask, ask_len) != cases[i].ask ||
            decodes(false, answer, answer_len) != cases[i].answer) {
            fail_msg("%s", cases[i].name);
        }
        ask[cases[i].at] = ask_was;
        answer[cases[i].at] = answer_was;
    }
}

static void
fields_out_of_range_are_refused(void **state)
{
    /* clang-format off: one row a case */
    static const struct keeper_ask bad[] = {
        { .op = KEEPER_OP_AUTH },
        { .op = KEEPER_OP_AUTH, .user = { (const uint8_t *)"a\0b", 3 } },
        { .op = KEEPER_OP_AUTH,
          .user = { (const uint8_t *)"a", 1 },
          .secret = { (const uint8_t *)"\0", 1 } },
        { .op = KEEPER_OP_AUTH,
          .user = { (const uint8_t *)long_text, KEEPER_USER_MAX + 1 } },
        { .op = KEEPER_OP_AUTH,
          .user = { (const uint8_t *)"a", 1 },
          .secret = { (const uint8_t *)long_text, KEEPER_SECRET_MAX + 1 } },
        { .op = KEEPER_OP_SIGN,
          .alg = DKIM_ALG_RSA_SHA1,
          .domain = { (const uint8_t *)"d", 1 },
          .selector = { (const uint8_t *)"s", 1 } },
        { .op = KEEPER_OP_SIGN, .selector = { (const uint8_t *)"s", 1 } },
        { .op = KEEPER_OP_SIGN, .domain = { (const uint8_t *)"d", 1 } },
        { .op = KEEPER_OP_SIGN,
          .domain = { (const uint8_t *)"d", 1 },
          .selector = { (const uint8_t *)long_text, KEEPER_SELECTOR_MAX + 1 } },
        { .op = KEEPER_OP_SIGN,
          .selector = { (const uint8_t *)"s", 1 },
          .domain = { (const uint8_t *)long_text, KEEPER_DOMAIN_MAX + 1 } },
        { .op = KEEPER_OP_SEEN,
          .domain = { (const uint8_t *)"d", 1 },
          .selector = { (const uint8_t *)"s", 1 },
          .word = KEEPER_SEEN_REFUSED },
        { .op = KEEPER_OP_SEEN, .domain = { (const uint8_t *)"d", 1 } },
        { .op = KEEPER_OP_SEEN, .selector = { (const uint8_t *)"s", 1 } },
        { .op = KEEPER_OP_FROM, .count = 1 },
        { .op = KEEPER_OP_FROM, .domain = { (const uint8_t *)"d", 1 } },
        { .op = 0 },
        { .op = KEEPER_OPS },
    };
    /* clang-format on */
    uint8_t packet[KEEPER_REQUEST_MAX];
    struct keeper_answer answer = { .op = KEEPER_OP_SIGN,
                                    .signature = bytes_make(
                                        long_text, KEEPER_SIGNATURE_MAX + 1) };

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(keeper_ask_encode(&bad[i], packet), 0);
    }
    assert_int_equal(keeper_answer_encode(&answer, packet), 0);
}

/* What the encoder refuses, the decoder refuses too. */
static void
bad_octets_are_refused(void **state)
{
    uint8_t packet[KEEPER_REQUEST_MAX];
    size_t len = keeper_ask_encode(&asks[4], packet);

    (void)state;
    packet[len - 1] = '\0'; /* NUL in the selector */
    assert_false(decodes(true, packet, len));
    packet[len - 1] = '1';
    assert_true(decodes(true, packet, len));
    packet[8 + 16] = DKIM_ALG_RSA_SHA1;
    assert_false(decodes(true, packet, len));
    packet[8 + 16] = DKIM_ALGS;
    assert_false(decodes(true, packet, len));
    packet[8 + 16] = DKIM_ALG_RSA_SHA256;
    packet[8 + 17] = 0; /* no domain: its octets become the selector's */
    packet[8 + 18] = 13;
    assert_false(decodes(true, packet, len));
}

static void
long_texts_are_cut(void **state)
{
    struct keeper_answer answer = { .op = KEEPER_OP_AUTH,
                                    .text = bytes_make(long_text, 1000) };
    uint8_t packet[KEEPER_REPLY_MAX];
    size_t len = keeper_answer_encode(&answer, packet);

    (void)state;
    assert_true(keeper_answer_decode(bytes_make(packet, len), &answer));
    assert_int_equal(answer.text.len, KEEPER_TEXT_MAX);
}

static void
statuses_have_words(void **state)
{
    (void)state;
    for (unsigned i = 0; i < KEEPER_STATUSES; i++) {
        assert_string_not_equal(keeper_status_text((enum keeper_status)i),
                                "unknown");
    }
    assert_string_equal(keeper_status_text(KEEPER_STATUSES), "unknown");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_come_back),
        cmocka_unit_test(answers_come_back),
        cmocka_unit_test(length_is_exact),
        cmocka_unit_test(header_is_strict),
        cmocka_unit_test(fields_out_of_range_are_refused),
        cmocka_unit_test(bad_octets_are_refused),
        cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(statuses_have_words),
    };

    memset(long_text, 'x', sizeof(long_text));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
