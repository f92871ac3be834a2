/*
 * cases - a suite of vectors outside the project: folders with a message, DNS
 * answers and what is expected.
 *
 * Suites lie in the folder that SEALPOST_VECTORS names, else in
 * ../shared/vectors beside the sources. One that is not there has no cases.
 *
 *   struct cases *c = cases_open("arc");     NULL: not there, skip
 *   while (cases_next(c)) ... c->name, c->message, json_*(c->expect, ...)
 *   cases_close(&c);
 *
 * json_* read one value of a JSON text, named by a path: "env.helo",
 * "dkim.0.result". They stop the program at text that is no JSON: a vector
 * that cannot be read is no passed test.
 */
#ifndef TESTS_CASES_H
#define TESTS_CASES_H

#include <base/buf.h>
#include <base/bytes.h>

struct cases {
    const char *name;     /* the folder's */
    char dns_path[4096];  /* for dns_file_load() */
    struct bytes message; /* empty when the suite has none */
    struct bytes expect;  /* expect.json */

    char dir[2048]; /* private from here */
    char **names;
    size_t count, next;
    struct buf message_text, expect_text;
};

struct cases *cases_open(const char *suite);
/* The next case in the order of names; false: that was the last. */
bool cases_next(struct cases *c);
void cases_close(struct cases **c);

/* The raw value at path; false: there is none. */
bool json_get(struct bytes doc, const char *path, struct bytes *value_out);
/* How many elements the array at path has; 0 when there is none. */
size_t json_count(struct bytes doc, const char *path);
/*
 * The string at path, decoded, NUL-terminated, lent until free(); a default
 * when there is none or it is null.
 */
char *json_text(struct bytes doc, const char *path, const char *otherwise);
/* The whole number at path, or otherwise. */
uint64_t json_number(struct bytes doc, const char *path, uint64_t otherwise);

#endif
