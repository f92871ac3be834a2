/*
 * fuzz_dns_packet - any octets as the answer to a query.
 *
 * The first octet chooses type and transport; id and question are put right,
 * so that the walkers are reached. Both readers see the same answer: what one
 * finds broken the other must not read past.
 */
#include "proxy/dns/packet.h"
#include "proxy/dns/raw.h"

#include <base/buf.h>

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
touch(const struct dns_answer *a)
{
    volatile uint8_t sum = 0;

    for (size_t i = 0; i < a->count; i++) {
        for (size_t n = 0; n < a->records[i].data.len; n++) {
            sum = (uint8_t)(sum ^ a->records[i].data.ptr[n]);
        }
    }
}

static void
read_raw(const struct packet_question *q, const struct packet_query *query,
         struct bytes message, bool tcp)
{
    struct raw_answer *a = NULL;
    struct buf text = BUF_INIT;
    volatile size_t sum = 0;

    if (packet_read_raw(q, query, message, tcp, &a) != PACKET_ANSWER) {
        return;
    }
    for (size_t i = 0; i < a->count; i++) {
        const struct raw_record *r = &a->records[i];

        sum = sum + strlen(r->owner) + r->ttl_s;
        if (r->type == RAW_TYPE_TXT) {
            raw_join(r->data, &text);
        } else if (strlen((const char *)r->data.ptr) != r->data.len) {
            abort(); /* a name with a NUL in it */
        }
    }
    (void)raw_find(a, "a.b", RAW_TYPE_TXT);
    sum = sum + raw_negative_s(a);
    buf_free(&text);
    raw_free(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum dns_type types[] = { DNS_TXT, DNS_A,   DNS_AAAA,
                                           DNS_MX,  DNS_PTR, DNS_CNAME,
                                           DNS_NS,  DNS_TLSA };
    struct packet_question q = { .edns = true };
    struct packet_seed seed = { 0 };
    struct packet_answer a = { 0 };
    struct packet_query query;
    uint8_t *m;

    if (size < 1) {
        return 0;
    }
    q.type = types[(data[0] & 0x0f) % 8];
    if (!packet_name_make("a.b", &q.name) ||
        !packet_query_make(&q, &seed, &query)) {
        abort();
    }
    size--;
    m = malloc(size == 0 ? 1 : size);
    if (m == NULL) {
        return 0;
    }
    memcpy(m, data + 1, size);
    if (size >= 12 + query.name_len + 4 && !(data[0] & 0x40)) {
        memcpy(m, query.data, 2);
        memcpy(m + 12, query.data + 12, query.name_len + 4);
        m[2] = (uint8_t)((m[2] | 0x80) & 0x87);
        m[4] = 0;
        m[5] = 1;
    }
    read_raw(&q, &query, bytes_make(m, size), data[0] & 0x80);
    (void)packet_read(&q, &query, bytes_make(m, size), data[0] & 0x80,
                      PACKET_HOPS_MAX, &a);
    if (a.result != NULL) {
        touch(&a.result->answer);
    }
    result_unref(&a.result);
    free(m);
    return 0;
}
