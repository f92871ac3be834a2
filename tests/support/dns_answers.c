/*
 * dns_answers - see dns_answers.h.
 */
#include "tests/support/dns_answers.h"

#include <stdio.h>

const char answer_name[] = "sel._domainkey.example.com";

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
    put_wire_name(&m->b, answer_name);
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

    snprintf(from, sizeof(from), "%s", answer_name);
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
    put_cname_record(m, answer_name, "a.example.net");
}

static void
cname_to_itself(struct message *m)
{
    put_cname_record(m, answer_name, answer_name);
}

static void
cname_two_loop(struct message *m)
{
    put_cname_record(m, answer_name, "a.example.net");
    put_cname_record(m, "a.example.net", answer_name);
}

static void
cname_alone(struct message *m)
{
    put_cname_record(m, answer_name, "a.example.net");
}

static void
cname_to_nothing(struct message *m)
{
    put_cname_record(m, answer_name, "a.example.net");
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

void
answer_dname_and_rrsig(struct message *m)
{
    put_record(m, SECTION_AN, "example.com", 39, 300,
               BYTES_LIT("\7example\3net\0"));
    put_record(m, SECTION_AN, NULL, 46, 300, BYTES_LIT("anything"));
    put_cname_record(m, answer_name, "sel._domainkey.example.net");
    put_record(m, SECTION_AN, "sel._domainkey.example.net", 46, 1,
               BYTES_LIT("anything"));
    put_txt_record(m, "sel._domainkey.example.net", 300, "v=DKIM1");
}

const struct answer_case answer_cases[] = {
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
    { "DNAME, RRSIG", answer_dname_and_rrsig, false, PACKET_ANSWER, DNS_OK, 300,
      1 },
};
