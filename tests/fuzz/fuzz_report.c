/*
 * fuzz_report - any octets as a file of reports: what is given has names
 * without surprises, cells in order and not too many, and a reason else.
 */
#include "proxy/reports/report.h"

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
check_text(const char *text, size_t cap)
{
    size_t len = strlen(text);

    require(len < cap);
    for (size_t i = 0; i < len; i++) {
        require(text[i] >= 0x20 && text[i] < 0x7f);
    }
}

static bool
take(void *arg, const struct report *r)
{
    unsigned *count = arg;

    (*count)++;
    check_text(r->organisation, sizeof(r->organisation));
    check_text(r->id, sizeof(r->id));
    check_text(r->domain, sizeof(r->domain));
    require(r->end_s >= r->begin_s);
    for (size_t i = 0; i < r->count; i++) {
        const struct report_cell *c = &r->cells[i];

        check_text(c->domain, sizeof(c->domain));
        check_text(c->selector, sizeof(c->selector));
        check_text(c->source, sizeof(c->source));
        require(c->dkim_pass + c->dkim_fail <= c->messages);
        require(c->spf_pass <= c->dmarc_pass && c->dmarc_pass <= c->messages);
        require(i == 0 || strcmp(c[-1].domain, c->domain) <= 0);
    }
    return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[REPORT_WHY];
    unsigned count = 0;
    bool good = report_read(bytes_make(data, size), take, &count, why);

    require(good == (why[0] == '\0'));
    require(!good || count > 0);
    require(count <= REPORT_PARTS_MAX);
    return 0;
}
