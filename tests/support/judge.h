/*
 * judge - a whole message verified against key records in memory.
 */
#ifndef TESTS_JUDGE_H
#define TESTS_JUDGE_H

#include <base/buf.h>

#include <dkim/verify.h>

enum {
    JUDGE_RECORDS_MAX = 4
};

/* What DNS says at a name; rows end with name NULL. */
struct judge_dns {
    const char *name; /* "*": any name */
    enum dns_status status;
    const char *records[JUDGE_RECORDS_MAX]; /* NULL-terminated TXT data */
};

/* All of one run; judge_free() when the results are no longer looked at. */
struct judged {
    struct dkim_header header;
    struct dkim_verify *verify;
    unsigned questions;
};

void judge(struct judged *j, struct bytes message, const struct judge_dns *dns,
           const struct dkim_verify_conf *conf);
void judge_free(struct judged *j);

#endif
