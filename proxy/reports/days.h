/*
 * days - days since 1970, in UTC, and as "2026-11-22".
 */
#ifndef PROXY_REPORTS_DAYS_H
#define PROXY_REPORTS_DAYS_H

#include <base/bytes.h>

enum {
    REPORTS_DAY = 16, /* room for its text and a NUL */
    REPORTS_DAY_S = 86400
};

/* Of seconds since 1970; the last day that is known for what is beyond. */
uint32_t reports_day_of(uint64_t time_s);
void reports_day_text(uint32_t day, char *out);
/* Only what reports_day_text() gives. */
bool reports_day_parse(struct bytes text, uint32_t *day_out);

#endif
