/*
 * ways - the three ways into a zone; see publish.h.
 */
#ifndef PROXY_PUBLISH_WAYS_H
#define PROXY_PUBLISH_WAYS_H

#include <proxy/publish/publish.h>
#include <proxy/spawn/spawn.h>

/* What is to be done: checked names, and settings that are there. */
struct publish_work {
    const struct publish_conf *conf;
    const char *zone; /* of the server: [publish] zone or [rotate] zone */
    const struct publish_record *records;
    size_t count;
    uint64_t now_s;
    bool again; /* the last try failed: nothing is known to be done */
};

/* As publish(). At least one record is changed. */
bool publish_rfc2136(const struct publish_work *w, struct buf *why_out);
bool publish_exec(const struct publish_work *w, struct buf *why_out);
/* The same; it may be that none is. Nothing is done when the file stands as
 * it should, no record is changed and the last try was good. */
bool publish_zonefile(const struct publish_work *w, struct buf *why_out);

/* The first is true. */
bool publish_any_changed(const struct publish_work *w);

/*
 * A TXT record's strings: text split at 255 octets (RFC 1035 3.3), each in
 * quotes with `"`, `\` and what cannot be printed escaped (5.1), one space
 * between them.
 */
void publish_put_strings(struct bytes text, struct buf *out);

#endif
