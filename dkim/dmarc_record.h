/*
 * dmarc_record - a DMARC policy record, parsed. RFC 9989 4.7, 4.8, 4.10.1.
 */
#ifndef DKIM_DMARC_RECORD_H
#define DKIM_DMARC_RECORD_H

#include <base/bytes.h>

#include <dkim/dmarc.h>

enum dmarc_psd {
    DMARC_PSD_UNKNOWN,
    DMARC_PSD_YES,
    DMARC_PSD_NO
};

struct dmarc_record {
    enum dmarc_policy p, sp, np;
    bool has_sp, has_np;
    bool usable; /* 4.10.1: a valid policy, or none but someone to report to */
    bool dkim_strict, spf_strict;
    bool testing;
    enum dmarc_psd psd;
};

/* False: not a DMARC record, by its version. Other mistakes are defaults. */
bool dmarc_record_parse(struct bytes text, struct dmarc_record *record_out);

#endif
