/*
 * records - what stands in the sections of a DNS answer; see records.h.
 *
 * First every name and length of the packet is walked over once, so that
 * libresolv's reader only sees what is sound; then the chain of CNAMEs is
 * followed from the name that was asked for.
 */
#include "proxy/dns/records.h"

#include "proxy/dns/names.h"

#include <base/buf.h>

#include <arpa/nameser.h>
#include <netinet/in.h>
#include <resolv.h>

enum {
    RCODE_BADVERS = 16,
    OPT_RCODE_SHIFT = 24
};

/* --- what it says --------------------------------------------------------- */

/* What is collected while an answer is walked through. */
struct reading {
    ns_msg msg;
    struct bytes message;
    struct buf data;
    struct result_record records[PACKET_RECORDS_MAX];
    size_t count;
    uint32_t ttl_s;
};

/* The RR's owner, class and type; false when there is no such record. */
static bool
is_record(const ns_rr *rr, const struct packet_name *name, unsigned type)
{
    return ns_rr_type(*rr) == type && ns_rr_class(*rr) == ns_c_in &&
           packet_name_eq(name, ns_rr_name(*rr));
}

static bool
get_record(ns_msg *msg, ns_sect section, unsigned i, ns_rr *rr)
{
    return i < ns_msg_count(*msg, section) && i < PACKET_RECORDS_MAX &&
           ns_parserr(msg, section, (int)i, rr) == 0;
}

static bool
put_txt(struct reading *rd, const ns_rr *rr)
{
    struct bytes left = bytes_make(ns_rr_rdata(*rr), ns_rr_rdlen(*rr));

    if (left.len == 0) {
        return false; /* 1035 3.3.14: one or more strings */
    }
    while (left.len > 0) {
        size_t n = left.ptr[0];

        if (n >= left.len) {
            return false;
        }
        buf_put(&rd->data, bytes_make(left.ptr + 1, n));
        left = bytes_skip(left, n + 1);
    }
    return true;
}

static bool
put_name(struct reading *rd, const ns_rr *rr, size_t skip)
{
    struct packet_name name;

    if (!names_rdata(rd->message, rr, skip, &name)) {
        return false;
    }
    for (const char *c = name.text; *c != '\0'; c++) {
        buf_putc(&rd->data, (char)byte_lower((uint8_t)*c));
    }
    return true;
}

static bool
put_address(struct reading *rd, const ns_rr *rr, size_t octets)
{
    buf_put(&rd->data, bytes_make(ns_rr_rdata(*rr), ns_rr_rdlen(*rr)));
    return ns_rr_rdlen(*rr) == octets;
}

/* 6698 2.1: usage, selector, matching type, then data, which is never empty. */
static bool
put_tlsa(struct reading *rd, const ns_rr *rr)
{
    buf_put(&rd->data, bytes_make(ns_rr_rdata(*rr), ns_rr_rdlen(*rr)));
    return ns_rr_rdlen(*rr) > 3;
}

static bool
put_data(struct reading *rd, const ns_rr *rr, enum dns_type type)
{
    switch (type) {
    case DNS_TXT:
        return put_txt(rd, rr);
    case DNS_A:
        return put_address(rd, rr, 4);
    case DNS_AAAA:
        return put_address(rd, rr, 16);
    case DNS_TLSA:
        return put_tlsa(rd, rr);
    case DNS_MX:
        return put_name(rd, rr, 2);
    case DNS_CNAME:
    case DNS_NS:
    case DNS_PTR:
        return put_name(rd, rr, 0);
    }
    return false;
}

static void
note_ttl(struct reading *rd, uint32_t ttl_s)
{
    rd->ttl_s = ttl_s < rd->ttl_s ? ttl_s : rd->ttl_s;
}

/* All records of the type at name; false: one of them is broken. */
static bool
collect(struct reading *rd, const struct packet_name *name, enum dns_type type)
{
    ns_rr rr;

    for (unsigned i = 0; get_record(&rd->msg, ns_s_an, i, &rr); i++) {
        struct result_record *rec = &rd->records[rd->count];
        size_t offset = rd->data.len;

        if (!is_record(&rr, name, (unsigned)type)) {
            continue; /* RRSIG, DNAME, other owners */
        }
        if (!put_data(rd, &rr, type)) {
            return false;
        }
        rec->offset = offset;
        rec->len = rd->data.len - offset;
        rec->preference =
            type == DNS_MX ? (uint16_t)ns_get16(ns_rr_rdata(rr)) : (uint16_t)0;
        rd->count++;
        note_ttl(rd, ns_rr_ttl(rr));
    }
    return !buf_failed(&rd->data);
}

enum step {
    STEP_NONE,
    STEP_MOVED,
    STEP_BROKEN
};

static enum step
follow_cname(struct reading *rd, struct packet_name *name)
{
    struct packet_name target;
    ns_rr rr;

    for (unsigned i = 0; get_record(&rd->msg, ns_s_an, i, &rr); i++) {
        if (!is_record(&rr, name, DNS_CNAME)) {
            continue;
        }
        if (!names_rdata(rd->message, &rr, 0, &target)) {
            return STEP_BROKEN;
        }
        note_ttl(rd, ns_rr_ttl(rr));
        *name = target;
        return STEP_MOVED;
    }
    return STEP_NONE;
}

/* 2308 5: the smaller of the SOA's TTL and its last field. */
static bool
negative_ttl(struct reading *rd, const struct packet_name *name)
{
    ns_rr rr;

    for (unsigned i = 0; get_record(&rd->msg, ns_s_ns, i, &rr); i++) {
        if (ns_rr_type(rr) == ns_t_soa && ns_rr_class(rr) == ns_c_in &&
            ns_rr_rdlen(rr) >= 22 &&
            packet_name_below(name->text, ns_rr_name(rr))) {
            note_ttl(rd, ns_rr_ttl(rr));
            note_ttl(rd,
                     (uint32_t)ns_get32(ns_rr_rdata(rr) + ns_rr_rdlen(rr) - 4));
            return true;
        }
    }
    return false;
}

static bool
names_servers(struct reading *rd)
{
    ns_rr rr;

    for (unsigned i = 0; get_record(&rd->msg, ns_s_ns, i, &rr); i++) {
        if (ns_rr_type(rr) == ns_t_ns) {
            return true;
        }
    }
    return false;
}

/* The chain has ended at name without a record of the type. */
static enum packet_verdict
read_negative(struct reading *rd, const struct packet_name *name,
              unsigned rcode, struct packet_answer *a)
{
    bool soa = negative_ttl(rd, name);

    if (rcode == ns_r_noerror && !soa && a->hops > 0) {
        a->target = *name;
        return PACKET_ALIAS;
    }
    if (rcode == ns_r_noerror && !soa && names_servers(rd)) {
        return PACKET_FAILED; /* a referral: this server does not recurse */
    }
    if (!soa) {
        rd->ttl_s = 0; /* 2308 5: without SOA not to be cached */
    }
    a->result = result_new(rcode == ns_r_noerror ? DNS_NODATA : DNS_NXDOMAIN,
                           NULL, 0, bytes_make(NULL, 0));
    return a->result == NULL ? PACKET_FAILED : PACKET_ANSWER;
}

static enum packet_verdict
read_answer(struct reading *rd, const struct packet_question *q, unsigned rcode,
            unsigned hops_left, struct packet_answer *a)
{
    struct packet_name name = q->name;
    enum step step;

    for (;;) {
        if (!collect(rd, &name, q->type)) {
            return PACKET_FAILED;
        }
        if (rd->count > 0) {
            break;
        }
        step = q->type == DNS_CNAME ? STEP_NONE : follow_cname(rd, &name);
        if (step == STEP_NONE) {
            return read_negative(rd, &name, rcode, a);
        }
        if (step == STEP_BROKEN || a->hops == hops_left) {
            return PACKET_FAILED;
        }
        a->hops++;
    }
    a->result =
        result_new(DNS_OK, rd->records, rd->count, buf_bytes(&rd->data));
    return a->result == NULL ? PACKET_FAILED : PACKET_ANSWER;
}

/* 6891 6.1.3: the upper eight bits stand in the OPT record's TTL. */
unsigned
records_rcode(ns_msg *msg)
{
    unsigned rcode = (unsigned)ns_msg_getflag(*msg, ns_f_rcode);
    ns_rr rr;

    for (unsigned i = 0; get_record(msg, ns_s_ar, i, &rr); i++) {
        if (ns_rr_type(rr) == ns_t_opt) {
            return rcode | (unsigned)(ns_rr_ttl(rr) >> OPT_RCODE_SHIFT) << 4;
        }
    }
    return rcode;
}

/* Everything but the names is sound, or ns_initparse() says so. */
static enum packet_verdict
read_sound(struct reading *rd, const struct packet_question *q,
           unsigned hops_left, struct packet_answer *a)
{
    unsigned rcode;

    if (ns_initparse(rd->message.ptr, (int)rd->message.len, &rd->msg) != 0) {
        return PACKET_FAILED;
    }
    rcode = records_rcode(&rd->msg);
    if (q->edns && rcode == RCODE_BADVERS) {
        return PACKET_NO_EDNS;
    }
    if (rcode != ns_r_noerror && rcode != ns_r_nxdomain) {
        return PACKET_FAILED;
    }
    return read_answer(rd, q, rcode, hops_left, a);
}

enum packet_verdict
records_read(const struct packet_question *q, struct bytes message,
             unsigned hops_left, struct packet_answer *answer_out)
{
    struct reading rd = { .message = message, .ttl_s = UINT32_MAX };
    enum packet_verdict verdict;

    if (message.len > NS_MAXMSG || !names_sound(message)) {
        return PACKET_FAILED;
    }
    verdict = read_sound(&rd, q, hops_left, answer_out);
    answer_out->ttl_s = rd.ttl_s;
    buf_free(&rd.data);
    return verdict;
}
