/*
 * ARC chains of any octets. The input is a key record, an empty line, and the
 * message; each key is answered with the record.
 */
#include <dkim/arc.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
judge(const struct dkim_header *header, const struct dns_answer *answer,
      struct bytes body)
{
    struct arc *a = arc_new(header);
    struct dns_question q;
    unsigned id, questions = 0;

    if (a == NULL) {
        return;
    }
    while (arc_question(a, &q, &id)) {
        questions++;
        arc_answer(a, id, answer);
    }
    arc_body(a, body);
    arc_end(a);
    if (questions > 2 * ARC_SETS_MAX ||
        (arc_result(a) == ARC_PASS) != (arc_count(a) > 0) ||
        (arc_result(a) == ARC_FAIL) != (arc_reason(a)[0] != '\0') ||
        arc_oldest_pass(a) > ARC_SETS_MAX) {
        __builtin_trap();
    }
    arc_free(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = bytes_make(data, size), block = { NULL, 0 }, body;
    struct dns_record record = { bytes_take(in, bytes_find(in, '\n')), 0 };
    struct dns_answer answer = { DNS_OK, &record, 1, 1, false };
    struct dkim_header header;
    size_t end;

    in = bytes_skip(in, record.data.len < in.len ? record.data.len + 1
                                                 : record.data.len);
    end = dkim_header_end(in, 0, &block);
    body = bytes_skip(in, end);
    if (end == 0) {
        block = in;
    }
    if (dkim_header_parse(block, &header) == DKIM_HEADER_OK) {
        judge(&header, &answer, body);
        dkim_header_free(&header);
    }
    return 0;
}
