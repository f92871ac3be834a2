/*
 * fuzz_kept - any octets as a file that is kept in the state directory: the
 * sums of reports (written and read again, they are the same), failed tries,
 * notices that were sent.
 */
#include "proxy/notices/memory.h"
#include "proxy/publish/tries.h"
#include "proxy/reports/reports.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void
try_reports(struct bytes text)
{
    struct reports *r = reports_parse(text), *again;
    struct buf once = BUF_INIT, twice = BUF_INIT;

    require(r != NULL);
    reports_put(r, &once);
    again = reports_parse(buf_bytes(&once));
    require(again != NULL);
    reports_put(again, &twice);
    require(bytes_eq(buf_bytes(&once), buf_bytes(&twice)));
    reports_free(&r);
    reports_free(&again);
    buf_free(&once);
    buf_free(&twice);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct notice_memory memory;
    struct publish_tries tries;
    struct bytes text = bytes_make(data, size);

    try_reports(text);
    publish_tries_parse(text, &tries);
    require(tries.failures == 0 || tries.next_s > tries.failed_s);
    require(strlen(tries.why) < sizeof(tries.why));
    notice_memory_parse(text, &memory);
    require(memory.count <= NOTICE_MEMORY_MAX);
    return 0;
}
