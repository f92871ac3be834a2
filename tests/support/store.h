/*
 * store - a key store in a folder of its own, for one test.
 */
#ifndef TESTS_SUPPORT_STORE_H
#define TESTS_SUPPORT_STORE_H

#include "proxy/keys/keystore.h"

#include <sys/types.h>

/* Of the folder that store_begin() made last. */
extern struct keystore_conf store_conf;

/* For cmocka_unit_test_setup_teardown(). */
int store_begin(void **state);
int store_end(void **state);

/* What the note of such a key says; domain and selector are not copied. */
struct keystore_key store_about(const char *domain, const char *selector,
                                enum view_key_state state);

/* A new key, with that note. */
enum key_err store_add(const char *domain, const char *selector,
                       enum dkim_alg alg, enum view_key_state state);

/* The path of name in keys/; good until the next call. */
const char *store_path(const char *name);

/* Writes a file of keys/ anew. */
void store_write(const char *name, const char *text, mode_t mode);

/* Loads, and demands so many keys and lines of errors; the first one holds
 * says. */
void store_check_load(size_t keys, size_t lines, const char *says);

#endif
