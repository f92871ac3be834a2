/*
 * fuzz_smtp_data - the same message for every split; out and in again is the
 * same; nothing that could be smuggled is called clean.
 *
 * The first octet: bit 0 normalize, bit 1 chunks, the rest a split.
 */
#include <base/buf.h>

#include <smtp/data.h>

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    struct buf content;
    unsigned faults;
    bool done;
    size_t left;
};

static void
decode(uint8_t mode, struct bytes wire, size_t chunk, struct outcome *o)
{
    struct smtp_data_decoder d;

    *o = (struct outcome){ .content = BUF_INIT };
    if (mode & 2) {
        smtp_data_chunks_init(&d, UINT64_MAX, mode & 1);
    } else {
        smtp_data_decoder_init(&d, UINT64_MAX, mode & 1);
    }
    while (!o->done && wire.len > 0) {
        struct bytes in = bytes_take(wire, chunk), out;
        size_t before = in.len;

        o->done = smtp_data_decode(&d, &in, &out) == SMTP_DATA_DONE;
        assert(in.len < before || out.len > 0 || o->done);
        buf_put(&o->content, out);
        wire = bytes_skip(wire, before - in.len);
    }
    if (mode & 2) {
        buf_put(&o->content, smtp_data_chunks_end(&d));
    }
    o->left = wire.len;
    o->faults = smtp_data_faults(&d);
    assert(smtp_data_octets(&d) == o->content.len);
}

static bool
is_clean(struct bytes content)
{
    for (size_t i = 0; i < content.len; i++) {
        uint8_t c = content.ptr[i];
        bool cr = i > 0 && content.ptr[i - 1] == '\r';

        if (c == '\0' || (c == '\n') != cr) {
            return false;
        }
    }
    return content.len == 0 || content.ptr[content.len - 1] != '\r';
}

/* A message without a fault, encoded and decoded again. */
static void
check_identity(struct bytes content, size_t chunk)
{
    struct smtp_data_encoder e = { 0 };
    struct buf wire = BUF_INIT;
    struct bytes rest = content;
    struct outcome again;

    while (rest.len > 0) {
        struct bytes in = bytes_take(rest, chunk), out;
        size_t before = in.len;

        while (in.len > 0) {
            smtp_data_encode(&e, &in, &out);
            buf_put(&wire, out);
        }
        rest = bytes_skip(rest, before);
    }
    buf_put(&wire, smtp_data_encode_end(&e));
    decode(0, buf_bytes(&wire), chunk, &again);
    assert(again.done && again.left == 0);
    /* A line that was cut has got its end. */
    assert(bytes_eq(bytes_take(buf_bytes(&again.content), content.len),
                    content));
    buf_free(&again.content);
    buf_free(&wire);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const unsigned bad =
        SMTP_FAULT_BARE_CR | SMTP_FAULT_BARE_LF | SMTP_FAULT_NUL;
    struct bytes wire = { data, size };
    struct outcome whole, split;
    size_t chunk;

    if (size < 2) {
        return 0;
    }
    wire = bytes_skip(wire, 1);
    chunk = 1 + data[0] / 4 % 40;
    decode(data[0], wire, wire.len, &whole);
    decode(data[0], wire, chunk, &split);
    assert(bytes_eq(buf_bytes(&whole.content), buf_bytes(&split.content)));
    assert(whole.done == split.done && whole.left == split.left);
    assert(whole.faults == split.faults);
    if (whole.done || data[0] & 2) {
        assert(data[0] & 1 ||
               is_clean(buf_bytes(&whole.content)) == !(whole.faults & bad));
        if (is_clean(buf_bytes(&whole.content))) {
            check_identity(buf_bytes(&whole.content), chunk);
        }
    }
    buf_free(&whole.content);
    buf_free(&split.content);
    return 0;
}
