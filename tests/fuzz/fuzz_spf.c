/*
 * SPF with hostile records and answers: grammar, macros and evaluator.
 *
 * The input is lines. The first two are MAIL FROM and HELO, an address of
 * IPv6 when the first has an even length; each further line is the next
 * answer: "!" a failure, "-" nothing, else records divided by '|'.
 */
#include <dkim/spf.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    RECORDS_MAX = 12
};

static struct bytes
next_piece(struct bytes *in, uint8_t end)
{
    size_t n = bytes_find(*in, end);
    struct bytes piece = bytes_take(*in, n);

    *in = bytes_skip(*in, n < in->len ? n + 1 : n);
    return piece;
}

/* Addresses of the right length, so that matches happen. */
static struct bytes
record_data(struct bytes text, enum dns_type type, uint8_t *room)
{
    size_t len = type == DNS_A ? 4 : 16;

    if (type != DNS_A && type != DNS_AAAA) {
        return text;
    }
    memset(room, 0, len);
    memcpy(room, text.ptr, text.len < len ? text.len : len);
    return bytes_make(room, len);
}

static void
answer(struct spf *s, enum dns_type type, struct bytes line)
{
    struct dns_record records[RECORDS_MAX] = { 0 };
    uint8_t room[RECORDS_MAX][16];
    struct dns_answer a = { DNS_OK, records, 0, 1, false };

    if (bytes_is(line, "!") || bytes_is(line, "-")) {
        a.status = line.ptr[0] == '!' ? DNS_TEMPFAIL : DNS_NODATA;
        spf_answer(s, &a);
        return;
    }
    while (line.len > 0 && a.count < RECORDS_MAX) {
        struct bytes text = next_piece(&line, '|');

        if (text.len > 0) {
            records[a.count].data = record_data(text, type, room[a.count]);
            a.count++;
        }
    }
    a.status = a.count > 0 ? DNS_OK : DNS_NXDOMAIN;
    spf_answer(s, &a);
}

static void
check_result(const struct spf *s)
{
    const char *words = spf_explanation(s);

    if (spf_result(s) >= SPF_RESULTS || spf_reason(s)[0] == '\0' ||
        strlen(words) > SPF_EXPLANATION_MAX) {
        __builtin_trap();
    }
    for (; *words != '\0'; words++) {
        if (*words < 0x20 || *words > 0x7e) {
            __builtin_trap();
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = bytes_make(data, size);
    struct spf_input input = { .ip = { 0x31, 0x2e, 0x31 },
                               .receiver = "mx.test",
                               .now_s = 1,
                               .helo_too = true,
                               .explain = true };
    struct dns_question q;
    unsigned questions = 0;
    struct spf *s;

    input.mail_from = next_piece(&in, '\n');
    input.helo = next_piece(&in, '\n');
    input.ip_octets = input.mail_from.len % 2 == 0 ? 16 : 4;
    s = spf_new(&input);
    while (s != NULL && spf_run(s, &q) == SPF_ASK) {
        if (++questions > SPF_QUESTIONS_MAX || strlen(q.name) > DNS_NAME_MAX) {
            __builtin_trap();
        }
        answer(s, q.type, next_piece(&in, '\n'));
    }
    if (s != NULL) {
        check_result(s);
    }
    spf_free(&s);
    return 0;
}
