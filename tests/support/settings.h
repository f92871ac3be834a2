/*
 * settings - a setting of the configuration, read for itself.
 *
 * Rows of the table are read without the rules, so that one setting stands for
 * itself.
 */
#ifndef TESTS_SUPPORT_SETTINGS_H
#define TESTS_SUPPORT_SETTINGS_H

#include <proxy/config/sections.h>
#include <proxy/config/settings.h>

enum {
    SETTING_TEXTS = 24
};

/* Good and bad texts of the types that are no number, word or bool; a bad one
 * begins with '!', NULL ends them. */
extern const char *const texts[CONF_TYPES][SETTING_TEXTS];

/* The kind of section that it stands in; fails the test when there is none. */
const struct conf_kind *kind_of(const struct conf_setting *s);
/* Reads one section with these lines. The count of mistakes. *base_out: the
 * section's struct, in *conf_out, which the caller frees. */
size_t read_lines(const struct conf_setting *s, const char *lines,
                  struct conf **conf_out, const void **base_out);
bool takes_lines(const struct conf_setting *s, const char *lines);
/* Fails the test unless `key = value` is taken, or refused. */
void check(const struct conf_setting *s, const char *value, bool want);

#endif
