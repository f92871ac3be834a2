/*
 * publish - key records put into the operator's zone ([publish]).
 *
 * What stands in the zone is described whole: every name that is ours and the
 * text that should be there now. The back end brings the zone to that state;
 * doing it twice changes nothing. Only `sealpost key`, `sealpost domain` and
 * their timer call it: no process that handles mail holds these credentials.
 *
 *   rfc2136    nsupdate with a TSIG key: the changed names, one transaction
 *   zonefile   the whole include file written anew, serial bumped, reload
 *   exec       the operator's program; the changed names as JSON on stdin
 */
#ifndef PROXY_PUBLISH_PUBLISH_H
#define PROXY_PUBLISH_PUBLISH_H

#include <base/buf.h>

#include <proxy/config/conf.h>

struct publish_record {
    const char *name; /* a whole name below [rotate] zone, no final dot */
    const char *text; /* the TXT's text, not split; "": no record */
    bool changed;     /* not known to stand in the zone like this */
};

/*
 * All of records (sorted by name). Waits until it is done: nsupdate, a
 * reload command and a program have [publish] timeout (60 s) each. On false
 * why_out has one line that says what failed and the mend; nothing is known
 * about the zone then and the caller comes again later. arg of the
 * simulation's twin.
 */
typedef bool publish_function(void *arg, const struct publish_record *records,
                              size_t count, struct buf *why_out);

struct publisher {
    const struct rotate_conf *rotate;   /* which way, which zone */
    const struct publish_conf *publish; /* its settings */
    const char *state_dir; /* where tries are kept; NULL: no back-off */
    uint64_t now_s;        /* since 1970; 0: the clock is asked */
    bool at_once;          /* an emergency: no back-off, though it is kept */
};

/* arg: a const struct publisher. */
publish_function publish;

/*
 * What became of the last tries. After the n-th failure in a row the next try
 * comes 2^(n-1) minutes later, at most 6 h: until then publish() is false and
 * does nothing. A try that succeeds forgets them all.
 */
struct publish_tries {
    unsigned failures; /* in a row; 0: the last try was good, or none was */
    uint64_t failed_s; /* the last failure, since 1970 */
    uint64_t next_s;   /* not before that */
    char why[150];     /* what the last failure said, maybe cut */
};

/* For `domain status`. A file that is missing or damaged is all zero. */
void publish_tries_read(const char *state_dir, struct publish_tries *tries_out);

#endif
