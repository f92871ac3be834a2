/*
 * year_run - runs in the world of year.h, and the judgement after each.
 */
#include "proxy/users/keychoice.h"
#include "tests/support/cmocka.h"
#include "tests/support/year_private.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    DAY_S = 86400
};

/* --- runs --------------------------------------------------------------- */

static bool
is_alive(void *arg, const char *before)
{
    struct year *y = arg;

    y->writes += strcmp(before, "colour") != 0;
    if (y->deaths_left > 0 && --y->deaths_left == 0) {
        y->died = true;
        y->deaths++;
    }
    return !y->died;
}

/* Between .pem and .conf, where no run can be stopped from outside. */
static void
leave_half_a_key(struct year *y)
{
    struct conf_errors *errors = conf_errors_new();
    struct keystore *s = keystore_load(&y->store, errors);
    struct buf path = BUF_INIT;

    for (size_t i = 0; i < keystore_count(s); i++) {
        const struct keystore_key *k = keystore_key_at(s, i);

        const struct year_name *n =
            year_find(y, k->view.domain, k->view.selector);

        if (k->view.state == VIEW_KEY_NEW && path.len == 0 && n != NULL &&
            n->ours && n->primary[0] == '\0') {
            keystore_path(&y->store, k->view.domain, k->view.selector, ".conf",
                          &path);
            assert_int_equal(unlink((const char *)path.ptr), 0);
        }
    }
    buf_free(&path);
    keystore_free(&s);
    conf_errors_free(&errors);
}

/* What a run saw and died before writing is not held against the next. */
static void
forget_bad_news(struct year *y, const struct year_name *before)
{
    for (size_t i = 0; i < y->name_count; i++) {
        struct year_name *n = y->names + i;

        bool same = strcmp(n->public_b64, before[i].public_b64) == 0;

        n->lost = false;
        n->wait_s = same ? before[i].wait_s : 0;
        if (same && n->complete_s == 0) {
            n->complete_s = before[i].complete_s;
            n->proved = before[i].proved;
        }
    }
}

static void
talk(void *arg, const struct rotate_event *e)
{
    const struct year *y = arg;

    if (e->kind != ROTATE_WAITS) {
        printf("%ju %s %s: event %d, %s: %s\n",
               (uintmax_t)(y->now_s - 1800000000), e->domain, e->selector,
               (int)e->kind, plan_step_name(e->step), e->why);
    }
}

enum rotate_result
year_run(struct year *y, const struct rotate_wish *wish)
{
    static const struct rotate_wish due = { .count = 0 };
    const struct rotate_world world = {
        .store = &y->store,
        .rotate = &y->rotate,
        .expire_s = 7 * DAY_S,
        .now_s = y->now_s,
        .survey = year_survey,
        .survey_arg = y,
        .publish = year_publish,
        .publish_arg = y,
        .record = year_text,
        .told = y->talks ? talk : NULL,
        .told_arg = y,
        .alive = is_alive,
        .alive_arg = y,
    };
    static struct year_name before[YEAR_NAMES];
    struct conf_errors *errors = conf_errors_new();
    enum rotate_result result;
    bool changed = false;

    memcpy(before, y->names, sizeof(before));
    y->writes = 0;
    y->died = false;
    y->deaths_left =
        year_chance(y, y->faults.death) ? 1 + (int)year_random(y, 8) : -1;
    result = rotate_run(&world, wish == NULL ? &due : wish, errors, &changed);
    for (size_t i = 0; i < conf_errors_count(errors); i++) {
        if (!conf_errors_is_warning(errors, i)) {
            fail_msg("%s", conf_errors_line(errors, i));
        }
    }
    conf_errors_free(&errors);
    assert_true(y->died == (result == ROTATE_DIED));
    assert_int_not_equal(result, ROTATE_UNREADABLE);
    if (y->died) {
        forget_bad_news(y, before);
    }
    if (y->died && year_chance(y, 30)) {
        leave_half_a_key(y);
    }
    year_judge(y, !y->died && wish == NULL);
    return result;
}

/* --- the judgement ------------------------------------------------------ */

static struct view *
load_view(struct year *y, struct keystore **store_out)
{
    struct conf_errors *errors = conf_errors_new();
    struct view_builder *b = view_builder_new();

    *store_out = keystore_load(&y->store, errors);
    assert_non_null(*store_out);
    for (size_t i = 0; i < conf_errors_count(errors); i++) {
        if (!conf_errors_is_warning(errors, i)) {
            fail_msg("%s", conf_errors_line(errors, i));
        }
    }
    conf_errors_free(&errors);
    assert_true(keystore_to_view(*store_out, b));
    return view_build(&b, 1);
}

static bool
emergency_in(const struct year *y, const char *domain)
{
    for (size_t i = 0; i < y->name_count; i++) {
        if (strcmp(y->names[i].domain, domain) == 0 && y->names[i].condemned) {
            return true;
        }
    }
    return false;
}

/* A key begins to sign: everything that was demanded was shown. */
static void
judge_beginning(struct year *y, struct year_name *n)
{
    if (!n->proved) {
        fail_msg("%s/%s signs at %ju and was complete since %ju; %ju s were "
                 "to be waited for",
                 n->domain, n->selector, (uintmax_t)y->now_s,
                 (uintmax_t)n->complete_s, (uintmax_t)year_least_wait(n));
    }
    if (!emergency_in(y, n->domain) &&
        (n->asked_s != y->now_s || !n->complete)) {
        fail_msg("%s/%s signs without having been seen in this run", n->domain,
                 n->selector);
    }
    n->was_active = true;
    y->activations++;
}

static void
judge_key(struct year *y, const struct keystore_key *k)
{
    struct year_name *n = year_find(y, k->view.domain, k->view.selector);

    if (n == NULL) {
        assert_int_equal(k->view.state, VIEW_KEY_NEW);
        return;
    }
    if (k->view.state == VIEW_KEY_ACTIVE && !n->was_active) {
        judge_beginning(y, n);
    }
    if (k->view.state == VIEW_KEY_PUBLISHED && n->ours) {
        assert_string_not_equal(n->primary, "");
    }
    if (k->view.state == VIEW_KEY_NEW && k->view.proved_s != 0) {
        fail_msg("%s/%s is new and proved", n->domain, n->selector);
    }
}

/* Is there one that is proved, unfaulty and was shown now, when the one that
 * signs is not? */
static void
judge_signer(struct year *y, const struct view *v, struct year_name *n,
             const struct view_key *signer)
{
    size_t count;
    const struct view_key *keys = view_domain(v, n->domain, &count);

    if (n->asked_s != y->now_s || n->complete || !signer->faulty) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const struct year_name *other =
            year_find(y, n->domain, keys[i].selector);

        if (other != NULL && other->asked_s == y->now_s && other->complete &&
            keys[i].proved_s != 0 && !keys[i].faulty &&
            keys[i].state != VIEW_KEY_REVOKED &&
            keys[i].state != VIEW_KEY_NEW) {
            fail_msg("%s/%s signs, and %s is visible", n->domain, n->selector,
                     other->selector);
        }
    }
}

static void
judge_domain(struct year *y, const struct view *v, const char *domain,
             bool clean)
{
    struct keychoice c = keychoice_make(v, domain, DKIM_ALG_ED25519_SHA256, "");
    bool once = false;
    size_t count;
    const struct view_key *keys = view_domain(v, domain, &count);
    unsigned active = 0;

    for (size_t i = 0; i < count; i++) {
        active += keys[i].state == VIEW_KEY_ACTIVE;
    }
    for (size_t i = 0; i < y->name_count; i++) {
        once = once || (strcmp(y->names[i].domain, domain) == 0 &&
                        y->names[i].was_active);
    }
    if (once && c.key == NULL) {
        fail_msg("%s is unsigned after a key was proved", domain);
    }
    if (clean && active > 1) {
        fail_msg("%s has %u active keys", domain, active);
    }
    if (c.key != NULL) {
        struct year_name *n = year_find(y, domain, c.key->selector);

        assert_non_null(n);
        n->signed_s = y->now_s;
        y->stand_ins += c.instead;
        if (clean && n->asked_s == y->now_s && n->lost && !c.key->faulty) {
            fail_msg("%s/%s signs, its record is lost, and nobody noticed",
                     domain, n->selector);
        }
        if (clean) {
            judge_signer(y, v, n, c.key);
        }
    }
}

void
year_judge(struct year *y, bool clean)
{
    struct keystore *s;
    struct view *v = load_view(y, &s);

    assert_non_null(v);
    for (size_t i = 0; i < keystore_count(s); i++) {
        judge_key(y, keystore_key_at(s, i));
    }
    for (size_t i = 0; i < y->name_count; i++) {
        judge_domain(y, v, y->names[i].domain, clean);
    }
    view_free(&v);
    keystore_free(&s);
}

void
year_condemn(struct year *y, const char *domain)
{
    const char *names[] = { domain };
    const struct rotate_wish wish = {
        .domains = names, .count = 1, .now = true, .emergency = true
    };
    struct keystore *s;
    struct view *v = load_view(y, &s);
    size_t count;
    const struct view_key *keys = view_domain(v, domain, &count);

    for (size_t i = 0; i < count; i++) {
        if (keys[i].state == VIEW_KEY_ACTIVE) {
            year_find(y, domain, keys[i].selector)->condemned = true;
        }
    }
    view_free(&v);
    keystore_free(&s);
    (void)year_run(y, &wish);
}

const char *
year_signer(struct year *y, const char *domain)
{
    struct keystore *s;
    struct view *v = load_view(y, &s);
    struct keychoice c = keychoice_make(v, domain, DKIM_ALG_ED25519_SHA256, "");
    struct year_name *n =
        c.key == NULL ? NULL : year_find(y, domain, c.key->selector);

    view_free(&v);
    keystore_free(&s);
    return n == NULL ? "" : n->selector;
}
