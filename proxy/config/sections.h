/*
 * sections - which section and key stood where, and the steps that fill them.
 *
 * Loading is four steps, each a file: collect (what stands in the file),
 * fill (text to fields, by the table), finish (defaults that depend on
 * others), rules (what a pair of settings forbids). All report through
 * struct conf_errors and go on.
 */
#ifndef PROXY_CONFIG_SECTIONS_H
#define PROXY_CONFIG_SECTIONS_H

#include <proxy/config/arena.h>
#include <proxy/config/bundle.h>
#include <proxy/config/conf.h>
#include <proxy/config/settings.h>

struct conf_place {
    const char *file;
    unsigned line; /* 0: the file as a whole */
};

/* One `key = value` or `key += value`. */
struct conf_occurrence {
    struct conf_place at;
    const char *value;
    bool append;
    struct conf_occurrence *next;
};

struct conf_section {
    const struct conf_kind *kind;
    const char *name; /* of a named one; else "" */
    struct conf_place at;
    void *base; /* its struct, once filled */
    const struct conf_setting *settings;
    size_t count;
    struct conf_occurrence **seen; /* count lists, in the order written */
    bool *faulty;  /* count: a mistake was told of what is written there */
    bool misnamed; /* a mistake was told of its head */
    struct conf_section *next;
};

struct conf_memory {
    struct conf_arena arena;
    struct conf_bundle bundle;     /* owned; places point to its paths */
    struct conf_section *sections; /* in the order written */
    bool any_misnamed; /* there was one that may have been of any kind */
};

/* The section whose struct base is. */
const struct conf_section *conf_section_of(const struct conf *conf,
                                           const void *base);
bool conf_is_set(const struct conf_section *s, const char *key);
/* It is set, to nothing. */
bool conf_is_empty(const struct conf_section *s, const char *key);
/*
 * No mistake was told of the section's head, nor of any of these keys ("a b
 * c") of it: what a rule finds in them stands there. Else it may only follow
 * from the mistake.
 */
bool conf_is_sound(const struct conf_section *s, const char *keys);
/* Was a mistake told of the head of a section that is, or may be, of that
 * kind? Then one that seems to be missing may be there. */
bool conf_has_misnamed(const struct conf *conf, const char *kind);
/* Where the key was last written; else where the section begins. */
struct conf_place conf_place_of(const struct conf_section *s, const char *key);
/* Where that element of a list was written; else as conf_place_of(). */
struct conf_place conf_place_of_element(const struct conf_section *s,
                                        const char *key, const char *element);

/* From conf->memory's bundle to its sections. */
void conf_collect(struct conf *conf, struct conf_errors *errors);
void conf_fill(struct conf *conf, struct conf_errors *errors);
void conf_finish(struct conf *conf, struct conf_errors *errors);
void conf_rules(const struct conf *conf, struct conf_errors *errors);
/* Of conf_rules(): certificates that others show, and that we show them. */
void conf_rules_tls(const struct conf *conf, struct conf_errors *errors);
/* Its part for [notify]. */
void conf_rules_notify(const struct conf *conf, struct conf_errors *errors);
/* Its part for [rotate] and [publish]. */
void conf_rules_publish(const struct conf *conf, struct conf_errors *errors);

/* Of conf_finish() and conf_rules(): one [oauth]. */
void conf_finish_oauth(struct conf *conf, struct oauth_conf *o);
void conf_rules_oauth(const struct conf *conf, const struct oauth_conf *o,
                      struct conf_errors *errors);
/* Of conf_rules(): who judges logins. */
void conf_rules_auth(const struct conf *conf, struct conf_errors *errors);
/* Of conf_rules(): one [upstream]. */
void conf_rules_upstream(const struct conf *conf, const struct upstream_conf *u,
                         struct conf_errors *errors);

/* The first two arguments of conf_error() and conf_warning(). */
#define AT(s, key) \
    conf_place_of((s), (key)).file, conf_place_of((s), (key)).line

/* Appends a section record; NULL: no memory. */
struct conf_section *conf_section_new(struct conf_memory *m,
                                      const struct conf_kind *kind,
                                      struct bytes name, struct conf_place at);

/* Takes the bundle: *bundle is empty afterwards. As conf_load(). */
void conf_load_bundle(struct conf_bundle *bundle, struct conf **conf_out,
                      struct conf_errors **errors_out);

#endif
