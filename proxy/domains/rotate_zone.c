/*
 * rotate_zone - what is asked of DNS, and what should stand in our zone.
 */
#include "proxy/domains/rotate_private.h"

#include <stdlib.h>
#include <string.h>

/* --- the survey --------------------------------------------------------- */

struct asking {
    struct rotate_job *job;
    struct seen_question *questions; /* NULL: only counting */
    size_t count;
};

/* "TOKEN.ZONE" in the run's memory. NULL: no memory. */
static const char *
target_of(struct rotate_job *job, const char *token)
{
    struct buf name = BUF_INIT;
    const char *copy = NULL;

    buf_printf(&name, "%s.%s", token, job->world->rotate->zone);
    if (!buf_failed(&name)) {
        copy = strings_copy(&job->facts->strings, buf_bytes(&name));
    }
    buf_free(&name);
    return copy;
}

/* key NULL: a free slot, where nothing is wanted. */
static bool
add_question(struct asking *a, const struct plan_track *t, const char *selector,
             const struct keystore_key *key, bool ours)
{
    struct seen_question *q;
    bool wanted = key != NULL && key->view.state != VIEW_KEY_REVOKED;

    if (a->questions == NULL) {
        a->count++;
        return true;
    }
    q = a->questions + a->count++;
    *q = (struct seen_question){
        .domain = t->domain,
        .selector = selector,
        .target = ours ? target_of(a->job, selector) : "",
        .public_b64 = wanted ? key->public_b64 : "",
        .ed25519 = t->alg == DKIM_ALG_ED25519_SHA256,
    };
    return q->target != NULL;
}

static bool
is_free(const struct plan_track *t, size_t slot)
{
    for (size_t i = 0; i < t->count; i++) {
        if (strcmp(t->keys[i].key->view.selector, t->slots[slot].token) == 0) {
            return false;
        }
    }
    return true;
}

static bool
ask_track(struct asking *a, const struct plan_track *t)
{
    bool good = true;

    for (size_t i = 0; good && i < t->count; i++) {
        good = add_question(a, t, t->keys[i].key->view.selector, t->keys[i].key,
                            t->keys[i].ours);
    }
    for (size_t s = 0; good && s < t->slot_count; s++) {
        if (is_free(t, s)) {
            good = add_question(a, t, t->slots[s].token, NULL, true);
        }
    }
    return good;
}

static bool
ask_all(struct asking *a)
{
    struct rotate_facts *f = a->job->facts;
    bool good = true;

    a->count = 0;
    for (size_t i = 0; good && i < f->track_count; i++) {
        good = !f->tracks[i].chosen || ask_track(a, &f->tracks[i].plan);
    }
    return good;
}

/* In the order of ask_track(). */
static void
hand_out(struct rotate_facts *f)
{
    const struct seen *seen = f->seen;

    for (size_t n = 0; n < f->track_count; n++) {
        struct rotate_track *t = f->tracks + n;

        if (!t->chosen) {
            continue;
        }
        for (size_t i = 0; i < t->plan.count; i++) {
            t->plan_keys[i].seen = seen++;
        }
        for (size_t s = 0; s < t->plan.slot_count; s++) {
            if (is_free(&t->plan, s)) {
                t->plan.slots[s].seen = seen++;
            }
        }
    }
}

bool
rotate_survey(struct rotate_job *job)
{
    struct asking a = { .job = job };
    struct rotate_facts *f = job->facts;
    bool good = ask_all(&a);

    if (!good || a.count == 0) {
        return good;
    }
    a.questions = calloc(a.count, sizeof(*a.questions));
    f->seen = calloc(a.count, sizeof(*f->seen));
    f->seen_count = a.count;
    good = a.questions != NULL && f->seen != NULL && ask_all(&a) &&
           job->world->survey(job->world->survey_arg, a.questions, a.count,
                              f->seen);
    free(a.questions);
    if (good) {
        hand_out(f);
    }
    return good;
}

/* --- the zone ----------------------------------------------------------- */

struct zone {
    struct publish_record *records;
    size_t count;
    size_t cap;
};

static bool
put_record(struct zone *z, const char *name, const char *text, bool changed)
{
    if (z->count == z->cap) {
        size_t cap = z->cap == 0 ? 64 : z->cap * 2;
        struct publish_record *records =
            realloc(z->records, cap * sizeof(*records));

        if (records == NULL) {
            return false;
        }
        z->records = records;
        z->cap = cap;
    }
    z->records[z->count++] = (struct publish_record){ name, text, changed };
    return name != NULL && text != NULL;
}

/* What the slot's record should say; "" for none. NULL: no memory. */
static const char *
text_of(struct rotate_job *job, const struct keystore_key *key)
{
    struct buf text = BUF_INIT;
    const char *copy = NULL;

    job->world->record(key, &text);
    if (!buf_failed(&text)) {
        copy = strings_copy(&job->facts->strings, buf_bytes(&text));
    }
    buf_free(&text);
    return copy;
}

/* The zone behind the CNAME was seen not to have what it should. */
static bool
is_amiss(const struct seen *seen, bool key_wanted)
{
    for (size_t i = 0; seen != NULL && i < seen->count; i++) {
        const struct seen_at *at = seen->at + i;
        bool nothing = at->what == SEEN_MISSING || at->what == SEEN_REVOKED;

        if (at->role == SEEN_TARGET &&
            (at->what == SEEN_OTHER || (key_wanted && nothing) ||
             (!key_wanted && at->what == SEEN_KEY))) {
            return true;
        }
    }
    return false;
}

static bool
slot_is_amiss(const struct rotate_track *t, size_t slot)
{
    const char *token = t->plan.slots[slot].token;

    for (size_t i = 0; i < t->plan.count; i++) {
        const struct plan_key *k = t->plan.keys + i;

        if (strcmp(k->key->view.selector, token) == 0) {
            return k->key->view.state != VIEW_KEY_NEW &&
                   is_amiss(k->seen, k->key->view.state != VIEW_KEY_REVOKED);
        }
    }
    return is_amiss(t->plan.slots[slot].seen, false);
}

bool
rotate_zone_differs(const struct rotate_job *job)
{
    const struct rotate_facts *f = job->facts;

    for (size_t n = 0; n < f->track_count; n++) {
        for (size_t s = 0; s < f->tracks[n].plan.slot_count; s++) {
            if (slot_is_amiss(f->tracks + n, s)) {
                return true;
            }
        }
    }
    return false;
}

static const char *
slot_text(struct rotate_job *job, const struct rotate_track *t, size_t slot,
          bool *pending_out)
{
    const char *token = t->plan.slots[slot].token;

    *pending_out = false;
    for (size_t i = 0; i < t->plan.count; i++) {
        const struct keystore_key *k = t->plan.keys[i].key;

        if (strcmp(k->view.selector, token) != 0) {
            continue;
        }
        *pending_out = t->pending && t->pending_key == i;
        if (*pending_out) {
            return t->step == PLAN_DELETE ? ""
                                          : text_of(job, &t->pending_after);
        }
        /* A new key stands in the zone only when that was noted. */
        return k->view.state == VIEW_KEY_NEW ? "" : text_of(job, k);
    }
    return "";
}

static bool
put_track(struct rotate_job *job, struct zone *z, const struct rotate_track *t,
          bool forgotten)
{
    bool good = true;

    for (size_t s = 0; good && s < t->plan.slot_count && !t->blocked; s++) {
        bool pending;
        const char *text = slot_text(job, t, s, &pending);
        bool changed =
            pending || forgotten || (!job->published && slot_is_amiss(t, s));

        good = put_record(z, target_of(job, t->plan.slots[s].token),
                          forgotten ? "" : text, changed);
    }
    return good;
}

static int
compare_records(const void *a, const void *b)
{
    return strcmp(((const struct publish_record *)a)->name,
                  ((const struct publish_record *)b)->name);
}

static bool
send_zone(struct rotate_job *job, const struct zone *z, struct buf *why)
{
    if (job->world->rotate->zone[0] == '\0') {
        buf_puts(why, "[rotate] zone is not set; the zone behind the CNAMEs");
        return false;
    }
    if (job->world->rotate->publish == CONF_PUBLISH_ZONEFILE &&
        job->facts->odd != NULL) {
        buf_printf(why,
                   "%s has a note that cannot be read: the file would "
                   "lose its records; mend it as the error line says",
                   job->facts->odd);
        return false;
    }
    if (job->world->publish == NULL ||
        job->world->rotate->publish == CONF_PUBLISH_NONE) {
        buf_puts(why, "[rotate] publish is not set; rfc2136, zonefile or exec");
        return false;
    }
    return job->world->publish(job->world->publish_arg, z->records, z->count,
                               why);
}

bool
rotate_publish(struct rotate_job *job, const char *forgotten)
{
    struct rotate_facts *f = job->facts;
    struct zone z = { NULL, 0, 0 };
    struct buf why = BUF_INIT;
    bool good = true;

    for (size_t n = 0; good && n < f->track_count; n++) {
        const struct rotate_track *t = f->tracks + n;

        good = put_track(job, &z, t,
                         forgotten != NULL &&
                             strcmp(t->plan.domain, forgotten) == 0);
    }
    if (!good) {
        buf_puts(&why, "no memory");
    } else if (!rotate_may_go_on(job, "publish")) {
        good = false;
    } else {
        if (z.count > 0) {
            qsort(z.records, z.count, sizeof(*z.records), compare_records);
        }
        good = send_zone(job, &z, &why);
    }
    free(z.records);
    if (good) {
        job->published = true;
    } else if (!job->dead) {
        job->failed = true;
        rotate_tell(job, NULL, ROTATE_UNPUBLISHED, "", NULL,
                    buf_str(&why) == NULL ? "no memory"
                                          : (const char *)why.ptr);
    }
    buf_free(&why);
    return good;
}
