/*
 * settings - every key of sealpost.conf; see proxy/config/settings.h.
 *
 * Defaults are text, read by the same parsers as the file. A default that
 * depends on something else (the host's name, the mode) is "" or "auto" here
 * and resolved in finish.c.
 */
#include "settings.h"

#include "conf.h"

#include <smtp/caps.h>

#define COUNT_OF(a)   (sizeof(a) / sizeof((a)[0]))
#define FIELD(s, f)   offsetof(struct s, f), sizeof(((struct s *)0)->f)
#define KIB           UINT64_C(1024)
#define MIB           (1024 * KIB)
#define GIB           (1024 * MIB)
#define TIB           (1024 * GIB)
#define MINUTE        60
#define HOUR          (60 * MINUTE)
#define DAY           (24 * HOUR)
#define YEAR          (365 * DAY)
#define ADDRESSES_MAX 64
#define LIST_MAX      1000
#define TEXT_MAX      199
#define PAIRS_MAX     256

static const struct conf_word log_formats[] = {
    { "logfmt", CONF_LOGFMT },
    { "json", CONF_JSON },
    { 0 },
};

static const struct conf_word log_recipients[] = {
    { "full", CONF_RCPT_FULL },
    { "domain", CONF_RCPT_DOMAIN },
    { "count", CONF_RCPT_COUNT },
    { 0 },
};

static const struct conf_word modes[] = {
    { "outbound", CONF_OUTBOUND },
    { "inbound", CONF_INBOUND },
    { 0 },
};

static const struct conf_word listen_tls[] = {
    { "none", CONF_TLS_NONE },
    { "starttls", CONF_TLS_STARTTLS },
    { "implicit", CONF_TLS_IMPLICIT },
    { 0 },
};

static const struct conf_word upstream_tls[] = {
    { "none", CONF_TLS_NONE },
    { "starttls", CONF_TLS_STARTTLS },
    { "implicit", CONF_TLS_IMPLICIT },
    { "opportunistic", CONF_TLS_OPPORTUNISTIC },
    { "dane", CONF_TLS_DANE },
    { 0 },
};

static const struct conf_word tls_versions[] = {
    { "1.2", CONF_TLS_1_2 },
    { "1.3", CONF_TLS_1_3 },
    { 0 },
};

static const struct conf_word auths[] = {
    { "required", CONF_AUTH_REQUIRED },
    { "optional", CONF_AUTH_OPTIONAL },
    { "none", CONF_AUTH_NONE },
    { 0 },
};

static const struct conf_word mechanisms[] = {
    { "plain", SMTP_MECH_PLAIN },
    { "login", SMTP_MECH_LOGIN },
    { "scram-sha-256", SMTP_MECH_SCRAM_SHA_256 },
    { "scram-sha-256-plus", SMTP_MECH_SCRAM_SHA_256_PLUS },
    { "external", SMTP_MECH_EXTERNAL },
    { "xoauth2", SMTP_MECH_XOAUTH2 },
    { "oauthbearer", SMTP_MECH_OAUTHBEARER },
    { 0 },
};

static const struct conf_word bare_newlines[] = {
    { "reject", false },
    { "normalize", true },
    { 0 },
};

static const struct conf_word envelope_froms[] = {
    { "any", false },
    { "match", true },
    { 0 },
};

static const struct conf_word logins[] = {
    { "none", CONF_LOGIN_NONE },
    { "password", CONF_LOGIN_PASSWORD },
    { "oauth", CONF_LOGIN_OAUTH },
    { "client", CONF_LOGIN_CLIENT },
    { 0 },
};

static const struct conf_word signatures[] = {
    { "none", CONF_SIGN_NONE },
    { "rsa", CONF_SIGN_RSA },
    { "ed25519", CONF_SIGN_ED25519 },
    { "dual", CONF_SIGN_DUAL },
    { 0 },
};

static const struct conf_word existing_signatures[] = {
    { "keep", false },
    { "strip", true },
    { 0 },
};

static const struct conf_word presets[] = {
    { "generic", 0 }, { "ses", 0 }, { "m365", 0 }, { "gmail", 0 }, { 0 },
};

static const struct conf_word protocols[] = {
    { "smtp", false },
    { "lmtp", true },
    { 0 },
};

static const struct conf_word tells[] = {
    { "no", CONF_TELL_NO },
    { "auto", CONF_TELL_AUTO },
    { "yes", CONF_TELL_YES },
    { 0 },
};

static const struct conf_word login_mechanisms[] = {
    { "plain", SMTP_MECH_PLAIN },
    { "login", SMTP_MECH_LOGIN },
    { "scram-sha-256", SMTP_MECH_SCRAM_SHA_256 },
    { "scram-sha-256-plus", SMTP_MECH_SCRAM_SHA_256_PLUS },
    { "xoauth2", SMTP_MECH_XOAUTH2 },
    { "oauthbearer", SMTP_MECH_OAUTHBEARER },
    { 0 },
};

static const struct conf_word upstream_already_signed[] = {
    { "", CONF_ALREADY_UNSET },
    { "sign", CONF_ALREADY_SIGN },
    { "skip-aligned", CONF_ALREADY_SKIP },
    { 0 },
};

static const struct conf_word oauth_presets[] = {
    { "generic", 0 },
    { "m365", 0 },
    { "gmail", 0 },
    { 0 },
};

static const struct conf_word chunkings[] = {
    { "auto", true },
    { "no", false },
    { 0 },
};

static const struct conf_word other_froms[] = {
    { "reject", CONF_OTHER_REJECT },
    { "unsigned", CONF_OTHER_UNSIGNED },
    { "sign-as-user", CONF_OTHER_AS_USER },
    { 0 },
};

static const struct conf_word no_keys[] = {
    { "unsigned", CONF_NO_KEY_UNSIGNED },
    { "tempfail", CONF_NO_KEY_TEMPFAIL },
    { "reject", CONF_NO_KEY_REJECT },
    { 0 },
};

static const struct conf_word on_errors[] = {
    { "tempfail", false },
    { "pass", true },
    { 0 },
};

static const struct conf_word already_signed[] = {
    { "sign", false },
    { "skip-aligned", true },
    { 0 },
};

static const struct conf_word actions[] = {
    { "tag", CONF_TAG },
    { "reject", CONF_REJECT },
    { "tempfail", CONF_TEMPFAIL },
    { 0 },
};

static const struct conf_word dmarcs[] = {
    { "off", CONF_DMARC_OFF },
    { "tag", CONF_DMARC_TAG },
    { "enforce", CONF_DMARC_ENFORCE },
    { 0 },
};

static const struct conf_word proves[] = {
    { "authoritative", CONF_PROVE_AUTHORITATIVE },
    { "resolver", CONF_PROVE_RESOLVER },
    { 0 },
};

static const struct conf_word publishes[] = {
    { "", CONF_PUBLISH_NONE },
    { "zonefile", CONF_PUBLISH_ZONEFILE },
    { "rfc2136", CONF_PUBLISH_RFC2136 },
    { "exec", CONF_PUBLISH_EXEC },
    { 0 },
};

const struct conf_setting conf_settings[] = {
    { "server", "hostname", CONF_HOST, 1, 253, "", NULL,
      FIELD(server_conf, hostname) },
    { "server", "authserv_id", CONF_HOST, 1, 253, "", NULL,
      FIELD(server_conf, authserv_id) },
    { "server", "workers", CONF_AUTO_NUMBER, 1, 256, "auto", NULL,
      FIELD(server_conf, workers) },
    { "server", "user", CONF_ACCOUNT, 1, 32, "sealpost", NULL,
      FIELD(server_conf, user) },
    { "server", "keys_user", CONF_ACCOUNT, 1, 32, "sealpost-keys", NULL,
      FIELD(server_conf, keys_user) },
    { "server", "state_dir", CONF_PATH, 0, 0, "/var/lib/sealpost", NULL,
      FIELD(server_conf, state_dir) },
    { "server", "log", CONF_LOG, 0, 0, "", NULL, FIELD(server_conf, log) },
    { "server", "log_format", CONF_WORD, 0, 0, "logfmt", log_formats,
      FIELD(server_conf, log_format) },
    { "server", "log_recipients", CONF_WORD, 0, 0, "full", log_recipients,
      FIELD(server_conf, log_recipients) },
    { "server", "drain", CONF_TIME, 0, DAY, "5m", NULL,
      FIELD(server_conf, drain_s) },
    { "server", "stop_deadline", CONF_TIME, 1, HOUR, "120s", NULL,
      FIELD(server_conf, stop_deadline_s) },
    { "spool", "directory", CONF_PATH, 0, 0, "", NULL,
      FIELD(spool_conf, directory) },
    { "spool", "memory_threshold", CONF_SIZE, KIB, GIB, "256K", NULL,
      FIELD(spool_conf, memory_threshold) },
    { "spool", "max_total", CONF_SIZE, 64 * KIB, 16 * TIB, "2G", NULL,
      FIELD(spool_conf, max_total) },
    { "dns", "nameserver", CONF_SERVERS, 0, 8, "", NULL,
      FIELD(dns_conf, nameservers) },
    { "dns", "timeout", CONF_TIME, 1, 15, "5s", NULL,
      FIELD(dns_conf, timeout_s) },
    { "dns", "public_resolvers", CONF_SERVERS, 0, 8, "", NULL,
      FIELD(dns_conf, public_resolvers) },
    { "dns", "authoritative_port", CONF_NUMBER, 1, 65535, "53", NULL,
      FIELD(dns_conf, authoritative_port) },
    { "listen", "address", CONF_LISTEN, 1, ADDRESSES_MAX, NULL, NULL,
      FIELD(listen_conf, addresses) },
    { "listen", "mode", CONF_WORD, 0, 0, "outbound", modes,
      FIELD(listen_conf, mode) },
    { "listen", "tls", CONF_WORD, 0, 0, "starttls", listen_tls,
      FIELD(listen_conf, tls) },
    { "listen", "require_tls", CONF_BOOL, 0, 0, "yes", NULL,
      FIELD(listen_conf, require_tls) },
    { "listen", "certificate", CONF_PATHS, 0, PAIRS_MAX, "", NULL,
      FIELD(listen_conf, certificates) },
    { "listen", "private_key", CONF_PATHS, 0, PAIRS_MAX, "", NULL,
      FIELD(listen_conf, private_keys) },
    { "listen", "tls_min_version", CONF_WORD, 0, 0, "1.2", tls_versions,
      FIELD(listen_conf, tls_min_version) },
    { "listen", "tls_client_users", CONF_CERT_USERS, 0, LIST_MAX, "", NULL,
      FIELD(listen_conf, tls_client_users) },
    { "listen", "tls_client_ca", CONF_PATH, 0, 0, "", NULL,
      FIELD(listen_conf, tls_client_ca) },
    { "listen", "auth", CONF_WORD, 0, 0, "required", auths,
      FIELD(listen_conf, auth) },
    { "listen", "auth_backend", CONF_BACKEND, 0, 0, "users", NULL,
      FIELD(listen_conf, auth_backend) },
    { "listen", "auth_mechanisms", CONF_WORDS, 1, 16, "plain, login",
      mechanisms, FIELD(listen_conf, auth_mechanisms) },
    { "listen", "trusted_networks", CONF_NETWORKS, 0, LIST_MAX, "", NULL,
      FIELD(listen_conf, trusted_networks) },
    { "listen", "trusted_user", CONF_USER, 1, TEXT_MAX, "", NULL,
      FIELD(listen_conf, trusted_user) },
    { "listen", "relay_domains", CONF_DOMAINS, 0, LIST_MAX, "", NULL,
      FIELD(listen_conf, relay_domains) },
    { "listen", "upstream", CONF_NAME, 0, 0, NULL, NULL,
      FIELD(listen_conf, upstream) },
    { "listen", "proxy_protocol_from", CONF_NETWORKS, 0, LIST_MAX, "", NULL,
      FIELD(listen_conf, proxy_protocol_from) },
    { "listen", "xclient_from", CONF_NETWORKS, 0, LIST_MAX, "", NULL,
      FIELD(listen_conf, xclient_from) },
    { "listen", "bare_newline", CONF_WORD, 0, 0, "reject", bare_newlines,
      FIELD(listen_conf, normalize) },
    { "listen", "max_message_size", CONF_SIZE, KIB, 16 * GIB, "50M", NULL,
      FIELD(listen_conf, max_message_size) },
    { "listen", "chunking", CONF_BOOL, 0, 0, "no", NULL,
      FIELD(listen_conf, chunking) },
    { "listen", "reply_deadline", CONF_TIME, 1, HOUR, "270s", NULL,
      FIELD(listen_conf, reply_deadline_s) },
    { "listen", "end_of_data_deadline", CONF_TIME, 1, HOUR, "570s", NULL,
      FIELD(listen_conf, end_of_data_deadline_s) },
    { "listen", "dot_reserve", CONF_TIME, 1, HOUR, "60s", NULL,
      FIELD(listen_conf, dot_reserve_s) },
    { "listen", "envelope_from", CONF_WORD, 0, 0, "any", envelope_froms,
      FIELD(listen_conf, envelope_from_match) },
    { "listen", "check", CONF_NAME, 0, 0, "default", NULL,
      FIELD(listen_conf, check) },
    { "upstream", "address", CONF_POOL, 1, ADDRESSES_MAX, NULL, NULL,
      FIELD(upstream_conf, addresses) },
    { "upstream", "protocol", CONF_WORD, 0, 0, "smtp", protocols,
      FIELD(upstream_conf, lmtp) },
    { "upstream", "sender_domains", CONF_SENDERS, 0, LIST_MAX, "", NULL,
      FIELD(upstream_conf, sender_domains) },
    { "upstream", "max_connections", CONF_NUMBER, 0, 100000, "0", NULL,
      FIELD(upstream_conf, max_connections) },
    { "upstream", "queue_timeout", CONF_TIME, 1, HOUR, "30s", NULL,
      FIELD(upstream_conf, queue_timeout_s) },
    { "upstream", "reuse_messages", CONF_NUMBER, 1, 1000000, "100", NULL,
      FIELD(upstream_conf, reuse_messages) },
    { "upstream", "reuse_age", CONF_TIME, 1, DAY, "10m", NULL,
      FIELD(upstream_conf, reuse_age_s) },
    { "upstream", "reuse_idle", CONF_TIME, 0, HOUR, "60s", NULL,
      FIELD(upstream_conf, reuse_idle_s) },
    { "upstream", "fail_timeout", CONF_TIME, 1, HOUR, "30s", NULL,
      FIELD(upstream_conf, fail_timeout_s) },
    { "upstream", "slow_start", CONF_TIME, 0, HOUR, "30s", NULL,
      FIELD(upstream_conf, slow_start_s) },
    { "upstream", "health_interval", CONF_TIME, 0, HOUR, "0s", NULL,
      FIELD(upstream_conf, health_interval_s) },
    { "upstream", "health_timeout", CONF_TIME, 1, 300, "10s", NULL,
      FIELD(upstream_conf, health_timeout_s) },
    { "upstream", "health_rise", CONF_NUMBER, 1, 100, "2", NULL,
      FIELD(upstream_conf, health_rise) },
    { "upstream", "health_fall", CONF_NUMBER, 1, 100, "3", NULL,
      FIELD(upstream_conf, health_fall) },
    { "upstream", "tls", CONF_WORD, 0, 0, "starttls", upstream_tls,
      FIELD(upstream_conf, tls) },
    { "upstream", "tls_verify", CONF_BOOL, 0, 0, "yes", NULL,
      FIELD(upstream_conf, tls_verify) },
    { "upstream", "ca_file", CONF_PATH, 0, 0, "", NULL,
      FIELD(upstream_conf, ca_file) },
    { "upstream", "tls_min_version", CONF_WORD, 0, 0, "1.2", tls_versions,
      FIELD(upstream_conf, tls_min_version) },
    { "upstream", "tls_fingerprint", CONF_PINS, 0, 16, "", NULL,
      FIELD(upstream_conf, tls_fingerprints) },
    { "upstream", "certificate", CONF_PATH, 0, 0, "", NULL,
      FIELD(upstream_conf, certificate) },
    { "upstream", "private_key", CONF_PATH, 0, 0, "", NULL,
      FIELD(upstream_conf, private_key) },
    { "upstream", "login", CONF_WORD, 0, 0, "none", logins,
      FIELD(upstream_conf, login) },
    { "upstream", "username", CONF_TEXT, 1, TEXT_MAX, "", NULL,
      FIELD(upstream_conf, username) },
    { "upstream", "password_file", CONF_PATH, 0, 0, "", NULL,
      FIELD(upstream_conf, password_file) },
    { "upstream", "token_file", CONF_PATH, 0, 0, "", NULL,
      FIELD(upstream_conf, token_file) },
    { "upstream", "auth_mechanisms", CONF_WORDS, 1, 16,
      "scram-sha-256-plus, scram-sha-256, oauthbearer, xoauth2, plain, login",
      login_mechanisms, FIELD(upstream_conf, auth_mechanisms) },
    { "upstream", "login_unverified", CONF_BOOL, 0, 0, "no", NULL,
      FIELD(upstream_conf, login_unverified) },
    { "upstream", "xclient", CONF_WORD, 0, 0, "no", tells,
      FIELD(upstream_conf, xclient) },
    { "upstream", "xforward", CONF_WORD, 0, 0, "no", tells,
      FIELD(upstream_conf, xforward) },
    { "upstream", "signatures", CONF_WORD, 0, 0, "rsa", signatures,
      FIELD(upstream_conf, signatures) },
    { "upstream", "existing_signatures", CONF_WORD, 0, 0, "keep",
      existing_signatures, FIELD(upstream_conf, strip_signatures) },
    { "upstream", "already_signed", CONF_WORD, 0, 0, "",
      upstream_already_signed, FIELD(upstream_conf, already_signed) },
    { "upstream", "preset", CONF_CHOICE, 0, 0, "generic", presets,
      FIELD(upstream_conf, preset) },
    { "upstream", "chunking", CONF_WORD, 0, 0, "auto", chunkings,
      FIELD(upstream_conf, chunking) },
    { "oauth", "preset", CONF_CHOICE, 0, 0, "generic", oauth_presets,
      FIELD(oauth_conf, preset) },
    { "oauth", "tenant", CONF_HOST, 1, 253, "", NULL,
      FIELD(oauth_conf, tenant) },
    { "oauth", "token_url", CONF_TEXT, 1, TEXT_MAX, "", NULL,
      FIELD(oauth_conf, token_url) },
    { "oauth", "client_id", CONF_TEXT, 1, TEXT_MAX, NULL, NULL,
      FIELD(oauth_conf, client_id) },
    { "oauth", "client_secret_file", CONF_PATH, 0, 0, "", NULL,
      FIELD(oauth_conf, client_secret_file) },
    { "oauth", "refresh_token_file", CONF_PATH, 0, 0, "", NULL,
      FIELD(oauth_conf, refresh_token_file) },
    { "oauth", "scope", CONF_TEXT, 1, TEXT_MAX, "", NULL,
      FIELD(oauth_conf, scope) },
    { "oauth", "token_file", CONF_PATH, 0, 0, NULL, NULL,
      FIELD(oauth_conf, token_file) },
    { "oauth", "ca_file", CONF_PATH, 0, 0, "", NULL,
      FIELD(oauth_conf, ca_file) },
    { "sign", "canonicalization", CONF_CANON, 0, 0, "relaxed/relaxed", NULL,
      FIELD(sign_conf, header_relaxed) },
    { "sign", "headers", CONF_HEADERS, 1, LIST_MAX, "default", NULL,
      FIELD(sign_conf, headers) },
    { "sign", "oversign", CONF_FIELDS, 0, LIST_MAX,
      "from, to, cc, subject, date, message-id, reply-to", NULL,
      FIELD(sign_conf, oversign) },
    { "sign", "oversign_present", CONF_FIELDS, 0, LIST_MAX,
      "mime-version, content-type, content-transfer-encoding, in-reply-to, references",
      NULL, FIELD(sign_conf, oversign_present) },
    { "sign", "expire", CONF_TIME, 0, 10 * YEAR, "7d", NULL,
      FIELD(sign_conf, expire_s) },
    { "sign", "other_from", CONF_WORD, 0, 0, "reject", other_froms,
      FIELD(sign_conf, other_from) },
    { "sign", "no_key", CONF_WORD, 0, 0, "unsigned", no_keys,
      FIELD(sign_conf, no_key) },
    { "sign", "on_error", CONF_WORD, 0, 0, "tempfail", on_errors,
      FIELD(sign_conf, on_error_pass) },
    { "sign", "parent_key", CONF_BOOL, 0, 0, "yes", NULL,
      FIELD(sign_conf, parent_key) },
    { "sign", "already_signed", CONF_WORD, 0, 0, "sign", already_signed,
      FIELD(sign_conf, skip_aligned) },
    { "sign", "add_missing", CONF_BOOL, 0, 0, "yes", NULL,
      FIELD(sign_conf, add_missing) },
    { "sign", "allow_short_keys", CONF_BOOL, 0, 0, "no", NULL,
      FIELD(sign_conf, allow_short_keys) },
    { "sign", "also", CONF_HOST, 1, 253, "", NULL, FIELD(sign_conf, also) },
    { "sign", "remove_headers", CONF_FIELDS, 0, LIST_MAX,
      "bcc, resent-bcc, return-path", NULL, FIELD(sign_conf, remove_headers) },
    { "check", "on_dkim_fail", CONF_WORD, 0, 0, "tag", actions,
      FIELD(check_conf, on_dkim_fail) },
    { "check", "on_spf_fail", CONF_WORD, 0, 0, "tag", actions,
      FIELD(check_conf, on_spf_fail) },
    { "check", "on_temperror", CONF_WORD, 0, 0, "tag", actions,
      FIELD(check_conf, on_temperror) },
    { "check", "dmarc", CONF_WORD, 0, 0, "tag", dmarcs,
      FIELD(check_conf, dmarc) },
    { "check", "trusted_forwarders", CONF_NETWORKS, 0, LIST_MAX, "", NULL,
      FIELD(check_conf, trusted_forwarders) },
    { "check", "quarantine_header", CONF_FIELD, 0, 0, "", NULL,
      FIELD(check_conf, quarantine_header) },
    { "check", "max_signatures", CONF_NUMBER, 1, 100, "8", NULL,
      FIELD(check_conf, max_signatures) },
    { "limits", "connections", CONF_AUTO_NUMBER, 1, 1000000, "auto", NULL,
      FIELD(limits_conf, connections) },
    { "limits", "connections_per_ip", CONF_NUMBER, 1, 1000000, "50", NULL,
      FIELD(limits_conf, connections_per_ip) },
    { "limits", "connections_per_network", CONF_AUTO_NUMBER, 1, 4000000, "auto",
      NULL, FIELD(limits_conf, connections_per_network) },
    { "limits", "network_ipv4", CONF_NUMBER, 8, 32, "24", NULL,
      FIELD(limits_conf, network_ipv4) },
    { "limits", "network_ipv6", CONF_NUMBER, 16, 128, "64", NULL,
      FIELD(limits_conf, network_ipv6) },
    { "limits", "connections_per_user", CONF_NUMBER, 1, 1000000, "50", NULL,
      FIELD(limits_conf, connections_per_user) },
    { "limits", "handshakes_per_minute", CONF_NUMBER, 0, 1000000, "300", NULL,
      FIELD(limits_conf, handshakes_per_minute) },
    { "limits", "recipients", CONF_NUMBER, 1, 100000, "1000", NULL,
      FIELD(limits_conf, recipients) },
    { "limits", "rate", CONF_RATE, 1, 100000000, "", NULL,
      FIELD(limits_conf, rate) },
    { "limits", "recipient_rate", CONF_RATE, 1, 100000000, "", NULL,
      FIELD(limits_conf, recipient_rate) },
    { "limits", "auth_failures", CONF_NUMBER, 1, 1000, "5", NULL,
      FIELD(limits_conf, auth_failures) },
    { "limits", "auth_delay", CONF_TIME, 0, 15, "1s", NULL,
      FIELD(limits_conf, auth_delay_s) },
    { "limits", "auth_lock_after", CONF_NUMBER, 0, 1000000, "20", NULL,
      FIELD(limits_conf, auth_lock_after) },
    { "limits", "auth_lock", CONF_TIME, 1, DAY, "15m", NULL,
      FIELD(limits_conf, auth_lock_s) },
    { "limits", "errors", CONF_NUMBER, 1, 1000, "20", NULL,
      FIELD(limits_conf, errors) },
    { "limits", "junk_commands", CONF_NUMBER, 1, 100000, "100", NULL,
      FIELD(limits_conf, junk_commands) },
    { "limits", "min_data_rate", CONF_SIZE, 0, GIB, "500", NULL,
      FIELD(limits_conf, min_data_rate) },
    { "limits", "stress", CONF_NUMBER, 1, 100, "90", NULL,
      FIELD(limits_conf, stress) },
    { "rotate", "every", CONF_TIME, HOUR, 10 * YEAR, "90d", NULL,
      FIELD(rotate_conf, every_s) },
    { "rotate", "retire", CONF_TIME, 0, 10 * YEAR, "30d", NULL,
      FIELD(rotate_conf, retire_s) },
    { "rotate", "revoked", CONF_TIME, 0, 10 * YEAR, "7d", NULL,
      FIELD(rotate_conf, revoked_s) },
    { "rotate", "watch", CONF_TIME, 0, YEAR, "1h", NULL,
      FIELD(rotate_conf, watch_s) },
    { "rotate", "zone", CONF_HOST, 1, 253, "", NULL, FIELD(rotate_conf, zone) },
    { "rotate", "prove", CONF_WORD, 0, 0, "authoritative", proves,
      FIELD(rotate_conf, prove) },
    { "rotate", "publish", CONF_WORD, 0, 0, "", publishes,
      FIELD(rotate_conf, publish) },
    { "publish", "server", CONF_TARGETS, 0, 1, "", NULL,
      FIELD(publish_conf, server) },
    { "publish", "tsig_key_file", CONF_PATH, 0, 0, "", NULL,
      FIELD(publish_conf, tsig_key_file) },
    { "publish", "zone", CONF_HOST, 1, 253, "", NULL,
      FIELD(publish_conf, zone) },
    { "publish", "file", CONF_PATH, 0, 0, "", NULL, FIELD(publish_conf, file) },
    { "publish", "serial_file", CONF_PATH, 0, 0, "", NULL,
      FIELD(publish_conf, serial_file) },
    { "publish", "reload", CONF_TEXT, 1, TEXT_MAX, "", NULL,
      FIELD(publish_conf, reload) },
    { "publish", "program", CONF_PATH, 0, 0, "", NULL,
      FIELD(publish_conf, program) },
    { "publish", "ttl", CONF_TIME, 1, DAY, "300s", NULL,
      FIELD(publish_conf, ttl_s) },
    { "publish", "timeout", CONF_TIME, 1, HOUR, "60s", NULL,
      FIELD(publish_conf, timeout_s) },
    { "notify", "command", CONF_TEXT, 1, TEXT_MAX, "", NULL,
      FIELD(notify_conf, command) },
    { "notify", "mail", CONF_TEXT, 1, TEXT_MAX, "", NULL,
      FIELD(notify_conf, mail) },
    { "notify", "from", CONF_TEXT, 1, TEXT_MAX, "", NULL,
      FIELD(notify_conf, from) },
    { "notify", "listener", CONF_NAME, 0, 0, "", NULL,
      FIELD(notify_conf, listener) },
    { "notify", "username", CONF_USER, 1, TEXT_MAX, "", NULL,
      FIELD(notify_conf, username) },
    { "notify", "password_file", CONF_PATH, 0, 0, "", NULL,
      FIELD(notify_conf, password_file) },
    { "notify", "expiry", CONF_TIME, 0, YEAR, "14d", NULL,
      FIELD(notify_conf, expiry_s) },
    { "console", "address", CONF_LISTEN, 1, ADDRESSES_MAX, "127.0.0.1:8025",
      NULL, FIELD(console_conf, addresses) },
};

const size_t conf_setting_count = COUNT_OF(conf_settings);

const struct conf_kind conf_kinds[] = {
    { "server", false, sizeof(struct server_conf),
      offsetof(struct conf, server) },
    { "spool", false, sizeof(struct spool_conf), offsetof(struct conf, spool) },
    { "dns", false, sizeof(struct dns_conf), offsetof(struct conf, dns) },
    { "listen", true, sizeof(struct listen_conf), 0 },
    { "upstream", true, sizeof(struct upstream_conf), 0 },
    { "oauth", true, sizeof(struct oauth_conf), 0 },
    { "sign", false, sizeof(struct sign_conf), offsetof(struct conf, sign) },
    { "check", true, sizeof(struct check_conf), 0 },
    { "limits", false, sizeof(struct limits_conf),
      offsetof(struct conf, limits) },
    { "rotate", false, sizeof(struct rotate_conf),
      offsetof(struct conf, rotate) },
    { "publish", false, sizeof(struct publish_conf),
      offsetof(struct conf, publish) },
    { "notify", false, sizeof(struct notify_conf),
      offsetof(struct conf, notify) },
    { "console", false, sizeof(struct console_conf),
      offsetof(struct conf, console) },
};

const size_t conf_kind_count = COUNT_OF(conf_kinds);

const struct conf_setting *
conf_settings_of(const char *section, size_t *count_out)
{
    const struct conf_setting *first = NULL;
    size_t count = 0;

    for (size_t i = 0; i < conf_setting_count; i++) {
        if (strcmp(conf_settings[i].section, section) == 0) {
            first = count++ == 0 ? &conf_settings[i] : first;
        }
    }
    *count_out = count;
    return first;
}

bool
conf_type_is_list(enum conf_type type)
{
    return type >= CONF_WORDS;
}
