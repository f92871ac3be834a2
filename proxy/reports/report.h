/*
 * report - DMARC aggregate reports as receivers send them.
 *
 * RFC 9990 (and the older form of RFC 7489 appendix C): XML, as it is, in
 * gzip, in a zip archive, or attached to a message. All of it comes from
 * strangers: sizes, depth and numbers are limited, nothing is fetched, and
 * documents with a DOCTYPE are refused, so that no entity is ever expanded.
 */
#ifndef PROXY_REPORTS_REPORT_H
#define PROXY_REPORTS_REPORT_H

#include <base/buf.h>

enum {
    REPORT_FILE_MAX = 32 * 1024 * 1024,     /* octets that are given */
    REPORT_UNPACKED_MAX = 64 * 1024 * 1024, /* all that comes out of them */
    REPORT_RATIO_MAX = 200,                 /* beyond the first MiB */
    REPORT_PARTS_MAX = 100, /* attachments, and files in archives */
    REPORT_DEPTH_MAX = 8,   /* messages and archives in one another */
    REPORT_CELLS_MAX = 40000,
    REPORT_WHY = 200
};

/* What is counted: messages of one source with one signature. */
struct report_cell {
    char domain[254];  /* d= of the signature; From's when there is none */
    char selector[64]; /* s=, "-" when there is none */
    char source[48];   /* numeric address */
    uint64_t messages;
    uint64_t dkim_pass;
    uint64_t dkim_fail; /* temporary failures are neither */
    uint64_t spf_pass;  /* aligned, as DMARC counts it */
    uint64_t dmarc_pass;
};

/* Strings are printable ASCII, cut to their room; "" when missing. */
struct report {
    char organisation[128];
    char id[256];
    char domain[254]; /* that published the policy */
    uint64_t begin_s, end_s;
    struct report_cell *cells; /* sorted by domain, selector, source */
    size_t count;
};

/* One report of a file; lent for the call. False: stop, no memory. */
typedef bool report_callback(void *arg, const struct report *report);

/*
 * Calls cb for each report in a file, whatever form it has. False: why_out
 * says what is wrong (one line); reports before that were given.
 */
bool report_read(struct bytes file, report_callback *cb, void *arg,
                 char why_out[REPORT_WHY]);

/* Sums of the same domain, selector and source become one; the count of what
 * is left. */
size_t report_merge(struct report_cell *cells, size_t count);

#endif
