/*
 * findings_private - what the files of the findings share.
 */
#ifndef PROXY_SURVEY_FINDINGS_PRIVATE_H
#define PROXY_SURVEY_FINDINGS_PRIVATE_H

#include "proxy/survey/findings.h"
#include "proxy/survey/judge.h"
#include "proxy/survey/record.h"

/* What the facts come to before any finding; see examine() in findings.c. */
struct examined {
    const struct facts *facts;
    struct findings *out;
    const char *name;                   /* S._domainkey.D */
    struct seen_at at[LOOK_SIGHTS_MAX]; /* of PLACE_RECORD's sights */
    size_t owners, owners_good;     /* servers; those that speak for the zone */
    const struct sight *owner;      /* the first good one; NULL: none */
    const struct raw_record *alias; /* what the owner has at name */
    const struct raw_record *txt;
    const struct sight *target;          /* the first good one of the target */
    const struct raw_answer *end_answer; /* where the TXT record stands */
    const char *end;                     /* its owner name; NULL: nowhere */
    size_t key_records;                  /* TXT records there that are keys */
    struct record record;                /* of the first of them */
    bool has_record;
    bool same_key;  /* the record is our key (unknown: any key) */
    bool misplaced; /* a finding has said where the record went */
    bool loop;      /* servers that give up on it are not lame */
    bool explained; /* a finding has said why the record cannot be used */
    const struct sight *wild; /* answers for a name that nobody made */
};

/* What all findings of one rule have in common; why: one or two sentences. */
struct finding_kind {
    const char *id;
    enum finding_severity severity;
    const char *why;
};

struct finding_rule {
    struct finding_kind kind;
    void (*check)(struct examined *e, const struct finding_rule *rule);
};

/* One more; what is printed into it. Never NULL: one that is too much is
 * written where nobody reads. */
__attribute__((format(printf, 3, 4))) struct finding *
finding_add(struct findings *out, const struct finding_kind *kind,
            const char *format, ...);

/* "NAME. 300 IN TXT ( ... )" or the CNAME: what should stand there. Where
 * that is unknown, the record as it is, mended as far as can be. */
void finding_mend_record(const struct examined *e, struct buf *out);
/* "TEXT" in strings of 255 octets, quoted. */
void finding_put_strings(struct bytes text, struct buf *out);
/* "up to 1 h 5 min" of negative caching, or at once. */
void finding_visible_negative(const struct examined *e, struct finding *f);
/* Until caches have forgotten what stands there now. */
void finding_visible_ttl(const struct examined *e, struct finding *f);
/* "1 h 5 min" */
void finding_put_time(uint32_t seconds, struct buf *out);

/* The answer speaks for its zone: it may be believed. */
bool sight_is_good(const struct sight *sight);
/* It stands for all servers of a zone, of which none could be asked. */
bool sight_is_of_none(const struct sight *sight);

/* Where a CNAME record leads; lent from it. */
const char *alias_target(const struct raw_record *alias);
/* Without case. */
bool is_same_name(const char *a, const char *b);

/* All rules of a table, in its order. */
void findings_check(struct examined *e, const struct finding_rule *rules,
                    size_t count);
void findings_check_place(struct examined *e);
void findings_check_alias(struct examined *e);
void findings_check_record(struct examined *e);
void findings_check_servers(struct examined *e);

#endif
