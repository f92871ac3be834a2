/*
 * findings_place - is there a record, and does it stand where it belongs?
 */
#include "proxy/survey/findings_private.h"

static bool
resolvers_miss(const struct examined *e)
{
    for (size_t i = 0; i < e->facts->counts[PLACE_RECORD]; i++) {
        if (e->at[i].role == SEEN_RESOLVER && e->at[i].what == SEEN_MISSING) {
            return true;
        }
    }
    return false;
}

/* Nothing stands at the name, and servers that may be believed say so. */
static bool
nothing_there(const struct examined *e)
{
    return e->alias == NULL && e->txt == NULL &&
           (e->owners_good > 0 || (e->owners == 0 && resolvers_miss(e)));
}

/* --- where it went instead ------------------------------------------------ */

static bool
has_key_record(const struct sight *s)
{
    bool found = false;

    for (size_t i = 0; i < s->answer->count && !found; i++) {
        const struct raw_record *r = &s->answer->records[i];
        struct buf text = BUF_INIT;

        if (r->authority || r->type != RAW_TYPE_TXT ||
            !is_same_name(r->owner, s->name)) {
            continue;
        }
        raw_join(r->data, &text);
        found = record_is_key(buf_bytes(&text));
        buf_free(&text);
    }
    return found;
}

/* A key record, or the CNAME that was wanted; not what a wildcard makes. */
static const struct sight *
find_astray(const struct examined *e, enum fact_place place)
{
    const struct fact_key *key = &e->facts->key;

    for (size_t i = 0; i < e->facts->counts[place] && e->wild == NULL; i++) {
        const struct sight *s = &e->facts->sights[place][i];
        const struct raw_record *alias;

        if (!sight_is_good(s)) {
            continue;
        }
        alias = raw_find(s->answer, s->name, RAW_TYPE_CNAME);
        if (has_key_record(s) ||
            (alias != NULL && key->target[0] != '\0' &&
             is_same_name(alias_target(alias), key->target))) {
            return s;
        }
    }
    return NULL;
}

static void
find_at(struct examined *e, const struct finding_rule *rule,
        enum fact_place place)
{
    const struct sight *s = find_astray(e, place);
    struct finding *f;

    if (s == NULL || !nothing_there(e)) {
        return;
    }
    f = finding_add(e->out, &rule->kind,
                    "the record stands at %.253s instead of %.253s", s->name,
                    e->name);
    finding_mend_record(e, &f->mend);
    buf_printf(&f->mend, "\nremove the record at %s", s->name);
    finding_visible_negative(e, f);
    e->misplaced = true;
}

static void
check_prefixed(struct examined *e, const struct finding_rule *rule)
{
    find_at(e, rule, PLACE_PREFIXED);
}

static void
check_bare(struct examined *e, const struct finding_rule *rule)
{
    find_at(e, rule, PLACE_BARE);
}

static void
check_unnamed(struct examined *e, const struct finding_rule *rule)
{
    find_at(e, rule, PLACE_UNNAMED);
    if (!e->misplaced) {
        find_at(e, rule, PLACE_APEX);
    }
}

static void
check_doubled(struct examined *e, const struct finding_rule *rule)
{
    find_at(e, rule, PLACE_DOUBLED);
}

static void
check_underscore(struct examined *e, const struct finding_rule *rule)
{
    const char *d = e->facts->key.domain;
    struct finding *f;
    const struct sight *s = find_astray(e, PLACE_PLAIN);

    if (s == NULL || !nothing_there(e)) {
        return;
    }
    f = finding_add(e->out, &rule->kind,
                    "the record stands at %.253s, without the underscore of "
                    "_domainkey",
                    s->name);
    finding_mend_record(e, &f->mend);
    buf_printf(&f->mend,
               "\nwhere the provider refuses underscores, give a subdomain "
               "to name servers that take them and send from it:\n"
               "mail.%s. 3600 IN NS ns1.YOUR-DNS-OPERATOR.\n"
               "then: sealpost domain add mail.%s",
               d, d);
    finding_visible_negative(e, f);
    e->misplaced = true;
}

/* --- missing -------------------------------------------------------------- */

static void
check_long(struct examined *e, const struct finding_rule *rule)
{
    const struct fact_key *key = &e->facts->key;
    struct finding *f;

    if (e->name[0] == '\0') {
        f = finding_add(e->out, &rule->kind,
                        "%.253s._domainkey.%.253s has more than 253 octets",
                        key->selector, key->domain);
        buf_puts(&f->mend, "take a key with a shorter selector");
    }
}

static void
check_no_servers(struct examined *e, const struct finding_rule *rule)
{
    for (size_t i = 0; i < e->facts->counts[PLACE_RECORD]; i++) {
        const struct sight *s = &e->facts->sights[PLACE_RECORD][i];
        struct finding *f;

        if (s->role != SEEN_OWNER || !sight_is_of_none(s)) {
            continue;
        }
        f = finding_add(e->out, &rule->kind, "%s: %s", e->facts->key.domain,
                        s->trouble);
        buf_printf(&f->mend,
                   "is %s registered and delegated? dig NS %s, and look at "
                   "the registrar's panel",
                   e->facts->key.domain, e->facts->key.domain);
        f->temporary = s->end == DIRECT_SILENT;
    }
}

static void
check_missing(struct examined *e, const struct finding_rule *rule)
{
    bool alias = e->facts->key.target[0] != '\0';
    struct finding *f;

    if (!nothing_there(e) || e->misplaced || e->facts->key.revoked) {
        return;
    }
    f = finding_add(e->out, &rule->kind, "%.253s: there is no %s", e->name,
                    alias ? "CNAME" : "key record");
    finding_mend_record(e, &f->mend);
    finding_visible_negative(e, f);
}

/* What the servers of the target say, or resolvers where they are not asked. */
static bool
target_is_empty(const struct examined *e)
{
    const struct sight *t = e->target;

    if (t == NULL) {
        return e->owners == 0 && e->end == NULL && resolvers_miss(e);
    }
    return raw_find(t->answer, t->name, RAW_TYPE_CNAME) == NULL &&
           raw_find(t->answer, t->name, RAW_TYPE_TXT) == NULL;
}

/* The target is in no zone whose servers could be asked; else NULL. */
static const struct sight *
lost_target(const struct examined *e)
{
    for (size_t i = 0; i < e->facts->counts[PLACE_RECORD]; i++) {
        const struct sight *s = &e->facts->sights[PLACE_RECORD][i];

        if (s->role == SEEN_TARGET && sight_is_of_none(s)) {
            return s;
        }
    }
    return NULL;
}

static void
mend_target(const struct examined *e, struct buf *out)
{
    if (e->facts->key.target[0] != '\0') {
        buf_printf(
            out, "sealpost key rotate %s (publishes it in the operator's zone)",
            e->facts->key.domain);
    } else {
        buf_puts(out, "publish the key where the CNAME leads, or remove the "
                      "CNAME and\n");
        finding_mend_record(e, out);
    }
}

/* The owner has done her part, the zone behind the CNAME has not. */
static void
check_target_missing(struct examined *e, const struct finding_rule *rule)
{
    const struct fact_key *key = &e->facts->key;
    const struct sight *lost = lost_target(e);
    struct finding *f;

    if (e->alias == NULL || key->waiting || key->revoked ||
        (lost == NULL && !target_is_empty(e)) ||
        (key->target[0] != '\0' &&
         !is_same_name(alias_target(e->alias), key->target))) {
        return;
    }
    f = finding_add(e->out, &rule->kind,
                    "%.253s leads to \"%.253s\", where there is nothing",
                    e->name, alias_target(e->alias));
    if (lost != NULL) {
        buf_printf(&f->what, ": %s", lost->trouble);
        f->temporary = lost->end == DIRECT_SILENT;
    }
    mend_target(e, &f->mend);
    finding_visible_negative(e, f);
}

static const struct finding_rule rules[] = {
    { { "no-servers", FINDING_ERROR,
        "Nobody can look the key up when the domain has no name servers." },
      check_no_servers },
    { { "name-too-long", FINDING_ERROR,
        "No such name can exist in DNS (RFC 1035 2.3.4)." },
      check_long },
    { { "domain-doubled", FINDING_ERROR,
        "Most panels put the domain behind what you type: enter the name "
        "without it." },
      check_doubled },
    { { "domainkey-first", FINDING_ERROR,
        "Verifiers ask for SELECTOR._domainkey.DOMAIN, in this order." },
      check_prefixed },
    { { "domainkey-missing", FINDING_ERROR,
        "Verifiers ask for SELECTOR._domainkey.DOMAIN; `_domainkey` is part of "
        "the name." },
      check_bare },
    { { "selector-missing", FINDING_ERROR,
        "Verifiers ask for SELECTOR._domainkey.DOMAIN; without the selector "
        "nobody finds the record." },
      check_unnamed },
    { { "underscore-refused", FINDING_ERROR,
        "The underscore is part of the name; some panels drop or refuse it." },
      check_underscore },
    { { "record-missing", FINDING_ERROR,
        "Without the record every signature with this selector fails." },
      check_missing },
    { { "target-missing", FINDING_ERROR,
        "Verifiers follow the CNAME and find no key behind it." },
      check_target_missing },
};

void
findings_check_place(struct examined *e)
{
    findings_check(e, rules, sizeof(rules) / sizeof(rules[0]));
}
