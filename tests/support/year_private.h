/*
 * year_private - what the two halves of the world share.
 */
#ifndef TESTS_SUPPORT_YEAR_PRIVATE_H
#define TESTS_SUPPORT_YEAR_PRIVATE_H

#include "tests/support/year.h"

bool year_chance(struct year *y, unsigned percent);

/* How long the key must have been shown before it is proved. */
uint64_t year_least_wait(const struct year_name *n);

/* The world's ends of struct rotate_world; arg: the year. */
seen_survey year_survey;
publish_function year_publish;
void year_text(const struct keystore_key *key, struct buf *out);

#endif
