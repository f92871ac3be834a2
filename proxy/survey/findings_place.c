/*
 * findings_place - is there a record, and does it stand where it belongs?
 */
#include "proxy/survey/findings_private.h"

static const char *
name_of(const struct raw_record *alias)
{
    return (const char *)alias->data.ptr;
}

static bool
same_name(const char *a, const char *b)
{
    return bytes_eq_ci(bytes_str(a), bytes_str(b));
}

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
            !same_name(r->owner, s->name)) {
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
        if (has_key_record(s) || (alias != NULL && key->target[0] != '\0' &&
                                  same_name(name_of(alias), key->target))) {
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
         !same_name(name_of(e->alias), key->target))) {
        return;
    }
    f = finding_add(e->out, &rule->kind,
                    "%.253s leads to \"%.253s\", where there is nothing",
                    e->name, name_of(e->alias));
    if (lost != NULL) {
        buf_printf(&f->what, ": %s", lost->trouble);
        f->temporary = lost->end == DIRECT_SILENT;
    }
    mend_target(e, &f->mend);
    finding_visible_negative(e, f);
}

/* --- the CNAME ------------------------------------------------------------ */

static bool
is_wrong_alias(const struct examined *e)
{
    const char *target = e->facts->key.target;

    return e->alias != NULL && target[0] != '\0' &&
           !same_name(name_of(e->alias), target);
}

/* "target.example.com": the panel has put the domain behind it. */
static bool
is_dot_trap(const struct examined *e)
{
    struct bytes target = bytes_str(e->facts->key.target);
    struct bytes is;

    if (!is_wrong_alias(e)) {
        return false;
    }
    is = bytes_str(name_of(e->alias));
    return is.len > target.len + 1 && is.ptr[target.len] == '.' &&
           bytes_eq_ci(bytes_take(is, target.len), target);
}

static bool
is_in_zone(const char *name, const char *zone)
{
    return zone[0] != '\0' && strlen(name) > strlen(zone) &&
           bytes_ends_ci(bytes_str(name), bytes_str(zone)) &&
           name[strlen(name) - strlen(zone) - 1] == '.';
}

static void
add_alias(struct examined *e, const struct finding_rule *rule)
{
    struct finding *f = finding_add(
        e->out, &rule->kind, "%.253s is a CNAME to %.253s, not to %.253s",
        e->name, name_of(e->alias), e->facts->key.target);

    finding_mend_record(e, &f->mend);
    finding_visible_ttl(e, f);
    e->explained = true;
}

static void
check_dot_trap(struct examined *e, const struct finding_rule *rule)
{
    if (is_dot_trap(e)) {
        add_alias(e, rule);
    }
}

static void
check_old_target(struct examined *e, const struct finding_rule *rule)
{
    if (is_wrong_alias(e) && !is_dot_trap(e) &&
        is_in_zone(name_of(e->alias), e->facts->key.zone)) {
        add_alias(e, rule);
    }
}

static void
check_wrong_target(struct examined *e, const struct finding_rule *rule)
{
    if (is_wrong_alias(e) && !is_dot_trap(e) &&
        !is_in_zone(name_of(e->alias), e->facts->key.zone)) {
        add_alias(e, rule);
    }
}

static void
check_txt_instead(struct examined *e, const struct finding_rule *rule)
{
    struct finding *f;

    if (e->facts->key.target[0] == '\0' || e->txt == NULL || e->alias != NULL) {
        return;
    }
    f = finding_add(e->out, &rule->kind,
                    "%.253s has a TXT record where the CNAME belongs", e->name);
    buf_printf(&f->mend, "remove the TXT record at %s, then add\n", e->name);
    finding_mend_record(e, &f->mend);
    finding_visible_ttl(e, f);
}

static void
check_txt_beside(struct examined *e, const struct finding_rule *rule)
{
    struct finding *f;

    if (e->txt == NULL || e->alias == NULL) {
        return;
    }
    f = finding_add(e->out, &rule->kind,
                    "%.253s has a TXT record beside the CNAME", e->name);
    buf_printf(&f->mend, "remove the TXT record at %s; the CNAME stays",
               e->name);
    finding_visible_ttl(e, f);
}

/* --- CNAMEs in a row ------------------------------------------------------ */

static void
check_loop(struct examined *e, const struct finding_rule *rule)
{
    for (size_t i = 0; i < e->facts->counts[PLACE_RECORD]; i++) {
        const struct sight *s = &e->facts->sights[PLACE_RECORD][i];
        const struct raw_record *back;
        uint32_t ttl_s;
        struct finding *f;

        if (s->answer == NULL) {
            continue;
        }
        back = raw_find(s->answer, s->name, RAW_TYPE_CNAME);
        if (judge_chain(s->answer, s->name, &ttl_s) != NULL &&
            (back == NULL || (!same_name(name_of(back), e->name) &&
                              !same_name(name_of(back), s->name)))) {
            continue;
        }
        f = finding_add(e->out, &rule->kind,
                        "the CNAMEs from %.253s on run in a circle", e->name);
        finding_mend_record(e, &f->mend);
        finding_visible_ttl(e, f);
        e->explained = true;
        e->loop = true;
        return;
    }
}

static void
check_chain(struct examined *e, const struct finding_rule *rule)
{
    const struct raw_record *next;
    struct finding *f;

    if (e->target == NULL || e->explained) {
        return;
    }
    next = raw_find(e->target->answer, e->target->name, RAW_TYPE_CNAME);
    if (next == NULL) {
        return;
    }
    f = finding_add(e->out, &rule->kind,
                    "%.253s is a CNAME to %.253s, and that one again to %.253s",
                    e->name, e->target->name, name_of(next));
    if (e->facts->key.target[0] != '\0') {
        buf_printf(&f->mend, "publish the TXT record itself at %s",
                   e->target->name);
    } else {
        buf_printf(&f->mend, "%s. 300 IN CNAME %s.", e->name, name_of(next));
    }
    finding_visible_ttl(e, f);
}

/* --- wildcards ------------------------------------------------------------ */

/* The revocation of everything that is not named is meant so. */
static bool
is_revocation(const struct sight *s)
{
    struct dkim_key_record key;

    return judge_record(s->answer, s->name, &key) == DKIM_KEY_REVOKED;
}

static void
check_wildcard(struct examined *e, const struct finding_rule *rule)
{
    struct finding *f;

    if (e->wild == NULL || is_revocation(e->wild)) {
        return;
    }
    f = finding_add(e->out, &rule->kind,
                    "a wildcard answers for every name below _domainkey.%.200s",
                    e->facts->key.domain);
    buf_printf(&f->mend,
               "remove the wildcard (*.%s or *._domainkey.%s), or narrow it "
               "to the names that it is for",
               e->facts->key.domain, e->facts->key.domain);
    finding_visible_ttl(e, f);
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
    { { "cname-trailing-dot", FINDING_ERROR,
        "The value was taken as relative, and the domain was put behind it: "
        "end it with a dot (or leave the dot away where the panel adds one)." },
      check_dot_trap },
    { { "cname-old-target", FINDING_ERROR,
        "This target belongs to another slot or to an earlier setup; the key "
        "there is not the one that signs." },
      check_old_target },
    { { "cname-wrong", FINDING_ERROR,
        "Verifiers follow the CNAME and find no key of ours there." },
      check_wrong_target },
    { { "txt-instead-of-cname", FINDING_ERROR,
        "With a TXT record of its own the domain does not follow the rotation: "
        "signatures fail at the next one." },
      check_txt_instead },
    { { "txt-beside-cname", FINDING_ERROR,
        "A name with a CNAME may have no other record (RFC 1034 3.6.2): "
        "resolvers show the one or the other, by chance." },
      check_txt_beside },
    { { "cname-loop", FINDING_ERROR,
        "Resolvers give up, and no signature can be verified." },
      check_loop },
    { { "cname-chain", FINDING_WARNING,
        "Each CNAME more is one more zone that may fail, and some verifiers "
        "follow only one." },
      check_chain },
    { { "wildcard", FINDING_WARNING,
        "Selectors that were never made seem to exist, and a missing record "
        "shows the wildcard's text instead of nothing." },
      check_wildcard },
};

void
findings_check_place(struct examined *e)
{
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        rules[i].check(e, &rules[i]);
    }
}
