/*
 * findings_record - what is wrong with the text of a key record.
 *
 * The first finding that says why no verifier can use the record is enough:
 * what follows from it is not said again.
 */
#include "proxy/survey/findings_private.h"

enum {
    KEY_GOOD_BITS = 2048,
    KEY_MOST_BITS = 4096,
    STRING_OCTETS = 255
};

/* Adds, with the record as it should be. NULL-free: what was added. */
static struct finding *
add(struct examined *e, const struct finding_rule *rule, const char *what)
{
    struct finding *f =
        finding_add(e->out, &rule->kind, "%.253s: %s", e->end, what);

    if (e->alias != NULL && e->facts->key.target[0] != '\0') {
        buf_printf(&f->mend,
                   "sealpost key rotate %s (publishes the record anew in the "
                   "operator's zone)",
                   e->facts->key.domain);
    } else {
        finding_mend_record(e, &f->mend);
    }
    finding_visible_ttl(e, f);
    return f;
}

/* The record cannot be used, and nothing has said why yet. */
static bool
is_open(const struct examined *e)
{
    return e->has_record && !e->explained && !e->same_key &&
           !e->facts->key.revoked;
}

static void
check_no_key(struct examined *e, const struct finding_rule *rule)
{
    if (e->end != NULL && !e->has_record && !e->explained &&
        !e->facts->key.revoked) {
        add(e, rule, "there is a TXT record, but it is no key record");
        e->explained = true;
    }
}

static void
check_several(struct examined *e, const struct finding_rule *rule)
{
    struct finding *f;

    if (e->key_records < 2) {
        return;
    }
    f = finding_add(e->out, &rule->kind, "%.253s: there are %zu key records",
                    e->end, e->key_records);
    buf_puts(&f->mend, "leave this one and remove the others:\n");
    finding_mend_record(e, &f->mend);
    finding_visible_ttl(e, f);
    e->explained = true;
}

static void
check_private(struct examined *e, const struct finding_rule *rule)
{
    const struct fact_key *key = &e->facts->key;
    struct finding *f;

    if (!e->has_record ||
        !record_is_private(&e->record, key->public_b64, key->ed25519)) {
        return;
    }
    f = finding_add(e->out, &rule->kind, "%.253s: the PRIVATE key is published",
                    e->end);
    buf_printf(&f->mend,
               "sealpost key rotate %s --emergency (the next key signs at "
               "once, this one is revoked)\nremove the TXT record at %s now; "
               "never use this key again",
               key->domain, e->end);
    finding_visible_ttl(e, f);
    e->explained = true;
}

static void
check_revoked(struct examined *e, const struct finding_rule *rule)
{
    if (is_open(e) && e->record.err == DKIM_KEY_REVOKED) {
        add(e, rule, "p= is empty: the key is revoked");
        e->explained = true;
    }
}

static void
check_not_revoked(struct examined *e, const struct finding_rule *rule)
{
    struct finding *f;

    if (!e->facts->key.revoked || !e->has_record ||
        e->record.err == DKIM_KEY_REVOKED) {
        return;
    }
    f = finding_add(e->out, &rule->kind,
                    "%.253s still shows a key that is revoked", e->end);
    if (e->alias != NULL) {
        buf_printf(&f->mend, "sealpost key rotate %s", e->facts->key.domain);
    } else {
        buf_printf(&f->mend, "%s. 300 IN TXT \"v=DKIM1; p=\"", e->name);
    }
    finding_visible_ttl(e, f);
}

static void
check_shuffled(struct examined *e, const struct finding_rule *rule)
{
    const struct fact_key *key = &e->facts->key;

    if (is_open(e) &&
        record_is_shuffled(&e->record, key->public_b64, key->ed25519)) {
        add(e, rule, "the strings of the record are in the wrong order");
        e->explained = true;
    }
}

/* What is left of a record when a panel keeps only one string of 255. */
static void
check_cut_string(struct examined *e, const struct finding_rule *rule)
{
    if (is_open(e) && e->record.text.len == STRING_OCTETS &&
        e->record.string_count == 1 &&
        record_is_cut(&e->record, e->facts->key.public_b64)) {
        add(e, rule, "the record ends after 255 octets");
        e->explained = true;
    }
}

static void
check_truncated(struct examined *e, const struct finding_rule *rule)
{
    if (is_open(e) && record_is_cut(&e->record, e->facts->key.public_b64)) {
        add(e, rule, "the key is cut short");
        e->explained = true;
    }
}

/* They are noise that some forgive; that they spoil the record is an error.
 */
static void
add_noise(struct examined *e, const struct finding_rule *rule, const char *what)
{
    struct finding *f = add(e, rule, what);

    if (e->same_key) {
        f->severity = FINDING_WARNING;
    } else {
        e->explained = true;
    }
}

static void
check_quotes(struct examined *e, const struct finding_rule *rule)
{
    if (e->has_record && e->record.quotes && !e->explained) {
        add_noise(e, rule, "there are quotes or backslashes inside the record");
    }
}

static void
check_blanks(struct examined *e, const struct finding_rule *rule)
{
    if (e->has_record && e->record.blanks && !e->explained) {
        add_noise(e, rule, "there are blanks inside p=");
    }
}

static void
check_line_breaks(struct examined *e, const struct finding_rule *rule)
{
    if (e->has_record && e->record.line_breaks && !e->explained) {
        add_noise(e, rule, "there are line breaks inside p=");
    }
}

static void
check_version(struct examined *e, const struct finding_rule *rule)
{
    if (is_open(e) && e->record.err == DKIM_KEY_VERSION) {
        add(e, rule, "v= is not DKIM1, or not the first tag");
        e->explained = true;
    }
}

static void
check_type(struct examined *e, const struct finding_rule *rule)
{
    struct bytes k = record_tag(buf_bytes(&e->record.text), "k");
    bool ours = e->facts->key.public_b64[0] != '\0';
    bool other_type =
        e->record.err == DKIM_KEY_OK && ours &&
        e->record.key.type !=
            (e->facts->key.ed25519 ? DKIM_KEY_ED25519 : DKIM_KEY_RSA);
    struct finding *f;

    if (!is_open(e) || (e->record.err != DKIM_KEY_TYPE && !other_type)) {
        return;
    }
    f = add(e, rule, "k= names another kind of key");
    if (k.len > 0 && k.len < 40) {
        buf_printf(&f->what, " (\"%.*s\")", BYTES_ARG(k));
    }
    e->explained = true;
}

static void
check_hash(struct examined *e, const struct finding_rule *rule)
{
    if (e->has_record && e->record.err == DKIM_KEY_OK &&
        !e->record.key.sha256) {
        add(e, rule, "h= does not list sha256");
        e->explained = true;
    }
}

static void
check_service(struct examined *e, const struct finding_rule *rule)
{
    if (e->has_record && e->record.err == DKIM_KEY_OK && !e->record.key.email) {
        add(e, rule, "s= does not list email");
        e->explained = true;
    }
}

static void
check_testing(struct examined *e, const struct finding_rule *rule)
{
    struct finding *f;

    if (!e->has_record || e->record.err != DKIM_KEY_OK ||
        !e->record.key.testing) {
        return;
    }
    f = add(e, rule, "t=y says that this key is only a test");
    if (e->facts->key.test_mode) {
        f->severity = FINDING_WARNING;
    }
}

static void
check_short(struct examined *e, const struct finding_rule *rule)
{
    struct finding *f;

    if (!e->has_record || e->record.err != DKIM_KEY_OK ||
        e->record.key.type != DKIM_KEY_RSA || e->record.bits == 0 ||
        e->record.bits >= KEY_GOOD_BITS) {
        return;
    }
    f = finding_add(e->out, &rule->kind, "%.253s: an RSA key of %u bits",
                    e->end, e->record.bits);
    buf_printf(&f->mend, "sealpost key rotate %s (the new key has 2048 bits)",
               e->facts->key.domain);
    if (e->record.bits < DKIM_RSA_BITS_MIN) {
        f->severity = FINDING_ERROR;
        e->explained = true;
    }
}

static void
check_long(struct examined *e, const struct finding_rule *rule)
{
    struct finding *f;

    if (!e->has_record || e->record.err != DKIM_KEY_OK ||
        e->record.key.type != DKIM_KEY_RSA || e->record.bits <= KEY_MOST_BITS) {
        return;
    }
    f = finding_add(e->out, &rule->kind, "%.253s: an RSA key of %u bits",
                    e->end, e->record.bits);
    buf_printf(&f->mend, "sealpost key rotate %s (the new key has 2048 bits)",
               e->facts->key.domain);
    e->explained = true;
}

static void
check_other_key(struct examined *e, const struct finding_rule *rule)
{
    if (is_open(e) && e->record.err == DKIM_KEY_OK &&
        e->record.load_err == DKIM_KEY_OK &&
        e->facts->key.public_b64[0] != '\0') {
        add(e, rule,
            "the public key does not belong to the private key that signs");
        e->explained = true;
    }
}

static void
check_unusable(struct examined *e, const struct finding_rule *rule)
{
    if (is_open(e)) {
        add(e, rule,
            dkim_key_err_text(e->record.err != DKIM_KEY_OK
                                  ? e->record.err
                                  : e->record.load_err));
        e->explained = true;
    }
}

static const struct finding_rule rules[] = {
    { { "private-key-published", FINDING_ALARM,
        "Anybody can sign in your name with what stands there." },
      check_private },
    { { "record-not-key", FINDING_ERROR,
        "A key record has p= with the public key in base64, and v=DKIM1 before "
        "it." },
      check_no_key },
    { { "records-several", FINDING_ERROR,
        "Which one a verifier takes is undefined (RFC 6376 3.6.2.2); most "
        "refuse." },
      check_several },
    { { "revoked", FINDING_ERROR,
        "An empty p= says that every signature with this selector is void." },
      check_revoked },
    { { "not-revoked", FINDING_ERROR,
        "Who has a copy of the old key can still sign with it." },
      check_not_revoked },
    { { "strings-order", FINDING_ERROR,
        "Verifiers join the strings of a TXT record as they stand; a panel or "
        "a hand has changed their order." },
      check_shuffled },
    { { "string-over-255", FINDING_ERROR,
        "One string of a TXT record holds 255 octets (RFC 1035 3.3.14): a "
        "longer value must be split into several, quoted, strings." },
      check_cut_string },
    { { "truncated", FINDING_ERROR,
        "Part of the value was lost when it was pasted." },
      check_truncated },
    { { "quotes", FINDING_ERROR,
        "Quotes divide strings in zone files; a panel wants the value without "
        "them, on one line." },
      check_quotes },
    { { "line-breaks", FINDING_ERROR,
        "A copied line break is part of the value now." },
      check_line_breaks },
    { { "blanks", FINDING_ERROR,
        "Copied from several lines, the value kept a blank where the line "
        "ended; not every verifier passes over it." },
      check_blanks },
    { { "version", FINDING_ERROR,
        "v=DKIM1 must be the first tag, or be left away (RFC 6376 3.6.1)." },
      check_version },
    { { "key-type", FINDING_ERROR,
        "Verifiers take the key only for signatures of that kind." },
      check_type },
    { { "hash-excluded", FINDING_ERROR,
        "Our signatures are made with SHA-256 (RFC 8301): remove h=, or add "
        "sha256." },
      check_hash },
    { { "service-excluded", FINDING_ERROR,
        "s= limits the key to other services: remove it, or make it s=email." },
      check_service },
    { { "test-mode", FINDING_ERROR,
        "Verifiers must treat mail that is signed with such a key as unsigned "
        "(RFC 6376 3.6.1)." },
      check_testing },
    { { "key-long", FINDING_ERROR,
        "Verifiers need not take keys over 4096 bits, and the answer does not "
        "fit into one UDP packet." },
      check_long },
    { { "key-short", FINDING_WARNING,
        "RFC 8301 3.2 asks signers for 2048 bits; large receivers do not count "
        "shorter keys." },
      check_short },
    { { "other-key", FINDING_ERROR,
        "Every signature fails: it was made with another key than the one that "
        "is published." },
      check_other_key },
    { { "unusable", FINDING_ERROR, "No verifier can use this record." },
      check_unusable },
};

void
findings_check_record(struct examined *e)
{
    if (e->end == NULL) {
        return;
    }
    findings_check(e, rules, sizeof(rules) / sizeof(rules[0]));
}
