/*
 * findings_alias - does the CNAME lead where it should, and alone?
 */
#include "proxy/survey/findings_private.h"

/* --- the CNAME ------------------------------------------------------------ */

static bool
is_wrong_alias(const struct examined *e)
{
    const char *target = e->facts->key.target;

    return e->alias != NULL && target[0] != '\0' &&
           !is_same_name(alias_target(e->alias), target);
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
    is = bytes_str(alias_target(e->alias));
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
        e->name, alias_target(e->alias), e->facts->key.target);

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
        is_in_zone(alias_target(e->alias), e->facts->key.zone)) {
        add_alias(e, rule);
    }
}

static void
check_wrong_target(struct examined *e, const struct finding_rule *rule)
{
    if (is_wrong_alias(e) && !is_dot_trap(e) &&
        !is_in_zone(alias_target(e->alias), e->facts->key.zone)) {
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
            (back == NULL || (!is_same_name(alias_target(back), e->name) &&
                              !is_same_name(alias_target(back), s->name)))) {
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
                    e->name, e->target->name, alias_target(next));
    if (e->facts->key.target[0] != '\0') {
        buf_printf(&f->mend, "publish the TXT record itself at %s",
                   e->target->name);
    } else {
        buf_printf(&f->mend, "%s. 300 IN CNAME %s.", e->name,
                   alias_target(next));
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
findings_check_alias(struct examined *e)
{
    findings_check(e, rules, sizeof(rules) / sizeof(rules[0]));
}
