/*
 * config - reads a configuration as a test wants it.
 */
#ifndef TESTS_SUPPORT_CONFIG_H
#define TESTS_SUPPORT_CONFIG_H

#include <base/buf.h>

#include <proxy/config/conf.h>

/* The folder of the vectors, with its final slash. */
void config_vectors(char *out, size_t cap);

/*
 * The lines of mistakes in path, "E " or "W " before each, folder's name taken
 * out: from the file, and from the descriptor that conf_pack() makes of it.
 */
void config_load_both(const char *path, const char *folder,
                      struct buf *from_file, struct buf *from_fd);

/* The mistakes in text, which the caller frees; *conf_out as conf_load(). */
struct conf_errors *load_text(const char *text, struct conf **conf_out);

/* Fails the test unless the list has these, a space between them. */
void check_list(conf_list got, const char *want);

#endif
