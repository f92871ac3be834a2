/*
 * test_rotate_memory - the n-th allocation fails in a run of the life cycle.
 *
 * Memory ends (failmalloc.h). Whatever fails, the files stay whole, no key
 * signs that was not proved, and when memory is back the next run goes on.
 */
#include "proxy/domains/rotate.h"
#include "tests/support/cmocka.h"
#include "tests/support/failmalloc.h"
#include "tests/support/tempdir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    HOUR_S = 3600,
    DAY_S = 86400,
    NAMES = 16,
    RUNS = 40, /* and for each every allocation up to its end */
    TRIES_MAX = 3000
};

/* --- a world in which all is well --------------------------------------- */

static char dir[64];
static char zone[NAMES][2][200]; /* name, text */
static unsigned deletions;       /* told */

static const char *
text_of(const char *token)
{
    for (size_t i = 0; i < NAMES; i++) {
        size_t len = strlen(token);

        if (strncmp(zone[i][0], token, len) == 0 && zone[i][0][len] == '.') {
            return zone[i][1];
        }
    }
    return "";
}

static bool
put_zone(void *arg, const struct publish_record *records, size_t count,
         struct buf *why_out)
{
    (void)arg;
    (void)why_out;
    for (size_t i = 0; i < count && i < NAMES; i++) {
        snprintf(zone[i][0], sizeof(zone[i][0]), "%s", records[i].name);
        snprintf(zone[i][1], sizeof(zone[i][1]), "%s", records[i].text);
    }
    return true;
}

static bool
survey(void *arg, const struct seen_question *questions, size_t count,
       struct seen *seen_out)
{
    (void)arg;
    for (size_t i = 0; i < count; i++) {
        const char *text = text_of(questions[i].selector);
        struct seen_at *at = calloc(3, sizeof(*at));
        enum seen_what what =
            text[0] == '\0'           ? SEEN_MISSING
            : strcmp(text, "p=") == 0 ? SEEN_REVOKED
            : questions[i].public_b64[0] != '\0' &&
                    strcmp(text + 2, questions[i].public_b64) == 0
                ? SEEN_KEY
                : SEEN_OTHER;

        if (at == NULL) {
            seen_free(seen_out, i);
            return false;
        }
        at[0] = (struct seen_at){ .role = SEEN_OWNER, .what = SEEN_CNAME };
        at[1] = (struct seen_at){ .role = SEEN_TARGET, .what = what };
        at[2] = (struct seen_at){ .role = SEEN_RESOLVER, .what = what };
        seen_out[i] = (struct seen){ 0, at, 3 };
    }
    return true;
}

static void
put_text(const struct keystore_key *key, struct buf *out)
{
    buf_printf(out, "p=%s",
               key->view.state == VIEW_KEY_REVOKED ? "" : key->public_b64);
}

/* What is told has happened. */
static void
told(void *arg, const struct rotate_event *e)
{
    char path[600];

    (void)arg;
    if (e->kind == ROTATE_STEP && e->step == PLAN_DELETE) {
        snprintf(path, sizeof(path), "%s/keys/%s/%s.conf", dir, e->domain,
                 e->selector);
        assert_int_equal(access(path, F_OK), -1);
        deletions++;
    }
}

static enum rotate_result
run(const struct keystore_conf *store, uint64_t now_s)
{
    static const struct rotate_conf rotate = { .present = true,
                                               .every_s = 60 * DAY_S,
                                               .retire_s = 20 * DAY_S,
                                               .revoked_s = 7 * DAY_S,
                                               .zone = "dkim.relay.example",
                                               .publish =
                                                   CONF_PUBLISH_RFC2136 };
    static const struct rotate_wish due = { .count = 0 };
    const struct rotate_world world = { .store = store,
                                        .rotate = &rotate,
                                        .expire_s = 7 * DAY_S,
                                        .now_s = now_s,
                                        .survey = survey,
                                        .publish = put_zone,
                                        .record = put_text,
                                        .told = told };
    struct conf_errors *errors = conf_errors_new();
    enum rotate_result result = ROTATE_UNREADABLE;
    bool changed;

    if (errors != NULL) {
        result = rotate_run(&world, &due, errors, &changed);
    }
    conf_errors_free(&errors);
    return result;
}

/* All can be read, and who signs was proved. */
static void
judge(const struct keystore_conf *store)
{
    struct conf_errors *errors = conf_errors_new();
    struct keystore *s = keystore_load(store, errors);
    struct domain_file *f = domainfile_load(store, "a.example", errors);

    assert_true(s != NULL && f != NULL);
    for (size_t i = 0; i < conf_errors_count(errors); i++) {
        assert_true(conf_errors_is_warning(errors, i));
    }
    for (size_t i = 0; i < keystore_count(s); i++) {
        const struct keystore_key *k = keystore_key_at(s, i);

        assert_true(k->view.state != VIEW_KEY_ACTIVE || k->view.proved_s != 0);
    }
    domainfile_free(&f);
    keystore_free(&s);
    conf_errors_free(&errors);
}

static void
test_every_allocation(void **state)
{
    const struct keystore_conf store = { .state_dir = dir,
                                         .uid = (uid_t)-1,
                                         .gid = (gid_t)-1 };
    struct domain_file *f = domainfile_new("a.example", DOMAIN_DELEGATED);
    uint64_t now_s = 1800000000;
    size_t failed = 0;
    int lock;

    (void)state;
    assert_non_null(domainfile_track(f, DKIM_ALG_ED25519_SHA256, "", true));
    lock = domainfile_lock(&store);
    assert_true(lock >= 0 && domainfile_save(&store, f));
    close(lock);
    domainfile_free(&f);
    for (unsigned i = 0; i < RUNS; i++) {
        enum rotate_result result = ROTATE_UNREADABLE;

        now_s += i % 4 == 0 ? 30 * DAY_S : 30 * HOUR_S;
        for (size_t n = i; n < TRIES_MAX && result != ROTATE_OK; n += 7) {
            failmalloc_left = n;
            result = run(&store, now_s);
            failmalloc_left = SIZE_MAX;
            failed += result != ROTATE_OK;
            judge(&store);
        }
        assert_int_equal(run(&store, now_s), ROTATE_OK);
    }
    assert_true(failed > 5 * RUNS);
    assert_true(deletions > 0);
}

/* --- its folder --------------------------------------------------------- */

static int
begin(void **state)
{
    (void)state;
    tempdir_in_memory(dir, sizeof(dir));
    return 0;
}

static int
end(void **state)
{
    (void)state;
    return tempdir_erase(dir);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_allocation, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
