/*
 * raw - an answer as one server gave it; see raw.h.
 *
 * Two passes over a message that is known to be sound: the text goes into one
 * buffer first, since it moves as it grows; then the views are made.
 */
#include "proxy/dns/raw.h"

#include "proxy/dns/names.h"
#include "proxy/dns/records.h"

#include <base/buf.h>

#include <arpa/nameser.h>

enum {
    SOA_NUMBERS = 20 /* octets of serial to minimum */
};

/* A record whose text still stands in the growing buffer. */
struct place {
    size_t owner, data, len;
};

struct reading {
    struct bytes message;
    ns_msg msg;
    struct buf text;
    struct place places[RAW_RECORDS_MAX];
    struct raw_record records[RAW_RECORDS_MAX];
    size_t count;
};

static void
put_lower(struct buf *out, const char *name)
{
    for (; *name != '\0'; name++) {
        buf_putc(out, (char)byte_lower((uint8_t)*name));
    }
}

static bool
strings_whole(struct bytes rdata)
{
    if (rdata.len == 0) {
        return false; /* 1035 3.3.14: one or more strings */
    }
    while (rdata.len > 0) {
        size_t n = 1u + rdata.ptr[0];

        if (n > rdata.len) {
            return false;
        }
        rdata = bytes_skip(rdata, n);
    }
    return true;
}

/* False: what stands in RDATA is not what the type says. */
static bool
put_data(struct reading *rd, const ns_rr *rr, struct raw_record *record)
{
    struct bytes rdata = bytes_make(ns_rr_rdata(*rr), ns_rr_rdlen(*rr));
    struct packet_name name;

    switch (record->type) {
    case RAW_TYPE_TXT:
        buf_put(&rd->text, rdata);
        return strings_whole(rdata);
    case RAW_TYPE_SOA:
        if (rdata.len < SOA_NUMBERS + 2) {
            return false;
        }
        record->minimum_s = (uint32_t)ns_get32(rdata.ptr + rdata.len - 4);
        return true;
    default: /* CNAME, NS */
        if (!names_rdata(rd->message, rr, 0, &name)) {
            return false;
        }
        put_lower(&rd->text, name.text);
        return true;
    }
}

static bool
is_kept(const ns_rr *rr)
{
    unsigned type = ns_rr_type(*rr);

    return ns_rr_class(*rr) == ns_c_in &&
           (type == RAW_TYPE_TXT || type == RAW_TYPE_CNAME ||
            type == RAW_TYPE_NS || type == RAW_TYPE_SOA);
}

static bool
collect(struct reading *rd, ns_sect section)
{
    unsigned count = ns_msg_count(rd->msg, section);

    for (unsigned i = 0; i < count && rd->count < RAW_RECORDS_MAX; i++) {
        struct raw_record *record = &rd->records[rd->count];
        struct place *place = &rd->places[rd->count];
        ns_rr rr;

        if (ns_parserr(&rd->msg, section, (int)i, &rr) != 0) {
            return false;
        }
        if (!is_kept(&rr)) {
            continue;
        }
        record->authority = section == ns_s_ns;
        record->type = ns_rr_type(rr);
        record->ttl_s = ns_rr_ttl(rr);
        place->owner = rd->text.len;
        put_lower(&rd->text, ns_rr_name(rr));
        buf_putc(&rd->text, '\0');
        place->data = rd->text.len;
        if (!put_data(rd, &rr, record)) {
            return false;
        }
        place->len = rd->text.len - place->data;
        buf_putc(&rd->text, '\0'); /* names are read as C text too */
        rd->count++;
    }
    return !buf_failed(&rd->text);
}

/* The answer, its records and their text, in this order. */
static struct raw_answer *
allocate(size_t count, size_t text_octets)
{
    size_t records = count * sizeof(struct raw_record);
    struct raw_answer *a = calloc(1, sizeof(*a) + records + text_octets);

    if (a != NULL) {
        a->refs = 1;
        a->count = count;
        a->records = (struct raw_record *)(a + 1);
    }
    return a;
}

struct raw_answer *
raw_new(unsigned rcode)
{
    struct raw_answer *a = allocate(0, 0);

    if (a != NULL) {
        a->rcode = rcode;
    }
    return a;
}

static struct raw_answer *
build(struct reading *rd)
{
    struct raw_answer *a = allocate(rd->count, rd->text.len);
    char *text;

    if (a == NULL) {
        return NULL;
    }
    text = (char *)(a->records + rd->count);
    if (rd->text.len > 0) {
        memcpy(text, rd->text.ptr, rd->text.len);
    }
    a->rcode = records_rcode(&rd->msg);
    a->authoritative = ns_msg_getflag(rd->msg, ns_f_aa) != 0;
    for (size_t i = 0; i < rd->count; i++) {
        a->records[i] = rd->records[i];
        a->records[i].owner = text + rd->places[i].owner;
        a->records[i].data =
            bytes_make(text + rd->places[i].data, rd->places[i].len);
    }
    return a;
}

struct raw_answer *
raw_read(struct bytes message)
{
    struct reading rd = { .message = message };
    struct raw_answer *a = NULL;

    if (message.len <= NS_MAXMSG && names_sound(message) &&
        ns_initparse(message.ptr, (int)message.len, &rd.msg) == 0 &&
        collect(&rd, ns_s_an) && collect(&rd, ns_s_ns)) {
        a = build(&rd);
    }
    buf_free(&rd.text);
    return a;
}

struct raw_answer *
raw_ref(struct raw_answer *a)
{
    a->refs++;
    return a;
}

void
raw_free(struct raw_answer **a)
{
    if (*a != NULL && --(*a)->refs == 0) {
        free(*a);
    }
    *a = NULL;
}

const struct raw_record *
raw_find(const struct raw_answer *a, const char *name, unsigned type)
{
    for (size_t i = 0; i < a->count; i++) {
        const struct raw_record *r = &a->records[i];

        if (!r->authority && r->type == type &&
            bytes_eq_ci(bytes_str(r->owner), bytes_str(name))) {
            return r;
        }
    }
    return NULL;
}

uint32_t
raw_negative_s(const struct raw_answer *a)
{
    for (size_t i = 0; i < a->count; i++) {
        const struct raw_record *r = &a->records[i];

        if (r->authority && r->type == RAW_TYPE_SOA) {
            return r->ttl_s < r->minimum_s ? r->ttl_s : r->minimum_s;
        }
    }
    return 0;
}

void
raw_join(struct bytes strings, struct buf *text)
{
    while (strings.len > 0) {
        size_t n = strings.ptr[0];

        strings = bytes_skip(strings, 1);
        buf_put(text, bytes_take(strings, n));
        strings = bytes_skip(strings, n < strings.len ? n : strings.len);
    }
}
