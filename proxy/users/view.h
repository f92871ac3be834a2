/*
 * view - users and keys without their secrets, as the keeper gives them out.
 *
 * The keeper reads users.conf and keys/; workers get this view and decide
 * with it; the keeper decides again before it signs. Immutable once made: a
 * reload makes a new one with a higher epoch.
 */
#ifndef PROXY_USERS_VIEW_H
#define PROXY_USERS_VIEW_H

#include <base/buf.h>
#include <base/bytes.h>

#include <dkim/sign.h>

#include <proxy/config/conf.h>

enum view_from_kind {
    VIEW_FROM_ANY,    /* * */
    VIEW_FROM_DOMAIN, /* example.com */
    VIEW_FROM_BELOW,  /* *.example.org: below it, not itself */
    VIEW_FROM_ADDRESS /* ceo@example.net */
};

struct view_from {
    enum view_from_kind kind;
    const char *local;  /* ADDRESS: as written */
    const char *domain; /* lower case; "" for ANY */
};

struct view_user {
    const char *name; /* lower case */
    const struct view_from *from;
    size_t from_count;
    conf_list selectors; /* fixed selectors: one an algorithm */
    bool own_selector;   /* selector = own */
    const char *domain;  /* "" when none */
    enum conf_other_from other_from;
    enum conf_no_key no_key;
    const char *upstream;               /* "" when none */
    const char *upstream_username;      /* her own login there; "" when none */
    const char *upstream_password_file; /* with it; a token's with oauth */
    unsigned rate_count;                /* messages per rate_s; 0: no limit */
    unsigned rate_s;
    unsigned recipient_count; /* recipients per recipient_s; 0: no limit */
    unsigned recipient_s;
    bool locked;
};

enum view_key_state {
    VIEW_KEY_NEW,
    VIEW_KEY_PUBLISHED,
    VIEW_KEY_ACTIVE,
    VIEW_KEY_RETIRING,
    VIEW_KEY_REVOKED
};

enum {
    VIEW_PUBLIC_HASH = 32, /* octets */
    VIEW_UPSTREAMS_MAX = 64
};

struct view_key {
    const char *domain;   /* lower case */
    const char *selector; /* lower case */
    enum dkim_alg alg;    /* RSA_SHA256 or ED25519_SHA256 */
    unsigned bits;
    enum view_key_state state;
    uint64_t activated_s; /* seconds since 1970; the newest signs */
    const char *owner;    /* user whose slot it is, or "" */
    bool reserved;        /* some user's fixed selector names it */
    uint64_t proved_s;    /* when DNS had shown it long enough; 0: not */
    bool faulty;          /* its record was seen gone or different, or what it
                             signed did not verify: another signs, if it can */
    uint8_t public_hash[VIEW_PUBLIC_HASH]; /* SHA-256 of what p= stands for;
                                              zeros: not known */
};

struct view;

/* NULL: no such user. name: any case. */
const struct view_user *view_user(const struct view *v, struct bytes name);
/* NULL: no such key. */
const struct view_key *view_key(const struct view *v, const char *domain,
                                const char *selector);
/* All keys of a domain, as an array; count 0: none. */
const struct view_key *view_domain(const struct view *v, const char *domain,
                                   size_t *count_out);
/* One of them is active. */
bool view_has_active_key(const struct view *v, const char *domain);
uint64_t view_epoch(const struct view *v);
size_t view_user_count(const struct view *v);
const struct view_user *view_user_at(const struct view *v, size_t n);
size_t view_key_count(const struct view *v);
const struct view_key *view_key_at(const struct view *v, size_t n);
/* Active keys whose record is wrong, or whose signatures are. */
size_t view_faulty_count(const struct view *v);
/* Some user's `upstream` is this one; true also for any name when users have
 * more of them than VIEW_UPSTREAMS_MAX. */
bool view_names_upstream(const struct view *v, const char *name);

/* Making one. Strings are copied. NULL / false: no memory. */
struct view_builder;
struct view_builder *view_builder_new(void);
bool view_builder_user(struct view_builder *b, const struct view_user *user);
bool view_builder_key(struct view_builder *b, const struct view_key *key);
void view_builder_free(struct view_builder **b);
/* Sorts, marks reserved keys, takes the builder. */
struct view *view_build(struct view_builder **b, uint64_t epoch);
/* The same of what another view gave, in its order and with its marks: in no
 * time however much it is. NULL also: it is not in order. */
struct view *view_build_copy(struct view_builder **b, uint64_t epoch);
void view_free(struct view **v);

/* To and from octets (a memfd between keeper and worker). NULL: malformed, or
 * no memory. */
bool view_pack(const struct view *v, struct buf *out);
struct view *view_unpack(struct bytes packed);

/*
 * The same, a bounded piece at a time. packed is lent until
 * view_unpacker_free(); NULL: no memory.
 */
struct view_unpacker;

enum view_unpack_result {
    VIEW_UNPACK_MORE,  /* call again */
    VIEW_UNPACK_DONE,  /* *view_out is the caller's */
    VIEW_UNPACK_FAILED /* malformed, or no memory */
};

struct view_unpacker *view_unpacker_new(struct bytes packed);
/* Up to so many users and keys more, at least one. Not again after another
 * result than MORE. */
enum view_unpack_result view_unpacker_step(struct view_unpacker *u,
                                           size_t entries,
                                           struct view **view_out);
void view_unpacker_free(struct view_unpacker **u);

#endif
