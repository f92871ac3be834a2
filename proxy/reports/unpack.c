/*
 * unpack - gzip and zip, by libarchive; see parts.h.
 *
 * Only these two are read, and only into memory: an archive's names are
 * never used. What unpacks to very much more than it was is not a report.
 */
#include "proxy/reports/parts.h"

#include <archive.h>
#include <archive_entry.h>

enum {
    PIECE = 64 * 1024,
    FREE_OCTETS = 1024 * 1024
};

static bool
fail_archive(struct report_reading *r, struct archive *a)
{
    const char *said = archive_error_string(a);
    char why[REPORT_WHY];

    (void)snprintf(why, sizeof(why), "cannot be unpacked: %s",
                   said == NULL ? "damaged" : said);
    return report_fail(r, why);
}

/* The file that the archive stands at, within its limits. */
static bool
read_entry(struct report_reading *r, struct archive *a, size_t packed,
           struct buf *out)
{
    la_ssize_t n = 1;

    while (n > 0) {
        if (!buf_reserve(out, PIECE)) {
            return report_fail(r, "no memory");
        }
        n = archive_read_data(a, out->ptr + out->len, PIECE);
        if (n < 0) {
            return fail_archive(r, a);
        }
        out->len += (size_t)n;
        if ((size_t)n > r->octets_left ||
            (out->len > FREE_OCTETS && out->len / REPORT_RATIO_MAX > packed)) {
            return report_fail(r, "it unpacks to far more than a report has");
        }
        r->octets_left -= (size_t)n;
    }
    return true;
}

static bool
read_all(struct report_reading *r, struct archive *a, size_t packed,
         unsigned depth)
{
    struct archive_entry *entry;
    bool good = true;
    int code;

    while (good &&
           (code = archive_read_next_header(a, &entry)) != ARCHIVE_EOF) {
        struct buf text = BUF_INIT;

        if (code != ARCHIVE_OK && code != ARCHIVE_WARN) {
            return fail_archive(r, a);
        }
        if (archive_entry_filetype(entry) == AE_IFDIR) {
            continue;
        }
        good = read_entry(r, a, packed, &text) &&
               report_open(r, buf_bytes(&text), depth + 1);
        buf_free(&text);
    }
    return good;
}

/* What is no gzip has no layer, and gzip in gzip has several. */
static bool
has_one_layer(struct report_reading *r, struct archive *a)
{
    int layers = archive_filter_count(a) - 1; /* the last is the memory */

    if (layers < 1) {
        return report_fail(r, "cannot be unpacked: no gzip");
    }
    return layers == 1 ||
           report_fail(r, "archives and messages are nested too deep");
}

bool
report_unpack(struct report_reading *r, struct bytes data, unsigned depth)
{
    struct archive *a = archive_read_new();
    bool gzip = data.ptr[0] == 0x1f;
    bool good;

    if (a == NULL) {
        return report_fail(r, "no memory");
    }
    if (gzip) {
        (void)archive_read_support_filter_gzip(a);
        (void)archive_read_support_format_raw(a);
    } else {
        (void)archive_read_support_format_zip(a);
    }
    good =
        archive_read_open_memory(a, data.ptr, data.len) == ARCHIVE_OK
            ? (!gzip || has_one_layer(r, a)) && read_all(r, a, data.len, depth)
            : fail_archive(r, a);
    (void)archive_read_free(a);
    return good;
}
