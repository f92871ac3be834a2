/*
 * arc - see dkim/arc.h.
 *
 * A chain whose form is wrong fails at once and asks nothing. Else all keys
 * are asked for, and the arithmetic is done at the end: the newest message
 * signature, every seal, and for oldest-pass the older message signatures.
 *
 * RFC 8617 5.1.1 (what a seal covers), 5.2.
 */
#include "arc_sets.h"

#include <dkim/hash.h>
#include <dkim/headerhash.h>
#include <dkim/keyrecord.h>

#include <assert.h>
#include <stdlib.h>

enum {
    MODES = DKIM_CANON_RELAXED + 1
};

struct key {
    struct dns_question question;
    bool asked, answered;
    enum dkim_key_err err;
    struct dkim_key_record *record; /* owns; NULL unless err is OK */
};

struct arc {
    const struct dkim_header *header; /* borrowed */
    enum arc_result result;
    const char *reason;
    unsigned count, oldest_pass;
    struct arc_set *sets; /* owns; ARC_SETS_MAX of them */
    struct key *keys;     /* owns; room for two a set */
    unsigned key_count;
    struct dkim_body_hash *bodies[MODES]; /* own; by canonicalization */
    uint8_t digests[MODES][DKIM_HASH_OCTETS_MAX];
    size_t digest_len[MODES];
};

static void
fail(struct arc *a, const char *reason)
{
    a->result = ARC_FAIL;
    a->reason = reason;
}

/* --- keys and bodies ------------------------------------------------------ */

static struct key *
find_key(const struct arc *a, const struct dkim_signature *sig)
{
    struct dns_question q;

    if (!dkim_key_question(sig->selector, sig->domain, &q)) {
        return NULL;
    }
    for (unsigned i = 0; i < a->key_count; i++) {
        if (strcmp(a->keys[i].question.name, q.name) == 0) {
            return &a->keys[i];
        }
    }
    return NULL;
}

static void
want_key(struct arc *a, const struct dkim_signature *sig)
{
    struct dns_question q;

    if (find_key(a, sig) == NULL &&
        dkim_key_question(sig->selector, sig->domain, &q)) {
        a->keys[a->key_count++].question = q;
    }
}

/* False: no memory. */
static bool
want_body(struct arc *a, enum dkim_canon_mode mode)
{
    if (a->bodies[mode] == NULL) {
        a->bodies[mode] =
            dkim_body_hash_new(mode, DKIM_HASH_SHA256, UINT64_MAX);
    }
    return a->bodies[mode] != NULL;
}

static bool
want_all(struct arc *a)
{
    for (unsigned i = a->count; i-- > 0;) {
        const struct arc_set *set = &a->sets[i];

        want_key(a, &set->seal);
        if (!set->message_good) {
            continue;
        }
        want_key(a, &set->message);
        if (!want_body(a, set->message.body_canon) ||
            (!set->has_canon && !want_body(a, DKIM_CANON_RELAXED))) {
            return false;
        }
    }
    return true;
}

static bool
has_fields(const struct dkim_header *header)
{
    return dkim_header_count(header, "arc-seal") > 0 ||
           dkim_header_count(header, "arc-message-signature") > 0 ||
           dkim_header_count(header, "arc-authentication-results") > 0;
}

struct arc *
arc_new(const struct dkim_header *header)
{
    struct arc *a = calloc(1, sizeof(*a));
    const char *fault;

    if (a == NULL) {
        return NULL;
    }
    a->header = header;
    a->reason = "";
    if (!has_fields(header)) {
        return a; /* as most mail: no room for sets */
    }
    a->sets = calloc(ARC_SETS_MAX, sizeof(*a->sets));
    if (a->sets == NULL) {
        arc_free(&a);
        return NULL;
    }
    fault = arc_sets_collect(header, a->sets, &a->count);
    if (fault[0] != '\0') {
        fail(a, fault);
        return a;
    }
    if (a->count == 0) {
        return a;
    }
    a->keys = calloc(2 * (size_t)a->count, sizeof(*a->keys));
    if (a->keys == NULL || !want_all(a)) {
        arc_free(&a);
    }
    return a;
}

bool
arc_question(struct arc *a, struct dns_question *q_out, unsigned *id_out)
{
    for (unsigned i = 0; i < a->key_count; i++) {
        if (!a->keys[i].asked) {
            a->keys[i].asked = true;
            *q_out = a->keys[i].question;
            *id_out = i;
            return true;
        }
    }
    return false;
}

void
arc_answer(struct arc *a, unsigned id, const struct dns_answer *answer)
{
    struct key *key;

    if (id >= a->key_count || a->keys[id].answered) {
        return;
    }
    key = &a->keys[id];
    key->answered = true;
    key->record = malloc(sizeof(*key->record));
    if (key->record == NULL) {
        key->err = DKIM_KEY_TEMPFAIL;
        return;
    }
    key->err = dkim_key_from_answer(answer, key->record);
}

unsigned
arc_waiting(const struct arc *a)
{
    unsigned n = 0;

    for (unsigned i = 0; i < a->key_count; i++) {
        n += !a->keys[i].answered;
    }
    return n;
}

void
arc_body(struct arc *a, struct bytes body)
{
    for (size_t mode = 0; mode < MODES; mode++) {
        if (a->bodies[mode] != NULL) {
            dkim_body_hash_feed(a->bodies[mode], body);
        }
    }
}

/* --- arithmetic ----------------------------------------------------------- */

/* b= of sig against a header hash that this ends and frees. */
static bool
check_hash(const struct arc *a, struct dkim_header_hash **h,
           const struct dkim_field *field, const struct dkim_signature *sig)
{
    const struct key *key = find_key(a, sig);
    uint8_t digest[DKIM_HASH_OCTETS_MAX];
    EVP_PKEY *pkey = NULL;
    unsigned bits;
    size_t n = 0;
    bool good;

    if (dkim_header_hash_signature(*h, field->raw)) {
        n = dkim_header_hash_end(*h, digest);
    }
    dkim_header_hash_free(h);
    good = n > 0 && key != NULL && key->answered && key->err == DKIM_KEY_OK &&
           dkim_key_load(key->record, sig->alg, false, &pkey, &bits) ==
               DKIM_KEY_OK &&
           dkim_key_verify(pkey, sig->alg, bytes_make(digest, n),
                           bytes_make(sig->b, sig->b_len)) == DKIM_KEY_OK;
    EVP_PKEY_free(pkey);
    return good;
}

static bool
check_message_as(const struct arc *a, const struct arc_set *set,
                 enum dkim_canon_mode head, enum dkim_canon_mode body)
{
    const struct dkim_signature *sig = &set->message;
    struct dkim_header_hash *h;

    if (!bytes_eq(bytes_make(sig->bh, sig->bh_len),
                  bytes_make(a->digests[body], a->digest_len[body]))) {
        return false;
    }
    h = dkim_header_hash_new(head, DKIM_HASH_SHA256);
    if (h == NULL) {
        return false;
    }
    dkim_header_hash_names(h, a->header, sig->names, set->ams);
    return check_hash(a, &h, set->ams, sig);
}

/*
 * Without c= it is simple/simple (6376 3.5); but sealers that leave c= out are
 * known to mean relaxed/relaxed, and verifiers to accept it.
 */
static bool
check_message(const struct arc *a, const struct arc_set *set)
{
    const struct dkim_signature *sig = &set->message;

    return set->message_good &&
           (check_message_as(a, set, sig->header_canon, sig->body_canon) ||
            (!set->has_canon &&
             check_message_as(a, set, DKIM_CANON_RELAXED, DKIM_CANON_RELAXED)));
}

/* 5.1.1: all sets up to this one, each in the order AAR, AMS, AS; relaxed. */
static bool
check_seal(const struct arc *a, unsigned last)
{
    struct dkim_header_hash *h =
        dkim_header_hash_new(DKIM_CANON_RELAXED, DKIM_HASH_SHA256);
    const struct arc_set *set = a->sets;

    if (h == NULL) {
        return false;
    }
    for (; set < &a->sets[last]; set++) {
        dkim_header_hash_field(h, set->aar->raw);
        dkim_header_hash_field(h, set->ams->raw);
        dkim_header_hash_field(h, set->as->raw);
    }
    dkim_header_hash_field(h, set->aar->raw);
    dkim_header_hash_field(h, set->ams->raw);
    return check_hash(a, &h, set->as, &set->seal);
}

static bool
check_seals(const struct arc *a)
{
    for (unsigned i = a->count; i-- > 0;) {
        if (!check_seal(a, i)) {
            return false;
        }
    }
    return true;
}

/* 5.2 step 5. */
static unsigned
find_oldest_pass(const struct arc *a)
{
    for (unsigned i = a->count - 1; i-- > 0;) {
        if (!check_message(a, &a->sets[i])) {
            return i + 2;
        }
    }
    return 0;
}

void
arc_end(struct arc *a)
{
    for (size_t mode = 0; mode < MODES; mode++) {
        if (a->bodies[mode] != NULL) {
            a->digest_len[mode] =
                dkim_body_hash_end(a->bodies[mode], a->digests[mode]);
        }
    }
    if (a->count == 0 || a->result == ARC_FAIL) {
        return;
    }
    if (!check_message(a, &a->sets[a->count - 1])) {
        fail(a, "the newest ARC-Message-Signature does not verify");
    } else if (!check_seals(a)) {
        fail(a, "an ARC-Seal does not verify");
    } else {
        a->result = ARC_PASS;
        a->oldest_pass = find_oldest_pass(a);
    }
}

void
arc_free(struct arc **ap)
{
    struct arc *a = *ap;

    if (a == NULL) {
        return;
    }
    assert(a->keys != NULL || a->key_count == 0);
    for (unsigned i = 0; i < a->key_count; i++) {
        free(a->keys[i].record);
    }
    for (size_t mode = 0; mode < MODES; mode++) {
        dkim_body_hash_free(&a->bodies[mode]);
    }
    free(a->keys);
    free(a->sets);
    free(a);
    *ap = NULL;
}

/* --- the result ----------------------------------------------------------- */

enum arc_result
arc_result(const struct arc *a)
{
    return a->result;
}

const char *
arc_reason(const struct arc *a)
{
    return a->reason;
}

unsigned
arc_count(const struct arc *a)
{
    return a->result == ARC_PASS ? a->count : 0;
}

const char *
arc_sealer(const struct arc *a, unsigned instance)
{
    return instance >= 1 && instance <= a->count
               ? a->sets[instance - 1].seal.domain
               : "";
}

unsigned
arc_oldest_pass(const struct arc *a)
{
    return a->oldest_pass;
}

const char *
arc_result_name(enum arc_result result)
{
    static const char *const names[ARC_RESULTS] = {
        [ARC_NONE] = "none",
        [ARC_PASS] = "pass",
        [ARC_FAIL] = "fail",
    };

    return names[result];
}
