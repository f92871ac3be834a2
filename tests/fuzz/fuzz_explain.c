/*
 * Any message explained. The input is a key record, a line end, and the
 * message; what comes out must be printable lines.
 */
#include <dkim/explain.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
explain_all(const struct dkim_header *header, struct bytes body,
            const struct dns_answer *answer)
{
    const struct dkim_verify_conf conf = { .now_s = 1, .signatures_max = 2 };
    struct dkim_verify *v = dkim_verify_new(header, &conf);
    struct dns_question q;
    struct buf out = BUF_INIT;
    unsigned id;

    if (v == NULL) {
        return;
    }
    while (dkim_verify_question(v, &q, &id)) {
        dkim_verify_answer(v, id, answer);
    }
    dkim_verify_body(v, body);
    dkim_verify_end(v);
    for (size_t i = 0; i < dkim_verify_count(v) && i < 2; i++) {
        const struct dkim_explain e = {
            .header = header,
            .field = dkim_header_get(header, "dkim-signature", i),
            .body = body,
            .result = dkim_verify_result(v, i),
            .key = i == 0 ? answer : NULL,
        };

        dkim_explain(&e, &out);
    }
    for (size_t i = 0; i < out.len; i++) {
        if (out.ptr[i] != '\n' && (out.ptr[i] < 0x20 || out.ptr[i] > 0x7e)) {
            __builtin_trap();
        }
    }
    buf_free(&out);
    dkim_verify_free(&v);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = bytes_make(data, size), block = { NULL, 0 };
    struct dns_record record = { bytes_take(in, bytes_find(in, '\n')), 0 };
    struct dns_answer answer = { DNS_OK, &record, 1, 1, false };
    struct dkim_header header;
    size_t end;

    in = bytes_skip(in, record.data.len < in.len ? record.data.len + 1
                                                 : record.data.len);
    end = dkim_header_end(in, 0, &block);
    if (dkim_header_parse(end == 0 ? in : block, &header) == DKIM_HEADER_OK) {
        explain_all(&header, end == 0 ? bytes_take(in, 0) : bytes_skip(in, end),
                    &answer);
        dkim_header_free(&header);
    }
    return 0;
}
