/*
 * vec - cases as data: one a line, words and quoted strings, "#" comments.
 *
 *   # mode   name        input            want
 *   relaxed  my-case     " a\t\r\n"       " a\r\n"
 *
 * In quotes: \r \n \t \0 \\ \" and \xHH. Quoted strings without a space between
 * them are one column, and "ab"*300 is 300 times that. A backslash at the end
 * of a line joins the next one to it. A file that cannot be read, or a line
 * that is not of this form, stops the program: such a case is no passed test.
 */
#ifndef TESTS_VEC_H
#define TESTS_VEC_H

#include <base/buf.h>
#include <base/bytes.h>

enum {
    VEC_COLUMNS = 8
};

struct vec {
    unsigned line;
    size_t columns;
    const char *word[VEC_COLUMNS]; /* column as NUL-terminated text */
    struct bytes col[VEC_COLUMNS]; /* the same, with its length */

    const char *name; /* private from here */
    struct buf text;
    struct buf decoded;
    size_t at;
};

/* name: a file of tests/vectors below $srcdir. */
void vec_open(struct vec *v, const char *name);
/* The next line that has columns; false: the end, and v is closed. */
bool vec_next(struct vec *v);
/* The same; a line that has not just as many columns stops the program. */
bool vec_next_of(struct vec *v, size_t columns);

/* A whole file of tests/vectors; the caller frees it. */
struct buf vec_file(const char *name);

#endif
