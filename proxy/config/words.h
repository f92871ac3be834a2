/*
 * words - the words that settings are made of, and what each means: a value of
 * an enum in conf.h, a bool, or a bit.
 *
 * For the table in settings.c, whose rows name them.
 */
#ifndef PROXY_CONFIG_WORDS_H
#define PROXY_CONFIG_WORDS_H

#include "conf.h"
#include "settings.h"

extern const struct conf_word words_log_formats[];
extern const struct conf_word words_log_recipients[];
extern const struct conf_word words_modes[];
extern const struct conf_word words_listen_tls[];
extern const struct conf_word words_upstream_tls[];
extern const struct conf_word words_tls_versions[];
extern const struct conf_word words_auths[];
extern const struct conf_word words_mechanisms[];
extern const struct conf_word words_bare_newlines[];
extern const struct conf_word words_envelope_froms[];
extern const struct conf_word words_logins[];
extern const struct conf_word words_signatures[];
extern const struct conf_word words_existing_signatures[];
extern const struct conf_word words_presets[];
extern const struct conf_word words_protocols[];
extern const struct conf_word words_tells[];
extern const struct conf_word words_login_mechanisms[];
extern const struct conf_word words_upstream_already_signed[];
extern const struct conf_word words_oauth_presets[];
extern const struct conf_word words_chunkings[];
extern const struct conf_word words_other_froms[];
extern const struct conf_word words_no_keys[];
extern const struct conf_word words_on_errors[];
extern const struct conf_word words_already_signed[];
extern const struct conf_word words_actions[];
extern const struct conf_word words_dmarcs[];
extern const struct conf_word words_proves[];
extern const struct conf_word words_publishes[];

#endif
