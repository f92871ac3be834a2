/*
 * DMARC with hostile names and records.
 *
 * The input is lines: author, signing domains divided by spaces, SPF domain;
 * each further line is the next answer: "!" a failure, "-" no such name, else
 * records divided by '|'.
 */
#include <dkim/dmarc.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    DOMAINS_MAX = 20,
    RECORDS_MAX = 4,
    NAME_MAX_HERE = 300
};

static struct bytes
next_piece(struct bytes *in, uint8_t end)
{
    size_t n = bytes_find(*in, end);
    struct bytes piece = bytes_take(*in, n);

    *in = bytes_skip(*in, n < in->len ? n + 1 : n);
    return piece;
}

static void
answer(struct dmarc *d, struct bytes line)
{
    struct dns_record records[RECORDS_MAX] = { 0 };
    struct dns_answer a = { DNS_NXDOMAIN, records, 0, 1, false };

    if (bytes_is(line, "!")) {
        a.status = DNS_TEMPFAIL;
    } else if (!bytes_is(line, "-")) {
        while (line.len > 0 && a.count < RECORDS_MAX) {
            records[a.count++].data = next_piece(&line, '|');
        }
        a.status = a.count > 0 ? DNS_OK : DNS_NODATA;
    }
    dmarc_answer(d, &a);
}

static void
check_outcome(const struct dmarc_outcome *o)
{
    if (o->result >= DMARC_RESULTS || o->policy > o->published ||
        (o->result != DMARC_FAIL && o->policy != DMARC_POLICY_NONE) ||
        (o->result == DMARC_PASS) != (o->dkim_aligned || o->spf_aligned)) {
        __builtin_trap();
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = bytes_make(data, size), words;
    char author[NAME_MAX_HERE], spf[NAME_MAX_HERE];
    char names[DOMAINS_MAX][NAME_MAX_HERE];
    const char *domains[DOMAINS_MAX];
    struct dmarc_input input = { .author = author,
                                 .dkim = domains,
                                 .spf = spf };
    struct dns_question q;
    unsigned questions = 0;
    struct dmarc *d;

    (void)bytes_copy(next_piece(&in, '\n'), author, sizeof(author));
    words = next_piece(&in, '\n');
    while (words.len > 0 && input.dkim_count < DOMAINS_MAX) {
        (void)bytes_copy(next_piece(&words, ' '), names[input.dkim_count],
                         NAME_MAX_HERE);
        domains[input.dkim_count] = names[input.dkim_count];
        input.dkim_count++;
    }
    (void)bytes_copy(next_piece(&in, '\n'), spf, sizeof(spf));
    d = dmarc_new(&input);
    while (d != NULL && dmarc_run(d, &q) == DMARC_ASK) {
        if (++questions > DMARC_QUESTIONS_MAX ||
            strlen(q.name) > DNS_NAME_MAX) {
            __builtin_trap();
        }
        answer(d, next_piece(&in, '\n'));
    }
    if (d != NULL) {
        check_outcome(dmarc_outcome(d));
    }
    dmarc_free(&d);
    return 0;
}
