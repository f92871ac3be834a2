/*
 * fuzz_dkim_address - any octets as the value of From.
 *
 * An author that was found, written anew as local@domain, is the same one.
 */
#include <base/buf.h>

#include <dkim/address.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum dkim_from_result
parse(struct bytes value, struct dkim_author *author_out)
{
    struct dkim_field field = { value, BYTES_LIT("From"), value };
    struct dkim_header header = { &field, 1, 0 };

    return dkim_from_parse(&header, author_out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dkim_author author, again;
    struct buf text = BUF_INIT;

    if (parse(bytes_make(data, size), &author) != DKIM_FROM_OK) {
        return 0;
    }
    buf_puts(&text, "\"");
    for (const char *p = author.local; *p != '\0'; p++) {
        buf_putc(&text, '\\');
        buf_putc(&text, *p);
    }
    buf_printf(&text, "\"@%s", author.domain);
    if (parse(buf_bytes(&text), &again) != DKIM_FROM_OK ||
        strcmp(author.local, again.local) != 0 ||
        strcmp(author.domain, again.domain) != 0) {
        abort();
    }
    buf_free(&text);
    return 0;
}
