/*
 * spf_parts - the grammar (RFC 7208 12) and the macros (7) of SPF records.
 *
 * Both without state; the evaluator's is in spf_state.h.
 */
#ifndef DKIM_SPF_PARTS_H
#define DKIM_SPF_PARTS_H

#include <base/buf.h>
#include <base/bytes.h>

#include <dkim/spf.h>

enum spf_mechanism {
    SPF_MECH_ALL,
    SPF_MECH_INCLUDE,
    SPF_MECH_A,
    SPF_MECH_MX,
    SPF_MECH_PTR,
    SPF_MECH_IP4,
    SPF_MECH_IP6,
    SPF_MECH_EXISTS,
    SPF_MOD_REDIRECT, /* the modifiers, so that all terms look the same */
    SPF_MOD_EXP
};

/* One directive or modifier; views into the record. */
struct spf_term {
    enum spf_mechanism mechanism;
    enum spf_result_code result; /* of a match, from the qualifier */
    struct bytes text;           /* the whole term */
    struct bytes spec;           /* domain-spec; empty when left out */
    uint8_t ip[16];              /* ip4, ip6 */
    unsigned cidr4, cidr6;       /* 32 and 128 when left out */
};

/* A record that has passed its grammar; views into its text. */
struct spf_record {
    struct bytes terms; /* behind the version */
    struct spf_term redirect, exp;
    bool has_redirect, has_exp;
};

/* 4.5: starts with the version, alone or followed by a space. */
bool spf_record_is(struct bytes text);
/* 4.6.1: false: a syntax error somewhere. The text is spf_record_is(). */
bool spf_record_parse(struct bytes text, struct spf_record *record_out);
/* The next directive of a good record's terms; false: there is none left. */
bool spf_record_next(struct bytes *rest, struct spf_term *term_out);

/* What macros stand for. */
struct spf_macro_env {
    struct bytes local; /* of the sender, or "postmaster" */
    struct bytes sender_domain;
    struct bytes domain; /* %{d} */
    struct bytes helo;
    struct bytes receiver;
    struct bytes validated; /* %{p} */
    const uint8_t *ip;      /* 4 or 16 octets */
    bool ip4;
    uint64_t now_s;
};

enum {
    SPF_MACRO_OCTETS_MAX = 8192
}; /* of an expansion */

/* 7.1: a macro-string; with explain also SP and the letters c, r, t (7.2). */
bool spf_macro_good(struct bytes spec, bool explain);
/* 7.1: a domain-spec: a macro-string that ends in a label or a macro. */
bool spf_domain_spec_good(struct bytes spec);
/* %{p} occurs, so that env.validated is needed. The spec is good. */
bool spf_macro_uses_ptr(struct bytes spec);
/* Puts the expansion of a good spec. False: longer than
 * SPF_MACRO_OCTETS_MAX, or no memory. */
bool spf_macro_expand(struct bytes spec, const struct spf_macro_env *env,
                      struct buf *out);

#endif
