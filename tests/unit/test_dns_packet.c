/*
 * test_dns_packet - queries made, and answers read: the wrong ones that
 * dns_answers.h has, every one cut and broken, large ones, each type.
 */
#include "proxy/dns/packet.h"
#include "tests/support/cmocka.h"
#include "tests/support/dns_answers.h"
#include "tests/support/dns_message.h"

static void
make(struct packet_question *q, struct packet_query *query, enum dns_type type)
{
    struct packet_seed seed = { .id = 0x1234, .flips = { 0xa5, 0x0f, 0x33 } };

    *q = (struct packet_question){ .type = type, .edns = true };
    assert_true(packet_name_make(answer_name, &q->name));
    assert_true(packet_query_make(q, &seed, query));
}

static void
query_has_id_case_and_opt(void **state)
{
    static const uint8_t opt[] = { 0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0 };
    struct packet_question q;
    struct packet_query query;

    (void)state;
    make(&q, &query, DNS_TXT);
    assert_int_equal(query.data[0], 0x12);
    assert_int_equal(query.data[1], 0x34);
    assert_int_equal(query.data[2], 0x01); /* RD */
    assert_int_equal(query.data[3], 0x00);
    assert_int_equal(query.data[5], 1);
    assert_int_equal(query.data[11], 1);
    assert_memory_equal(query.data + query.len - sizeof(opt), opt, sizeof(opt));
    /* flips 0xa5: letters 0, 2, 5, 7; 0x0f: 8 to 11. */
    assert_memory_equal(query.data + 12, "\3SeL\12_doMaINKEY", 15);
    assert_true(
        bytes_eq_ci(bytes_make(query.data + 12, query.name_len),
                    bytes_make("\3sel\12_domainkey\7example\3com\0", 28)));
}

static void
query_asks_for_ad(void **state)
{
    struct packet_seed seed = { 0 };
    struct packet_query query;
    struct packet_question q = { .type = DNS_A, .want_ad = true };

    (void)state;
    assert_true(packet_name_make("a.example", &q.name));
    assert_true(packet_query_make(&q, &seed, &query));
    assert_int_equal(query.data[3], 0x20);
    assert_int_equal(query.data[11], 0); /* no OPT */
    assert_int_equal(query.len, 12 + 11 + 4);
}

static void
names_that_cannot_exist(void **state)
{
    char long_label[80], long_name[DNS_NAME_MAX + 2];
    struct packet_name n;

    (void)state;
    memset(long_label, 'a', sizeof(long_label));
    long_label[64] = '\0';
    for (size_t i = 0; i < sizeof(long_name) - 1; i++) {
        long_name[i] = i % 2 ? '.' : 'a';
    }
    long_name[sizeof(long_name) - 1] = '\0';
    assert_false(packet_name_make("", &n));
    assert_false(packet_name_make(".", &n));
    assert_false(packet_name_make("a..b", &n));
    assert_false(packet_name_make(".a", &n));
    assert_false(packet_name_make(long_label, &n));
    assert_false(packet_name_make(long_name, &n));
    long_name[DNS_NAME_MAX] = '\0';
    assert_true(packet_name_make(long_name, &n));
    long_label[63] = '\0';
    assert_true(packet_name_make(long_label, &n));
    assert_true(packet_name_make("we\\ird.x", &n)); /* an octet, no escape */
    assert_string_equal(n.text, "we\\\\ird.x");
}

/* --- answers -------------------------------------------------------------- */

static void
check_answer(const struct answer_case *c, enum packet_verdict verdict,
             const struct packet_answer *a)
{
    if (verdict != c->verdict) {
        fail_msg("%s: verdict %d, want %d", c->name, (int)verdict,
                 (int)c->verdict);
    }
    if (verdict == PACKET_ALIAS) {
        assert_string_equal(a->target.text, "a.example.net");
    }
    if (verdict != PACKET_ANSWER) {
        return;
    }
    if (a->result->answer.status != c->status || a->hops != c->hops ||
        (c->ttl_s != 0 && a->ttl_s != c->ttl_s)) {
        fail_msg("%s: status %d hops %u ttl %u", c->name,
                 (int)a->result->answer.status, a->hops, a->ttl_s);
    }
    if (c->status == DNS_OK &&
        (a->result->answer.count != 1 ||
         !bytes_is(a->result->answer.records[0].data, "v=DKIM1"))) {
        fail_msg("%s: the record is not v=DKIM1", c->name);
    }
}

/* An exact-size copy, so that the sanitizer sees an over-read. */
static enum packet_verdict
read_copy(const struct packet_question *q, const struct packet_query *query,
          struct bytes m, bool tcp, struct packet_answer *a)
{
    uint8_t *copy = malloc(m.len == 0 ? 1 : m.len);
    enum packet_verdict verdict;

    assert_non_null(copy);
    if (m.len > 0) {
        memcpy(copy, m.ptr, m.len);
    }
    verdict =
        packet_read(q, query, bytes_make(copy, m.len), tcp, PACKET_HOPS_MAX, a);
    free(copy);
    return verdict;
}

static void
answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(answer_cases) / sizeof(*answer_cases); i++) {
        const struct answer_case *c = &answer_cases[i];
        struct packet_answer a = { 0 };
        struct packet_question q;
        struct packet_query query;
        enum packet_verdict verdict;
        struct message m;

        make(&q, &query, DNS_TXT);
        message_begin(&m, bytes_make(query.data, query.len));
        c->craft(&m);
        verdict = read_copy(&q, &query, buf_bytes(&m.b), c->tcp, &a);
        check_answer(c, verdict, &a);
        result_unref(&a.result);
        buf_free(&m.b);
    }
}

/* Cut anywhere, no answer may come of it, and nothing beyond is read. */
static void
every_cut_fails(void **state)
{
    struct packet_question q;
    struct packet_query query;
    struct message m;

    (void)state;
    make(&q, &query, DNS_TXT);
    message_begin(&m, bytes_make(query.data, query.len));
    answer_dname_and_rrsig(&m);
    for (size_t n = 0; n < m.b.len; n++) {
        struct packet_answer a = { 0 };
        enum packet_verdict verdict =
            read_copy(&q, &query, bytes_make(m.b.ptr, n), false, &a);

        assert_true(verdict == PACKET_FOREIGN || verdict == PACKET_FAILED);
    }
    buf_free(&m.b);
}

static void
every_flipped_octet_is_survived(void **state)
{
    struct packet_question q;
    struct packet_query query;
    struct message m;

    (void)state;
    make(&q, &query, DNS_TXT);
    message_begin(&m, bytes_make(query.data, query.len));
    answer_dname_and_rrsig(&m);
    put_soa_record(&m, "example.net", 20, 20);
    for (size_t i = 0; i < m.b.len * 8; i++) {
        struct packet_answer a = { 0 };

        m.b.ptr[i / 8] ^= (uint8_t)(1u << i % 8);
        (void)read_copy(&q, &query, buf_bytes(&m.b), false, &a);
        result_unref(&a.result);
        m.b.ptr[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    buf_free(&m.b);
}

static void
big_txt(void **state)
{
    static const size_t sizes[] = { 9000, 16384, 65000 };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct packet_answer a = { 0 };
        struct packet_question q;
        struct packet_query query;
        char *text = calloc(1, sizes[i] + 1);
        struct message m;

        assert_non_null(text);
        memset(text, 'x', sizes[i]);
        make(&q, &query, DNS_TXT);
        message_begin(&m, bytes_make(query.data, query.len));
        put_txt_record(&m, NULL, 300, text);
        assert_int_equal(read_copy(&q, &query, buf_bytes(&m.b), true, &a),
                         PACKET_ANSWER);
        assert_int_equal(a.result->answer.records[0].data.len, sizes[i]);
        result_unref(&a.result);
        buf_free(&m.b);
        free(text);
    }
}

static void
many_records_are_capped(void **state)
{
    struct packet_answer a = { 0 };
    struct packet_question q;
    struct packet_query query;
    struct message m;

    (void)state;
    make(&q, &query, DNS_TXT);
    message_begin(&m, bytes_make(query.data, query.len));
    for (unsigned i = 0; i < 1000; i++) {
        put_txt_record(&m, NULL, 300, "x");
    }
    assert_int_equal(read_copy(&q, &query, buf_bytes(&m.b), true, &a),
                     PACKET_ANSWER);
    assert_int_equal(a.result->answer.count, PACKET_RECORDS_MAX);
    result_unref(&a.result);
    buf_free(&m.b);
}

/* BYTES_LIT where only a constant may stand. */
#define RAW(s)                                 \
    {                                          \
        (const uint8_t *)("" s), sizeof(s) - 1 \
    }

static const struct type_case {
    enum dns_type type;
    struct bytes rdata;
    bool good;
    struct bytes want;
    unsigned preference;
} type_cases[] = {
    { DNS_A, RAW("\300\0\2\1"), true, RAW("\300\0\2\1"), 0 },
    { DNS_A, RAW("\300\0\2"), false, RAW(""), 0 },
    { DNS_A, RAW("\300\0\2\1\1"), false, RAW(""), 0 },
    { DNS_AAAA, RAW("0123456789abcdef"), true, RAW("0123456789abcdef"), 0 },
    { DNS_AAAA, RAW("0123456789abcde"), false, RAW(""), 0 },
    { DNS_MX, RAW("\1\2\2MX\300\33"), true, RAW("mx.example.com"), 258 },
    { DNS_MX, RAW("\0\0\0"), true, RAW(""), 0 },
    { DNS_MX, RAW("\0\12"), false, RAW(""), 0 },
    { DNS_MX, RAW("\0\12\2mx"), false, RAW(""), 0 },
    { DNS_MX, RAW("\0\12\2mx\0\0"), false, RAW(""), 0 },
    { DNS_PTR, RAW("\1P\300\33"), true, RAW("p.example.com"), 0 },
    { DNS_PTR, RAW(""), false, RAW(""), 0 },
    { DNS_CNAME, RAW("\1c\0"), true, RAW("c"), 0 },
    { DNS_TLSA, RAW("\3\1\1x"), true, RAW("\3\1\1x"), 0 },
    { DNS_TLSA, RAW("\3\1\1"), false, RAW(""), 0 },
    { DNS_TLSA, RAW(""), false, RAW(""), 0 },
};

static void
types(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(type_cases) / sizeof(*type_cases); i++) {
        const struct type_case *c = &type_cases[i];
        struct packet_answer a = { 0 };
        struct packet_question q;
        struct packet_query query;
        struct message m;
        const struct dns_record *r;

        make(&q, &query, c->type);
        message_begin(&m, bytes_make(query.data, query.len));
        put_record(&m, SECTION_AN, NULL, (unsigned)c->type, 5, c->rdata);
        assert_int_equal(read_copy(&q, &query, buf_bytes(&m.b), false, &a),
                         c->good ? PACKET_ANSWER : PACKET_FAILED);
        if (c->good) {
            r = &a.result->answer.records[0];
            assert_true(bytes_eq(r->data, c->want));
            assert_int_equal(r->preference, c->preference);
        }
        result_unref(&a.result);
        buf_free(&m.b);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(query_has_id_case_and_opt),
        cmocka_unit_test(query_asks_for_ad),
        cmocka_unit_test(names_that_cannot_exist),
        cmocka_unit_test(answers),
        cmocka_unit_test(every_cut_fails),
        cmocka_unit_test(every_flipped_octet_is_survived),
        cmocka_unit_test(big_txt),
        cmocka_unit_test(many_records_are_capped),
        cmocka_unit_test(types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
