/*
 * conf - the configuration as structs: one struct a section of sealpost.conf.
 *
 * A module is given a pointer to the struct of its own section and no other.
 * Times are in seconds (_s), sizes in octets. Strings are NUL-terminated and
 * never NULL unless it says so ("" when not set). All of it is owned by the
 * struct conf and lives until conf_free().
 */
#ifndef PROXY_CONFIG_CONF_H
#define PROXY_CONFIG_CONF_H

#include <base/buf.h>
#include <base/bytes.h>

#include <netinet/in.h>
#include <sys/socket.h>

/* NULL-terminated array, never NULL itself. */
typedef const char *const *conf_list;

/* 192.0.2.0/24 or 2001:db8::/32; v4-mapped addresses count as IPv4. */
struct conf_network {
    int family;
    uint8_t addr[16];
    unsigned prefix; /* bits */
};

struct conf_networks {
    struct conf_network *nets;
    size_t count;
};

/* "HOST:PORT" or "[v6]:PORT"; an upstream's host may be a name. */
struct conf_address {
    char *host;
    uint16_t port;
    unsigned weight; /* upstream: its share; 0: stands by */
};

struct conf_addresses {
    struct conf_address *list;
    size_t count;
};

/* At most count in per_s seconds; count 0: no limit. */
struct conf_rate {
    unsigned count;
    unsigned per_s;
};

enum conf_tls {
    CONF_TLS_NONE,
    CONF_TLS_STARTTLS,
    CONF_TLS_IMPLICIT,
    CONF_TLS_OPPORTUNISTIC, /* upstream only */
    CONF_TLS_DANE           /* upstream only: STARTTLS, by its TLSA records */
};

/* Of a certificate or of its public key (SubjectPublicKeyInfo), in DER. */
struct conf_fingerprint {
    uint8_t sha256[32];
};

struct conf_fingerprints {
    struct conf_fingerprint *list;
    size_t count;
};

/* Whose certificate logs in as whom. */
struct conf_client_user {
    struct conf_fingerprint fingerprint;
    const char *subject; /* RFC 4514; NULL: the fingerprint counts */
    const char *user;    /* lower case */
};

struct conf_client_users {
    struct conf_client_user *list;
    size_t count;
};

enum conf_tls_version {
    CONF_TLS_1_2,
    CONF_TLS_1_3
};

enum conf_mode {
    CONF_OUTBOUND,
    CONF_INBOUND
};
enum conf_auth {
    CONF_AUTH_REQUIRED,
    CONF_AUTH_OPTIONAL,
    CONF_AUTH_NONE
};
/* Who judges what a client logs in with. */
enum conf_judge {
    CONF_JUDGE_USERS, /* the keeper, by users.conf */
    CONF_JUDGE_DOVECOT,
    CONF_JUDGE_UPSTREAM
};
enum {
    CONF_SOCKET_MAX = 107 /* octets of a unix socket's path */
};
struct conf_backend {
    enum conf_judge judge;
    const char *path; /* DOVECOT: its socket; else "" */
};
enum conf_log_format {
    CONF_LOGFMT,
    CONF_JSON
};
enum conf_recipients {
    CONF_RCPT_FULL,
    CONF_RCPT_DOMAIN,
    CONF_RCPT_COUNT
};
enum conf_login {
    CONF_LOGIN_NONE,
    CONF_LOGIN_PASSWORD,
    CONF_LOGIN_OAUTH,
    CONF_LOGIN_CLIENT /* the client's own credentials, see auth_backend */
};
/* Whether something is told to an upstream that offers to take it. */
enum conf_tell {
    CONF_TELL_NO,
    CONF_TELL_AUTO,
    CONF_TELL_YES /* or the upstream is of no use */
};
enum conf_already {
    CONF_ALREADY_UNSET, /* upstreams only: as [sign] says */
    CONF_ALREADY_SIGN,
    CONF_ALREADY_SKIP /* skip-aligned */
};
enum conf_signatures {
    CONF_SIGN_NONE,
    CONF_SIGN_RSA,
    CONF_SIGN_ED25519,
    CONF_SIGN_DUAL
};
enum conf_other_from {
    CONF_OTHER_UNSET, /* users only: as [sign] says */
    CONF_OTHER_REJECT,
    CONF_OTHER_UNSIGNED,
    CONF_OTHER_AS_USER
};
enum conf_no_key {
    CONF_NO_KEY_UNSET, /* users only: as [sign] says */
    CONF_NO_KEY_UNSIGNED,
    CONF_NO_KEY_TEMPFAIL,
    CONF_NO_KEY_REJECT
};

struct server_conf {
    const char *hostname;
    const char *authserv_id;
    unsigned workers; /* auto is resolved */
    const char *user;
    const char *keys_user;
    bool user_set; /* false: the default account, nobody when missing */
    bool keys_user_set;
    const char *state_dir;
    const char *log; /* "", "stderr", "syslog" or a path */
    enum conf_log_format log_format;
    enum conf_recipients log_recipients;
    unsigned drain_s;
    unsigned stop_deadline_s;
};

struct spool_conf {
    const char *directory; /* resolved: state_dir/spool by default */
    size_t memory_threshold;
    uint64_t max_total;
};

struct dns_conf {
    struct conf_addresses nameservers; /* numeric; empty: /etc/resolv.conf */
    unsigned timeout_s;                /* one try */
    /* for `sealpost domain check` and proofs, never for mail: */
    struct conf_addresses public_resolvers; /* asked beside nameservers */
    unsigned authoritative_port;            /* of everybody's servers: 53 */
};

struct listen_conf {
    const char *name;
    struct conf_addresses addresses; /* numeric */
    enum conf_mode mode;
    enum conf_tls tls;
    bool require_tls;
    conf_list certificates; /* as many as private_keys, in the same order */
    conf_list private_keys;
    enum conf_tls_version tls_min_version;
    struct conf_client_users tls_client_users;
    const char *tls_client_ca; /* "" : nobody vouches for subjects */
    enum conf_auth auth;
    unsigned auth_mechanisms; /* enum smtp_mech */
    struct conf_backend auth_backend;
    struct conf_networks trusted_networks;
    const char *trusted_user;
    struct conf_networks proxy_protocol_from;
    struct conf_networks xclient_from;
    conf_list relay_domains;
    const char *upstream; /* a section's name */
    bool normalize;       /* bare_newline */
    bool chunking;        /* BDAT is offered */
    uint64_t max_message_size;
    unsigned reply_deadline_s;
    unsigned end_of_data_deadline_s;
    unsigned dot_reserve_s;
    bool envelope_from_match;
    const char *check;
    bool loopback; /* every address is a loopback one */
};

struct upstream_conf {
    const char *name;
    struct conf_addresses addresses;
    bool lmtp;                /* protocol = lmtp */
    conf_list sender_domains; /* "*.example.org": below it */
    unsigned max_connections; /* of all workers; 0: no limit */
    unsigned queue_timeout_s;
    unsigned reuse_messages;
    unsigned reuse_age_s;
    unsigned reuse_idle_s; /* 0: none is kept */
    unsigned fail_timeout_s;
    unsigned slow_start_s;
    unsigned health_interval_s; /* 0: no checks */
    unsigned health_timeout_s;
    unsigned health_rise;
    unsigned health_fall;
    enum conf_tls tls;
    bool tls_verify;
    const char *ca_file; /* "" : the system's bundle */
    enum conf_tls_version tls_min_version;
    struct conf_fingerprints tls_fingerprints; /* some: nothing else counts */
    const char *certificate;                   /* "" : none is shown */
    const char *private_key;
    enum conf_login login;
    const char *username;
    const char *password_file;
    const char *token_file;
    unsigned auth_mechanisms; /* enum smtp_mech */
    bool login_unverified;    /* AUTH also to whom nobody has vouched for */
    enum conf_tell xclient;
    enum conf_tell xforward;
    enum conf_signatures signatures;
    bool strip_signatures; /* existing_signatures = strip */
    enum conf_already already_signed;
    const char *preset;
    bool chunking; /* BDAT when offered */
};

struct sign_conf {
    bool header_relaxed;
    bool body_relaxed;
    conf_list headers; /* resolved names, lower case, "content-*" patterns */
    conf_list oversign;
    conf_list oversign_present;
    unsigned expire_s; /* 0: no x= */
    enum conf_other_from other_from;
    enum conf_no_key no_key;
    bool on_error_pass; /* on_error = pass: send unsigned */
    bool parent_key;
    bool skip_aligned; /* already_signed = skip-aligned */
    bool add_missing;
    bool allow_short_keys;
    const char *also; /* "" or a domain */
    conf_list remove_headers;
};

enum conf_action {
    CONF_TAG,
    CONF_REJECT,
    CONF_TEMPFAIL
};
enum conf_dmarc {
    CONF_DMARC_OFF,
    CONF_DMARC_TAG,
    CONF_DMARC_ENFORCE
};

struct check_conf {
    const char *name;
    enum conf_action on_dkim_fail;
    enum conf_action on_spf_fail;
    enum conf_action on_temperror;
    enum conf_dmarc dmarc;
    struct conf_networks trusted_forwarders;
    const char *quarantine_header;
    unsigned max_signatures;
};

struct limits_conf {
    unsigned connections; /* auto is resolved from RLIMIT_NOFILE */
    unsigned connections_per_ip;
    unsigned connections_per_network;
    unsigned network_ipv4; /* bits of the prefix */
    unsigned network_ipv6;
    unsigned connections_per_user;
    unsigned handshakes_per_minute; /* of an address; 0: no limit */
    unsigned recipients;
    struct conf_rate rate; /* of users who have none of their own */
    struct conf_rate recipient_rate;
    unsigned auth_failures;   /* of one connection */
    unsigned auth_delay_s;    /* 0: none */
    unsigned auth_lock_after; /* failures; 0: never */
    unsigned auth_lock_s;
    unsigned errors;
    unsigned junk_commands;
    uint64_t min_data_rate; /* octets a second; 0: none */
    unsigned stress;        /* percent of connections; 100: never */
};

enum conf_prove {
    CONF_PROVE_AUTHORITATIVE,
    CONF_PROVE_RESOLVER
};
enum conf_publish {
    CONF_PUBLISH_NONE,
    CONF_PUBLISH_ZONEFILE,
    CONF_PUBLISH_RFC2136,
    CONF_PUBLISH_EXEC
};

/* Nothing rotates, publishes or is served until the section is there. */
struct rotate_conf {
    bool present;
    unsigned every_s;
    unsigned retire_s;
    unsigned revoked_s;
    unsigned watch_s; /* 0: records are not looked at; holds without the
                         section, too */
    const char *zone; /* "" or a domain */
    enum conf_prove prove;
    enum conf_publish publish;
};

struct publish_conf {
    bool present;
    struct conf_addresses server; /* none or one */
    const char *tsig_key_file;
    const char *zone; /* the server's; "": that of [rotate] */
    const char *file;
    const char *serial_file; /* has the SOA record; "" */
    const char *reload;      /* a command line */
    const char *program;
    unsigned ttl_s;
    unsigned timeout_s; /* of a program */
};

struct notify_conf {
    bool present;
    const char *command;  /* a command line, "" */
    const char *mail;     /* an address, "" */
    const char *from;     /* resolved: sealpost@HOSTNAME by default */
    const char *listener; /* a section's name, "": conf_notify_listen() */
    const char *username; /* "": a listener that trusts our address */
    const char *password_file;
    unsigned expiry_s; /* of certificates */
};

struct console_conf {
    bool present;
    struct conf_addresses addresses; /* numeric */
};

/* Read by `sealpost oauth` only. */
struct oauth_conf {
    const char *name;
    const char *preset;
    const char *tenant;    /* m365: its name or number; "" */
    const char *token_url; /* resolved */
    const char *client_id;
    const char *client_secret_file; /* "" : a public client */
    const char *refresh_token_file; /* "" : client credentials */
    const char *scope;              /* resolved; "" : none is asked for */
    const char *token_file;
    const char *ca_file; /* "" : the system's bundle */
};

struct conf {
    const char *path; /* the file it came from */
    struct server_conf server;
    struct spool_conf spool;
    struct dns_conf dns;
    struct sign_conf sign;
    struct limits_conf limits;
    struct rotate_conf rotate;
    struct publish_conf publish;
    struct notify_conf notify;
    struct console_conf console;
    struct listen_conf *listens;
    size_t listen_count;
    struct upstream_conf *upstreams;
    size_t upstream_count;
    struct oauth_conf *oauths;
    size_t oauth_count;
    struct check_conf *checks; /* at least [check default] */
    size_t check_count;
    struct conf_memory *memory; /* private: owns every string and list */
};

/*
 * Mistakes are collected, not just the first: each is one line
 * "FILE:LINE: what is wrong; what is allowed". Octets that are not printable
 * are written \xHH.
 */
struct conf_errors; /* NULL stands for one error: no memory for the list */
/* How many lines there are, errors and warnings together. */
size_t conf_errors_count(const struct conf_errors *e);
/* How many of them are warnings: errors are the difference. */
size_t conf_errors_warnings(const struct conf_errors *e);
/* The n-th line, errors and warnings mixed; a file's in its own order. */
const char *conf_errors_line(const struct conf_errors *e, size_t n);
bool conf_errors_is_warning(const struct conf_errors *e, size_t n);
void conf_errors_free(struct conf_errors **e);

/*
 * Adds what conf_load can't know: are the files named in conf there, readable
 * by its `user` and by nobody else, do certificate and key belong together,
 * do the accounts exist. What `sealpostd -t` does beyond conf_load.
 */
void conf_check(const struct conf *conf, struct conf_errors *errors);

/*
 * The same for a file with a password or token that another file names, in its
 * line: may `user` read it, and nobody else?
 */
void conf_check_secret(const struct conf *conf, const char *file, unsigned line,
                       const char *key, const char *path,
                       struct conf_errors *errors);

/*
 * Reads path and its includes. The grammar, values and what a pair of
 * settings forbids are checked; files named in it are not opened (conf_check
 * does). *conf_out is NULL when there was an error. errors_out is always set
 * and freed by the caller.
 */
void conf_load(const char *path, struct conf **conf_out,
               struct conf_errors **errors_out);

/*
 * The same from a descriptor that conf_pack() filled: how workers and the
 * keeper get the very bytes that the master accepted.
 */
void conf_load_fd(int fd, struct conf **conf_out,
                  struct conf_errors **errors_out);
/* All of path and its includes in one sealed memfd; -1 and errno on failure. */
int conf_pack(const char *path);

void conf_free(struct conf **conf);

/* How many there are. */
size_t conf_list_count(conf_list list);
/* Is there a certificate that logs in as that user? In any case. */
bool conf_client_users_has(const struct conf_client_users *users,
                           struct bytes name);
const struct upstream_conf *conf_upstream(const struct conf *conf,
                                          const char *name);
/* The upstream that mail with this envelope sender's domain (lower case) goes
 * to by `sender_domains`: the longest name counts. NULL: none. */
const struct upstream_conf *conf_upstream_of_sender(const struct conf *conf,
                                                    const char *domain);
/* Puts "KEY = VALUE, ..." that come of u's preset; false: nothing. */
bool conf_preset_put(const struct conf *conf, const struct upstream_conf *u,
                     struct buf *out);
/* Does u skip mail that is signed already (`already_signed`)? */
bool conf_skips_signed(const struct conf *conf, const struct upstream_conf *u);
/* A listener whose users the keeper judges lists SCRAM. */
bool conf_has_scram(const struct conf *conf);
const struct check_conf *conf_check_section(const struct conf *conf,
                                            const char *name);
/* Every file that [listen] and [upstream] name: certificates, keys, passwords.
 * The path is lent. */
typedef void conf_path_callback(const char *path, void *arg);
void conf_worker_files(const struct conf *conf, conf_path_callback *cb,
                       void *arg);
/* LOCAL@DOMAIN as it may stand in a command and a header without quotes. */
bool conf_is_address(const char *text);
/* Where our own notices go in: [notify] listener, else the first outbound one
 * that takes them, on loopback if there is one. NULL: none does. */
const struct listen_conf *conf_notify_listen(const struct conf *conf);
bool conf_networks_has(const struct conf_networks *nets,
                       const struct sockaddr *addr);

#endif
