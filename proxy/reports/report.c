/*
 * report - DMARC aggregate reports; see report.h.
 */
#include "proxy/reports/report.h"

#include "proxy/reports/parts.h"

#include <stdlib.h>

bool
report_fail(struct report_reading *r, const char *why)
{
    (void)bytes_copy(bytes_take(bytes_str(why), REPORT_WHY - 1), r->why,
                     REPORT_WHY);
    return false;
}

static struct bytes
without_bom(struct bytes data)
{
    return data.len >= 3 && memcmp(data.ptr, "\xef\xbb\xbf", 3) == 0
               ? bytes_skip(data, 3)
               : data;
}

bool
report_is_xml(struct bytes data)
{
    data = bytes_trim(without_bom(bytes_take(data, 1000)));
    return bytes_starts_ci(data, "<?xml") || bytes_starts_ci(data, "<feedback");
}

bool
report_is_packed(struct bytes data)
{
    return data.len > 4 && (memcmp(data.ptr, "\x1f\x8b", 2) == 0 ||
                            memcmp(data.ptr, "PK\x03\x04", 4) == 0);
}

/* "Name:" of printable octets at its very beginning (RFC 5322 2.2). */
static bool
is_message(struct bytes data)
{
    size_t colon = bytes_find(bytes_take(data, 100), ':');

    for (size_t i = 0; i < colon && i < data.len; i++) {
        if (data.ptr[i] <= ' ' || data.ptr[i] >= 0x7f) {
            return bytes_starts_ci(data, "From "); /* an mbox's first line */
        }
    }
    return colon > 0 && colon < data.len && colon < 100;
}

bool
report_open(struct report_reading *r, struct bytes data, unsigned depth)
{
    if (depth > REPORT_DEPTH_MAX) {
        return report_fail(r, "archives and messages are nested too deep");
    }
    if (r->parts_left-- == 0) {
        r->parts_left = 0;
        return report_fail(r, "too many files in it");
    }
    if (report_is_packed(data)) {
        return report_unpack(r, data, depth);
    }
    if (report_is_xml(data)) {
        return report_xml(r, without_bom(data));
    }
    if (is_message(data)) {
        return report_message(r, data, depth);
    }
    return report_fail(r, "no report: XML, gzip, zip or a message is");
}

bool
report_read(struct bytes file, report_callback *cb, void *arg,
            char why_out[REPORT_WHY])
{
    struct report_reading r = {
        cb, arg, why_out, REPORT_UNPACKED_MAX, REPORT_PARTS_MAX, 0
    };

    why_out[0] = '\0';
    if (file.len > REPORT_FILE_MAX) {
        return report_fail(&r, "more than 32 MiB");
    }
    if (!report_open(&r, file, 0)) {
        return false;
    }
    if (r.found == 0) {
        return why_out[0] != '\0' ? false
                                  : report_fail(&r, "there is no report in it");
    }
    why_out[0] = '\0'; /* of a part beside the reports */
    return true;
}

/* --- cells -------------------------------------------------------------- */

static int
compare(const void *a, const void *b)
{
    const struct report_cell *x = a, *y = b;
    int order = strcmp(x->domain, y->domain);

    order = order != 0 ? order : strcmp(x->selector, y->selector);
    return order != 0 ? order : strcmp(x->source, y->source);
}

size_t
report_merge(struct report_cell *cells, size_t count)
{
    size_t n = 0;

    if (count > 1) {
        qsort(cells, count, sizeof(*cells), compare);
    }
    for (size_t i = 0; i < count; i++) {
        struct report_cell *to = n > 0 ? &cells[n - 1] : NULL;

        if (to == NULL || compare(to, &cells[i]) != 0) {
            cells[n++] = cells[i];
            continue;
        }
        to->messages += cells[i].messages;
        to->dkim_pass += cells[i].dkim_pass;
        to->dkim_fail += cells[i].dkim_fail;
        to->spf_pass += cells[i].spf_pass;
        to->dmarc_pass += cells[i].dmarc_pass;
    }
    return n;
}
