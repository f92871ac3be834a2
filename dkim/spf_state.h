/*
 * spf_state - the state of an SPF evaluation, shared by the evaluator's files.
 *
 * spf.c goes through the terms; spf_client.c knows the client's addresses and
 * names, spf_name.c makes names, spf_exp.c fetches the explanation.
 */
#ifndef DKIM_SPF_STATE_H
#define DKIM_SPF_STATE_H

#include "spf_parts.h"

enum {
    SPF_LOOKUPS_MAX = 10, /* 4.6.4 */
    SPF_VOIDS_MAX = 2,    /* 4.6.4 */
    SPF_NAMES_MAX = 10,   /* 4.6.4: of an MX or PTR answer */
    SPF_FRAMES_MAX = SPF_LOOKUPS_MAX + 1,
    SPF_TEXT_MAX =
        512 /* octets of HELO and of MAIL FROM; more is no identity */
};

enum spf_want {
    SPF_WANT_NOTHING,
    SPF_WANT_RECORD,
    SPF_WANT_ADDRESS,
    SPF_WANT_EXISTS,
    SPF_WANT_MX,
    SPF_WANT_MX_ADDRESS,
    SPF_WANT_PTR,
    SPF_WANT_PTR_ADDRESS,
    SPF_WANT_EXPLANATION,
    SPF_WANTS
};

struct spf_frame {
    char domain[DNS_NAME_MAX + 1];
    struct buf text; /* owned; record, rest and term point into it */
    struct spf_record record;
    struct bytes rest;
    struct spf_term term;
    bool loaded;
};

struct spf_names {
    char name[SPF_NAMES_MAX][DNS_NAME_MAX + 1];
    size_t count, next;
};

struct spf {
    struct buf own; /* what the views below point into */
    struct spf_input input;
    struct bytes local, sender_domain, receiver;
    uint8_t ip[16];
    bool ip4;

    enum spf_identity identity; /* being checked */
    struct spf_outcome outcomes[2];
    struct spf_frame frames[SPF_FRAMES_MAX];
    size_t depth;
    unsigned lookups, voids;
    bool done;

    enum spf_want want;
    struct dns_question question;

    struct spf_names mx;
    struct spf_names ptr;
    size_t ptr_valid; /* so many of ptr, from the front, are validated */
    bool ptr_known;

    bool explaining;  /* the result is known */
    struct buf words; /* the explanation as fetched; empty before */
    char explanation[SPF_EXPLANATION_MAX + 1];
};

/* --- spf_state.c --- */

struct spf_frame *spf_top(struct spf *s);
/* Goes on with the first identity, or with HELO after MAIL FROM. */
void spf_begin(struct spf *s, enum spf_identity identity);
/* name fits; see spf_run(). */
void spf_ask(struct spf *s, enum spf_want want, enum dns_type type,
             const char *name);
void spf_note_outcome(struct spf *s, enum spf_result_code result,
                      const char *reason);
/* Which record and which term of it decided: those in work. */
void spf_note_place(struct spf *s);
void spf_drop_frames(struct spf *s);
/* 2.6.6, 2.6.7: an error ends the check at once. */
void spf_give_up(struct spf *s, enum spf_result_code result,
                 const char *reason);
/* 4.6.4. False, and the check is over: this void answer is one too many. */
bool spf_count_void(struct spf *s, const struct dns_answer *a);

/* --- spf_name.c: out has room for DNS_NAME_MAX + 1 --- */

/* 4.3: several labels of letters, digits, hyphens and underscores. */
bool spf_identity_domain(struct bytes name, char *out);
/* 4.8, 7.3: what an expansion gives, cut to fit; any printable octet but a
 * backslash, which resolvers read as an escape. */
bool spf_target_name(struct bytes name, char *out);
/* The name that the term in work is about; false: none that DNS could have. */
bool spf_term_target(struct spf *s, char *out);
bool spf_expand(struct spf *s, struct bytes spec, struct buf *out);
/* At most SPF_NAMES_MAX names of an answer, those that are none left out. */
void spf_take_names(struct spf_names *names, const struct dns_answer *a);

/* --- spf_client.c --- */

enum dns_type spf_address_type(const struct spf *s);
bool spf_same_network(const uint8_t *a, const uint8_t *b, unsigned bits);
/* The client's address is in one of the answer's networks. */
bool spf_address_matches(const struct spf *s, const struct dns_answer *a,
                         unsigned cidr4, unsigned cidr6);
/* Finds the validated names (5.5) out; then ptr_known. */
void spf_ask_ptr(struct spf *s);
void spf_on_ptr(struct spf *s, const struct dns_answer *a);
void spf_on_ptr_address(struct spf *s, const struct dns_answer *a);
/* A validated name is target or below it. */
bool spf_ptr_matches(const struct spf *s, const char *target);
/* 7.3 "p": the domain itself, else below it, else any, else "unknown". */
const char *spf_best_validated(const struct spf *s, const char *domain);

/* --- spf_exp.c --- */

void spf_step_explain(struct spf *s);
void spf_on_explanation(struct spf *s, const struct dns_answer *a);

#endif
