/*
 * fence - for tests of confined processes: a folder that is open to them
 * beside one that is shut, a file in each.
 */
#ifndef TESTS_SUPPORT_FENCE_H
#define TESTS_SUPPORT_FENCE_H

#include <stdbool.h>

/* Filled in by fence_set_up(); scratch is the folder of both. */
extern char fence_scratch[];
extern char fence_open_dir[64], fence_shut_dir[64];
extern char fence_open_file[80], fence_shut_file[80];

/* No Landlock here, or a build that is not confined: nothing to test. */
bool fence_missing(void);

/* Once a program. What a test adds it takes away before the end; as of
 * rmdir(). */
void fence_set_up(void);
int fence_tear_down(void);

/* A file with some text in it. */
void fence_write(const char *path);
/* The descriptor is left open. */
bool fence_can_open(const char *path, int flags);

#endif
