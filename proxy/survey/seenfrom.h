/*
 * seenfrom - From domains without a key of their own that were seen:
 * STATE_DIR/keeper/seen-from, written by the keeper, one line each:
 *
 *   DOMAIN FIRST_DAY LAST_DAY COUNT
 *
 * Days are counted from 1970-01-01; a line that is none is passed over.
 */
#ifndef PROXY_SURVEY_SEENFROM_H
#define PROXY_SURVEY_SEENFROM_H

#include <base/bytes.h>

#include <dkim/address.h>

enum {
    SEENFROM_DAYS = 30,        /* what is older does not count */
    SEENFROM_LINES_MAX = 1000, /* given out; the file may have more */
    SEENFROM_OCTETS_MAX = 4 * 1024 * 1024
};

struct seenfrom_line {
    char domain[DKIM_DOMAIN_MAX + 1];
    uint64_t first_day, last_day, count;
};

/*
 * The lines about domain or below it, seen within SEENFROM_DAYS of today, the
 * most frequent first. list has room for max, and gets these; how many.
 */
size_t seenfrom_read(struct bytes text, const char *domain, uint64_t today,
                     struct seenfrom_line *list, size_t max);

#endif
