/*
 * dns_message - DNS answers made by hand, right or wrong, for tests.
 *
 * An answer begins as a copy of the query's header and question; records are
 * added to it with whatever lengths and counts the test wants.
 */
#ifndef TESTS_SUPPORT_DNS_MESSAGE_H
#define TESTS_SUPPORT_DNS_MESSAGE_H

#include <base/buf.h>

struct message {
    struct buf b;
};

enum {
    SECTION_AN = 6,
    SECTION_NS = 8,
    SECTION_AR = 10
}; /* count's offset */

void message_begin(struct message *m, struct bytes query);
void message_flags(struct message *m, uint8_t third, uint8_t fourth);
void message_count(struct message *m, size_t offset, unsigned count);

/* An uncompressed name from text, "" for the root. */
void put_wire_name(struct buf *b, const char *name);
void put_u16(struct buf *b, unsigned n);
void put_u32(struct buf *b, uint32_t n);

/* One record; the section's count goes up. owner NULL: a pointer to 12. */
void put_record(struct message *m, size_t section, const char *owner,
                unsigned type, uint32_t ttl, struct bytes rdata);
void put_txt_record(struct message *m, const char *owner, uint32_t ttl,
                    const char *text);
void put_cname_record(struct message *m, const char *owner, const char *target);
void put_soa_record(struct message *m, const char *zone, uint32_t ttl,
                    uint32_t minimum);

#endif
