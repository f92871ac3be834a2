/*
 * packet - DNS messages; see packet.h.
 *
 * An answer is looked at in this order: is it ours at all (id, QR, question),
 * does the header say cut or failed, is every name and length in it sound,
 * and only then what it says.
 */
#include "proxy/dns/packet.h"

#include "proxy/dns/raw.h"
#include "proxy/dns/records.h"

#include <arpa/nameser.h>
#include <netinet/in.h>
#include <resolv.h>
#include <string.h>

enum {
    HEADER_OCTETS = 12,
    FLAG_QR = 0x80,     /* third octet */
    FLAG_OPCODE = 0x78, /* third octet */
    FLAG_TC = 0x02,     /* third octet */
    FLAG_RD = 0x01,     /* third octet */
    FLAG_AD = 0x20,     /* fourth octet */
    FLAG_CD = 0x10      /* fourth octet */
};

bool
packet_name_make(const char *name, struct packet_name *name_out)
{
    char escaped[2 * DNS_NAME_MAX + 1];
    uint8_t wire[NS_MAXCDNAME];
    char text[PACKET_TEXT_MAX];
    size_t n = 0;

    if (name[0] == '\0' || strlen(name) > DNS_NAME_MAX) {
        return false;
    }
    for (const char *c = name; *c != '\0'; c++) {
        if (*c == '\\') {
            escaped[n++] = '\\'; /* an octet of the name, not an escape */
        }
        escaped[n++] = *c;
    }
    escaped[n] = '\0';
    if (ns_name_pton(escaped, wire, sizeof(wire)) < 0 ||
        ns_name_ntop(wire, text, sizeof(text)) < 0) {
        return false;
    }
    memcpy(name_out->text, text, sizeof(text));
    return strcmp(text, ".") != 0;
}

bool
packet_name_eq(const struct packet_name *a, const char *text)
{
    return bytes_eq_ci(bytes_str(a->text), bytes_str(text));
}

bool
packet_name_below(const char *name, const char *zone)
{
    struct bytes n = bytes_str(name);
    struct bytes z = bytes_str(zone);

    return z.len == 0 || bytes_eq_ci(n, z) ||
           (n.len > z.len && n.ptr[n.len - z.len - 1] == '.' &&
            bytes_ends_ci(n, z));
}

/* draft-vixie-dnsext-dns0x20: case is kept by servers, ignored by zones. */
static void
flip_case(char *text, const uint8_t flips[32])
{
    size_t n = 0;

    for (; *text != '\0'; text++) {
        if (byte_is_alpha((uint8_t)*text)) {
            if (flips[(n / 8) % 32] >> (n % 8) & 1) {
                *text = (char)(*text ^ 0x20);
            }
            n++;
        }
    }
}

/* 6891 6.1.2: root, OPT, our size, no extended bits, no options. */
static void
put_opt(struct packet_query *query)
{
    uint8_t opt[11] = { 0, 0, ns_t_opt, PACKET_UDP_OCTETS >> 8,
                        PACKET_UDP_OCTETS & 0xff };

    memcpy(query->data + query->len, opt, sizeof(opt));
    query->len += sizeof(opt);
    query->data[11] = 1; /* ARCOUNT */
}

static void
put_flags(const struct packet_question *q, uint8_t *header)
{
    if (q->no_recurse) {
        header[2] = (uint8_t)(header[2] & ~FLAG_RD);
    }
    header[3] = (uint8_t)(header[3] | (q->want_ad ? FLAG_AD : 0) |
                          (q->check_disabled ? FLAG_CD : 0));
}

bool
packet_query_make(const struct packet_question *q,
                  const struct packet_seed *seed,
                  struct packet_query *query_out)
{
    struct __res_state state = { 0 };
    struct packet_name name = q->name;
    struct packet_query made = { 0 };
    int n;

    state.options = RES_INIT | RES_RECURSE; /* nothing is read from files */
    flip_case(name.text, seed->flips);
    n = res_nmkquery(&state, ns_o_query, name.text, ns_c_in, (int)q->type, NULL,
                     0, NULL, made.data, (int)sizeof(made.data) - 11);
    if (n < HEADER_OCTETS + 5) {
        return false;
    }
    made.len = (size_t)n;
    made.name_len = made.len - HEADER_OCTETS - 4;
    made.data[0] = (uint8_t)(seed->id >> 8);
    made.data[1] = (uint8_t)(seed->id & 0xff);
    put_flags(q, made.data);
    if (q->edns) {
        put_opt(&made);
    }
    *query_out = made;
    return true;
}

/* --- is it ours ----------------------------------------------------------- */

static bool
no_records(const uint8_t *p)
{
    static const uint8_t zero[8];

    return memcmp(p + 4, zero, sizeof(zero)) == 0;
}

/* An error without its question: it can only make us ask elsewhere. */
static bool
is_bare_error(struct bytes m)
{
    unsigned rcode = m.ptr[3] & 0x0fu;

    return no_records(m.ptr) && rcode != ns_r_noerror && rcode != ns_r_nxdomain;
}

/* 5452 9.1: id and question must be those that were sent. */
static enum packet_verdict
match(const struct packet_query *query, struct bytes m, bool tcp)
{
    const uint8_t *name = query->data + HEADER_OCTETS;
    size_t question = query->name_len + 4;

    if (m.len < HEADER_OCTETS || memcmp(m.ptr, query->data, 2) != 0 ||
        !(m.ptr[2] & FLAG_QR) || (m.ptr[2] & FLAG_OPCODE)) {
        return PACKET_FOREIGN;
    }
    if (is_bare_error(m)) {
        return PACKET_FAILED;
    }
    if (ns_get16(m.ptr + 4) != 1 || m.len < HEADER_OCTETS + question ||
        memcmp(m.ptr + HEADER_OCTETS + query->name_len, name + query->name_len,
               4) != 0 ||
        !bytes_eq_ci(bytes_make(m.ptr + HEADER_OCTETS, query->name_len),
                     bytes_make(name, query->name_len))) {
        return PACKET_FOREIGN;
    }
    if (!tcp && memcmp(m.ptr + HEADER_OCTETS, name, query->name_len) != 0) {
        return PACKET_OTHER_CASE;
    }
    return PACKET_ANSWER;
}

/*
 * What can be said before the sections are looked at: ANSWER when they are to
 * be, FAILED for an error without its question.
 */
static enum packet_verdict
read_header(const struct packet_question *q, const struct packet_query *query,
            struct bytes message, bool tcp)
{
    enum packet_verdict verdict = match(query, message, tcp);
    unsigned rcode;

    if (verdict == PACKET_FOREIGN || verdict == PACKET_OTHER_CASE) {
        return verdict;
    }
    rcode = message.ptr[3] & 0x0fu;
    if (q->edns && (rcode == ns_r_formerr || rcode == ns_r_notimpl)) {
        return PACKET_NO_EDNS; /* 6891 7: a server from before EDNS */
    }
    if (verdict != PACKET_FAILED && (message.ptr[2] & FLAG_TC)) {
        return tcp ? PACKET_FAILED : PACKET_TRUNCATED;
    }
    return verdict;
}

enum packet_verdict
packet_read(const struct packet_question *q, const struct packet_query *query,
            struct bytes message, bool tcp, unsigned hops_left,
            struct packet_answer *answer_out)
{
    enum packet_verdict verdict = read_header(q, query, message, tcp);
    struct packet_answer a = { 0 };

    if (verdict != PACKET_ANSWER) {
        return verdict;
    }
    verdict = records_read(q, message, hops_left, &a);
    if (verdict == PACKET_ANSWER || verdict == PACKET_ALIAS) {
        a.authenticated = (message.ptr[3] & FLAG_AD) != 0;
        *answer_out = a;
    }
    return verdict;
}

enum packet_verdict
packet_read_raw(const struct packet_question *q,
                const struct packet_query *query, struct bytes message,
                bool tcp, struct raw_answer **answer_out)
{
    enum packet_verdict verdict = read_header(q, query, message, tcp);
    struct raw_answer *a;

    if (verdict == PACKET_FAILED && !(message.ptr[2] & FLAG_TC)) {
        a = raw_new(message.ptr[3] & 0x0fu); /* an error, and no more */
    } else if (verdict == PACKET_ANSWER) {
        a = raw_read(message);
    } else {
        return verdict;
    }
    if (a != NULL && q->edns && a->rcode == RAW_BADVERS) {
        raw_free(&a);
        return PACKET_NO_EDNS;
    }
    if (a == NULL) {
        return PACKET_FAILED;
    }
    *answer_out = a;
    return PACKET_ANSWER;
}
