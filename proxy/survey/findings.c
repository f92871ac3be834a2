/*
 * findings - what is wrong with a key's record; see findings.h.
 *
 * First what the answers come to, then the tables, in the order in which a
 * person would want to hear of it.
 */
#include "proxy/survey/findings_private.h"

#include <stdarg.h>

enum {
    STRING_MAX = 255,
    TTL_S = 300,
    MINUTE = 60,
    HOUR = 3600
};

/* --- the list ------------------------------------------------------------- */

static void
finding_free(struct finding *f)
{
    buf_free(&f->what);
    buf_free(&f->mend);
    buf_free(&f->visible);
}

struct finding *
finding_add(struct findings *out, const struct finding_kind *kind,
            const char *format, ...)
{
    struct finding *f = &out->list[out->count];
    char text[1024];
    va_list args;

    if (out->count == FINDINGS_MAX) {
        finding_free(f);
    } else {
        out->count++;
    }
    *f = (struct finding){ .id = kind->id,
                           .severity = kind->severity,
                           .why = kind->why };
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    buf_puts(&f->what, text);
    return f;
}

void
findings_free(struct findings *f)
{
    for (size_t i = 0; i < f->count; i++) {
        finding_free(&f->list[i]);
    }
    finding_free(&f->list[FINDINGS_MAX]);
    f->count = 0;
}

const char *
finding_severity_name(enum finding_severity severity)
{
    static const char *const names[] = { [FINDING_NOTE] = "note",
                                         [FINDING_WARNING] = "warning",
                                         [FINDING_ERROR] = "error",
                                         [FINDING_ALARM] = "alarm" };

    return names[severity];
}

enum finding_severity
findings_worst(const struct findings *f)
{
    enum finding_severity worst = FINDING_NOTE;

    for (size_t i = 0; i < f->count; i++) {
        worst = f->list[i].severity > worst ? f->list[i].severity : worst;
    }
    return worst;
}

bool
findings_temporary(const struct findings *f)
{
    bool any = false;

    for (size_t i = 0; i < f->count; i++) {
        if (f->list[i].severity > FINDING_NOTE && !f->list[i].temporary) {
            return false;
        }
        any = any || f->list[i].temporary;
    }
    return any;
}

/* --- texts ---------------------------------------------------------------- */

void
finding_put_time(uint32_t seconds, struct buf *out)
{
    if (seconds < 2 * MINUTE) {
        buf_printf(out, "%u s", seconds);
    } else if (seconds < 2 * HOUR) {
        buf_printf(out, "%u min", (seconds + MINUTE - 1) / MINUTE);
    } else {
        buf_printf(out, "%u h", (seconds + HOUR - 1) / HOUR);
    }
}

void
finding_put_strings(struct bytes text, struct buf *out)
{
    while (text.len > 0) {
        struct bytes piece = bytes_take(text, STRING_MAX);

        buf_printf(out, "\"%.*s\"", BYTES_ARG(piece));
        text = bytes_skip(text, piece.len);
        buf_puts(out, text.len > 0 ? " " : "");
    }
}

static void
put_txt_line(const char *name, struct bytes text, struct buf *out)
{
    buf_printf(out, "%s. %d IN TXT ( ", name, TTL_S);
    finding_put_strings(text, out);
    buf_puts(out, " )");
}

/* p= as it should be, when what is there becomes a key that way. */
static bool
put_cleaned(const struct examined *e, struct buf *text)
{
    struct dkim_key_record key;
    struct bytes k = record_tag(buf_bytes(&e->record.text), "k");
    bool ed25519 = bytes_is(k, "ed25519");

    if (!e->has_record || e->record.p.len == 0) {
        return false;
    }
    buf_printf(text, "v=DKIM1; k=%s; p=", ed25519 ? "ed25519" : "rsa");
    buf_put(text, buf_bytes(&e->record.p));
    return !buf_failed(text) &&
           dkim_key_parse(buf_bytes(text), &key) == DKIM_KEY_OK;
}

void
finding_mend_record(const struct examined *e, struct buf *out)
{
    const struct fact_key *key = &e->facts->key;
    struct buf text = BUF_INIT;

    if (key->target[0] != '\0') {
        buf_printf(out, "%s. %d IN CNAME %s.", e->name, TTL_S, key->target);
    } else if (key->public_b64[0] != '\0') {
        buf_printf(&text, "v=DKIM1; k=%s; p=%s",
                   key->ed25519 ? "ed25519" : "rsa", key->public_b64);
        put_txt_line(e->name, buf_bytes(&text), out);
    } else if (put_cleaned(e, &text)) {
        put_txt_line(e->name, buf_bytes(&text), out);
    } else {
        buf_printf(out,
                   "publish the record that your signer shows, at %s (for "
                   "Sealpost: sealpost key show)",
                   e->name);
    }
    buf_free(&text);
}

void
finding_visible_negative(const struct examined *e, struct finding *f)
{
    uint32_t most = 0;

    for (size_t i = 0; i < e->facts->counts[PLACE_RECORD]; i++) {
        most = e->at[i].negative_s > most ? e->at[i].negative_s : most;
    }
    buf_puts(&f->visible, "at once");
    if (most > 0) {
        buf_puts(&f->visible, ", for those who have asked in vain (as this "
                              "check has) up to ");
        finding_put_time(most, &f->visible);
        buf_puts(&f->visible, " later");
    }
    f->wait_s = most;
}

void
finding_visible_ttl(const struct examined *e, struct finding *f)
{
    uint32_t most = 0;

    for (size_t i = 0; i < e->facts->counts[PLACE_RECORD]; i++) {
        most = e->at[i].ttl_s > most ? e->at[i].ttl_s : most;
    }
    buf_puts(&f->visible, "up to ");
    finding_put_time(most, &f->visible);
    buf_puts(&f->visible, " after the change (the TTL of what is there now)");
    f->wait_s = most;
}

/* --- what the answers come to --------------------------------------------- */

bool
sight_is_good(const struct sight *sight)
{
    const struct raw_answer *a = sight->answer;

    return sight->trouble == NULL && a != NULL &&
           (a->rcode == RAW_NOERROR || a->rcode == RAW_NXDOMAIN) &&
           (sight->role == SEEN_RESOLVER ||
            (a->authoritative && judge_referral(a) == NULL));
}

bool
sight_is_of_none(const struct sight *sight)
{
    return sight->trouble != NULL && is_same_name(sight->server, sight->name);
}

const char *
alias_target(const struct raw_record *alias)
{
    return (const char *)alias->data.ptr;
}

bool
is_same_name(const char *a, const char *b)
{
    return bytes_eq_ci(bytes_str(a), bytes_str(b));
}

static void
examine_sights(struct examined *e)
{
    struct seen_question q = facts_question(&e->facts->key);

    for (size_t i = 0; i < e->facts->counts[PLACE_RECORD]; i++) {
        const struct sight *s = &e->facts->sights[PLACE_RECORD][i];
        bool good = sight_is_good(s);

        judge_sight(&q, s, &e->at[i]);
        e->owners += s->role == SEEN_OWNER;
        e->owners_good += s->role == SEEN_OWNER && good;
        if (good && s->role == SEEN_OWNER && e->owner == NULL) {
            e->owner = s;
        }
        if (good && s->role == SEEN_TARGET && e->target == NULL) {
            e->target = s;
        }
    }
}

/* A record at the name itself, of any good server of the owner's; what
 * resolvers show where none of those was asked or answered. */
static const struct raw_record *
find_at_name(const struct examined *e, unsigned type)
{
    enum seen_role role = e->owners_good > 0 ? SEEN_OWNER : SEEN_RESOLVER;

    for (enum fact_place p = PLACE_RECORD; p <= PLACE_ALIAS; p++) {
        for (size_t i = 0; i < e->facts->counts[p]; i++) {
            const struct sight *s = &e->facts->sights[p][i];
            const struct raw_record *r;

            if (s->role == role && sight_is_good(s) &&
                (r = raw_find(s->answer, e->name, type)) != NULL) {
                return r;
            }
        }
    }
    return NULL;
}

/* Where the TXT record stands, as far as somebody shows it: the target's
 * servers, the owner's, a resolver. */
static bool
find_end(struct examined *e, enum seen_role role)
{
    for (size_t i = 0; i < e->facts->counts[PLACE_RECORD]; i++) {
        const struct sight *s = &e->facts->sights[PLACE_RECORD][i];
        const char *end = s->name;
        uint32_t ttl_s;

        if (s->role != role || !sight_is_good(s)) {
            continue;
        }
        if (role == SEEN_RESOLVER) {
            end = judge_chain(s->answer, s->name, &ttl_s);
        }
        if (end != NULL && raw_find(s->answer, end, RAW_TYPE_TXT) != NULL) {
            e->end_answer = s->answer;
            e->end = end;
            return true;
        }
    }
    return false;
}

/* The first TXT record that is a key record, or else none. */
static void
examine_record(struct examined *e)
{
    const struct raw_answer *a = e->end_answer;
    const struct raw_record *first = NULL;
    const struct fact_key *key = &e->facts->key;

    for (size_t i = 0; a != NULL && i < a->count; i++) {
        const struct raw_record *r = &a->records[i];
        struct buf text = BUF_INIT;

        if (r->authority || r->type != RAW_TYPE_TXT ||
            !bytes_eq_ci(bytes_str(r->owner), bytes_str(e->end))) {
            continue;
        }
        raw_join(r->data, &text);
        if (record_is_key(buf_bytes(&text))) {
            e->key_records++;
            first = first == NULL ? r : first;
        }
        buf_free(&text);
    }
    if (first == NULL) {
        return;
    }
    if (!record_read(first->data, &e->record)) {
        e->out->failed = true;
    }
    e->has_record = true;
    e->same_key =
        e->record.err == DKIM_KEY_OK &&
        (key->public_b64[0] == '\0'
             ? e->record.load_err == DKIM_KEY_OK
             : judge_same_key(&e->record.key, key->public_b64, key->ed25519));
}

static void
examine_wild(struct examined *e)
{
    for (size_t i = 0; i < e->facts->counts[PLACE_RANDOM]; i++) {
        const struct sight *s = &e->facts->sights[PLACE_RANDOM][i];

        if (sight_is_good(s) &&
            (raw_find(s->answer, s->name, RAW_TYPE_TXT) != NULL ||
             raw_find(s->answer, s->name, RAW_TYPE_CNAME) != NULL)) {
            e->wild = s;
            return;
        }
    }
}

static void
examine(struct examined *e)
{
    examine_sights(e);
    e->alias = find_at_name(e, RAW_TYPE_CNAME);
    e->txt = find_at_name(e, RAW_TYPE_TXT);
    if (e->alias != NULL) {
        (void)(find_end(e, SEEN_TARGET) || find_end(e, SEEN_RESOLVER));
    } else {
        (void)(find_end(e, SEEN_OWNER) ||
               (e->owners_good == 0 && find_end(e, SEEN_RESOLVER)));
    }
    examine_record(e);
    examine_wild(e);
}

void
findings_check(struct examined *e, const struct finding_rule *rules,
               size_t count)
{
    for (size_t i = 0; i < count; i++) {
        rules[i].check(e, &rules[i]);
    }
}

void
findings_of_key(const struct facts *facts, struct findings *out)
{
    struct examined *e = calloc(1, sizeof(*e));

    if (e == NULL) {
        out->failed = true;
        return;
    }
    e->facts = facts;
    e->out = out;
    e->name = facts->names[PLACE_RECORD];
    examine(e);
    findings_check_place(e);
    findings_check_alias(e);
    findings_check_record(e);
    findings_check_servers(e);
    record_free(&e->record);
    free(e);
}
