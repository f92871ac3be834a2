/*
 * values - the text of one setting into its field.
 *
 * Pure but for the arena. What is wrong is a short phrase ("not a number"),
 * static or in the value's own hint; the caller puts key, value and what is
 * allowed around it.
 */
#ifndef PROXY_CONFIG_VALUES_H
#define PROXY_CONFIG_VALUES_H

#include <base/buf.h>

#include <proxy/config/arena.h>
#include <proxy/config/conf.h>
#include <proxy/config/settings.h>

/* What is wrong with a path that depends on where one is. */
#define CONF_NO_PATH "a path from the root is needed"

struct conf_value {
    const struct conf_setting *setting;
    struct conf_arena *arena;     /* what the field points to is made here */
    const struct bytes *elements; /* a list's, trimmed; else one text */
    size_t count;
    size_t faulty;  /* on failure: which element; count: all together */
    char hint[128]; /* private: a phrase made for this value */
};

/* Room for the field of any setting. */
union conf_field {
    const char *text;
    unsigned number;
    uint64_t size;
    struct conf_rate rate;
    bool flags[2];
    conf_list list;
    struct conf_networks networks;
    struct conf_addresses addresses;
    struct conf_backend backend;
    struct conf_fingerprints fingerprints;
    struct conf_client_users client_users;
};

/*
 * Reads v->elements into *field_out. NULL: done. Else what is wrong with
 * element v->faulty; *field_out untouched. Without memory: NULL, and the
 * arena remembers.
 */
const char *conf_value_parse(struct conf_value *v, union conf_field *field_out);

/* Puts it where the setting has its field in base, the struct of a section. */
void conf_value_store(const struct conf_setting *setting,
                      const union conf_field *field, void *base);

/* "from 1s to 1d", "yes or no": what the setting takes. */
void conf_value_allowed(const struct conf_setting *setting, struct buf *out);

/* "[v6]:PORT", "v4:PORT", "name:PORT". NULL: done; else what is wrong. */
const char *conf_address_parse(struct conf_arena *arena, struct bytes text,
                               bool numeric, uint16_t default_port,
                               struct conf_address *address_out);

/* A network; hint (128 octets) may hold the phrase that is returned. */
const char *conf_network_parse(struct bytes text, char *hint,
                               struct conf_network *network_out);

/* There is one, and all are in 127.0.0.0/8 or ::1. */
bool conf_all_loopback(const struct conf_addresses *addresses);

/* Labels of letters, digits, `-`, `_`; at most 253 octets; no final dot. */
bool conf_is_host(struct bytes text);
/* What can be the name of a section of users.conf. */
bool conf_is_user(struct bytes text);
/* RFC 5322 3.6.8: printable, no colon, no space. */
bool conf_is_field(struct bytes text);

#endif
