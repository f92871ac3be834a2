/*
 * fuzz_proxyproto - a header is never longer than what came, is the same when
 * more follows it, and every cut of it asks for more.
 */
#include <assert.h>
#include <proxy/net/proxyproto.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
same(const union net_address *a, const union net_address *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

/* On memory that ends where the octets do. */
static enum proxyproto_result
parse_copy(struct bytes in, struct proxyproto *out)
{
    uint8_t *copy = malloc(in.len + (in.len == 0));
    enum proxyproto_result result;

    if (copy == NULL) {
        abort();
    }
    if (in.len > 0) {
        memcpy(copy, in.ptr, in.len);
    }
    result = proxyproto_parse(bytes_make(copy, in.len), out);
    free(copy);
    return result;
}

static void
check_header(struct bytes in, enum proxyproto_result result,
             const struct proxyproto *header)
{
    struct proxyproto again;
    size_t step = header->octets / 64 + 1;

    assert(header->octets > 0 && header->octets <= in.len);
    assert(header->octets <= PROXYPROTO_MAX);
    assert(parse_copy(bytes_take(in, header->octets), &again) == result);
    assert(again.octets == header->octets);
    assert(same(&again.source, &header->source));
    assert(same(&again.destination, &header->destination));
    assert((header->source.any.sa_family != AF_UNSPEC) ==
           (result == PROXYPROTO_CLIENT));
    for (size_t n = 0; n < header->octets; n += step) {
        assert(parse_copy(bytes_take(in, n), &again) == PROXYPROTO_MORE);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = { data, size };
    struct proxyproto header;
    enum proxyproto_result result;
    char text[INET6_ADDRSTRLEN];

    memset(&header, 0, sizeof(header));
    result = proxyproto_parse(in, &header);
    if (result == PROXYPROTO_MORE) {
        assert(size < PROXYPROTO_MAX);
    } else if (result != PROXYPROTO_BAD) {
        check_header(in, result, &header);
    }
    if (result == PROXYPROTO_CLIENT) {
        net_address_text(&header.source.any, text);
        assert(text[0] != '\0');
    }
    return 0;
}
