/*
 * rotate - one run of the life cycle; see rotate.h.
 */
#include "proxy/domains/rotate_private.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
    ROUNDS_MAX = 12,      /* changes of the zone in one run */
    CHECKED_AGAIN_S = 600 /* a note that says nothing new waits so long */
};

/* --- what the run is about ---------------------------------------------- */

static bool
is_wished(const struct rotate_wish *wish, const char *domain)
{
    for (size_t i = 0; i < wish->count; i++) {
        if (strcmp(wish->domains[i], domain) == 0) {
            return true;
        }
    }
    return wish->count == 0;
}

/* What speaks against another key now. */
static const char *
pause_of(struct rotate_job *job, const struct rotate_track *t)
{
    const struct rotate_world *w = job->world;
    size_t active = plan_active(&t->plan);
    struct buf why = BUF_INIT;
    const char *pause = NULL;

    if (w->may == NULL || job->wish->now || active == t->plan.count) {
        return NULL;
    }
    if (!w->may(w->may_arg, t->plan.domain, t->keys[active]->view.selector,
                t->keys[active]->view.activated_s, &why)) {
        pause = strings_copy(&job->facts->strings, buf_bytes(&why));
        pause = pause == NULL ? "no memory" : pause;
    }
    buf_free(&why);
    return pause;
}

static void
choose(struct rotate_job *job)
{
    for (size_t i = 0; i < job->facts->track_count; i++) {
        struct rotate_track *t = job->facts->tracks + i;

        t->chosen = !t->blocked && is_wished(job->wish, t->plan.domain);
        if (!t->chosen) {
            continue;
        }
        t->plan.now = job->wish->now;
        if (job->wish->now && job->wish->count > 0 && !t->plan.fixed) {
            t->plan.managed = true; /* named: its owner wants a new key */
        }
        t->plan.pause = pause_of(job, t);
    }
}

/* --- an emergency ------------------------------------------------------- */

static bool
is_meant(const struct rotate_job *job, const struct rotate_track *t, size_t key)
{
    const struct view_key *v = &t->keys[key]->view;

    if (job->wish->selector != NULL) {
        return strcmp(job->wish->selector, v->selector) == 0 &&
               v->state != VIEW_KEY_REVOKED;
    }
    return !t->plan.fixed && v->state == VIEW_KEY_ACTIVE;
}

/*
 * Written down first: whatever happens then, this key is on its way out. With
 * `force` it stops signing now, whether another key is there or not.
 */
static void
condemn_key(struct rotate_job *job, struct rotate_track *t, size_t key)
{
    struct keystore_key after = *t->keys[key];

    after.life.fault = KEY_FAULT_CONDEMNED;
    after.life.fault_s = job->world->now_s;
    after.life.reason = "condemned by hand";
    after.view.faulty = true;
    if (job->wish->force && after.view.state == VIEW_KEY_ACTIVE) {
        after.view.state = VIEW_KEY_RETIRING;
        after.view.proved_s = 0;
        after.life.retired_s = job->world->now_s;
    }
    (void)rotate_note(job, t, key, &after);
}

static void
condemn(struct rotate_job *job)
{
    for (size_t i = 0; i < job->facts->track_count; i++) {
        struct rotate_track *t = job->facts->tracks + i;

        for (size_t k = 0; t->chosen && k < t->plan.count; k++) {
            bool again = t->keys[k]->life.fault == KEY_FAULT_CONDEMNED &&
                         !job->wish->force;

            if (is_meant(job, t, k) && !again && !job->dead) {
                condemn_key(job, t, k);
            }
        }
    }
}

/* --- rounds ------------------------------------------------------------- */

static bool
advance_all(struct rotate_job *job)
{
    bool pending = false;

    for (size_t i = 0; i < job->facts->track_count && !job->dead; i++) {
        struct rotate_track *t = job->facts->tracks + i;

        if (t->chosen && !t->done) {
            rotate_advance(job, t);
            pending = pending || t->pending;
        }
    }
    return pending;
}

/* good: the zone has what was pending. */
static void
settle_all(struct rotate_job *job, bool good)
{
    for (size_t i = 0; i < job->facts->track_count && !job->dead; i++) {
        struct rotate_track *t = job->facts->tracks + i;

        if (t->pending && good) {
            rotate_settle(job, t);
        } else if (t->pending) {
            t->pending = false;
            t->failed = true;
            t->done = true;
        }
    }
}

/*
 * Signing first, the zone afterwards: who publishes is asked only when no
 * track can go on without. A zone that differs from what the notes say is
 * mended once a run.
 */
static void
go_round(struct rotate_job *job)
{
    bool mend = rotate_zone_differs(job);

    for (unsigned n = 0; n < ROUNDS_MAX && !job->dead; n++) {
        bool pending = advance_all(job);

        if (job->dead || (!pending && !mend)) {
            return;
        }
        mend = false;
        settle_all(job, job->wish->dry_run || rotate_publish(job, NULL));
    }
}

/* --- colours ------------------------------------------------------------ */

/* The worst of a domain's tracks. */
struct health {
    enum plan_colour colour;
    const struct rotate_track *track;
    char why[PLAN_TEXT];
    bool stuck;
    char stuck_why[PLAN_TEXT];
};

static int
badness(enum plan_colour colour)
{
    static const int order[] = {
        [PLAN_GREEN] = 0, [PLAN_WAITING] = 1, [PLAN_YELLOW] = 2, [PLAN_RED] = 3
    };

    return order[colour];
}

static void
judge_track(const struct rotate_job *job, const struct rotate_track *t,
            struct health *h)
{
    char why[PLAN_TEXT];
    bool stuck;
    enum plan_colour colour = plan_colour(&t->plan, &job->rules, why, &stuck);

    if (h->track == NULL || badness(colour) > badness(h->colour)) {
        h->colour = colour;
        h->track = t;
        memcpy(h->why, why, sizeof(why));
    }
    if (stuck && !h->stuck) {
        h->stuck = true;
        memcpy(h->stuck_why, why, sizeof(why));
    }
}

static void
tell_colour(const struct rotate_job *job, const struct health *h,
            enum plan_colour was)
{
    struct rotate_event e = { .kind = ROTATE_COLOUR,
                              .domain = h->track->plan.domain,
                              .selector = "",
                              .user = h->track->plan.owner,
                              .alg = h->track->plan.alg,
                              .colour = h->colour,
                              .was = was,
                              .why = h->why };

    if (job->world->told != NULL) {
        job->world->told(job->world->told_arg, &e);
    }
}

/* The note is written before the change is told: told once, not twice. */
static void
write_colour(struct rotate_job *job, struct domain_file *file,
             const struct health *h)
{
    uint64_t now_s = job->world->now_s;
    enum plan_colour was = file->colour;
    bool changed = was != h->colour;
    const char *why = strings_copy(&file->strings, bytes_str(h->why));
    bool again = file->checked_s > now_s ||
                 now_s - file->checked_s >= CHECKED_AGAIN_S ||
                 strcmp(file->why, h->why) != 0;

    if (why == NULL || (!changed && !again) || job->wish->dry_run) {
        return;
    }
    file->why = why;
    file->colour = h->colour;
    file->checked_s = now_s;
    if (changed || file->colour_s == 0) {
        file->colour_s = now_s;
    }
    if (!rotate_may_go_on(job, "colour")) {
        return;
    }
    if (!domainfile_save(job->world->store, file)) {
        job->failed = true;
        rotate_tell(job, h->track, ROTATE_FAILED, "", NULL, strerror(errno));
    } else if (changed) {
        tell_colour(job, h, was);
    }
}

static void
judge_domain(struct rotate_job *job, struct domain_file *file)
{
    struct health h = { .colour = PLAN_GREEN };

    for (size_t i = 0; i < job->facts->track_count; i++) {
        const struct rotate_track *t = job->facts->tracks + i;

        if (t->chosen && t->file == file) {
            judge_track(job, t, &h);
        }
    }
    if (h.track == NULL || job->dead) {
        return;
    }
    write_colour(job, file, &h);
    if (h.stuck && !job->dead) {
        rotate_tell(job, h.track, ROTATE_STUCK, "", NULL, h.stuck_why);
    }
}

static void
judge_all(struct rotate_job *job)
{
    for (size_t i = 0; i < job->facts->file_count; i++) {
        if (job->facts->files[i] != NULL) {
            judge_domain(job, job->facts->files[i]);
        }
    }
}

/* --- a run -------------------------------------------------------------- */

static bool
begin(struct rotate_job *job, const struct rotate_world *world,
      const struct rotate_wish *wish, struct conf_errors *errors, int *lock_out)
{
    *job = (struct rotate_job){ .world = world, .wish = wish };
    job->rules =
        (struct plan_rules){ world->rotate, world->expire_s, world->now_s };
    *lock_out = domainfile_lock(world->store);
    if (*lock_out < 0) {
        conf_error(errors, world->store->state_dir, 0,
                   "domains/.lock: %s; a directory of keys_user",
                   strerror(errno));
        return false;
    }
    job->facts = rotate_facts_load(world, errors);
    return job->facts != NULL;
}

static enum rotate_result
end(struct rotate_job *job, int lock)
{
    rotate_facts_free(&job->facts);
    if (lock >= 0) {
        close(lock);
    }
    return job->dead     ? ROTATE_DIED
           : job->failed ? ROTATE_INCOMPLETE
                         : ROTATE_OK;
}

/* Said as an error line where it was read, unless memory failed there. */
static void
tell_odd(struct rotate_job *job)
{
    if (job->facts->odd != NULL) {
        job->failed = true;
        rotate_tell(job, NULL, ROTATE_FAILED, "", NULL,
                    "some notes cannot be read: their keys are left alone");
    }
}

static void
run(struct rotate_job *job)
{
    tell_odd(job);
    choose(job);
    if (job->wish->emergency) {
        condemn(job);
    }
    if (job->dead) {
        return;
    }
    if (!rotate_survey(job)) {
        job->failed = true;
        rotate_tell(job, NULL, ROTATE_FAILED, "", NULL,
                    "DNS could not be asked: no memory");
        return;
    }
    go_round(job);
    if (!job->dead) {
        judge_all(job);
    }
}

enum rotate_result
rotate_run(const struct rotate_world *world, const struct rotate_wish *wish,
           struct conf_errors *errors, bool *changed_out)
{
    struct rotate_job job;
    int lock;

    if (!begin(&job, world, wish, errors, &lock)) {
        (void)end(&job, lock);
        return ROTATE_UNREADABLE;
    }
    run(&job);
    *changed_out = job.changed;
    return end(&job, lock);
}

/* --- a domain less ------------------------------------------------------ */

static void
forget(struct rotate_job *job, const char *domain, bool keys)
{
    bool slots = false;

    for (size_t i = 0; i < job->facts->track_count; i++) {
        const struct rotate_track *t = job->facts->tracks + i;

        slots = slots ||
                (strcmp(t->plan.domain, domain) == 0 && t->plan.slot_count > 0);
    }
    if (slots && !rotate_publish(job, domain)) {
        return;
    }
    for (size_t i = 0; keys && i < job->facts->track_count; i++) {
        struct rotate_track *t = job->facts->tracks + i;

        while (strcmp(t->plan.domain, domain) == 0 && t->plan.count > 0 &&
               !job->dead && !t->failed) {
            if (!rotate_take_away(job, t, t->plan.count - 1)) {
                return; /* told */
            }
        }
    }
    if (rotate_may_go_on(job, "domain") &&
        !domainfile_remove(job->world->store, domain)) {
        job->failed = true;
        rotate_tell(job, NULL, ROTATE_FAILED, "", NULL, strerror(errno));
    }
}

enum rotate_result
rotate_forget(const struct rotate_world *world, const char *domain, bool keys,
              struct conf_errors *errors)
{
    static const struct rotate_wish wish = { .count = 0 };
    struct rotate_job job;
    int lock;

    if (!begin(&job, world, &wish, errors, &lock)) {
        (void)end(&job, lock);
        return ROTATE_UNREADABLE;
    }
    forget(&job, domain, keys);
    return end(&job, lock);
}

static void
delete_key(struct rotate_job *job, struct rotate_track *t, size_t key)
{
    if (!t->plan.keys[key].ours) {
        (void)rotate_take_away(job, t, key);
        return;
    }
    t->pending = true;
    t->pending_key = key;
    t->pending_after = *t->keys[key];
    t->step = PLAN_DELETE;
    if (rotate_publish(job, NULL)) {
        rotate_settle(job, t);
    }
}

enum rotate_result
rotate_delete(const struct rotate_world *world, const char *domain,
              const char *selector, struct conf_errors *errors)
{
    static const struct rotate_wish wish = { .count = 0 };
    struct rotate_job job;
    int lock;

    if (!begin(&job, world, &wish, errors, &lock)) {
        (void)end(&job, lock);
        return ROTATE_UNREADABLE;
    }
    for (size_t i = 0; i < job.facts->track_count; i++) {
        struct rotate_track *t = job.facts->tracks + i;

        for (size_t k = 0;
             k < t->plan.count && strcmp(t->plan.domain, domain) == 0; k++) {
            if (strcmp(t->keys[k]->view.selector, selector) == 0) {
                delete_key(&job, t, k);
                return end(&job, lock);
            }
        }
    }
    return end(&job, lock);
}
