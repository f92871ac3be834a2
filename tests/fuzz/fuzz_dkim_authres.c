/*
 * fuzz_dkim_authres - any octets as the value of Authentication-Results, and
 * as a value that we write.
 *
 * What we write claims our name, is one field, and has one result.
 */
#include <dkim/authres.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
need(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void
check_written(struct bytes value)
{
    struct dkim_authres a;
    struct dkim_header header;
    struct bytes field;

    dkim_authres_begin(&a, "mx.example.com");
    dkim_authres_result(&a, "dkim", "fail", "no \"reason\"");
    dkim_authres_property(&a, "header.i", value);
    need(dkim_authres_end(&a, &field));
    need(dkim_header_parse(field, &header) == DKIM_HEADER_OK);
    need(header.count == 1 && header.faults == 0);
    need(dkim_authres_claims(&header.fields[0], "mx.example.com"));
    need(!dkim_authres_claims(&header.fields[0], "example.com"));
    dkim_header_free(&header);
    dkim_authres_free(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes value = bytes_make(data, size);
    struct dkim_field field = { value, BYTES_LIT("Authentication-Results"),
                                value };

    (void)dkim_authres_claims(&field, "mx.example.com");
    (void)dkim_authres_claims(&field, "xn--mx.example.com");
    check_written(value);
    return 0;
}
