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
#define NOT_KEPT      0, 0
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
    { "logfmt", CONF_LOGFMT, false },
    { "json", CONF_JSON, false },
    { 0 },
};

static const struct conf_word log_recipients[] = {
    { "full", CONF_RCPT_FULL, false },
    { "domain", CONF_RCPT_DOMAIN, false },
    { "count", CONF_RCPT_COUNT, false },
    { 0 },
};

static const struct conf_word modes[] = {
    { "outbound", CONF_OUTBOUND, false },
    { "inbound", CONF_INBOUND, false },
    { 0 },
};

static const struct conf_word listen_tls[] = {
    { "none", CONF_TLS_NONE, false },
    { "starttls", CONF_TLS_STARTTLS, false },
    { "implicit", CONF_TLS_IMPLICIT, false },
    { 0 },
};

static const struct conf_word upstream_tls[] = {
    { "none", CONF_TLS_NONE, false },
    { "starttls", CONF_TLS_STARTTLS, false },
    { "implicit", CONF_TLS_IMPLICIT, false },
    { "opportunistic", CONF_TLS_OPPORTUNISTIC, false },
    { "dane", CONF_TLS_DANE, false },
    { 0 },
};

static const struct conf_word tls_versions[] = {
    { "1.2", CONF_TLS_1_2, false },
    { "1.3", CONF_TLS_1_3, false },
    { 0 },
};

static const struct conf_word auths[] = {
    { "required", CONF_AUTH_REQUIRED, false },
    { "optional", CONF_AUTH_OPTIONAL, false },
    { "none", CONF_AUTH_NONE, false },
    { 0 },
};

static const struct conf_word mechanisms[] = {
    { "plain", SMTP_MECH_PLAIN, false },
    { "login", SMTP_MECH_LOGIN, false },
    { "scram-sha-256", SMTP_MECH_SCRAM_SHA_256, false },
    { "scram-sha-256-plus", SMTP_MECH_SCRAM_SHA_256_PLUS, false },
    { "external", SMTP_MECH_EXTERNAL, false },
    { "xoauth2", SMTP_MECH_XOAUTH2, false },
    { "oauthbearer", SMTP_MECH_OAUTHBEARER, false },
    { 0 },
};

static const struct conf_word bare_newlines[] = {
    { "reject", false, false },
    { "normalize", true, false },
    { 0 },
};

static const struct conf_word envelope_froms[] = {
    { "any", false, false },
    { "match", true, false },
    { 0 },
};

static const struct conf_word logins[] = {
    { "none", CONF_LOGIN_NONE, false },
    { "password", CONF_LOGIN_PASSWORD, false },
    { "oauth", CONF_LOGIN_OAUTH, false },
    { "client", CONF_LOGIN_CLIENT, false },
    { 0 },
};

static const struct conf_word signatures[] = {
    { "none", CONF_SIGN_NONE, false },
    { "rsa", CONF_SIGN_RSA, false },
    { "ed25519", CONF_SIGN_ED25519, false },
    { "dual", CONF_SIGN_DUAL, false },
    { 0 },
};

static const struct conf_word existing_signatures[] = {
    { "keep", false, false },
    { "strip", true, false },
    { 0 },
};

static const struct conf_word presets[] = {
    { "generic", 0, false },
    { "ses", 0, false },
    { "m365", 0, false },
    { "gmail", 0, false },
    { 0 },
};

static const struct conf_word protocols[] = {
    { "smtp", false, false },
    { "lmtp", true, false },
    { 0 },
};

static const struct conf_word tells[] = {
    { "no", CONF_TELL_NO, false },
    { "auto", CONF_TELL_AUTO, false },
    { "yes", CONF_TELL_YES, false },
    { 0 },
};

static const struct conf_word login_mechanisms[] = {
    { "plain", SMTP_MECH_PLAIN, false },
    { "login", SMTP_MECH_LOGIN, false },
    { "scram-sha-256", SMTP_MECH_SCRAM_SHA_256, false },
    { "scram-sha-256-plus", SMTP_MECH_SCRAM_SHA_256_PLUS, false },
    { "xoauth2", SMTP_MECH_XOAUTH2, false },
    { "oauthbearer", SMTP_MECH_OAUTHBEARER, false },
    { 0 },
};

static const struct conf_word upstream_already_signed[] = {
    { "", CONF_ALREADY_UNSET, false },
    { "sign", CONF_ALREADY_SIGN, false },
    { "skip-aligned", CONF_ALREADY_SKIP, false },
    { 0 },
};

static const struct conf_word oauth_presets[] = {
    { "generic", 0, false },
    { "m365", 0, false },
    { "gmail", 0, false },
    { 0 },
};

static const struct conf_word chunkings[] = {
    { "auto", true, false },
    { "no", false, false },
    { 0 },
};

static const struct conf_word other_froms[] = {
    { "reject", CONF_OTHER_REJECT, false },
    { "unsigned", CONF_OTHER_UNSIGNED, false },
    { "sign-as-user", CONF_OTHER_AS_USER, false },
    { 0 },
};

static const struct conf_word no_keys[] = {
    { "unsigned", CONF_NO_KEY_UNSIGNED, false },
    { "tempfail", CONF_NO_KEY_TEMPFAIL, false },
    { "reject", CONF_NO_KEY_REJECT, false },
    { 0 },
};

static const struct conf_word on_errors[] = {
    { "tempfail", false, false },
    { "pass", true, false },
    { 0 },
};

static const struct conf_word already_signed[] = {
    { "sign", false, false },
    { "skip-aligned", true, false },
    { 0 },
};

static const struct conf_word actions[] = {
    { "tag", CONF_TAG, false },
    { "reject", CONF_REJECT, false },
    { "tempfail", CONF_TEMPFAIL, false },
    { 0 },
};

static const struct conf_word dmarcs[] = {
    { "off", CONF_DMARC_OFF, false },
    { "tag", CONF_DMARC_TAG, false },
    { "enforce", CONF_DMARC_ENFORCE, false },
    { 0 },
};

static const struct conf_word proves[] = {
    { "authoritative", CONF_PROVE_AUTHORITATIVE, false },
    { "resolver", CONF_PROVE_RESOLVER, false },
    { 0 },
};

static const struct conf_word publishes[] = {
    { "", CONF_PUBLISH_NONE, false },
    { "zonefile", CONF_PUBLISH_ZONEFILE, false },
    { "rfc2136", CONF_PUBLISH_RFC2136, false },
    { "exec", CONF_PUBLISH_EXEC, false },
    { 0 },
};

const struct conf_setting conf_settings[] = {
    { "server", "hostname", CONF_HOST, 1, 253, "", NULL,
      FIELD(server_conf, hostname), false },
    { "server", "authserv_id", CONF_HOST, 1, 253, "", NULL,
      FIELD(server_conf, authserv_id), false },
    { "server", "workers", CONF_AUTO_NUMBER, 1, 256, "auto", NULL,
      FIELD(server_conf, workers), false },
    { "server", "user", CONF_ACCOUNT, 1, 32, "sealpost", NULL,
      FIELD(server_conf, user), false },
    { "server", "keys_user", CONF_ACCOUNT, 1, 32, "sealpost-keys", NULL,
      FIELD(server_conf, keys_user), false },
    { "server", "state_dir", CONF_PATH, 0, 0, "/var/lib/sealpost", NULL,
      FIELD(server_conf, state_dir), false },
    { "server", "log", CONF_LOG, 0, 0, "", NULL, FIELD(server_conf, log),
      false },
    { "server", "log_format", CONF_WORD, 0, 0, "logfmt", log_formats,
      FIELD(server_conf, log_format), false },
    { "server", "log_recipients", CONF_WORD, 0, 0, "full", log_recipients,
      FIELD(server_conf, log_recipients), false },
    { "server", "drain", CONF_TIME, 0, DAY, "5m", NULL,
      FIELD(server_conf, drain_s), false },
    { "server", "stop_deadline", CONF_TIME, 1, HOUR, "120s", NULL,
      FIELD(server_conf, stop_deadline_s), false },
    { "spool", "directory", CONF_PATH, 0, 0, "", NULL,
      FIELD(spool_conf, directory), false },
    { "spool", "memory_threshold", CONF_SIZE, KIB, GIB, "256K", NULL,
      FIELD(spool_conf, memory_threshold), false },
    { "spool", "max_total", CONF_SIZE, 64 * KIB, 16 * TIB, "2G", NULL,
      FIELD(spool_conf, max_total), false },
    { "dns", "nameserver", CONF_SERVERS, 0, 8, "", NULL,
      FIELD(dns_conf, nameservers), false },
    { "dns", "timeout", CONF_TIME, 1, 15, "5s", NULL,
      FIELD(dns_conf, timeout_s), false },
    { "dns", "public_resolvers", CONF_SERVERS, 0, 8, "", NULL,
      FIELD(dns_conf, public_resolvers), false },
    { "dns", "authoritative_port", CONF_NUMBER, 1, 65535, "53", NULL,
      FIELD(dns_conf, authoritative_port), false },
    { "listen", "address", CONF_LISTEN, 1, ADDRESSES_MAX, NULL, NULL,
      FIELD(listen_conf, addresses), false },
    { "listen", "mode", CONF_WORD, 0, 0, "outbound", modes,
      FIELD(listen_conf, mode), false },
    { "listen", "tls", CONF_WORD, 0, 0, "starttls", listen_tls,
      FIELD(listen_conf, tls), false },
    { "listen", "require_tls", CONF_BOOL, 0, 0, "yes", NULL,
      FIELD(listen_conf, require_tls), false },
    { "listen", "certificate", CONF_PATHS, 0, PAIRS_MAX, "", NULL,
      FIELD(listen_conf, certificates), false },
    { "listen", "private_key", CONF_PATHS, 0, PAIRS_MAX, "", NULL,
      FIELD(listen_conf, private_keys), false },
    { "listen", "tls_min_version", CONF_WORD, 0, 0, "1.2", tls_versions,
      FIELD(listen_conf, tls_min_version), false },
    { "listen", "tls_client_users", CONF_CERT_USERS, 0, LIST_MAX, "", NULL,
      FIELD(listen_conf, tls_client_users), false },
    { "listen", "tls_client_ca", CONF_PATH, 0, 0, "", NULL,
      FIELD(listen_conf, tls_client_ca), false },
    { "listen", "auth", CONF_WORD, 0, 0, "required", auths,
      FIELD(listen_conf, auth), false },
    { "listen", "auth_backend", CONF_BACKEND, 0, 0, "users", NULL,
      FIELD(listen_conf, auth_backend), false },
    { "listen", "auth_mechanisms", CONF_WORDS, 1, 16, "plain, login",
      mechanisms, FIELD(listen_conf, auth_mechanisms), false },
    { "listen", "trusted_networks", CONF_NETWORKS, 0, LIST_MAX, "", NULL,
      FIELD(listen_conf, trusted_networks), false },
    { "listen", "trusted_user", CONF_USER, 1, TEXT_MAX, "", NULL,
      FIELD(listen_conf, trusted_user), false },
    { "listen", "relay_domains", CONF_DOMAINS, 0, LIST_MAX, "", NULL,
      FIELD(listen_conf, relay_domains), false },
    { "listen", "upstream", CONF_NAME, 0, 0, NULL, NULL,
      FIELD(listen_conf, upstream), false },
    { "listen", "proxy_protocol_from", CONF_NETWORKS, 0, LIST_MAX, "", NULL,
      FIELD(listen_conf, proxy_protocol_from), false },
    { "listen", "xclient_from", CONF_NETWORKS, 0, LIST_MAX, "", NULL,
      FIELD(listen_conf, xclient_from), false },
    { "listen", "bare_newline", CONF_WORD, 0, 0, "reject", bare_newlines,
      FIELD(listen_conf, normalize), false },
    { "listen", "max_message_size", CONF_SIZE, KIB, 16 * GIB, "50M", NULL,
      FIELD(listen_conf, max_message_size), false },
    { "listen", "chunking", CONF_BOOL, 0, 0, "no", NULL,
      FIELD(listen_conf, chunking), false },
    { "listen", "reply_deadline", CONF_TIME, 1, HOUR, "270s", NULL,
      FIELD(listen_conf, reply_deadline_s), false },
    { "listen", "end_of_data_deadline", CONF_TIME, 1, HOUR, "570s", NULL,
      FIELD(listen_conf, end_of_data_deadline_s), false },
    { "listen", "dot_reserve", CONF_TIME, 1, HOUR, "60s", NULL,
      FIELD(listen_conf, dot_reserve_s), false },
    { "listen", "envelope_from", CONF_WORD, 0, 0, "any", envelope_froms,
      FIELD(listen_conf, envelope_from_match), false },
    { "listen", "check", CONF_NAME, 0, 0, "default", NULL,
      FIELD(listen_conf, check), false },
    { "upstream", "address", CONF_POOL, 1, ADDRESSES_MAX, NULL, NULL,
      FIELD(upstream_conf, addresses), false },
    { "upstream", "protocol", CONF_WORD, 0, 0, "smtp", protocols,
      FIELD(upstream_conf, lmtp), false },
    { "upstream", "sender_domains", CONF_SENDERS, 0, LIST_MAX, "", NULL,
      FIELD(upstream_conf, sender_domains), false },
    { "upstream", "max_connections", CONF_NUMBER, 0, 100000, "0", NULL,
      FIELD(upstream_conf, max_connections), false },
    { "upstream", "queue_timeout", CONF_TIME, 1, HOUR, "30s", NULL,
      FIELD(upstream_conf, queue_timeout_s), false },
    { "upstream", "reuse_messages", CONF_NUMBER, 1, 1000000, "100", NULL,
      FIELD(upstream_conf, reuse_messages), false },
    { "upstream", "reuse_age", CONF_TIME, 1, DAY, "10m", NULL,
      FIELD(upstream_conf, reuse_age_s), false },
    { "upstream", "reuse_idle", CONF_TIME, 0, HOUR, "60s", NULL,
      FIELD(upstream_conf, reuse_idle_s), false },
    { "upstream", "fail_timeout", CONF_TIME, 1, HOUR, "30s", NULL,
      FIELD(upstream_conf, fail_timeout_s), false },
    { "upstream", "slow_start", CONF_TIME, 0, HOUR, "30s", NULL,
      FIELD(upstream_conf, slow_start_s), false },
    { "upstream", "health_interval", CONF_TIME, 0, HOUR, "0s", NULL,
      FIELD(upstream_conf, health_interval_s), false },
    { "upstream", "health_timeout", CONF_TIME, 1, 300, "10s", NULL,
      FIELD(upstream_conf, health_timeout_s), false },
    { "upstream", "health_rise", CONF_NUMBER, 1, 100, "2", NULL,
      FIELD(upstream_conf, health_rise), false },
    { "upstream", "health_fall", CONF_NUMBER, 1, 100, "3", NULL,
      FIELD(upstream_conf, health_fall), false },
    { "upstream", "tls", CONF_WORD, 0, 0, "starttls", upstream_tls,
      FIELD(upstream_conf, tls), false },
    { "upstream", "tls_verify", CONF_BOOL, 0, 0, "yes", NULL,
      FIELD(upstream_conf, tls_verify), false },
    { "upstream", "ca_file", CONF_PATH, 0, 0, "", NULL,
      FIELD(upstream_conf, ca_file), false },
    { "upstream", "tls_min_version", CONF_WORD, 0, 0, "1.2", tls_versions,
      FIELD(upstream_conf, tls_min_version), false },
    { "upstream", "tls_fingerprint", CONF_PINS, 0, 16, "", NULL,
      FIELD(upstream_conf, tls_fingerprints), false },
    { "upstream", "certificate", CONF_PATH, 0, 0, "", NULL,
      FIELD(upstream_conf, certificate), false },
    { "upstream", "private_key", CONF_PATH, 0, 0, "", NULL,
      FIELD(upstream_conf, private_key), false },
    { "upstream", "login", CONF_WORD, 0, 0, "none", logins,
      FIELD(upstream_conf, login), false },
    { "upstream", "username", CONF_TEXT, 1, TEXT_MAX, "", NULL,
      FIELD(upstream_conf, username), false },
    { "upstream", "password_file", CONF_PATH, 0, 0, "", NULL,
      FIELD(upstream_conf, password_file), false },
    { "upstream", "token_file", CONF_PATH, 0, 0, "", NULL,
      FIELD(upstream_conf, token_file), false },
    { "upstream", "auth_mechanisms", CONF_WORDS, 1, 16,
      "scram-sha-256-plus, scram-sha-256, oauthbearer, xoauth2, plain, login",
      login_mechanisms, FIELD(upstream_conf, auth_mechanisms), false },
    { "upstream", "login_unverified", CONF_BOOL, 0, 0, "no", NULL,
      FIELD(upstream_conf, login_unverified), false },
    { "upstream", "xclient", CONF_WORD, 0, 0, "no", tells,
      FIELD(upstream_conf, xclient), false },
    { "upstream", "xforward", CONF_WORD, 0, 0, "no", tells,
      FIELD(upstream_conf, xforward), false },
    { "upstream", "signatures", CONF_WORD, 0, 0, "rsa", signatures,
      FIELD(upstream_conf, signatures), false },
    { "upstream", "existing_signatures", CONF_WORD, 0, 0, "keep",
      existing_signatures, FIELD(upstream_conf, strip_signatures), false },
    { "upstream", "already_signed", CONF_WORD, 0, 0, "",
      upstream_already_signed, FIELD(upstream_conf, already_signed), false },
    { "upstream", "preset", CONF_CHOICE, 0, 0, "generic", presets,
      FIELD(upstream_conf, preset), false },
    { "upstream", "chunking", CONF_WORD, 0, 0, "auto", chunkings,
      FIELD(upstream_conf, chunking), false },
    { "oauth", "preset", CONF_CHOICE, 0, 0, "generic", oauth_presets,
      FIELD(oauth_conf, preset), false },
    { "oauth", "tenant", CONF_HOST, 1, 253, "", NULL,
      FIELD(oauth_conf, tenant), false },
    { "oauth", "token_url", CONF_TEXT, 1, TEXT_MAX, "", NULL,
      FIELD(oauth_conf, token_url), false },
    { "oauth", "client_id", CONF_TEXT, 1, TEXT_MAX, NULL, NULL,
      FIELD(oauth_conf, client_id), false },
    { "oauth", "client_secret_file", CONF_PATH, 0, 0, "", NULL,
      FIELD(oauth_conf, client_secret_file), false },
    { "oauth", "refresh_token_file", CONF_PATH, 0, 0, "", NULL,
      FIELD(oauth_conf, refresh_token_file), false },
    { "oauth", "scope", CONF_TEXT, 1, TEXT_MAX, "", NULL,
      FIELD(oauth_conf, scope), false },
    { "oauth", "token_file", CONF_PATH, 0, 0, NULL, NULL,
      FIELD(oauth_conf, token_file), false },
    { "oauth", "ca_file", CONF_PATH, 0, 0, "", NULL,
      FIELD(oauth_conf, ca_file), false },
    { "sign", "canonicalization", CONF_CANON, 0, 0, "relaxed/relaxed", NULL,
      FIELD(sign_conf, header_relaxed), false },
    { "sign", "headers", CONF_HEADERS, 1, LIST_MAX, "default", NULL,
      FIELD(sign_conf, headers), false },
    { "sign", "oversign", CONF_FIELDS, 0, LIST_MAX,
      "from, to, cc, subject, date, message-id, reply-to", NULL,
      FIELD(sign_conf, oversign), false },
    { "sign", "oversign_present", CONF_FIELDS, 0, LIST_MAX,
      "mime-version, content-type, content-transfer-encoding, in-reply-to, references",
      NULL, FIELD(sign_conf, oversign_present), false },
    { "sign", "expire", CONF_TIME, 0, 10 * YEAR, "7d", NULL,
      FIELD(sign_conf, expire_s), false },
    { "sign", "other_from", CONF_WORD, 0, 0, "reject", other_froms,
      FIELD(sign_conf, other_from), false },
    { "sign", "no_key", CONF_WORD, 0, 0, "unsigned", no_keys,
      FIELD(sign_conf, no_key), false },
    { "sign", "on_error", CONF_WORD, 0, 0, "tempfail", on_errors,
      FIELD(sign_conf, on_error_pass), false },
    { "sign", "parent_key", CONF_BOOL, 0, 0, "yes", NULL,
      FIELD(sign_conf, parent_key), false },
    { "sign", "already_signed", CONF_WORD, 0, 0, "sign", already_signed,
      FIELD(sign_conf, skip_aligned), false },
    { "sign", "add_missing", CONF_BOOL, 0, 0, "yes", NULL,
      FIELD(sign_conf, add_missing), false },
    { "sign", "allow_short_keys", CONF_BOOL, 0, 0, "no", NULL,
      FIELD(sign_conf, allow_short_keys), false },
    { "sign", "also", CONF_HOST, 1, 253, "", NULL, FIELD(sign_conf, also),
      false },
    { "sign", "remove_headers", CONF_FIELDS, 0, LIST_MAX,
      "bcc, resent-bcc, return-path", NULL, FIELD(sign_conf, remove_headers),
      false },
    { "check", "on_dkim_fail", CONF_WORD, 0, 0, "tag", actions,
      FIELD(check_conf, on_dkim_fail), false },
    { "check", "on_spf_fail", CONF_WORD, 0, 0, "tag", actions,
      FIELD(check_conf, on_spf_fail), false },
    { "check", "on_temperror", CONF_WORD, 0, 0, "tag", actions,
      FIELD(check_conf, on_temperror), false },
    { "check", "dmarc", CONF_WORD, 0, 0, "tag", dmarcs,
      FIELD(check_conf, dmarc), false },
    { "check", "trusted_forwarders", CONF_NETWORKS, 0, LIST_MAX, "", NULL,
      FIELD(check_conf, trusted_forwarders), false },
    { "check", "quarantine_header", CONF_FIELD, 0, 0, "", NULL,
      FIELD(check_conf, quarantine_header), false },
    { "check", "max_signatures", CONF_NUMBER, 1, 100, "8", NULL,
      FIELD(check_conf, max_signatures), false },
    { "limits", "connections", CONF_AUTO_NUMBER, 1, 1000000, "auto", NULL,
      FIELD(limits_conf, connections), false },
    { "limits", "connections_per_ip", CONF_NUMBER, 1, 1000000, "50", NULL,
      FIELD(limits_conf, connections_per_ip), false },
    { "limits", "connections_per_network", CONF_AUTO_NUMBER, 1, 4000000,
      "auto", NULL, FIELD(limits_conf, connections_per_network), false },
    { "limits", "network_ipv4", CONF_NUMBER, 8, 32, "24", NULL,
      FIELD(limits_conf, network_ipv4), false },
    { "limits", "network_ipv6", CONF_NUMBER, 16, 128, "64", NULL,
      FIELD(limits_conf, network_ipv6), false },
    { "limits", "connections_per_user", CONF_NUMBER, 1, 1000000, "50", NULL,
      FIELD(limits_conf, connections_per_user), false },
    { "limits", "handshakes_per_minute", CONF_NUMBER, 0, 1000000, "300", NULL,
      FIELD(limits_conf, handshakes_per_minute), false },
    { "limits", "recipients", CONF_NUMBER, 1, 100000, "1000", NULL,
      FIELD(limits_conf, recipients), false },
    { "limits", "rate", CONF_RATE, 1, 100000000, "", NULL,
      FIELD(limits_conf, rate), false },
    { "limits", "recipient_rate", CONF_RATE, 1, 100000000, "", NULL,
      FIELD(limits_conf, recipient_rate), false },
    { "limits", "auth_failures", CONF_NUMBER, 1, 1000, "5", NULL,
      FIELD(limits_conf, auth_failures), false },
    { "limits", "auth_delay", CONF_TIME, 0, 15, "1s", NULL,
      FIELD(limits_conf, auth_delay_s), false },
    { "limits", "auth_lock_after", CONF_NUMBER, 0, 1000000, "20", NULL,
      FIELD(limits_conf, auth_lock_after), false },
    { "limits", "auth_lock", CONF_TIME, 1, DAY, "15m", NULL,
      FIELD(limits_conf, auth_lock_s), false },
    { "limits", "errors", CONF_NUMBER, 1, 1000, "20", NULL,
      FIELD(limits_conf, errors), false },
    { "limits", "junk_commands", CONF_NUMBER, 1, 100000, "100", NULL,
      FIELD(limits_conf, junk_commands), false },
    { "limits", "min_data_rate", CONF_SIZE, 0, GIB, "500", NULL,
      FIELD(limits_conf, min_data_rate), false },
    { "limits", "stress", CONF_NUMBER, 1, 100, "90", NULL,
      FIELD(limits_conf, stress), false },
    { "rotate", "every", CONF_TIME, HOUR, 10 * YEAR, "90d", NULL,
      FIELD(rotate_conf, every_s), false },
    { "rotate", "retire", CONF_TIME, 0, 10 * YEAR, "30d", NULL,
      FIELD(rotate_conf, retire_s), false },
    { "rotate", "revoked", CONF_TIME, 0, 10 * YEAR, "7d", NULL,
      FIELD(rotate_conf, revoked_s), false },
    { "rotate", "watch", CONF_TIME, 0, YEAR, "1h", NULL,
      FIELD(rotate_conf, watch_s), false },
    { "rotate", "zone", CONF_HOST, 1, 253, "", NULL, FIELD(rotate_conf, zone),
      false },
    { "rotate", "prove", CONF_WORD, 0, 0, "authoritative", proves,
      FIELD(rotate_conf, prove), false },
    { "rotate", "publish", CONF_WORD, 0, 0, "", publishes,
      FIELD(rotate_conf, publish), false },
    { "publish", "server", CONF_TARGETS, 0, 1, "", NULL,
      FIELD(publish_conf, server), false },
    { "publish", "tsig_key_file", CONF_PATH, 0, 0, "", NULL,
      FIELD(publish_conf, tsig_key_file), false },
    { "publish", "zone", CONF_HOST, 1, 253, "", NULL, FIELD(publish_conf, zone),
      false },
    { "publish", "file", CONF_PATH, 0, 0, "", NULL, FIELD(publish_conf, file),
      false },
    { "publish", "serial_file", CONF_PATH, 0, 0, "", NULL,
      FIELD(publish_conf, serial_file), false },
    { "publish", "reload", CONF_TEXT, 1, TEXT_MAX, "", NULL,
      FIELD(publish_conf, reload), false },
    { "publish", "program", CONF_PATH, 0, 0, "", NULL,
      FIELD(publish_conf, program), false },
    { "publish", "ttl", CONF_TIME, 1, DAY, "300s", NULL,
      FIELD(publish_conf, ttl_s), false },
    { "publish", "timeout", CONF_TIME, 1, HOUR, "60s", NULL,
      FIELD(publish_conf, timeout_s), false },
    { "notify", "command", CONF_TEXT, 1, TEXT_MAX, "", NULL,
      FIELD(notify_conf, command), false },
    { "notify", "mail", CONF_TEXT, 1, TEXT_MAX, "", NULL,
      FIELD(notify_conf, mail), false },
    { "notify", "from", CONF_TEXT, 1, TEXT_MAX, "", NULL,
      FIELD(notify_conf, from), false },
    { "notify", "listener", CONF_NAME, 0, 0, "", NULL,
      FIELD(notify_conf, listener), false },
    { "notify", "username", CONF_USER, 1, TEXT_MAX, "", NULL,
      FIELD(notify_conf, username), false },
    { "notify", "password_file", CONF_PATH, 0, 0, "", NULL,
      FIELD(notify_conf, password_file), false },
    { "notify", "expiry", CONF_TIME, 0, YEAR, "14d", NULL,
      FIELD(notify_conf, expiry_s), false },
    { "console", "address", CONF_LISTEN, 1, ADDRESSES_MAX, "127.0.0.1:8025",
      NULL, FIELD(console_conf, addresses), false },
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
