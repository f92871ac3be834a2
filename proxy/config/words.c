/*
 * words - what a setting of a word or of several may say; see words.h.
 */
#include "words.h"

#include <smtp/caps.h>

const struct conf_word words_log_formats[] = {
    { "logfmt", CONF_LOGFMT },
    { "json", CONF_JSON },
    { 0 },
};

const struct conf_word words_log_recipients[] = {
    { "full", CONF_RCPT_FULL },
    { "domain", CONF_RCPT_DOMAIN },
    { "count", CONF_RCPT_COUNT },
    { 0 },
};

const struct conf_word words_modes[] = {
    { "outbound", CONF_OUTBOUND },
    { "inbound", CONF_INBOUND },
    { 0 },
};

const struct conf_word words_listen_tls[] = {
    { "none", CONF_TLS_NONE },
    { "starttls", CONF_TLS_STARTTLS },
    { "implicit", CONF_TLS_IMPLICIT },
    { 0 },
};

const struct conf_word words_upstream_tls[] = {
    { "none", CONF_TLS_NONE },
    { "starttls", CONF_TLS_STARTTLS },
    { "implicit", CONF_TLS_IMPLICIT },
    { "opportunistic", CONF_TLS_OPPORTUNISTIC },
    { "dane", CONF_TLS_DANE },
    { 0 },
};

const struct conf_word words_tls_versions[] = {
    { "1.2", CONF_TLS_1_2 },
    { "1.3", CONF_TLS_1_3 },
    { 0 },
};

const struct conf_word words_auths[] = {
    { "required", CONF_AUTH_REQUIRED },
    { "optional", CONF_AUTH_OPTIONAL },
    { "none", CONF_AUTH_NONE },
    { 0 },
};

const struct conf_word words_mechanisms[] = {
    { "plain", SMTP_MECH_PLAIN },
    { "login", SMTP_MECH_LOGIN },
    { "scram-sha-256", SMTP_MECH_SCRAM_SHA_256 },
    { "scram-sha-256-plus", SMTP_MECH_SCRAM_SHA_256_PLUS },
    { "external", SMTP_MECH_EXTERNAL },
    { "xoauth2", SMTP_MECH_XOAUTH2 },
    { "oauthbearer", SMTP_MECH_OAUTHBEARER },
    { 0 },
};

const struct conf_word words_bare_newlines[] = {
    { "reject", false },
    { "normalize", true },
    { 0 },
};

const struct conf_word words_envelope_froms[] = {
    { "any", false },
    { "match", true },
    { 0 },
};

const struct conf_word words_logins[] = {
    { "none", CONF_LOGIN_NONE },
    { "password", CONF_LOGIN_PASSWORD },
    { "oauth", CONF_LOGIN_OAUTH },
    { "client", CONF_LOGIN_CLIENT },
    { 0 },
};

const struct conf_word words_signatures[] = {
    { "none", CONF_SIGN_NONE },
    { "rsa", CONF_SIGN_RSA },
    { "ed25519", CONF_SIGN_ED25519 },
    { "dual", CONF_SIGN_DUAL },
    { 0 },
};

const struct conf_word words_existing_signatures[] = {
    { "keep", false },
    { "strip", true },
    { 0 },
};

const struct conf_word words_presets[] = {
    { "generic", 0 }, { "ses", 0 }, { "m365", 0 }, { "gmail", 0 }, { 0 },
};

const struct conf_word words_protocols[] = {
    { "smtp", false },
    { "lmtp", true },
    { 0 },
};

const struct conf_word words_tells[] = {
    { "no", CONF_TELL_NO },
    { "auto", CONF_TELL_AUTO },
    { "yes", CONF_TELL_YES },
    { 0 },
};

const struct conf_word words_login_mechanisms[] = {
    { "plain", SMTP_MECH_PLAIN },
    { "login", SMTP_MECH_LOGIN },
    { "scram-sha-256", SMTP_MECH_SCRAM_SHA_256 },
    { "scram-sha-256-plus", SMTP_MECH_SCRAM_SHA_256_PLUS },
    { "xoauth2", SMTP_MECH_XOAUTH2 },
    { "oauthbearer", SMTP_MECH_OAUTHBEARER },
    { 0 },
};

const struct conf_word words_upstream_already_signed[] = {
    { "", CONF_ALREADY_UNSET },
    { "sign", CONF_ALREADY_SIGN },
    { "skip-aligned", CONF_ALREADY_SKIP },
    { 0 },
};

const struct conf_word words_oauth_presets[] = {
    { "generic", 0 },
    { "m365", 0 },
    { "gmail", 0 },
    { 0 },
};

const struct conf_word words_chunkings[] = {
    { "auto", true },
    { "no", false },
    { 0 },
};

const struct conf_word words_other_froms[] = {
    { "reject", CONF_OTHER_REJECT },
    { "unsigned", CONF_OTHER_UNSIGNED },
    { "sign-as-user", CONF_OTHER_AS_USER },
    { 0 },
};

const struct conf_word words_no_keys[] = {
    { "unsigned", CONF_NO_KEY_UNSIGNED },
    { "tempfail", CONF_NO_KEY_TEMPFAIL },
    { "reject", CONF_NO_KEY_REJECT },
    { 0 },
};

const struct conf_word words_on_errors[] = {
    { "tempfail", false },
    { "pass", true },
    { 0 },
};

const struct conf_word words_already_signed[] = {
    { "sign", false },
    { "skip-aligned", true },
    { 0 },
};

const struct conf_word words_actions[] = {
    { "tag", CONF_TAG },
    { "reject", CONF_REJECT },
    { "tempfail", CONF_TEMPFAIL },
    { 0 },
};

const struct conf_word words_dmarcs[] = {
    { "off", CONF_DMARC_OFF },
    { "tag", CONF_DMARC_TAG },
    { "enforce", CONF_DMARC_ENFORCE },
    { 0 },
};

const struct conf_word words_proves[] = {
    { "authoritative", CONF_PROVE_AUTHORITATIVE },
    { "resolver", CONF_PROVE_RESOLVER },
    { 0 },
};

const struct conf_word words_publishes[] = {
    { "", CONF_PUBLISH_NONE },
    { "zonefile", CONF_PUBLISH_ZONEFILE },
    { "rfc2136", CONF_PUBLISH_RFC2136 },
    { "exec", CONF_PUBLISH_EXEC },
    { 0 },
};
