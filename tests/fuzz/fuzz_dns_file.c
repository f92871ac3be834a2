/* Any octets as a file of DNS answers; then questions about its words. */
#include <proxy/dns/file.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
ask_about(struct dns_file *f, struct bytes name)
{
    static const enum dns_type types[] = { DNS_A,  DNS_CNAME, DNS_PTR,
                                           DNS_MX, DNS_TXT,   DNS_AAAA };
    static volatile size_t octets; /* kept, so that the reads are */
    struct dns_question q;
    struct dns_answer a;

    if (!bytes_copy(name, q.name, sizeof(q.name))) {
        return;
    }
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        q.type = types[i];
        dns_file_ask(f, &q, &a);
        for (size_t k = 0; k < a.count; k++) {
            for (size_t n = 0; n < a.records[k].data.len; n++) {
                octets = octets + a.records[k].data.ptr[n];
            }
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes text = bytes_make(data, size);
    struct buf error = BUF_INIT;
    struct dns_file *f = dns_file_parse("FILE", text, &error);

    for (int lines = 0; f != NULL && text.len > 0 && lines < 20; lines++) {
        size_t n = bytes_find(text, '\n');

        ask_about(f, bytes_take(text, bytes_find(bytes_take(text, n), ' ')));
        text = bytes_skip(text, n < text.len ? n + 1 : n);
    }
    if ((f == NULL) == (error.len == 0)) {
        __builtin_trap(); /* an error and no sentence, or the reverse */
    }
    dns_file_free(&f);
    buf_free(&error);
    return 0;
}
