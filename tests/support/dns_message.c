/*
 * dns_message - DNS answers made by hand; see dns_message.h.
 */
#include "dns_message.h"

void
put_u16(struct buf *b, unsigned n)
{
    buf_putc(b, (char)(n >> 8 & 0xff));
    buf_putc(b, (char)(n & 0xff));
}

void
put_u32(struct buf *b, uint32_t n)
{
    put_u16(b, n >> 16);
    put_u16(b, n & 0xffff);
}

void
put_wire_name(struct buf *b, const char *name)
{
    struct bytes left = bytes_str(name);

    while (left.len > 0) {
        size_t n = bytes_find(left, '.');

        buf_putc(b, (char)n);
        buf_put(b, bytes_take(left, n));
        left = bytes_skip(left, n < left.len ? n + 1 : n);
    }
    buf_putc(b, 0);
}

void
message_begin(struct message *m, struct bytes query)
{
    size_t at = 12;

    m->b = (struct buf)BUF_INIT;
    while (at < query.len && query.ptr[at] != 0) {
        at += 1u + query.ptr[at];
    }
    buf_put(&m->b, bytes_take(query, at + 5));
    m->b.ptr[2] = 0x81; /* QR, RD */
    m->b.ptr[3] = 0x80; /* RA */
    message_count(m, SECTION_AR, 0);
}

void
message_flags(struct message *m, uint8_t third, uint8_t fourth)
{
    m->b.ptr[2] |= third;
    m->b.ptr[3] |= fourth;
}

void
message_count(struct message *m, size_t offset, unsigned count)
{
    m->b.ptr[offset] = (uint8_t)(count >> 8);
    m->b.ptr[offset + 1] = (uint8_t)count;
}

void
put_record(struct message *m, size_t section, const char *owner, unsigned type,
           uint32_t ttl, struct bytes rdata)
{
    unsigned count = (unsigned)(m->b.ptr[section] << 8 | m->b.ptr[section + 1]);

    if (owner == NULL) {
        put_u16(&m->b, 0xc00c);
    } else {
        put_wire_name(&m->b, owner);
    }
    put_u16(&m->b, type);
    put_u16(&m->b, 1);
    put_u32(&m->b, ttl);
    put_u16(&m->b, (unsigned)rdata.len);
    buf_put(&m->b, rdata);
    message_count(m, section, count + 1);
}

void
put_txt_record(struct message *m, const char *owner, uint32_t ttl,
               const char *text)
{
    struct bytes left = bytes_str(text);
    struct buf rdata = BUF_INIT;

    do {
        struct bytes part = bytes_take(left, 255);

        buf_putc(&rdata, (char)part.len);
        buf_put(&rdata, part);
        left = bytes_skip(left, part.len);
    } while (left.len > 0);
    put_record(m, SECTION_AN, owner, 16, ttl, buf_bytes(&rdata));
    buf_free(&rdata);
}

void
put_cname_record(struct message *m, const char *owner, const char *target)
{
    struct buf rdata = BUF_INIT;

    put_wire_name(&rdata, target);
    put_record(m, SECTION_AN, owner, 5, 300, buf_bytes(&rdata));
    buf_free(&rdata);
}

void
put_soa_record(struct message *m, const char *zone, uint32_t ttl,
               uint32_t minimum)
{
    struct buf rdata = BUF_INIT;

    put_wire_name(&rdata, "ns.test");
    put_wire_name(&rdata, "admin.test");
    for (unsigned i = 0; i < 4; i++) {
        put_u32(&rdata, 7200);
    }
    put_u32(&rdata, minimum);
    put_record(m, SECTION_NS, zone, 6, ttl, buf_bytes(&rdata));
    buf_free(&rdata);
}
