/*
 * days - days since 1970; see days.h.
 */
#include "proxy/reports/days.h"

#include <stdio.h>
#include <time.h>

enum {
    LAST_DAY = 2932896 /* 9999-12-31 */
};

uint32_t
reports_day_of(uint64_t time_s)
{
    uint64_t day = time_s / REPORTS_DAY_S;

    return day > LAST_DAY ? LAST_DAY : (uint32_t)day;
}

void
reports_day_text(uint32_t day, char *out)
{
    time_t t = (time_t)(day > LAST_DAY ? LAST_DAY : day) * REPORTS_DAY_S;
    struct tm tm;

    out[0] = '\0';
    if (gmtime_r(&t, &tm) != NULL) {
        (void)strftime(out, REPORTS_DAY, "%Y-%m-%d", &tm);
    }
}

bool
reports_day_parse(struct bytes text, uint32_t *day_out)
{
    uint64_t year, month, day;
    struct tm tm = { 0 };
    char again[REPORTS_DAY];
    time_t t;

    if (text.len != 10 || !bytes_to_u64(bytes_take(text, 4), 9999, &year) ||
        !bytes_to_u64(bytes_take(bytes_skip(text, 5), 2), 12, &month) ||
        !bytes_to_u64(bytes_skip(text, 8), 31, &day) || year < 1970) {
        return false;
    }
    tm.tm_year = (int)year - 1900;
    tm.tm_mon = (int)month - 1;
    tm.tm_mday = (int)day;
    t = timegm(&tm);
    if (t < 0) {
        return false;
    }
    reports_day_text((uint32_t)(t / REPORTS_DAY_S), again);
    if (!bytes_is(text, again)) {
        return false; /* 30 February, other punctuation */
    }
    *day_out = (uint32_t)(t / REPORTS_DAY_S);
    return true;
}
