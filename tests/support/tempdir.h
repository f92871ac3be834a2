/*
 * tempdir - a folder for one test, and files in it.
 */
#ifndef TESTS_SUPPORT_TEMPDIR_H
#define TESTS_SUPPORT_TEMPDIR_H

#include <base/bytes.h>

#include <sys/types.h>

enum {
    TEMPDIR_PATH_MAX = 512
};

struct tempdir {
    char path[TEMPDIR_PATH_MAX / 2];
    char names[32][64]; /* files and folders made, removed at the end */
    size_t count;
};

/* Ends the program when the machine can't. */
void tempdir_make(struct tempdir *d);
/* PATH/NAME, in a buffer of TEMPDIR_PATH_MAX octets. */
const char *tempdir_name(const struct tempdir *d, const char *name, char *out);
void tempdir_write(struct tempdir *d, const char *name, struct bytes text,
                   mode_t mode);
void tempdir_mkdir(struct tempdir *d, const char *name, mode_t mode);
void tempdir_remove(struct tempdir *d);

/* A folder of a new name, in memory where there is such a place: for tests
 * that write and sync thousands of files. Erased by tempdir_erase(). */
void tempdir_in_memory(char *path_out, size_t size);
/* Takes away path and all below it, whoever made it. 0, or -1: errno. */
int tempdir_erase(const char *path);

#endif
