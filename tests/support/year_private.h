/*
 * year_private - what the parts of the world share.
 */
#ifndef TESTS_SUPPORT_YEAR_PRIVATE_H
#define TESTS_SUPPORT_YEAR_PRIVATE_H

#include "tests/support/year.h"

/* What breaks for days, by the index of its outage. */
enum {
    YEAR_OUT_RECORDS = 0,
    YEAR_OUT_SERVER,
    YEAR_OUT_PUBLISHER,
    YEAR_OUT_COPIES
};

bool year_chance(struct year *y, unsigned percent);
bool year_is_out(const struct year *y, unsigned what);
struct year_name *year_add_name(struct year *y, const char *domain,
                                const char *selector, bool ours);

/* How long the key must have been shown before it is proved. */
uint64_t year_least_wait(const struct year_name *n);

/* The world's ends of struct rotate_world; arg: the year. */
seen_survey year_survey;
publish_function year_publish;
void year_text(const struct keystore_key *key, struct buf *out);

#endif
