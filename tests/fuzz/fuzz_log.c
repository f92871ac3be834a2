/*
 * fuzz_log - any octets as values: the line has one LF, at its end, printable
 * octets only, and as many keys as were put there.
 */
#include "proxy/log/format.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* The text is one value: a reader that knows only the quoting ends with it. */
static void
check_value(struct bytes text, size_t max)
{
    size_t i = 0;

    require(text.len > 0 && text.len <= max);
    for (size_t k = 0; k < text.len; k++) {
        require(text.ptr[k] >= 0x20 && text.ptr[k] < 0x7f);
    }
    if (text.ptr[0] != '"') {
        require(bytes_find(text, ' ') == text.len);
        require(bytes_find(text, '"') == text.len);
        require(bytes_find(text, '=') == text.len);
        return;
    }
    for (i = 1; i < text.len && text.ptr[i] != '"'; i++) {
        i += text.ptr[i] == '\\';
    }
    require(i == text.len - 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int format = CONF_LOGFMT; format <= CONF_JSON; format++) {
        size_t max = LOG_VALUE_MIN + (size > 0 ? data[0] : 0u);
        struct buf out = BUF_INIT;

        log_format_value(&out, (enum conf_log_format)format,
                         bytes_make(data, size), max);
        require(!buf_failed(&out));
        check_value(buf_bytes(&out), max);
        buf_free(&out);
    }
    return 0;
}
