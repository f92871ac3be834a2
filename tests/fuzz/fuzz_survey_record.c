/*
 * fuzz_survey_record - the strings of any TXT record; and any seen-from file.
 */
#include "proxy/survey/record.h"
#include "proxy/survey/seenfrom.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
is_whole(struct bytes strings)
{
    if (strings.len == 0) {
        return false;
    }
    while (strings.len > 0) {
        if (strings.ptr[0] >= strings.len) {
            return false;
        }
        strings = bytes_skip(strings, 1u + strings.ptr[0]);
    }
    return true;
}

static void
read_record(struct bytes strings)
{
    static const char ours[] = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    struct record r;

    if (record_read(strings, &r)) {
        (void)record_is_key(buf_bytes(&r.text));
        (void)record_is_private(&r, ours, true);
        (void)record_is_shuffled(&r, ours, true);
        (void)record_is_shuffled(&r, "", false);
        if (record_is_cut(&r, ours) && r.p.len >= sizeof(ours) - 1) {
            abort(); /* what is whole is not cut */
        }
        (void)record_is_cut(&r, "");
    }
    record_free(&r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes all = bytes_make(data, size);
    struct seenfrom_line list[8];
    size_t count = seenfrom_read(all, "example.com", 20000, list, 8);

    for (size_t i = 0; i < count; i++) {
        if (!bytes_ends_ci(bytes_str(list[i].domain),
                           BYTES_LIT("example.com"))) {
            abort();
        }
    }
    if (is_whole(all)) { /* as proxy/dns/raw.h promises */
        read_record(all);
    }
    return 0;
}
