/*
 * result - an answer that owns its records; see result.h.
 */
#include "proxy/dns/result.h"

#include <stdlib.h>

struct dns_result *
result_new(enum dns_status status, const struct result_record *records,
           size_t count, struct bytes data)
{
    size_t octets = sizeof(struct dns_result) +
                    count * sizeof(struct dns_record) + data.len;
    struct dns_result *r = malloc(octets);
    struct dns_record *list;
    uint8_t *copy;

    if (r == NULL) {
        return NULL;
    }
    list = (struct dns_record *)(r + 1);
    copy = (uint8_t *)(list + count);
    if (data.len > 0) {
        memcpy(copy, data.ptr, data.len);
    }
    for (size_t i = 0; i < count; i++) {
        list[i].data = bytes_make(copy + records[i].offset, records[i].len);
        list[i].preference = records[i].preference;
    }
    r->answer = (struct dns_answer){ .status = status,
                                     .records = list,
                                     .count = count };
    r->octets = octets;
    r->refs = 1;
    return r;
}

struct dns_result *
result_ref(struct dns_result *r)
{
    r->refs++;
    return r;
}

void
result_unref(struct dns_result **r)
{
    if (*r != NULL && --(*r)->refs == 0) {
        free(*r);
    }
    *r = NULL;
}
