/*
 * rotate_steps - one track, step by step; see rotate.h.
 */
#include "proxy/domains/rotate_private.h"

#include <errno.h>
#include <string.h>

enum {
    STEPS_MAX = 200 /* of one track in one run: observing ends itself */
};

bool
rotate_may_go_on(struct rotate_job *job, const char *before)
{
    const struct rotate_world *w = job->world;

    if (!job->dead && w->alive != NULL && !w->alive(w->alive_arg, before)) {
        job->dead = true;
    }
    return !job->dead;
}

void
rotate_tell(const struct rotate_job *job, const struct rotate_track *track,
            enum rotate_kind kind, const char *selector,
            const struct plan *plan, const char *why)
{
    struct rotate_event e = { .kind = kind, .selector = selector, .why = why };

    if (job->world->told == NULL) {
        return;
    }
    e.domain = track == NULL ? "" : track->plan.domain;
    e.user = track == NULL ? "" : track->plan.owner;
    e.alg = track == NULL ? DKIM_ALG_RSA_SHA256 : track->plan.alg;
    e.step = plan == NULL ? PLAN_WAIT : plan->step;
    e.when_s = plan == NULL ? 0 : plan->when_s;
    job->world->told(job->world->told_arg, &e);
}

/* --- writing ------------------------------------------------------------ */

static void
fail_key(struct rotate_job *job, struct rotate_track *t, const char *selector,
         enum key_err err)
{
    int error = errno;
    struct buf why = BUF_INIT;

    buf_printf(&why, "%s%s%s", key_err_text(err),
               err == KEY_ERR_WRITE ? ": " : "",
               err == KEY_ERR_WRITE ? strerror(error) : "");
    rotate_tell(job, t, ROTATE_FAILED, selector, NULL,
                buf_str(&why) == NULL ? "no memory" : (const char *)why.ptr);
    buf_free(&why);
    job->failed = true;
    t->failed = true;
    t->done = true;
}

/* The texts of a plan are its own: the run's copy keeps them. */
static bool
keep(struct rotate_job *job, const struct keystore_key *from,
     struct keystore_key *to)
{
    struct strings *s = &job->facts->strings;
    const struct key_life *life = &from->life;
    struct key_silence *silent =
        strings_array(s, life->silent_count, sizeof(*silent));

    *to = *from;
    to->life.silent = silent;
    to->life.reason =
        strings_copy(s, bytes_str(life->reason == NULL ? "" : life->reason));
    for (size_t i = 0; silent != NULL && i < life->silent_count; i++) {
        silent[i].since_s = life->silent[i].since_s;
        silent[i].server = strings_copy(s, bytes_str(life->silent[i].server));
        if (silent[i].server == NULL) {
            return false;
        }
    }
    return silent != NULL && to->life.reason != NULL;
}

bool
rotate_note(struct rotate_job *job, struct rotate_track *t, size_t key,
            const struct keystore_key *after)
{
    enum key_err err = KEY_OK;
    struct keystore_key copy;

    if (!keep(job, after, &copy)) {
        fail_key(job, t, after->view.selector, KEY_ERR_NO_MEMORY);
        return false;
    }
    if (!rotate_may_go_on(job, "note")) {
        return false;
    }
    if (!job->wish->dry_run) {
        err = keystore_update(job->world->store, &copy);
        job->changed = true;
    }
    if (err != KEY_OK) {
        fail_key(job, t, after->view.selector, err);
        return false;
    }
    *t->keys[key] = copy;
    return true;
}

static bool
save_file(struct rotate_job *job, struct rotate_track *t)
{
    if (!rotate_may_go_on(job, "domain")) {
        return false;
    }
    if (!domainfile_save(job->world->store, t->file)) {
        fail_key(job, t, "", KEY_ERR_WRITE);
        return false;
    }
    return true;
}

/* --- a new key ---------------------------------------------------------- */

/*
 * What a run left that died between .pem and .conf was never published, and
 * its slot's name is nobody else's: it is taken away.
 */
static enum key_err
make_key(struct rotate_job *job, const struct plan *plan)
{
    const struct keystore_conf *conf = job->world->store;
    const struct keystore_key *k = &plan->after;
    unsigned bits = k->view.alg == DKIM_ALG_RSA_SHA256 ? plan->bits : 0;
    enum key_err err = keystore_remove(conf, k->view.domain, k->view.selector);

    return err == KEY_OK ? keystore_generate(conf, k->view.alg, bits, k) : err;
}

static bool
read_key(struct rotate_job *job, struct rotate_track *t, const char *selector,
         bool ours)
{
    struct keystore_key key = { .note = "" };

    key.view.domain = t->plan.domain;
    key.view.selector = selector;
    return keystore_note(job->world->store, &job->facts->strings, &key) ==
               KEY_OK &&
           rotate_track_add(job->facts, t, &key, ours);
}

static void
create(struct rotate_job *job, struct rotate_track *t, struct plan *plan)
{
    bool slot = plan->slot < t->plan.slot_count;
    char selector[DOMAIN_TOKEN_MAX + 1];
    enum key_err err;

    if (!slot) {
        if (!keystore_new_selector(job->world->store, t->plan.domain,
                                   job->world->now_s, selector)) {
            fail_key(job, t, "",
                     errno == EEXIST ? KEY_ERR_EXISTS : KEY_ERR_WRITE);
            return;
        }
        plan->after.view.selector =
            strings_copy(&job->facts->strings, bytes_str(selector));
    }
    if (plan->after.view.selector == NULL) {
        fail_key(job, t, "", KEY_ERR_NO_MEMORY);
        return;
    }
    if (slot) { /* first: a slot that was used is not taken for a fresh one */
        t->ring->slots[plan->slot].used_s = job->world->now_s;
        t->plan.slots[plan->slot].used_s = job->world->now_s;
        if (!save_file(job, t)) {
            return;
        }
    }
    if (!rotate_may_go_on(job, "key")) {
        return;
    }
    err = make_key(job, plan);
    if (err == KEY_OK && !read_key(job, t, plan->after.view.selector, slot)) {
        err = KEY_ERR_NO_MEMORY;
    }
    if (err != KEY_OK) {
        fail_key(job, t, plan->after.view.selector, err);
    } else {
        rotate_tell(job, t, ROTATE_STEP, plan->after.view.selector, plan,
                    plan->why);
    }
}

/* --- steps -------------------------------------------------------------- */

bool
rotate_take_away(struct rotate_job *job, struct rotate_track *t, size_t key)
{
    const char *selector = t->keys[key]->view.selector;
    enum key_err err = KEY_OK;

    if (!rotate_may_go_on(job, "delete")) {
        return false;
    }
    if (!job->wish->dry_run) {
        err = keystore_remove(job->world->store, t->plan.domain, selector);
        job->changed = true;
    }
    if (err != KEY_OK) {
        fail_key(job, t, selector, err);
        return false;
    }
    rotate_track_drop(t, key);
    return true;
}

static void
delete_key(struct rotate_job *job, struct rotate_track *t,
           const struct plan *plan, const char *why)
{
    const char *selector = t->keys[plan->key]->view.selector;

    if (rotate_take_away(job, t, plan->key)) {
        rotate_tell(job, t, ROTATE_STEP, selector, plan, why);
    }
}

static void
write_step(struct rotate_job *job, struct rotate_track *t,
           const struct plan *plan)
{
    const struct keystore_key *k = t->keys[plan->key];
    const char *selector = k->view.selector;
    bool faulty = plan->after.life.fault != KEY_FAULT_NONE &&
                  k->life.fault == KEY_FAULT_NONE &&
                  plan->key == plan_active(&t->plan);

    if (!rotate_note(job, t, plan->key, &plan->after)) {
        return;
    }
    if (faulty) {
        rotate_tell(job, t, ROTATE_FAULT, selector, NULL, plan->why);
    }
    if (plan->step != PLAN_NOTE || plan->why[0] != '\0') {
        rotate_tell(job, t, ROTATE_STEP, selector, plan, plan->why);
    }
}

static void
set_pending(struct rotate_job *job, struct rotate_track *t,
            const struct plan *plan)
{
    t->pending = keep(job, &plan->after, &t->pending_after);
    t->pending_key = plan->key;
    t->step = plan->step;
    if (!t->pending) {
        fail_key(job, t, plan->after.view.selector, KEY_ERR_NO_MEMORY);
    }
}

static void
take_step(struct rotate_job *job, struct rotate_track *t, struct plan *plan)
{
    switch (plan->step) {
    case PLAN_WAIT:
        rotate_tell(
            job, t, ROTATE_WAITS,
            plan->key < t->plan.count ? t->keys[plan->key]->view.selector : "",
            plan, plan->why);
        t->done = true;
        break;
    case PLAN_CREATE:
        if (job->wish->dry_run) {
            rotate_tell(job, t, ROTATE_STEP, plan->after.view.selector, plan,
                        plan->why);
            t->done = true;
        } else {
            create(job, t, plan);
        }
        break;
    case PLAN_DELETE:
        if (t->plan.keys[plan->key].ours) {
            set_pending(job, t, plan);
        } else {
            delete_key(job, t, plan, plan->why);
        }
        break;
    case PLAN_PUBLISH:
    case PLAN_REVOKE:
        if (t->plan.keys[plan->key].ours) {
            set_pending(job, t, plan);
        } else {
            write_step(job, t, plan);
        }
        break;
    default:
        write_step(job, t, plan);
        break;
    }
}

void
rotate_advance(struct rotate_job *job, struct rotate_track *t)
{
    struct plan plan;

    for (unsigned n = 0; n < STEPS_MAX && !job->dead && !t->done && !t->pending;
         n++) {
        plan_next(&t->plan, &job->rules, &plan);
        take_step(job, t, &plan);
    }
}

void
rotate_settle(struct rotate_job *job, struct rotate_track *t)
{
    struct plan plan = { .step = t->step, .key = t->pending_key };

    t->pending = false;
    plan.after = t->pending_after;
    if (t->step == PLAN_DELETE) {
        delete_key(job, t, &plan, plan.after.life.reason);
    } else if (rotate_note(job, t, t->pending_key, &plan.after)) {
        rotate_tell(job, t, ROTATE_STEP, plan.after.view.selector, &plan,
                    plan.after.life.reason);
    }
}
