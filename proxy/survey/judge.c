/*
 * judge - what one server's answer says about one key; see judge.h.
 */
#include "proxy/survey/judge.h"

#include "proxy/survey/asker.h"
#include "proxy/survey/survey.h"

#include <base/base64.h>
#include <base/buf.h>

#include <stdarg.h>

static void set(struct seen_at *at, enum seen_what what, const char *format,
                ...) __attribute__((format(printf, 3, 4)));

static void
set(struct seen_at *at, enum seen_what what, const char *format, ...)
{
    va_list args;

    at->what = what;
    va_start(args, format);
    (void)vsnprintf(at->detail, sizeof(at->detail), format, args);
    va_end(args);
}

static bool
is_name(const char *a, const char *b)
{
    struct bytes left = bytes_str(a);
    struct bytes right = bytes_str(b);

    /* what people write may have the final dot */
    if (right.len > 0 && right.ptr[right.len - 1] == '.') {
        right.len--;
    }
    return bytes_eq_ci(left, right);
}

/* --- keys ----------------------------------------------------------------- */

enum dkim_key_err
judge_record(const struct raw_answer *answer, const char *owner,
             struct dkim_key_record *key_out)
{
    struct dns_record records[RAW_RECORDS_MAX];
    size_t starts[RAW_RECORDS_MAX];
    struct dns_answer found = { .status = DNS_OK, .records = records };
    struct buf text = BUF_INIT;
    enum dkim_key_err err = DKIM_KEY_TEMPFAIL;

    for (size_t i = 0; i < answer->count; i++) {
        const struct raw_record *r = &answer->records[i];

        if (!r->authority && r->type == RAW_TYPE_TXT &&
            is_name(r->owner, owner)) {
            starts[found.count] = text.len;
            raw_join(r->data, &text);
            records[found.count] = (struct dns_record){
                .data = { NULL, text.len - starts[found.count] }
            };
            found.count++;
        }
    }
    for (size_t i = 0; i < found.count; i++) {
        records[i].data.ptr =
            /* cppcheck-suppress uninitvar ; a start for each that was found */
            records[i].data.len == 0 ? NULL : text.ptr + starts[i];
    }
    if (found.count == 0) {
        found.status = DNS_NODATA;
    }
    if (!buf_failed(&text)) {
        err = dkim_key_from_answer(&found, key_out);
    }
    buf_free(&text);
    return err;
}

/* Another encoding of the same RSA key: the bare modulus and exponent. */
static bool
same_loaded(const struct dkim_key_record *a, const struct dkim_key_record *b)
{
    EVP_PKEY *left = NULL;
    EVP_PKEY *right = NULL;
    unsigned bits = 0;
    bool same;

    same = dkim_key_load(a, DKIM_ALG_RSA_SHA256, true, &left, &bits) ==
               DKIM_KEY_OK &&
           dkim_key_load(b, DKIM_ALG_RSA_SHA256, true, &right, &bits) ==
               DKIM_KEY_OK &&
           EVP_PKEY_eq(left, right) == 1;
    EVP_PKEY_free(left);
    EVP_PKEY_free(right);
    return same;
}

bool
judge_same_key(const struct dkim_key_record *key, const char *public_b64,
               bool ed25519)
{
    struct dkim_key_record ours = {
        .type = ed25519 ? DKIM_KEY_ED25519 : DKIM_KEY_RSA,
        .sha256 = true,
        .email = true,
    };

    if (key->type != ours.type ||
        !base64_decode(bytes_str(public_b64), true, ours.p, sizeof(ours.p),
                       &ours.p_len)) {
        return false;
    }
    return bytes_eq(bytes_make(key->p, key->p_len),
                    bytes_make(ours.p, ours.p_len)) ||
           (!ed25519 && same_loaded(key, &ours));
}

/* A record that parses: is it ours, and would a verifier use it? */
static void
judge_parsed(const struct seen_question *q, const struct dkim_key_record *key,
             struct seen_at *at)
{
    if (q->public_b64[0] == '\0') {
        set(at, SEEN_OTHER, "a key is published where none is wanted");
    } else if (!judge_same_key(key, q->public_b64, q->ed25519)) {
        set(at, SEEN_OTHER, "another public key than ours");
    } else if (!key->sha256) {
        set(at, SEEN_OTHER, "our key, but h= does not list sha256");
    } else if (!key->email) {
        set(at, SEEN_OTHER, "our key, but s= does not list email");
    } else {
        set(at, SEEN_KEY, "%s",
            key->testing ? "t=y: verifiers treat the mail as unsigned" : "");
    }
}

static void
judge_txt(const struct seen_question *q, const struct raw_answer *answer,
          const char *owner, struct seen_at *at)
{
    struct dkim_key_record key;
    enum dkim_key_err err = judge_record(answer, owner, &key);

    switch (err) {
    case DKIM_KEY_OK:
        judge_parsed(q, &key, at);
        break;
    case DKIM_KEY_REVOKED:
        set(at, SEEN_REVOKED, "p= is empty");
        break;
    case DKIM_KEY_TEMPFAIL:
        set(at, SEEN_BROKEN, "no memory here to read the record");
        break;
    default:
        set(at, SEEN_OTHER, "a TXT record that no verifier can use: %s",
            dkim_key_err_text(err));
        break;
    }
}

/* --- answers -------------------------------------------------------------- */

const char *
judge_referral(const struct raw_answer *answer)
{
    const char *zone = NULL;

    for (size_t i = 0; i < answer->count; i++) {
        const struct raw_record *r = &answer->records[i];

        if (!r->authority || r->type == RAW_TYPE_SOA) {
            return NULL; /* an answer, or the zone's own "no" */
        }
        zone = r->type == RAW_TYPE_NS ? r->owner : zone;
    }
    return answer->rcode == RAW_NOERROR ? zone : NULL;
}

const char *
judge_chain(const struct raw_answer *answer, const char *name,
            uint32_t *ttl_out)
{
    *ttl_out = UINT32_MAX;
    for (unsigned hops = 0; hops <= JUDGE_HOPS_MAX; hops++) {
        const struct raw_record *alias = raw_find(answer, name, RAW_TYPE_CNAME);

        if (alias == NULL) {
            return name;
        }
        *ttl_out = alias->ttl_s < *ttl_out ? alias->ttl_s : *ttl_out;
        name = (const char *)alias->data.ptr;
    }
    return NULL;
}

/* True: it does, and that is said. what: which kind of server does not. */
static bool
refers_on(const struct raw_answer *answer, const char *what, struct seen_at *at)
{
    const char *zone = judge_referral(answer);

    if (zone != NULL) {
        set(at, SEEN_BROKEN, "%s: it refers to the servers of %.100s", what,
            zone[0] == '\0' ? "the root" : zone);
    }
    return zone != NULL;
}

/* Servers of a zone: they must speak for it. */
static bool
has_authority(const struct raw_answer *answer, struct seen_at *at)
{
    if (refers_on(answer, "lame", at)) {
        return false;
    }
    if (!answer->authoritative) {
        set(at, SEEN_BROKEN, "lame: it answers without authority");
        return false;
    }
    return true;
}

static void
judge_alias(const struct seen_question *q, const struct raw_record *alias,
            struct seen_at *at)
{
    const char *target = (const char *)alias->data.ptr;

    at->ttl_s = alias->ttl_s;
    if (at->role == SEEN_TARGET) {
        set(at, SEEN_OTHER, "a CNAME to %.150s where the key's record belongs",
            target);
    } else if (q->target[0] == '\0' || is_name(target, q->target)) {
        set(at, SEEN_CNAME, "a CNAME to %.150s", target);
    } else {
        set(at, SEEN_OTHER, "a CNAME to %.150s instead", target);
    }
}

static void
judge_authority(const struct seen_question *q, const char *name,
                const struct raw_answer *answer, struct seen_at *at)
{
    const struct raw_record *alias = raw_find(answer, name, RAW_TYPE_CNAME);
    const struct raw_record *txt = raw_find(answer, name, RAW_TYPE_TXT);

    if (!has_authority(answer, at)) {
        return;
    }
    if (alias != NULL && txt != NULL) {
        set(at, SEEN_OTHER, "a TXT record beside the CNAME");
        at->ttl_s = alias->ttl_s;
    } else if (alias != NULL) {
        judge_alias(q, alias, at);
    } else if (txt != NULL) {
        at->ttl_s = txt->ttl_s;
        judge_txt(q, answer, name, at);
    } else {
        at->negative_s = raw_negative_s(answer);
        set(at, SEEN_MISSING, "%s",
            answer->rcode == RAW_NXDOMAIN ? "no such name"
                                          : "no such record at that name");
    }
}

static void
judge_resolver(const struct seen_question *q, const char *name,
               const struct raw_answer *answer, struct seen_at *at)
{
    const struct raw_record *txt;
    uint32_t ttl_s;
    const char *end = judge_chain(answer, name, &ttl_s);

    if (end == NULL) {
        set(at, SEEN_BROKEN, "the CNAMEs run in a circle or are too many");
        return;
    }
    txt = raw_find(answer, end, RAW_TYPE_TXT);
    if (txt != NULL) {
        at->ttl_s = txt->ttl_s < ttl_s ? txt->ttl_s : ttl_s;
        judge_txt(q, answer, end, at);
        return;
    }
    if (refers_on(answer, "no resolver", at)) {
        return;
    }
    at->negative_s = raw_negative_s(answer);
    set(at, SEEN_MISSING, "no such %s: %.150s",
        answer->rcode == RAW_NXDOMAIN ? "name" : "record", end);
}

/* An answer that says no more than how the server failed. */
static void
judge_error(const struct sight *sight, const struct raw_answer *answer,
            struct seen_at *at)
{
    bool resolver = sight->role == SEEN_RESOLVER;
    char rcode[16];

    set(at, SEEN_BROKEN,
        sight->bogus ? SURVEY_BOGUS
            ": %s, but an answer when asked not to validate"
        : resolver ? "%s"
                   : "lame: %s",
        asker_rcode_text(answer->rcode, rcode));
}

/* Why there is no answer. */
static void
judge_silence(const struct sight *sight, struct seen_at *at)
{
    if (sight->trouble != NULL) {
        set(at, sight->end == DIRECT_SILENT ? SEEN_SILENT : SEEN_BROKEN, "%s",
            sight->trouble);
    } else if (sight->end == DIRECT_NO_TCP || sight->end == DIRECT_GARBLED) {
        set(at, SEEN_BROKEN, "%s", asker_end_text(sight->end));
    } else {
        set(at, SEEN_SILENT, "%s", asker_end_text(sight->end));
    }
}

void
judge_sight(const struct seen_question *q, const struct sight *sight,
            struct seen_at *at_out)
{
    struct seen_at at = { .role = sight->role };
    const struct raw_answer *answer = sight->answer;

    memcpy(at.server, sight->server, sizeof(at.server));
    if (answer == NULL) {
        judge_silence(sight, &at);
    } else if (answer->rcode != RAW_NOERROR && answer->rcode != RAW_NXDOMAIN) {
        judge_error(sight, answer, &at);
    } else if (sight->role == SEEN_RESOLVER) {
        judge_resolver(q, sight->name, answer, &at);
    } else {
        judge_authority(q, sight->name, answer, &at);
    }
    *at_out = at;
}
