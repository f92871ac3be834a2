/*
 * dmarc_report - what the files of `sealpost dmarc-report` share.
 */
#ifndef PROXY_CLI_DMARC_REPORT_H
#define PROXY_CLI_DMARC_REPORT_H

#include <proxy/cli/cli.h>
#include <proxy/reports/report.h>

/* One report that was read. */
struct dmarc_report_seen {
    char organisation[128];
    char id[256];
    char domain[254];
    uint64_t begin_s, end_s;
    bool again; /* was counted at an earlier run */
};

struct dmarc_reports {
    struct cli cli;
    struct cli_data data;
    uint64_t now_s;
    bool all_sources;
    struct dmarc_report_seen *seen;
    size_t seen_count, seen_cap;
    struct report_cell *cells; /* of all reports, merged at the end */
    size_t count, cap;
    const char *failed; /* what stopped it: static */
};

/* As a table: a line for each signature, and for each source that failed. */
int dmarc_report_table(struct dmarc_reports *d);
int dmarc_report_json(struct dmarc_reports *d);

/* Adds to the sums of each domain that has a key here. False: said why. */
bool dmarc_report_keep(struct dmarc_reports *d, const struct report *r,
                       bool *again_out);

#endif
