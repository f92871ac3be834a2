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
    const char *name; /* below [rotate] zone, without the final dot */
    const char *text; /* the TXT's text, not split; "": no record */
    bool changed;     /* not known to stand in the zone like this */
};

/*
 * All of records (sorted by name). Waits until it is done: nsupdate, a
 * reload command and a program have 60 s. On false why_out has one line that
 * says what failed and the mend; nothing is known about the zone then and the
 * caller comes again later. arg of the simulation's twin.
 */
typedef bool publish_function(void *arg, const struct publish_record *records,
                              size_t count, struct buf *why_out);

struct publisher {
    const struct rotate_conf *rotate;   /* which way, which zone */
    const struct publish_conf *publish; /* its settings */
};

/* arg: a const struct publisher. */
publish_function publish;

#endif
