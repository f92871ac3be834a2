/*
 * fuzz_dkim_canon - the streaming canonicalization against the reference.
 *
 * The first octet chooses the mode and how the body is split.
 */
#include "tests/support/canon_ref.h"

#include <dkim/canon.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
put(void *ctx, struct bytes text)
{
    buf_put(ctx, text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf out = BUF_INIT, ref;
    struct dkim_sink sink = { put, &out };
    struct dkim_body_canon c;
    enum dkim_canon_mode mode;
    struct bytes body, rest;
    size_t chunk;

    if (size == 0) {
        return 0;
    }
    mode = data[0] & 1 ? DKIM_CANON_RELAXED : DKIM_CANON_SIMPLE;
    chunk = 1 + (data[0] >> 1);
    body = rest = bytes_make(data + 1, size - 1);
    dkim_body_canon_init(&c, mode, sink);
    while (rest.len > 0) {
        size_t n = chunk < rest.len ? chunk : rest.len;

        dkim_body_canon_feed(&c, bytes_take(rest, n));
        rest = bytes_skip(rest, n);
        chunk = 1 + (chunk * 7 + 3) % 131;
    }
    dkim_body_canon_end(&c);
    ref = canon_ref_body(mode, body);
    if (!bytes_eq(buf_bytes(&out), buf_bytes(&ref))) {
        abort();
    }
    buf_free(&out);
    buf_free(&ref);
    return 0;
}
