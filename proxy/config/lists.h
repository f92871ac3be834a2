/*
 * lists - settings that take `a, b`: one parser a type, used by values.c.
 */
#ifndef PROXY_CONFIG_LISTS_H
#define PROXY_CONFIG_LISTS_H

#include <proxy/config/values.h>

/* As conf_value_parse(). */
const char *conf_parse_words(struct conf_value *v, union conf_field *out);
const char *conf_parse_listen(struct conf_value *v, union conf_field *out);
const char *conf_parse_servers(struct conf_value *v, union conf_field *out);
const char *conf_parse_targets(struct conf_value *v, union conf_field *out);
const char *conf_parse_pool(struct conf_value *v, union conf_field *out);
const char *conf_parse_senders(struct conf_value *v, union conf_field *out);
const char *conf_parse_networks(struct conf_value *v, union conf_field *out);
const char *conf_parse_paths(struct conf_value *v, union conf_field *out);
const char *conf_parse_domains(struct conf_value *v, union conf_field *out);
const char *conf_parse_fields(struct conf_value *v, union conf_field *out);
const char *conf_parse_headers(struct conf_value *v, union conf_field *out);

/*
 * The row of v's words that text is. NULL: none. *why_out NULL: it may be
 * used; else what is wrong.
 */
const struct conf_word *conf_word_find(struct conf_value *v, struct bytes text,
                                       const char **why_out);

#endif
