/*
 * findings_servers - do all servers answer, and say the same?
 */
#include "proxy/survey/findings_private.h"

/* Every server of a role in turn, with what it said. */
static void
for_each(struct examined *e, const struct finding_rule *rule,
         void (*judge)(struct examined *, const struct finding_rule *,
                       const struct sight *, const struct seen_at *))
{
    for (size_t i = 0; i < e->facts->counts[PLACE_RECORD]; i++) {
        judge(e, rule, &e->facts->sights[PLACE_RECORD][i], &e->at[i]);
    }
}

static const char *
whose(const struct examined *e, const struct sight *s)
{
    return s->role == SEEN_OWNER ? e->facts->key.domain
                                 : "the zone behind the CNAME";
}

static void
judge_lame(struct examined *e, const struct finding_rule *rule,
           const struct sight *s, const struct seen_at *at)
{
    struct finding *f;

    if (s->role == SEEN_RESOLVER || at->what != SEEN_BROKEN || e->loop ||
        sight_is_of_none(s)) {
        return;
    }
    f = finding_add(e->out, &rule->kind, "%.290s: %s", s->server, at->detail);
    buf_printf(&f->mend,
               "%s, or remove its NS record from %s and at the registrar",
               s->trouble != NULL ? "give that name an address"
                                  : "load the zone on that server",
               whose(e, s));
}

static void
check_lame(struct examined *e, const struct finding_rule *rule)
{
    for_each(e, rule, judge_lame);
}

static void
judge_silent(struct examined *e, const struct finding_rule *rule,
             const struct sight *s, const struct seen_at *at)
{
    struct finding *f;

    if (s->role == SEEN_RESOLVER || at->what != SEEN_SILENT ||
        sight_is_of_none(s)) {
        return;
    }
    f = finding_add(e->out, &rule->kind, "%.290s: %s", s->server, at->detail);
    buf_printf(&f->mend,
               "start that server, or remove its NS record from %s and at "
               "the registrar; is port 53 open from here (UDP and TCP)?",
               whose(e, s));
    f->temporary = true;
}

static void
check_silent(struct examined *e, const struct finding_rule *rule)
{
    for_each(e, rule, judge_silent);
}

/* Two good servers of one role that do not say the same. */
static void
check_disagree(struct examined *e, const struct finding_rule *rule)
{
    for (size_t i = 0; i < e->facts->counts[PLACE_RECORD]; i++) {
        for (size_t k = 0; k < i; k++) {
            const struct sight *a = &e->facts->sights[PLACE_RECORD][k];
            const struct sight *b = &e->facts->sights[PLACE_RECORD][i];
            struct finding *f;

            if (a->role != b->role || a->role == SEEN_RESOLVER ||
                !sight_is_good(a) || !sight_is_good(b) ||
                (e->at[k].what == e->at[i].what &&
                 strcmp(e->at[k].detail, e->at[i].detail) == 0)) {
                continue;
            }
            f = finding_add(e->out, &rule->kind,
                            "%.290s and %.290s do not show the same", a->server,
                            b->server);
            buf_puts(&f->mend,
                     "raise the serial of the zone and reload it at its "
                     "primary; let the others transfer it");
            finding_visible_ttl(e, f);
            return;
        }
    }
}

static void
judge_bogus(struct examined *e, const struct finding_rule *rule,
            const struct sight *s, const struct seen_at *at)
{
    struct finding *f;

    (void)at;
    if (!s->bogus) {
        return;
    }
    f = finding_add(e->out, &rule->kind,
                    "the resolver %.100s refuses the answer: DNSSEC is bogus",
                    s->server);
    buf_printf(&f->mend,
               "sign the zone anew, or put the right DS record at the "
               "registrar (or remove it): delv %s TXT says where it breaks",
               e->name);
}

static void
check_bogus(struct examined *e, const struct finding_rule *rule)
{
    for_each(e, rule, judge_bogus);
}

/* The servers show what they should. */
static bool
servers_are_right(const struct examined *e)
{
    bool end = e->facts->key.target[0] == '\0' && e->alias == NULL;
    size_t good = 0;

    for (size_t i = 0; i < e->facts->counts[PLACE_RECORD]; i++) {
        const struct seen_at *at = &e->at[i];

        if (at->role == SEEN_TARGET) {
            end = end || at->what == SEEN_KEY;
        }
        if (at->role == SEEN_OWNER && at->what != SEEN_SILENT &&
            at->what != SEEN_BROKEN) {
            if (at->what != SEEN_KEY && at->what != SEEN_CNAME &&
                !(e->facts->key.public_b64[0] == '\0' && e->same_key)) {
                return false;
            }
            good++;
        }
    }
    return good > 0 && (end || e->same_key);
}

static void
judge_behind(struct examined *e, const struct finding_rule *rule,
             const struct sight *s, const struct seen_at *at)
{
    uint32_t wait_s = at->what == SEEN_MISSING ? at->negative_s : at->ttl_s;
    struct finding *f;

    if (s->role != SEEN_RESOLVER || !servers_are_right(e) ||
        (at->what != SEEN_MISSING &&
         (at->what != SEEN_OTHER || e->facts->key.public_b64[0] == '\0'))) {
        return;
    }
    f = finding_add(e->out, &rule->kind,
                    "the resolver %.100s still shows what was there before: "
                    "%s",
                    s->server,
                    at->what == SEEN_MISSING ? "nothing" : at->detail);
    buf_puts(&f->mend, "nothing to do but wait");
    buf_puts(&f->visible, "at the latest in ");
    finding_put_time(wait_s, &f->visible);
    f->wait_s = wait_s;
    f->temporary = true;
}

static void
check_behind(struct examined *e, const struct finding_rule *rule)
{
    for_each(e, rule, judge_behind);
}

static void
judge_failing(struct examined *e, const struct finding_rule *rule,
              const struct sight *s, const struct seen_at *at)
{
    struct finding *f;

    if (s->role != SEEN_RESOLVER || s->bogus || e->explained ||
        (at->what != SEEN_BROKEN && at->what != SEEN_SILENT)) {
        return;
    }
    f = finding_add(e->out, &rule->kind, "the resolver %.100s: %s", s->server,
                    at->detail);
    buf_puts(&f->mend, s->own ? "is [dns] nameserver (or /etc/resolv.conf) "
                                "right, and does it run?"
                              : "is it right in [dns] public_resolvers?");
    f->temporary = true;
}

static void
check_failing(struct examined *e, const struct finding_rule *rule)
{
    for_each(e, rule, judge_failing);
}

static const struct finding_rule rules[] = {
    { { "server-lame", FINDING_ERROR,
        "A name server that the domain names does not serve it: whoever asks "
        "that one finds no key." },
      check_lame },
    { { "server-silent", FINDING_WARNING,
        "Whoever asks that server waits, and may give up." },
      check_silent },
    { { "servers-disagree", FINDING_ERROR,
        "Which record a verifier sees depends on the server that it asks." },
      check_disagree },
    { { "dnssec-bogus", FINDING_ERROR,
        "Receivers that validate DNSSEC (the large ones do) see no key at "
        "all." },
      check_bogus },
    { { "resolver-behind", FINDING_WARNING,
        "The servers of the domain are right already; caches forget what they "
        "knew before when its time is over." },
      check_behind },
    { { "resolver-fails", FINDING_WARNING,
        "What receivers see could not be looked at." },
      check_failing },
};

void
findings_check_servers(struct examined *e)
{
    findings_check(e, rules, sizeof(rules) / sizeof(rules[0]));
}
