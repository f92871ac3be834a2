/*
 * dmarc - the evaluator; see dkim/dmarc.h.
 *
 * First the author's walk gives the policy and, where relaxed alignment needs
 * it, the organizational domain. Then each identifier that could align has a
 * walk of its own, because a record with psd=n below the author's organization
 * would put it into another one. Last, for np, whether the author domain
 * exists.
 *
 * RFC 9989 4.10, 5.3.
 */
#include "dmarc_walk.h"

#include <assert.h>
#include <stdlib.h>

enum stage {
    STAGE_AUTHOR,
    STAGE_IDENTIFIERS,
    STAGE_EXISTENCE,
    STAGE_DONE
};

struct dmarc {
    struct dmarc_outcome outcome;
    struct dmarc_walk author;
    struct dmarc_walk other; /* of the identifier in work */
    bool other_started;
    struct dmarc_record policy;
    size_t policy_at; /* where in the author domain its owner starts */

    /* dkim domains, then at the end SPF's */
    char identifiers[DMARC_DKIM_MAX + 1][DNS_NAME_MAX + 1];
    size_t dkim_count, count;
    size_t current;
    bool has_spf;
    bool unknown; /* an identifier's walk failed: it may be aligned */

    enum stage stage;
    bool waiting;
    struct dns_question question;
};

/* --- the result ----------------------------------------------------------- */

static void
finish(struct dmarc *d, enum dmarc_result result, const char *reason)
{
    d->outcome.result = result;
    d->outcome.reason = reason;
    d->stage = STAGE_DONE;
}

/* 4.7 "t": one level lower, and none stays none. */
static enum dmarc_policy
lowered(enum dmarc_policy policy)
{
    return policy == DMARC_POLICY_REJECT ? DMARC_POLICY_QUARANTINE
                                         : DMARC_POLICY_NONE;
}

/* 4.10.1, last: p at the domain itself, sp or np below it. */
static void
fail(struct dmarc *d, bool exists)
{
    const struct dmarc_record *r = &d->policy;
    struct dmarc_outcome *o = &d->outcome;
    bool below = d->policy_at > 0;

    if (below && !exists && r->has_np) {
        o->published = r->np;
        o->tag = "np";
    } else if (below && r->has_sp) {
        o->published = r->sp;
        o->tag = "sp";
    } else {
        o->published = r->p;
        o->tag = "p";
    }
    o->policy = r->testing ? lowered(o->published) : o->published;
    finish(d, DMARC_FAIL,
           d->count == 0 ? "neither DKIM nor SPF passed"
                         : "no passing identifier is aligned with From");
}

static void
decide(struct dmarc *d)
{
    if (d->outcome.dkim_aligned || d->outcome.spf_aligned) {
        finish(d, DMARC_PASS, "an aligned identifier passed");
    } else if (d->unknown) {
        finish(d, DMARC_TEMPERROR, "a DNS look-up failed");
    } else if (d->policy_at > 0 && d->policy.has_np) {
        d->stage = STAGE_EXISTENCE;
    } else {
        fail(d, true);
    }
}

/* --- alignment ------------------------------------------------------------ */

static bool
is_spf(const struct dmarc *d, size_t i)
{
    return i >= d->dkim_count;
}

static bool
is_strict(const struct dmarc *d, size_t i)
{
    return is_spf(d, i) ? d->policy.spf_strict : d->policy.dkim_strict;
}

static const char *
author_organization(const struct dmarc *d)
{
    return d->author.domain + dmarc_walk_organization(&d->author);
}

static bool
is_within(const char *name, const char *domain)
{
    struct bytes n = bytes_str(name), d = bytes_str(domain);

    return bytes_ends_ci(n, d) &&
           (n.len == d.len || n.ptr[n.len - d.len - 1] == '.');
}

static void
aligned(struct dmarc *d)
{
    const char *name = d->identifiers[d->current];

    if (is_spf(d, d->current)) {
        d->outcome.spf_aligned = true;
    } else {
        d->outcome.dkim_aligned = true;
        memcpy(d->outcome.dkim_domain, name, strlen(name) + 1);
    }
}

/*
 * Judges the identifier in work as far as it can be without a walk. True: it
 * needs one: relaxed, another name, and within the author's organization, so
 * that the two could be the same.
 */
static bool
needs_walk(struct dmarc *d)
{
    const char *name = d->identifiers[d->current];

    if (!is_spf(d, d->current) && d->outcome.dkim_aligned) {
        return false; /* one aligned signature is enough */
    }
    if (strcmp(name, d->author.domain) == 0) {
        aligned(d);
        return false;
    }
    if (is_strict(d, d->current)) {
        return false;
    }
    if (d->author.failed) {
        d->unknown = true;
        return false;
    }
    return is_within(name, author_organization(d));
}

static void
finish_walk(struct dmarc *d)
{
    const char *organization =
        d->other.domain + dmarc_walk_organization(&d->other);

    if (d->other.failed) {
        d->unknown = true;
    } else if (strcmp(organization, author_organization(d)) == 0) {
        aligned(d);
    }
    d->other_started = false;
    d->current++;
}

/* --- steps ---------------------------------------------------------------- */

/* 4.10.2, note: no walk for names that are all the author's own. */
static bool
organization_matters(const struct dmarc *d, const struct dmarc_record *r)
{
    for (size_t i = 0; i < d->count; i++) {
        bool strict = is_spf(d, i) ? r->spf_strict : r->dkim_strict;

        if (!strict && strcmp(d->identifiers[i], d->author.domain) != 0) {
            return true;
        }
    }
    return false;
}

/* 4.10.1: the author's record, its organization's, or the suffix's. */
static const struct dmarc_record *
find_policy(struct dmarc *d)
{
    const struct dmarc_walk *w = &d->author;
    const struct dmarc_record *r = dmarc_walk_record_at(w, 0);

    d->policy_at = 0;
    if (r == NULL && w->found > 0) {
        d->policy_at = dmarc_walk_organization(w);
        r = dmarc_walk_record_at(w, d->policy_at);
    }
    if (r == NULL && w->found > 0) {
        d->policy_at = w->where[w->found - 1]; /* psd=y ended the walk */
        r = &w->records[w->found - 1];
    }
    return r;
}

static void
note_policy(struct dmarc *d, const struct dmarc_record *r, bool walked)
{
    struct dmarc_outcome *o = &d->outcome;
    const char *owner = d->author.domain + d->policy_at;

    d->policy = *r;
    memcpy(o->policy_domain, owner, strlen(owner) + 1);
    o->testing = r->testing;
    o->dkim_strict = r->dkim_strict;
    o->spf_strict = r->spf_strict;
    if (walked && !d->author.failed) {
        const char *organization = author_organization(d);

        memcpy(o->organization, organization, strlen(organization) + 1);
    }
}

static void
author_done(struct dmarc *d)
{
    const struct dmarc_record *own = dmarc_walk_record_at(&d->author, 0);
    const struct dmarc_record *r;

    if (d->author.failed && own == NULL) {
        finish(d, DMARC_TEMPERROR, "a DNS look-up failed");
        return;
    }
    r = find_policy(d);
    if (r == NULL) {
        finish(d, DMARC_NONE, "the domain has no DMARC record");
        return;
    }
    note_policy(d, r, own == NULL || organization_matters(d, r));
    if (!r->usable) {
        finish(d, DMARC_NONE, "the DMARC record has no valid policy");
        return;
    }
    d->stage = STAGE_IDENTIFIERS;
}

static void
ask_walk(struct dmarc *d, struct dmarc_walk *w)
{
    if (dmarc_walk_question(w, &d->question)) {
        d->waiting = true;
    } else {
        dmarc_walk_up(w);
    }
}

static void
step_author(struct dmarc *d)
{
    const struct dmarc_record *own = dmarc_walk_record_at(&d->author, 0);

    if (d->author.over || (own != NULL && !organization_matters(d, own))) {
        author_done(d);
    } else {
        ask_walk(d, &d->author);
    }
}

static void
step_identifiers(struct dmarc *d)
{
    if (d->current == d->count) {
        decide(d);
    } else if (d->other_started && d->other.over) {
        finish_walk(d);
    } else if (d->other_started) {
        ask_walk(d, &d->other);
    } else if (needs_walk(d)) {
        dmarc_walk_start(&d->other, d->identifiers[d->current]);
        d->other_started = true;
    } else {
        d->current++;
    }
}

/* 3.2.13: NXDOMAIN for the name, whatever the type. */
static void
ask_existence(struct dmarc *d)
{
    d->question.type = DNS_A;
    memcpy(d->question.name, d->author.domain, sizeof(d->author.domain));
    d->waiting = true;
}

enum dmarc_step
dmarc_run(struct dmarc *d, struct dns_question *q_out)
{
    while (!d->waiting && d->stage != STAGE_DONE) {
        if (d->stage == STAGE_AUTHOR) {
            step_author(d);
        } else if (d->stage == STAGE_IDENTIFIERS) {
            step_identifiers(d);
        } else {
            ask_existence(d);
        }
    }
    if (d->stage == STAGE_DONE) {
        return DMARC_DONE;
    }
    *q_out = d->question;
    return DMARC_ASK;
}

void
dmarc_answer(struct dmarc *d, const struct dns_answer *answer)
{
    assert(d->waiting); /* nothing was asked */
    d->waiting = false;
    if (d->stage == STAGE_AUTHOR) {
        dmarc_walk_answer(&d->author, answer);
    } else if (d->stage == STAGE_IDENTIFIERS) {
        dmarc_walk_answer(&d->other, answer);
    } else if (answer->status == DNS_TEMPFAIL) {
        finish(d, DMARC_TEMPERROR, "a DNS look-up failed");
    } else {
        fail(d, answer->status != DNS_NXDOMAIN);
    }
}

/* --- life ----------------------------------------------------------------- */

/* Labels of 1 to 63 octets of visible ASCII. */
static bool
good_domain(struct bytes name)
{
    size_t label = 0;

    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.ptr[i];

        if (c <= 0x20 || c > 0x7e || (c == '.' && label == 0) || label > 63) {
            return false;
        }
        label = c == '.' ? 0 : label + 1;
    }
    return name.len <= DNS_NAME_MAX && label > 0 && label <= 63;
}

static void
lower_copy(struct bytes name, char *out)
{
    for (size_t i = 0; i < name.len; i++) {
        out[i] = (char)byte_lower(name.ptr[i]);
    }
    out[name.len] = '\0';
}

static void
add_identifier(struct dmarc *d, const char *name)
{
    struct bytes text = bytes_str(name);

    if (!good_domain(text)) {
        return;
    }
    lower_copy(text, d->identifiers[d->count]);
    for (size_t i = 0; i < d->count; i++) {
        if (strcmp(d->identifiers[i], d->identifiers[d->count]) == 0 &&
            !d->has_spf) {
            return; /* several signatures of one domain */
        }
    }
    d->count++;
}

static void
take_input(struct dmarc *d, const struct dmarc_input *in)
{
    struct bytes author = bytes_str(in->author);

    for (size_t i = 0; i < in->dkim_count && d->count < DMARC_DKIM_MAX; i++) {
        add_identifier(d, in->dkim[i]);
    }
    d->dkim_count = d->count;
    d->has_spf = in->spf != NULL && in->spf[0] != '\0';
    if (d->has_spf) {
        add_identifier(d, in->spf);
    }
    d->outcome.tag = "";
    if (!good_domain(author)) {
        finish(d, DMARC_PERMERROR, "there is no single author domain in From");
        return;
    }
    lower_copy(author, d->outcome.author);
    dmarc_walk_start(&d->author, d->outcome.author);
}

struct dmarc *
dmarc_new(const struct dmarc_input *input)
{
    struct dmarc *d = calloc(1, sizeof(*d));

    if (d != NULL) {
        take_input(d, input);
    }
    return d;
}

void
dmarc_free(struct dmarc **dp)
{
    free(*dp);
    *dp = NULL;
}

const struct dmarc_outcome *
dmarc_outcome(const struct dmarc *d)
{
    return &d->outcome;
}

const char *
dmarc_result_name(enum dmarc_result result)
{
    static const char *const names[DMARC_RESULTS] = {
        [DMARC_NONE] = "none",           [DMARC_PASS] = "pass",
        [DMARC_FAIL] = "fail",           [DMARC_TEMPERROR] = "temperror",
        [DMARC_PERMERROR] = "permerror",
    };

    return names[result];
}

const char *
dmarc_policy_name(enum dmarc_policy policy)
{
    static const char *const names[DMARC_POLICIES] = {
        [DMARC_POLICY_NONE] = "none",
        [DMARC_POLICY_QUARANTINE] = "quarantine",
        [DMARC_POLICY_REJECT] = "reject",
    };

    return names[policy];
}
