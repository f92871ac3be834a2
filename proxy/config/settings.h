/*
 * settings - every key of sealpost.conf in one table.
 *
 * A new setting is one row in settings.c, one field in conf.h, its text in
 * etc/man/sealpost.conf.5 and its line in etc/sealpost.conf; a test holds the
 * three together.
 */
#ifndef PROXY_CONFIG_SETTINGS_H
#define PROXY_CONFIG_SETTINGS_H

#include <base/bytes.h>

/* How the text is read, and into what. min and max bound what is in (). */
enum conf_type {
    CONF_TEXT,        /* const char *: one line of text (octets) */
    CONF_HOST,        /* const char *: a DNS name */
    CONF_PATH,        /* const char *: begins with / */
    CONF_ACCOUNT,     /* const char *: of this machine */
    CONF_USER,        /* const char *: a section of users.conf */
    CONF_LOG,         /* const char *: stderr, syslog or a path */
    CONF_NAME,        /* const char *: another section's name */
    CONF_FIELD,       /* const char *: a header field's name */
    CONF_NUMBER,      /* unsigned (the number) */
    CONF_AUTO_NUMBER, /* unsigned (the number); auto is 0, resolved later */
    CONF_TIME,        /* unsigned (seconds) */
    CONF_SIZE,        /* size_t or uint64_t (octets) */
    CONF_RATE,        /* conf_rate: COUNT/s, /m, /h, /d; "" is none */
    CONF_BOOL,        /* bool: yes or no */
    CONF_WORD,        /* an enum or bool: one of words */
    CONF_CHOICE,      /* const char *: one of words */
    CONF_BACKEND,     /* conf_backend: users, dovecot:PATH, upstream */
    CONF_CANON,       /* two bools: header and body are relaxed */
    CONF_WORDS,       /* unsigned: bits of words (elements) */
    CONF_LISTEN,      /* conf_addresses: ADDRESS:PORT (elements) */
    CONF_SERVERS,     /* conf_addresses: ADDRESS[:53] (elements) */
    CONF_TARGETS,     /* conf_addresses: HOST:PORT (elements) */
    CONF_POOL,        /* conf_addresses: HOST:PORT [weight=N] (elements) */
    CONF_SENDERS,    /* conf_list: DNS names or *.NAME, lower case (elements) */
    CONF_NETWORKS,   /* conf_networks (elements) */
    CONF_PINS,       /* conf_fingerprints: of certificates (elements) */
    CONF_CERT_USERS, /* conf_client_users: certificate = USER (elements) */
    CONF_PATHS,      /* conf_list: each begins with / (elements) */
    CONF_DOMAINS,    /* conf_list: DNS names, lower case (elements) */
    CONF_FIELDS,     /* conf_list: header names, lower case (elements) */
    CONF_HEADERS,    /* conf_list: default and edits of it (elements) */
    CONF_TYPES
};

struct conf_word {
    const char *word; /* NULL ends the array */
    unsigned value;
};

struct conf_setting {
    const char *section;
    const char *key;
    enum conf_type type;
    uint64_t min, max;             /* 0, 0: as the type says */
    const char *standard;          /* the default; NULL: must be given */
    const struct conf_word *words; /* WORD, WORDS */
    size_t offset, size;           /* of the field */
};

/* One kind of section. */
struct conf_kind {
    const char *name;
    bool named;    /* [name NAME], any number; else one [name] */
    size_t octets; /* of its struct */
    size_t offset; /* of its struct in struct conf, when not named */
};

extern const struct conf_setting conf_settings[];
extern const size_t conf_setting_count;
extern const struct conf_kind conf_kinds[];
extern const size_t conf_kind_count;

/* Rows of a section stand together: the first, and how many. */
const struct conf_setting *conf_settings_of(const char *section,
                                            size_t *count_out);

/* A list: takes `a, b` and `key += value`. */
bool conf_type_is_list(enum conf_type type);

#endif
