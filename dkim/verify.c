/*
 * verify - the signatures of one message; see dkim/verify.h.
 *
 * What can be judged without the key is judged at once, so that no question
 * leaves for a signature that cannot pass; the rest waits for the body and
 * the answers. Bodies and questions are shared between signatures.
 */
#include <dkim/hash.h>
#include <dkim/headerhash.h>
#include <dkim/keyrecord.h>
#include <dkim/signature.h>
#include <dkim/verify.h>

#include <assert.h>
#include <stdlib.h>

enum {
    BODIES_MAX = 4, /* different (canonicalization, hash, l=) */
    CLOCK_SKEW_S = 300
};

/* A body hash that one or more signatures want. */
struct body {
    enum dkim_canon_mode mode;
    enum dkim_hash_alg alg;
    uint64_t limit;
    struct dkim_body_hash *hash; /* owns */
    uint8_t digest[DKIM_HASH_OCTETS_MAX];
    size_t digest_len;
};

/* A key that one or more signatures want. */
struct key {
    struct dns_question question;
    bool asked, answered;
    enum dkim_key_err err;
    struct dkim_key_record record;
};

/* A signature that is evaluated. */
struct check {
    struct dkim_signature sig;
    const struct dkim_field *field;    /* borrowed */
    struct dkim_verify_result *result; /* borrowed */
    struct body *body;                 /* borrowed */
    struct key *key;                   /* borrowed */
    bool live;                         /* no verdict yet */
};

struct dkim_verify {
    const struct dkim_header *header; /* borrowed */
    struct dkim_verify_conf conf;
    struct dkim_verify_result *results; /* owns */
    size_t count;
    struct check *checks; /* owns */
    size_t check_count;
    struct key *keys; /* owns; room for one a check */
    size_t key_count;
    struct body bodies[BODIES_MAX];
    size_t body_count;
};

const char *
dkim_verdict_name(enum dkim_verdict verdict)
{
    static const char *const names[DKIM_VERDICTS] = {
        [DKIM_NONE] = "none",           [DKIM_PASS] = "pass",
        [DKIM_FAIL] = "fail",           [DKIM_POLICY] = "policy",
        [DKIM_NEUTRAL] = "neutral",     [DKIM_TEMPERROR] = "temperror",
        [DKIM_PERMERROR] = "permerror",
    };

    return verdict < DKIM_VERDICTS ? names[verdict] : "permerror";
}

static void
judge(struct check *c, enum dkim_verdict verdict, const char *reason)
{
    c->result->verdict = verdict;
    c->result->reason = reason;
    c->live = false;
}

static void
report_tags(struct dkim_verify_result *r, const struct dkim_signature *sig)
{
    memcpy(r->domain, sig->domain, sizeof(r->domain));
    memcpy(r->selector, sig->selector, sizeof(r->selector));
    r->identity = sig->identity;
    r->b = sig->b_text;
    r->alg = sig->alg;
    r->alg_known = sig->alg_known;
}

/* The key's question, one for each name. False: the name is too long. */
static bool
want_key(struct dkim_verify *v, struct check *c)
{
    struct dns_question q;

    if (!dkim_key_question(c->sig.selector, c->sig.domain, &q)) {
        return false;
    }
    for (size_t i = 0; i < v->key_count; i++) {
        if (strcmp(v->keys[i].question.name, q.name) == 0) {
            c->key = &v->keys[i];
            return true;
        }
    }
    c->key = &v->keys[v->key_count++];
    c->key->question = q;
    return true;
}

/* The body hash, one for each kind. NULL: too many kinds, or no memory. */
static struct body *
want_body(struct dkim_verify *v, const struct dkim_signature *sig)
{
    uint64_t limit = sig->has_length ? sig->length : UINT64_MAX;
    enum dkim_hash_alg alg = dkim_alg_hash(sig->alg);
    struct body *body = v->bodies;

    for (size_t i = 0; i < v->body_count; i++, body++) {
        if (body->mode == sig->body_canon && body->alg == alg &&
            body->limit == limit) {
            return body;
        }
    }
    if (v->body_count == BODIES_MAX) {
        return NULL;
    }
    *body =
        (struct body){ .mode = sig->body_canon, .alg = alg, .limit = limit };
    body->hash = dkim_body_hash_new(body->mode, alg, limit);
    if (body->hash == NULL) {
        return NULL;
    }
    v->body_count++;
    return body;
}

/* What the signature and the clock say by themselves. */
static void
judge_tags(const struct dkim_verify *v, struct check *c, enum dkim_sig_err err)
{
    const struct dkim_signature *sig = &c->sig;
    uint64_t now = v->conf.now_s;

    if (err != DKIM_SIG_OK) {
        judge(c, DKIM_PERMERROR, dkim_sig_err_text(err));
    } else if (sig->alg == DKIM_ALG_RSA_SHA1 && !v->conf.allow_legacy) {
        judge(c, DKIM_POLICY, "rsa-sha1 is not accepted"); /* 8301 3.1 */
    } else if (sig->has_expires && now > sig->expires_s + CLOCK_SKEW_S) {
        judge(c, DKIM_FAIL, "signature expired");
    } else if (sig->has_time && sig->time_s > now + CLOCK_SKEW_S) {
        judge(c, DKIM_FAIL, "signature from the future");
    } else if (dkim_header_get(v->header, "from", 0) == NULL) {
        judge(c, DKIM_PERMERROR, "message has no From field");
    }
}

static void
start_check(struct dkim_verify *v, struct check *c)
{
    enum dkim_sig_err err = dkim_signature_parse(c->field->value, &c->sig);

    c->live = true;
    c->result->reason = "";
    report_tags(c->result, &c->sig);
    judge_tags(v, c, err);
    if (!c->live) {
        return;
    }
    c->body = want_body(v, &c->sig);
    if (c->body == NULL && v->body_count == BODIES_MAX) {
        judge(c, DKIM_POLICY, "too many different body hashes");
    } else if (c->body == NULL) {
        judge(c, DKIM_TEMPERROR, "body could not be hashed");
    } else if (!want_key(v, c)) {
        judge(c, DKIM_PERMERROR, "name of the key is too long");
    }
}

static void
skip_check(const struct dkim_field *field, struct dkim_verify_result *result)
{
    struct dkim_signature sig;

    (void)dkim_signature_parse(field->value, &sig);
    report_tags(result, &sig);
    result->verdict = DKIM_POLICY;
    result->reason = "too many signatures";
}

static bool
make_room(struct dkim_verify *v)
{
    size_t checks =
        v->count < v->conf.signatures_max ? v->count : v->conf.signatures_max;

    if (v->count == 0) {
        return true;
    }
    v->results = calloc(v->count, sizeof(*v->results));
    v->checks = calloc(checks + 1, sizeof(*v->checks));
    v->keys = calloc(checks + 1, sizeof(*v->keys));
    v->check_count = checks;
    return v->results != NULL && v->checks != NULL && v->keys != NULL;
}

struct dkim_verify *
dkim_verify_new(const struct dkim_header *header,
                const struct dkim_verify_conf *conf)
{
    struct dkim_verify *v = calloc(1, sizeof(*v));
    size_t n = 0;

    if (v == NULL) {
        return NULL;
    }
    v->header = header;
    v->conf = *conf;
    v->count = dkim_header_count(header, "dkim-signature");
    if (!make_room(v)) {
        dkim_verify_free(&v);
        return NULL;
    }
    for (size_t i = 0; i < header->count; i++) {
        const struct dkim_field *field = &header->fields[i];

        if (!bytes_is_ci(field->name, "dkim-signature")) {
            continue;
        }
        if (n < v->check_count) {
            v->checks[n].field = field;
            v->checks[n].result = &v->results[n];
            start_check(v, &v->checks[n]);
        } else {
            assert(v->results != NULL);
            skip_check(field, &v->results[n]);
        }
        n++;
    }
    return v;
}

bool
dkim_verify_question(struct dkim_verify *v, struct dns_question *q_out,
                     unsigned *id_out)
{
    for (size_t i = 0; i < v->key_count; i++) {
        if (!v->keys[i].asked) {
            v->keys[i].asked = true;
            *q_out = v->keys[i].question;
            *id_out = (unsigned)i;
            return true;
        }
    }
    return false;
}

void
dkim_verify_answer(struct dkim_verify *v, unsigned id,
                   const struct dns_answer *answer)
{
    struct key *key;

    if (id >= v->key_count || v->keys[id].answered) {
        return;
    }
    key = &v->keys[id];
    key->err = dkim_key_from_answer(answer, &key->record);
    key->answered = true;
}

unsigned
dkim_verify_waiting(const struct dkim_verify *v)
{
    unsigned n = 0;

    for (size_t i = 0; i < v->key_count; i++) {
        n += !v->keys[i].answered;
    }
    return n;
}

void
dkim_verify_body(struct dkim_verify *v, struct bytes body)
{
    for (size_t i = 0; i < v->body_count; i++) {
        dkim_body_hash_feed(v->bodies[i].hash, body);
    }
}

static enum dkim_key_err
check_signature(const struct dkim_verify *v, const struct check *c,
                EVP_PKEY *pkey)
{
    const struct dkim_signature *sig = &c->sig;
    struct dkim_header_hash *h =
        dkim_header_hash_new(sig->header_canon, dkim_alg_hash(sig->alg));
    uint8_t digest[DKIM_HASH_OCTETS_MAX];
    size_t n = 0;

    if (h == NULL) {
        return DKIM_KEY_TEMPFAIL;
    }
    dkim_header_hash_names(h, v->header, sig->names, c->field);
    if (dkim_header_hash_signature(h, c->field->raw)) {
        n = dkim_header_hash_end(h, digest);
    }
    dkim_header_hash_free(&h);
    return n == 0 ? DKIM_KEY_TEMPFAIL
                  : dkim_key_verify(pkey, sig->alg, bytes_make(digest, n),
                                    bytes_make(sig->b, sig->b_len));
}

/* 6.1.3 step 2, and what l= means to us. */
static bool
judge_body(struct check *c)
{
    uint64_t octets = dkim_body_hash_octets(c->body->hash);

    if (c->body->digest_len == 0) {
        judge(c, DKIM_TEMPERROR, "body could not be hashed");
    } else if (c->sig.has_length && c->sig.length > octets) {
        judge(c, DKIM_PERMERROR, "l= is beyond the end of the body");
    } else if (!bytes_eq(bytes_make(c->sig.bh, c->sig.bh_len),
                         bytes_make(c->body->digest, c->body->digest_len))) {
        judge(c, DKIM_FAIL, "body hash does not verify");
    }
    return c->live;
}

/* The arithmetic is right; is that a pass? */
static void
judge_good(const struct dkim_verify *v, struct check *c)
{
    unsigned no_field = DKIM_HEADER_NO_COLON | DKIM_HEADER_FOLD_FIRST;

    if (c->sig.has_length &&
        c->sig.length < dkim_body_hash_octets(c->body->hash)) {
        judge(c, DKIM_POLICY, "l= leaves a part of the body unsigned");
    } else if (v->header->faults & no_field) {
        judge(c, DKIM_NEUTRAL, "header has a line that is no field");
    } else if (c->sig.alg != DKIM_ALG_ED25519_SHA256 &&
               c->result->key_bits < DKIM_RSA_BITS_GOOD) {
        judge(c, DKIM_PASS, "RSA key is shorter than 2048 bits");
    } else {
        judge(c, DKIM_PASS, "");
    }
}

static void
finish_check(struct dkim_verify *v, struct check *c)
{
    const struct key *key = c->key;
    enum dkim_key_err err = key->answered ? key->err : DKIM_KEY_TEMPFAIL;
    EVP_PKEY *pkey = NULL;

    c->result->testing = err == DKIM_KEY_OK && key->record.testing;
    if (err == DKIM_KEY_OK) {
        err = dkim_key_load(&key->record, c->sig.alg, v->conf.allow_legacy,
                            &pkey, &c->result->key_bits);
    }
    if (err == DKIM_KEY_OK && key->record.strict && c->sig.identity_below) {
        judge(c, DKIM_PERMERROR, "key does not allow i= in a subdomain");
    } else if (err == DKIM_KEY_OK && judge_body(c)) {
        err = check_signature(v, c, pkey);
    }
    EVP_PKEY_free(pkey);
    if (c->live && err != DKIM_KEY_OK) {
        judge(c, dkim_key_err_verdict(err), dkim_key_err_text(err));
    } else if (c->live) {
        judge_good(v, c);
    }
    /* 3.6.1: mail of a domain that tests is as if it were not signed */
    if (c->result->testing && c->result->verdict == DKIM_FAIL) {
        judge(c, DKIM_NONE, "signature fails and its key is in test mode");
    }
}

void
dkim_verify_end(struct dkim_verify *v)
{
    for (size_t i = 0; i < v->body_count; i++) {
        v->bodies[i].digest_len =
            dkim_body_hash_end(v->bodies[i].hash, v->bodies[i].digest);
    }
    for (size_t i = 0; i < v->check_count; i++) {
        if (v->checks[i].live) {
            finish_check(v, &v->checks[i]);
        }
    }
}

size_t
dkim_verify_count(const struct dkim_verify *v)
{
    return v->count;
}

const struct dkim_verify_result *
dkim_verify_result(const struct dkim_verify *v, size_t n)
{
    return n < v->count ? &v->results[n] : NULL;
}

void
dkim_verify_free(struct dkim_verify **v)
{
    if (*v == NULL) {
        return;
    }
    for (size_t i = 0; i < (*v)->body_count; i++) {
        dkim_body_hash_free(&(*v)->bodies[i].hash);
    }
    free((*v)->results);
    free((*v)->checks);
    free((*v)->keys);
    free(*v);
    *v = NULL;
}
