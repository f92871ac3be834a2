/*
 * findings - what is wrong with a key's record, why, and the exact mend.
 *
 * Pure: facts in, a list out. A finding is one row of a table in
 * findings_place.c, findings_alias.c, findings_record.c, findings_servers.c
 * or findings_mail.c; adding one is a row there, its text in sealpost-domain(1)
 * and its zone in tests/support/domaincases.py.
 *
 * OWNERSHIP: findings_*() append; findings_free() ends it. Texts of rules are
 * static.
 */
#ifndef PROXY_SURVEY_FINDINGS_H
#define PROXY_SURVEY_FINDINGS_H

#include <base/buf.h>

#include <proxy/survey/facts.h>
#include <proxy/survey/mailfacts.h>

enum finding_severity {
    FINDING_NOTE,    /* worth knowing: all is green */
    FINDING_WARNING, /* some receivers will mind */
    FINDING_ERROR,   /* signatures do not verify, or not everywhere */
    FINDING_ALARM    /* act now */
};

enum {
    FINDINGS_MAX = 64
}; /* of one key or domain; more are not kept */

struct finding {
    const char *id; /* "record-missing" */
    enum finding_severity severity;
    const char *why;    /* one or two sentences */
    struct buf what;    /* one sentence, without a full stop */
    struct buf mend;    /* lines to paste, or one sentence */
    struct buf visible; /* when the mend will be seen; may be empty */
    bool temporary;     /* it may be gone by the next time: nobody answered */
    uint32_t wait_s;    /* until caches forget; 0: nothing to wait for */
};

struct findings {
    struct finding list[FINDINGS_MAX + 1]; /* the last one is nobody's */
    size_t count;
    bool failed; /* no memory: the list is not whole */
};

/* A key's record; what is there when key.public_b64 is "". */
void findings_of_key(const struct facts *facts, struct findings *out);
/* SPF, DMARC, alignment of a domain. */
void findings_of_mail(const struct mail_facts *facts, struct findings *out);

void findings_free(struct findings *f);

const char *finding_severity_name(enum finding_severity severity);

/* The worst of the list; NOTE for none. */
enum finding_severity findings_worst(const struct findings *f);
/* Something is wrong and all of that may only be temporary. */
bool findings_temporary(const struct findings *f);

#endif
