/*
 * arc_sets - the ARC fields of a header, put into sets. RFC 8617 4, 5.2.
 */
#ifndef DKIM_ARC_SETS_H
#define DKIM_ARC_SETS_H

#include <dkim/arc.h>
#include <dkim/header.h>
#include <dkim/signature.h>

enum arc_status {
    ARC_CV_MISSING,
    ARC_CV_NONE,
    ARC_CV_PASS,
    ARC_CV_FAIL
};

/* The fields with one i=; borrowed from the header. */
struct arc_set {
    const struct dkim_field *aar, *ams, *as;
    struct dkim_signature message, seal;
    enum arc_status cv;
    bool message_good; /* the tags of the AMS are what they must be */
    bool has_canon;    /* the AMS has a c= */
};

/*
 * Fills sets, which has room for ARC_SETS_MAX, by i=; *count_out is how many.
 * Returns "" for none or a whole chain, else what is wrong with it: a missing,
 * doubled or malformed field, a gap, a cv= that cannot stand there.
 */
const char *arc_sets_collect(const struct dkim_header *header,
                             struct arc_set *sets, unsigned *count_out);

#endif
