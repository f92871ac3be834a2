/*
 * fuzz_domainfile - any octets as a domain's note: what is taken comes back
 * the same when it is written and read again.
 */
#include "proxy/domains/domainfile.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
compare(const struct domain_file *file, const struct buf *text)
{
    struct conf_errors *errors = conf_errors_new();
    struct buf again = BUF_INIT;
    struct domain_file *second =
        domainfile_read(buf_bytes(text), file->domain, "the note", errors);

    if (second == NULL) {
        abort(); /* what we write, we read */
    }
    domainfile_put(second, &again);
    if (!bytes_eq(buf_bytes(text), buf_bytes(&again))) {
        abort();
    }
    domainfile_free(&second);
    buf_free(&again);
    conf_errors_free(&errors);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conf_errors *errors = conf_errors_new();
    struct domain_file *file = domainfile_read(bytes_make(data, size),
                                               "a.example", "the note", errors);
    struct buf text = BUF_INIT;

    if (file != NULL) {
        domainfile_put(file, &text);
        if (!buf_failed(&text)) {
            compare(file, &text);
        }
    } else if (conf_errors_count(errors) == 0) {
        abort(); /* refused without a word */
    }
    buf_free(&text);
    domainfile_free(&file);
    conf_errors_free(&errors);
    return 0;
}
