/*
 * config - reads a configuration as a test wants it.
 */
#ifndef TESTS_SUPPORT_CONFIG_H
#define TESTS_SUPPORT_CONFIG_H

#include <base/buf.h>

/* The folder of the vectors, with its final slash. */
void config_vectors(char *out, size_t cap);

/*
 * The lines of mistakes in path, "E " or "W " before each, folder's name taken
 * out: from the file, and from the descriptor that conf_pack() makes of it.
 */
void config_load_both(const char *path, const char *folder,
                      struct buf *from_file, struct buf *from_fd);

#endif
