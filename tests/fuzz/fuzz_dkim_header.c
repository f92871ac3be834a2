/*
 * fuzz_dkim_header - any octets as a message: its header and its author.
 *
 * Fields put together must be the block again, and the end of the header must
 * not depend on how the message arrives.
 */
#include <dkim/address.h>
#include <dkim/header.h>

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
need(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void
check_author(const struct dkim_header *header)
{
    struct dkim_author author;
    char again[DKIM_DOMAIN_MAX + 1];

    if (dkim_from_parse(header, &author) != DKIM_FROM_OK) {
        return;
    }
    need(author.local[0] != '\0');
    need(strlen(author.local) <= DKIM_LOCAL_MAX);
    need(dkim_domain_parse(bytes_str(author.domain), true, again));
    need(strcmp(author.domain, again) == 0);
}

static void
check_fields(struct bytes block)
{
    struct dkim_header header;
    const uint8_t *p = block.ptr;

    if (dkim_header_parse(block, &header) != DKIM_HEADER_OK) {
        return;
    }
    for (size_t i = 0; i < header.count; i++) {
        const struct dkim_field *f = &header.fields[i];

        need(f->raw.ptr == p && f->raw.len > 0);
        p += f->raw.len;
        need(f->value.ptr >= f->raw.ptr && f->value.ptr + f->value.len <= p);
        need(f->name.len + f->value.len <= f->raw.len);
    }
    need(p == block.ptr + block.len);
    check_author(&header);
    dkim_header_free(&header);
}

static void
check_end(struct bytes message)
{
    struct bytes block, piece;
    size_t end = dkim_header_end(message, 0, &block);
    size_t n = 0, found = 0;

    while (n < message.len && found == 0) {
        size_t from = n < 4 ? 0 : n - 3;

        n += 1 + message.ptr[n] % 7;
        n = n < message.len ? n : message.len;
        found = dkim_header_end(bytes_take(message, n), from, &piece);
    }
    need(found == end);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes block, body;

    check_end(bytes_make(data, size));
    (void)dkim_header_split(bytes_make(data, size), &block, &body);
    check_fields(block);
    check_fields(bytes_make(data, size));
    return 0;
}
