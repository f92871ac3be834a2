/*
 * test_dns_packet - queries made, and answers of every wrong kind read.
 */
#include "proxy/dns/packet.h"
#include "tests/support/cmocka.h"
#include "tests/support/dns_message.h"

#include <stdio.h>

static const char name_text[] = "sel._domainkey.example.com";

static void
make(struct packet_question *q, struct packet_query *query, enum dns_type type)
{
    struct packet_seed seed = { .id = 0x1234, .flips = { 0xa5, 0x0f, 0x33 } };

    *q = (struct packet_question){ .type = type, .edns = true };
    assert_true(packet_name_make(name_text, &q->name));
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
plain(struct message *m)
{
    put_txt_record(m, NULL, 300, "v=DKIM1");
}

static void
two_strings(struct message *m)
{
    put_record(m, SECTION_AN, NULL, 16, 60, BYTES_LIT("\3v=D\4KIM1\0"));
}

static void
wrong_id(struct message *m)
{
    plain(m);
    m->b.ptr[0] ^= 1;
}

static void
not_a_reply(struct message *m)
{
    plain(m);
    m->b.ptr[2] &= 0x7f;
}

static void
wrong_opcode(struct message *m)
{
    plain(m);
    m->b.ptr[2] |= 0x28;
}

static void
wrong_question(struct message *m)
{
    plain(m);
    m->b.ptr[13] = 'x';
}

static void
wrong_type_asked(struct message *m)
{
    m->b.ptr[m->b.len - 3] = 1;
    plain(m);
}

static void
wrong_class_asked(struct message *m)
{
    m->b.ptr[m->b.len - 1] = 3;
    plain(m);
}

static void
wrong_class_answered(struct message *m)
{
    size_t at = m->b.len + 2 + 3;

    plain(m);
    m->b.ptr[at] = 3;
}

static void
other_case(struct message *m)
{
    plain(m);
    m->b.ptr[13] ^= 0x20;
}

static void
no_question(struct message *m)
{
    plain(m);
    message_count(m, 4, 0);
}

static void
two_questions(struct message *m)
{
    plain(m);
    message_count(m, 4, 2);
}

static void
many_questions(struct message *m)
{
    plain(m);
    message_count(m, 4, 65535);
}

static void
truncated(struct message *m)
{
    message_flags(m, 0x02, 0);
    message_count(m, SECTION_AN, 7); /* not there: must not be parsed */
}

static void
extra_octets(struct message *m)
{
    plain(m);
    buf_putc(&m->b, 0);
}

static void
rcode_servfail(struct message *m)
{
    message_flags(m, 0, 2);
}

static void
rcode_refused(struct message *m)
{
    message_flags(m, 0, 5);
}

static void
rcode_formerr(struct message *m)
{
    message_flags(m, 0, 1);
}

static void
bare_formerr(struct message *m)
{
    message_flags(m, 0, 1);
    message_count(m, 4, 0);
    m->b.len = 12;
}

static void
rcode_badvers(struct message *m)
{
    put_record(m, SECTION_AR, "", 41, 0x01000000, BYTES_LIT(""));
}

static void
nxdomain(struct message *m)
{
    message_flags(m, 0, 3);
    put_soa_record(m, "example.com", 900, 30);
}

static void
nodata(struct message *m)
{
    put_soa_record(m, "example.com", 20, 300);
}

static void
nodata_no_soa(struct message *m)
{
    (void)m;
}

static void
referral(struct message *m)
{
    put_record(m, SECTION_NS, "com", 2, 300, BYTES_LIT("\2ns\0"));
}

static void
other_owner(struct message *m)
{
    put_txt_record(m, "other.example.com", 300, "v=DKIM1");
    put_soa_record(m, "example.com", 20, 300);
}

static void
txt_in_additional(struct message *m)
{
    put_soa_record(m, "example.com", 20, 300);
    put_record(m, SECTION_AR, NULL, 16, 300, BYTES_LIT("\7v=DKIM1"));
}

static void
pointer_to_itself(struct message *m)
{
    put_u16(&m->b, 0xc000 | (unsigned)m->b.len);
    put_u16(&m->b, 16);
    put_u16(&m->b, 1);
    put_u32(&m->b, 300);
    put_u16(&m->b, 1);
    buf_putc(&m->b, 0);
    message_count(m, SECTION_AN, 1);
}

static void
pointer_pair(struct message *m)
{
    unsigned at = (unsigned)m->b.len;

    put_u16(&m->b, 0xc000 | (at + 2));
    put_u16(&m->b, 0xc000 | at);
    buf_put(&m->b, BYTES_LIT("\0\20\0\1\0\0\0\1\0\1\0"));
    message_count(m, SECTION_AN, 1);
}

static void
pointer_forward(struct message *m)
{
    unsigned at = (unsigned)m->b.len;

    put_u16(&m->b, 0xc000 | (at + 12));
    buf_put(&m->b, BYTES_LIT("\0\20\0\1\0\0\0\1\0\2\1x"));
    put_wire_name(&m->b, name_text);
    message_count(m, SECTION_AN, 1);
}

static void
pointer_past_end(struct message *m)
{
    put_u16(&m->b, 0xffff);
    buf_put(&m->b, BYTES_LIT("\0\20\0\1\0\0\0\1\0\1\0"));
    message_count(m, SECTION_AN, 1);
}

static void
label_type_40(struct message *m)
{
    buf_put(&m->b, BYTES_LIT("\100abc\0\0\20\0\1\0\0\0\1\0\1\0"));
    message_count(m, SECTION_AN, 1);
}

static void
label_type_80(struct message *m)
{
    buf_put(&m->b, BYTES_LIT("\200abc\0\0\20\0\1\0\0\0\1\0\1\0"));
    message_count(m, SECTION_AN, 1);
}

static void
name_cut(struct message *m)
{
    buf_put(&m->b, BYTES_LIT("\77abc"));
    message_count(m, SECTION_AN, 1);
}

static void
rdlength_past_end(struct message *m)
{
    plain(m);
    m->b.ptr[m->b.len - 9] = 9;
}

static void
rdlength_zero(struct message *m)
{
    put_record(m, SECTION_AN, NULL, 16, 300, BYTES_LIT(""));
}

static void
txt_past_rdlength(struct message *m)
{
    put_record(m, SECTION_AN, NULL, 16, 300, BYTES_LIT("\10v=DKIM1"));
    put_record(m, SECTION_AN, NULL, 16, 300, BYTES_LIT("\7v=DKIM1"));
}

static void
count_too_high(struct message *m)
{
    plain(m);
    message_count(m, SECTION_AN, 2);
}

static void
count_highest(struct message *m)
{
    plain(m);
    message_count(m, SECTION_AN, 65535);
    message_count(m, SECTION_NS, 65535);
    message_count(m, SECTION_AR, 65535);
}

static void
cname_chain(struct message *m, unsigned hops)
{
    char from[64], to[64];

    snprintf(from, sizeof(from), "%s", name_text);
    for (unsigned i = 1; i <= hops; i++) {
        snprintf(to, sizeof(to), "c%u.example.net", i);
        put_cname_record(m, from, to);
        snprintf(from, sizeof(from), "%s", to);
    }
    put_txt_record(m, from, 300, "v=DKIM1");
}

static void
chain_1(struct message *m)
{
    cname_chain(m, 1);
}

static void
chain_8(struct message *m)
{
    cname_chain(m, 8);
}

static void
chain_9(struct message *m)
{
    cname_chain(m, 9);
}

static void
chain_50(struct message *m)
{
    cname_chain(m, 50);
}

static void
chain_backwards(struct message *m)
{
    put_txt_record(m, "b.example.net", 300, "v=DKIM1");
    put_cname_record(m, "a.example.net", "b.example.net");
    put_cname_record(m, name_text, "a.example.net");
}

static void
cname_to_itself(struct message *m)
{
    put_cname_record(m, name_text, name_text);
}

static void
cname_two_loop(struct message *m)
{
    put_cname_record(m, name_text, "a.example.net");
    put_cname_record(m, "a.example.net", name_text);
}

static void
cname_alone(struct message *m)
{
    put_cname_record(m, name_text, "a.example.net");
}

static void
cname_to_nothing(struct message *m)
{
    put_cname_record(m, name_text, "a.example.net");
    put_soa_record(m, "example.net", 20, 20);
}

static void
cname_to_nxdomain(struct message *m)
{
    cname_to_nothing(m);
    message_flags(m, 0, 3);
}

static void
cname_rdata_long(struct message *m)
{
    put_record(m, SECTION_AN, NULL, 5, 300, BYTES_LIT("\1a\0x"));
}

static void
dname_and_rrsig(struct message *m)
{
    put_record(m, SECTION_AN, "example.com", 39, 300,
               BYTES_LIT("\7example\3net\0"));
    put_record(m, SECTION_AN, NULL, 46, 300, BYTES_LIT("anything"));
    put_cname_record(m, name_text, "sel._domainkey.example.net");
    put_record(m, SECTION_AN, "sel._domainkey.example.net", 46, 1,
               BYTES_LIT("anything"));
    put_txt_record(m, "sel._domainkey.example.net", 300, "v=DKIM1");
}

static const struct answer_case {
    const char *name;
    void (*craft)(struct message *m);
    bool tcp;
    enum packet_verdict verdict;
    enum dns_status status; /* of an ANSWER */
    uint32_t ttl_s;
    unsigned hops;
} answer_cases[] = {
    { "plain", plain, false, PACKET_ANSWER, DNS_OK, 300, 0 },
    { "two strings", two_strings, false, PACKET_ANSWER, DNS_OK, 60, 0 },
    { "wrong id", wrong_id, false, PACKET_FOREIGN, 0, 0, 0 },
    { "QR 0", not_a_reply, false, PACKET_FOREIGN, 0, 0, 0 },
    { "opcode 5", wrong_opcode, false, PACKET_FOREIGN, 0, 0, 0 },
    { "wrong name", wrong_question, false, PACKET_FOREIGN, 0, 0, 0 },
    { "wrong qtype", wrong_type_asked, false, PACKET_FOREIGN, 0, 0, 0 },
    { "wrong qclass", wrong_class_asked, false, PACKET_FOREIGN, 0, 0, 0 },
    { "class CH", wrong_class_answered, false, PACKET_ANSWER, DNS_NODATA, 0,
      0 },
    { "case, UDP", other_case, false, PACKET_OTHER_CASE, 0, 0, 0 },
    { "case, TCP", other_case, true, PACKET_ANSWER, DNS_OK, 300, 0 },
    { "QDCOUNT 0", no_question, false, PACKET_FOREIGN, 0, 0, 0 },
    { "QDCOUNT 2", two_questions, false, PACKET_FOREIGN, 0, 0, 0 },
    { "QDCOUNT 65535", many_questions, false, PACKET_FOREIGN, 0, 0, 0 },
    { "TC", truncated, false, PACKET_TRUNCATED, 0, 0, 0 },
    { "TC over TCP", truncated, true, PACKET_FAILED, 0, 0, 0 },
    { "extra octets", extra_octets, false, PACKET_FAILED, 0, 0, 0 },
    { "SERVFAIL", rcode_servfail, false, PACKET_FAILED, 0, 0, 0 },
    { "REFUSED", rcode_refused, false, PACKET_FAILED, 0, 0, 0 },
    { "FORMERR", rcode_formerr, false, PACKET_NO_EDNS, 0, 0, 0 },
    { "bare FORMERR", bare_formerr, false, PACKET_NO_EDNS, 0, 0, 0 },
    { "BADVERS", rcode_badvers, false, PACKET_NO_EDNS, 0, 0, 0 },
    { "NXDOMAIN", nxdomain, false, PACKET_ANSWER, DNS_NXDOMAIN, 30, 0 },
    { "NODATA", nodata, false, PACKET_ANSWER, DNS_NODATA, 20, 0 },
    { "NODATA, no SOA", nodata_no_soa, false, PACKET_ANSWER, DNS_NODATA, 0, 0 },
    { "referral", referral, false, PACKET_FAILED, 0, 0, 0 },
    { "other owner", other_owner, false, PACKET_ANSWER, DNS_NODATA, 20, 0 },
    { "additional", txt_in_additional, false, PACKET_ANSWER, DNS_NODATA, 20,
      0 },
    { "self pointer", pointer_to_itself, false, PACKET_FAILED, 0, 0, 0 },
    { "pointer pair", pointer_pair, false, PACKET_FAILED, 0, 0, 0 },
    { "forward pointer", pointer_forward, false, PACKET_FAILED, 0, 0, 0 },
    { "pointer past end", pointer_past_end, false, PACKET_FAILED, 0, 0, 0 },
    { "label 0x40", label_type_40, false, PACKET_FAILED, 0, 0, 0 },
    { "label 0x80", label_type_80, false, PACKET_FAILED, 0, 0, 0 },
    { "name cut", name_cut, false, PACKET_FAILED, 0, 0, 0 },
    { "RDLENGTH past end", rdlength_past_end, false, PACKET_FAILED, 0, 0, 0 },
    { "RDLENGTH 0", rdlength_zero, false, PACKET_FAILED, 0, 0, 0 },
    { "TXT past RDLENGTH", txt_past_rdlength, false, PACKET_FAILED, 0, 0, 0 },
    { "ANCOUNT 2 of 1", count_too_high, false, PACKET_FAILED, 0, 0, 0 },
    { "all counts 65535", count_highest, false, PACKET_FAILED, 0, 0, 0 },
    { "1 CNAME", chain_1, false, PACKET_ANSWER, DNS_OK, 300, 1 },
    { "8 CNAMEs", chain_8, false, PACKET_ANSWER, DNS_OK, 300, 8 },
    { "9 CNAMEs", chain_9, false, PACKET_FAILED, 0, 0, 0 },
    { "50 CNAMEs", chain_50, false, PACKET_FAILED, 0, 0, 0 },
    { "backwards", chain_backwards, false, PACKET_ANSWER, DNS_OK, 300, 2 },
    { "self loop", cname_to_itself, false, PACKET_FAILED, 0, 0, 0 },
    { "two loop", cname_two_loop, false, PACKET_FAILED, 0, 0, 0 },
    { "CNAME alone", cname_alone, false, PACKET_ALIAS, 0, 300, 1 },
    { "CNAME, NODATA", cname_to_nothing, false, PACKET_ANSWER, DNS_NODATA, 20,
      1 },
    { "CNAME, NXDOMAIN", cname_to_nxdomain, false, PACKET_ANSWER, DNS_NXDOMAIN,
      20, 1 },
    { "CNAME too long", cname_rdata_long, false, PACKET_FAILED, 0, 0, 0 },
    { "DNAME, RRSIG", dname_and_rrsig, false, PACKET_ANSWER, DNS_OK, 300, 1 },
};

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
    dname_and_rrsig(&m);
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
    dname_and_rrsig(&m);
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
