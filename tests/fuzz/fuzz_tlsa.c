/*
 * fuzz_tlsa - TLSA records as DNS could send them: each is taken or of no use,
 * and nothing is read beyond it. Octet 0 of each is its length.
 */
#include "proxy/net/tls.h"
#include "proxy/net/tls_dane.h"

#include <openssl/err.h>

#include <assert.h>
#include <stdlib.h>

enum {
    RECORDS_MAX = 8
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static SSL_CTX *
context(void)
{
    static SSL_CTX *ctx;

    if (ctx == NULL) {
        struct upstream_conf conf = { .ca_file = "", .tls = CONF_TLS_DANE };
        struct buf error = BUF_INIT;

        ctx = tls_client_new(&conf, &error);
        assert(ctx != NULL);
    }
    return ctx;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes rest = bytes_make(data, size);
    struct bytes records[RECORDS_MAX];
    size_t count = 0, usable = 0;
    SSL *ssl;

    while (rest.len > 0 && count < RECORDS_MAX) {
        struct bytes record = bytes_take(bytes_skip(rest, 1), rest.ptr[0]);
        uint8_t *copy = malloc(record.len + (record.len == 0));

        assert(copy != NULL);
        if (record.len > 0) {
            memcpy(copy, record.ptr, record.len);
        }
        records[count++] = bytes_make(copy, record.len);
        rest = bytes_skip(rest, record.len + 1);
    }
    ssl = tls_dane_ssl(context(), "a.test", "b.test", records, count, &usable);
    assert(usable <= count);
    assert((ssl != NULL) == (usable > 0));
    assert(ERR_peek_error() == 0);
    SSL_free(ssl);
    for (size_t i = 0; i < count; i++) {
        free((void *)(uintptr_t)records[i].ptr);
    }
    return 0;
}
