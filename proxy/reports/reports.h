/*
 * reports - what receivers said about our signatures (DMARC aggregate
 * reports, RFC 9990), kept for each domain.
 *
 *   STATE_DIR/reports/DOMAIN.conf
 *   [reports]
 *   seen += 2026-11-22 0123456789abcdef   a report that was counted
 *   sum += 2026-11-22 sp202611a 120 3     day, selector, passed, failed
 *
 * `sealpost dmarc-report` fills it, `sealpost key rotate` asks it. Only the
 * last 120 days are kept, and of a domain with very many selectors the newest.
 *
 * OWNERSHIP
 *   reports_load()   caller owns until reports_free(); a file that is missing
 *                    is an empty one
 */
#ifndef PROXY_REPORTS_REPORTS_H
#define PROXY_REPORTS_REPORTS_H

#include <base/buf.h>

enum {
    REPORTS_KEPT_DAYS = 120,
    REPORTS_SELECTOR_MAX = 63,
    REPORTS_LINES_MAX = 20000 /* of each kind */
};

struct reports;

/* --- before a rotation -------------------------------------------------- */

struct reports_question {
    const char *state_dir;
    const char *domain;
    const char *selector; /* of the key that signs now */
    uint64_t activated_s; /* since when, since 1970 */
    uint64_t now_s;
};

/*
 * Did DKIM fall since that key signs? Then the next rotation should wait:
 * false, and why_out says in one sentence how far, and what to do. It fell
 * when of at least 100 messages in the last 14 days more than 5 in 100 failed
 * beyond those that failed in the 30 days before the key, of which there must
 * be reports about 100 messages, too. No reports: true.
 */
bool reports_may_rotate(const struct reports_question *q, struct buf *why_out);

/* --- the file ----------------------------------------------------------- */

/* NULL: it cannot be read (errno), or ENOMEM. Faulty lines are left out. */
struct reports *reports_load(const char *state_dir, const char *domain);
void reports_free(struct reports **r);

/* From the text of such a file; NULL: no memory. */
struct reports *reports_parse(struct bytes text);
void reports_put(const struct reports *r, struct buf *out);

/*
 * Was this report counted already? If not, it is from now on. id: anything
 * that names it, such as organisation and number. day: since 1970.
 */
bool reports_take(struct reports *r, uint32_t day, struct bytes id);

/* Adds to the sums of a day (since 1970) and a selector. A selector that is
 * none is not counted. False: no memory. */
bool reports_add(struct reports *r, uint32_t day, const char *selector,
                 uint64_t passed, uint64_t failed);

/* Sums of first_day up to last_day. selector NULL: of all. */
void reports_sum(const struct reports *r, const char *selector,
                 uint32_t first_day, uint32_t last_day, uint64_t *passed_out,
                 uint64_t *failed_out);

/*
 * Waits for the right to load, change and save: two that do it at once would
 * lose what one of them counted. The descriptor ends it when closed. -1:
 * errno.
 */
int reports_lock(const char *state_dir);

/* Drops what is older than REPORTS_KEPT_DAYS and writes the rest. False:
 * errno. */
bool reports_save(struct reports *r, const char *state_dir, const char *domain,
                  uint32_t today);

#endif
