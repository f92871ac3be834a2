/*
 * fuzz_dns_packet - any octets as the answer to a query.
 *
 * The first octet chooses type and transport; id and question are put right,
 * so that the walkers are reached.
 */
#include "proxy/dns/packet.h"

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

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum dns_type types[] = { DNS_TXT, DNS_A,   DNS_AAAA,
                                           DNS_MX,  DNS_PTR, DNS_CNAME };
    struct packet_question q = { .edns = true };
    struct packet_seed seed = { 0 };
    struct packet_answer a = { 0 };
    struct packet_query query;
    uint8_t *m;

    if (size < 1) {
        return 0;
    }
    q.type = types[data[0] % 6];
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
    (void)packet_read(&q, &query, bytes_make(m, size), data[0] & 0x80,
                      PACKET_HOPS_MAX, &a);
    if (a.result != NULL) {
        touch(&a.result->answer);
    }
    result_unref(&a.result);
    free(m);
    return 0;
}
