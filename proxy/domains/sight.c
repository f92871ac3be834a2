/*
 * sight - one key's survey, judged; see sight.h.
 */
#include "proxy/domains/sight.h"

#include <stdio.h>
#include <string.h>

/* Those of one kind of server, counted. */
struct tally {
    unsigned good;
    unsigned bad;    /* something else, or nothing */
    unsigned silent; /* no answer, or an error, and still waited for */
};

struct judging {
    const struct seen *seen;
    const struct key_silence *silent;
    size_t silent_count;
    const struct sight_rules *rules;
    struct sight *sight;
    struct tally tally[SEEN_RESOLVER + 1];
    bool aliased; /* the owner has a CNAME */
};

/* An owner may have his own TXT behind a CNAME of his own, too. */
static bool
is_good(const struct seen_at *at)
{
    return at->what == SEEN_KEY ||
           (at->what == SEEN_CNAME && at->role == SEEN_OWNER);
}

static bool
is_bad(const struct seen_at *at)
{
    return !is_good(at) && at->what != SEEN_SILENT && at->what != SEEN_BROKEN;
}

static bool
counts(const struct seen_at *at, const struct sight_rules *rules)
{
    return at->role == SEEN_RESOLVER || !rules->resolvers_only;
}

static const char *
what_text(enum seen_what what)
{
    switch (what) {
    case SEEN_REVOKED:
        return "has the record with p= empty";
    case SEEN_MISSING:
        return "has no such record";
    case SEEN_BROKEN:
        return "answers with an error";
    case SEEN_SILENT:
        return "does not answer";
    default:
        return "has another record";
    }
}

static void
give_reason(struct judging *j, const struct seen_at *at)
{
    if (j->sight->why[0] == '\0') {
        snprintf(j->sight->why, sizeof(j->sight->why), "%.100s %s%s%.60s",
                 at->server, what_text(at->what),
                 at->detail[0] == '\0' ? "" : ": ", at->detail);
    }
}

static const struct seen_at *
first_of(const struct judging *j, bool bad)
{
    for (size_t i = 0; i < j->seen->count; i++) {
        const struct seen_at *at = j->seen->at + i;

        if (counts(at, j->rules) && !is_good(at) && is_bad(at) == bad) {
            return at;
        }
    }
    return NULL;
}

static unsigned
resolvers_with_key(const struct seen *seen)
{
    unsigned n = 0;

    for (size_t i = 0; i < seen->count; i++) {
        n += seen->at[i].role == SEEN_RESOLVER && seen->at[i].what == SEEN_KEY;
    }
    return n;
}

static uint64_t
silent_since(const char *server, const struct key_silence *silent, size_t count,
             uint64_t otherwise)
{
    for (size_t i = 0; i < count; i++) {
        if (strncmp(silent[i].server, server, KEY_SERVER_MAX) == 0) {
            return silent[i].since_s;
        }
    }
    return otherwise;
}

/* Silent for a day; who else has the key is asked later. */
static bool
is_overdue(const struct judging *j, const struct seen_at *at)
{
    uint64_t now_s = j->rules->now_s;
    uint64_t since_s =
        silent_since(at->server, j->silent, j->silent_count, now_s);

    return since_s <= now_s && now_s - since_s >= SIGHT_SILENCE_S;
}

static void
count_one(struct judging *j, const struct seen_at *at, bool vouched)
{
    struct tally *t = j->tally + at->role;
    uint32_t kept_s = at->ttl_s > at->negative_s ? at->ttl_s : at->negative_s;

    if (is_good(at)) {
        t->good++;
        j->aliased = j->aliased || at->what == SEEN_CNAME;
        j->sight->some = j->sight->some || at->what == SEEN_KEY;
    } else if (is_bad(at)) {
        t->bad++;
        if (kept_s > SIGHT_WAIT_MAX_S) {
            kept_s = SIGHT_WAIT_MAX_S; /* RFC 8767 4: nobody keeps it longer */
        }
        if (kept_s > j->sight->wait_s) {
            j->sight->wait_s = kept_s;
        }
    } else if (at->role == SEEN_RESOLVER) {
        t->silent += at->what == SEEN_BROKEN; /* a silent one: ask another */
    } else if (!vouched || !is_overdue(j, at)) {
        t->silent++;
    }
}

static enum key_fault
fault_of(const struct seen_at *at)
{
    return at->what == SEEN_MISSING   ? KEY_FAULT_GONE
           : at->what == SEEN_REVOKED ? KEY_FAULT_REVOKED
                                      : KEY_FAULT_DIFFERS;
}

/*
 * All authoritative servers of one kind that answer have something else; or,
 * where none of them was heard, all resolvers. A resolver alone against the
 * authoritative ones keeps an old answer: that passes.
 */
static bool
is_lost(const struct judging *j)
{
    const struct tally *owner = j->tally + SEEN_OWNER;
    const struct tally *target = j->tally + SEEN_TARGET;
    const struct tally *resolver = j->tally + SEEN_RESOLVER;

    if ((owner->bad > 0 && owner->good == 0) ||
        (target->bad > 0 && target->good == 0)) {
        return true;
    }
    return owner->good + target->good == 0 && resolver->bad > 0 &&
           resolver->good == 0;
}

static bool
all_seen(const struct tally *t)
{
    return t->good > 0 && t->bad == 0 && t->silent == 0;
}

static bool
is_complete(const struct judging *j)
{
    const struct tally *target = j->tally + SEEN_TARGET;
    bool behind = j->rules->delegated || j->aliased || target->bad > 0 ||
                  target->silent > 0;

    if (!all_seen(j->tally + SEEN_RESOLVER)) {
        return false;
    }
    return j->rules->resolvers_only ||
           (all_seen(j->tally + SEEN_OWNER) && (!behind || all_seen(target)));
}

static void
explain(struct judging *j)
{
    const struct seen_at *at = first_of(j, true);

    if (at == NULL) {
        at = first_of(j, false);
    }
    if (at != NULL) {
        give_reason(j, at);
    } else if (j->seen->count == 0) {
        snprintf(j->sight->why, sizeof(j->sight->why),
                 "no nameserver of the domain was found");
    } else if (j->tally[SEEN_RESOLVER].good == 0) {
        snprintf(j->sight->why, sizeof(j->sight->why),
                 "no resolver has the key yet");
    } else {
        snprintf(j->sight->why, sizeof(j->sight->why),
                 "no nameserver that counts was heard");
    }
}

void
sight_judge(const struct seen *seen, const struct key_silence *silent,
            size_t silent_count, const struct sight_rules *rules,
            struct sight *sight_out)
{
    static const struct seen nothing = { 0, NULL, 0 };
    struct judging j = { .seen = seen == NULL ? &nothing : seen,
                         .silent = silent,
                         .silent_count = silent_count,
                         .rules = rules,
                         .sight = sight_out };
    bool vouched = resolvers_with_key(j.seen) >= SIGHT_RESOLVERS_MIN;

    *sight_out = (struct sight){ .fault = KEY_FAULT_NONE };
    for (size_t i = 0; i < j.seen->count; i++) {
        if (counts(j.seen->at + i, rules)) {
            count_one(&j, j.seen->at + i, vouched);
        }
    }
    for (unsigned role = 0; role <= SEEN_RESOLVER; role++) {
        sight_out->contrary = sight_out->contrary || j.tally[role].bad > 0;
    }
    sight_out->complete = is_complete(&j);
    if (is_lost(&j)) {
        sight_out->fault = fault_of(first_of(&j, true));
    }
    if (!sight_out->complete) {
        explain(&j);
    }
}

/* Whose zone should have the record: ours behind the CNAME, or the owner's,
 * who may have an alias for it. */
static bool
holds(const struct seen_at *at, const struct sight_rules *rules)
{
    if (rules->resolvers_only) {
        return at->role == SEEN_RESOLVER;
    }
    return at->role == SEEN_TARGET ||
           (at->role == SEEN_OWNER && !rules->delegated &&
            at->what != SEEN_CNAME);
}

bool
sight_is_gone(const struct seen *seen, const struct sight_rules *rules)
{
    bool heard = false;

    for (size_t i = 0; seen != NULL && i < seen->count; i++) {
        const struct seen_at *at = seen->at + i;

        if (!holds(at, rules) || at->what == SEEN_SILENT ||
            at->what == SEEN_BROKEN) {
            continue;
        }
        if (at->what != SEEN_REVOKED && at->what != SEEN_MISSING) {
            return false;
        }
        heard = true;
    }
    return heard;
}

size_t
sight_silences(const struct seen *seen, const struct key_silence *old,
               size_t old_count, const struct sight_rules *rules,
               struct key_silence *out)
{
    size_t n = 0;

    for (size_t i = 0; seen != NULL && i < seen->count; i++) {
        const struct seen_at *at = seen->at + i;

        if (n < KEY_SILENCES_MAX && at->role != SEEN_RESOLVER &&
            counts(at, rules) && at->server[0] != '\0' &&
            (at->what == SEEN_SILENT || at->what == SEEN_BROKEN)) {
            out[n].server = at->server;
            out[n].since_s =
                silent_since(at->server, old, old_count, rules->now_s);
            n++;
        }
    }
    return n;
}
