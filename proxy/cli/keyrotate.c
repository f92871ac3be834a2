/*
 * keyrotate - `sealpost key rotate`, `revoke` and `delete`.
 */
#include "proxy/cli/key.h"
#include "proxy/cli/rotating.h"
#include "proxy/keys/keynote.h"
#include "proxy/users/decide.h"

#include <assert.h>
#include <stdio.h>
#include <sysexits.h>

static const char rotate_usage[] =
    "usage: sealpost key rotate --due [--now UNIX] [--dry-run] [--json]\n"
    "       sealpost key rotate DOMAIN... [--emergency] [--dry-run] [--json]\n"
    "           [--now UNIX] [--no-reload] [-c FILE]\n"
    "Takes the keys of all domains one step further where DNS shows that it\n"
    "may be done; the timer does this. With DOMAIN: its next key signs now,\n"
    "as soon as it is proved. --emergency: the key that signs is condemned;\n"
    "the next one takes over at once and the condemned one is revoked.\n"
    "--now: another time than the clock's, for trials.\n";
static const char revoke_usage[] =
    "usage: sealpost key revoke DOMAIN SELECTOR [--force] [--dry-run]\n"
    "           [--now UNIX] [--no-reload] [-c FILE]\n"
    "Takes a key out of use and publishes p= empty. One that signs: when the\n"
    "next one has taken over, which is at once if that is proved; --force:\n"
    "now, even if mail goes unsigned then.\n";
static const char delete_usage[] =
    "usage: sealpost key delete DOMAIN SELECTOR [--force] [--dry-run]\n"
    "           [--no-reload] [-c FILE]\n"
    "Deletes a key that was never used or is revoked; --force: any.\n";

struct turn {
    struct cli cli;
    char domains[CLI_WORDS_MAX][DKIM_DOMAIN_MAX + 1];
    const char *names[CLI_WORDS_MAX];
    char selector[DKIM_DOMAIN_MAX + 1];
    uint64_t now_s;
    bool due;
    bool emergency;
    bool force;
};

static int
take_domain(struct turn *t, size_t n)
{
    t->names[n] = t->domains[n];
    return cli_take_domain(&t->cli, t->cli.words[n], t->domains[n]);
}

/* --- rotate ------------------------------------------------------------- */

/* A domain that nobody knows is a mistake, not nothing to do. */
static int
must_be_known(struct turn *t, const struct rotating *r)
{
    struct conf_errors *errors = conf_errors_new();
    struct rotate_facts *facts =
        errors == NULL ? NULL : rotate_facts_load(&r->world, errors);
    int code = CLI_GO_ON;

    for (size_t i = 0; facts != NULL && i < t->cli.word_count; i++) {
        const struct plan_track *track;
        bool known = rotate_facts_file(facts, t->names[i]) != NULL;

        for (size_t n = 0; !known && (track = rotate_facts_track(facts, n));
             n++) {
            known = strcmp(track->domain, t->names[i]) == 0;
        }
        if (!known) {
            code = cli_fail(&t->cli, EX_NOINPUT,
                            "%s has no keys and was not added; sealpost "
                            "domain add %s",
                            t->names[i], t->names[i]);
        }
    }
    rotate_facts_free(&facts);
    conf_errors_free(&errors);
    return code;
}

/* Whose mail the keys sign that an emergency would condemn. */
static void
say_affected(const struct turn *t, const struct view *users)
{
    for (size_t d = 0; d < t->cli.word_count; d++) {
        size_t count = 0;

        for (size_t i = 0; i < view_user_count(users); i++) {
            const struct view_user *u = view_user_at(users, i);

            if (users_from_has(u, t->names[d])) {
                fprintf(stderr, "%s%s", count == 0 ? "affected: " : ", ",
                        u->name);
                count++;
            }
        }
        fprintf(stderr,
                count == 0 ? "no user of users.conf writes for %s\n"
                           : " (%s)\n",
                t->names[d]);
    }
}

static int
run_rotate(struct turn *t)
{
    struct rotate_wish wish = { .domains = t->names,
                                .count = t->cli.word_count,
                                .now = !t->due,
                                .emergency = t->emergency,
                                .dry_run = t->cli.dry_run };
    struct rotating r;
    int code = CLI_GO_ON;

    if (t->due ? t->emergency || wish.count > 0 : wish.count == 0) {
        return cli_misuse(&t->cli, "%s",
                          t->due ? "--due is for all domains"
                                 : "--due, or a domain");
    }
    for (size_t i = 0; i < wish.count && code == CLI_GO_ON; i++) {
        code = take_domain(t, i);
    }
    if (code == CLI_GO_ON) {
        code = cli_conf(&t->cli);
    }
    if (code != CLI_GO_ON) {
        return code;
    }
    code = rotating_configured(&t->cli);
    if (code != CLI_GO_ON) {
        return code;
    }
    code = rotating_begin(&r, &t->cli, t->now_s);
    if (code == CLI_GO_ON) {
        code = must_be_known(t, &r);
    }
    if (code == CLI_GO_ON) {
        r.waits = !t->due || t->cli.dry_run;
        r.notices = t->due;
        if (t->emergency && t->cli.dry_run) {
            say_affected(t, r.data.view);
        }
        code = rotating_run(&r, &wish);
    }
    rotating_end(&r);
    return code;
}

int
key_rotate(int argc, char **argv)
{
    struct turn t = { .cli = { .name = "key rotate", .usage = rotate_usage } };
    const struct cli_option options[] = {
        { "--due", 0, &t.due, NULL, NULL },
        { "--emergency", 0, &t.emergency, NULL, NULL },
        { "--now", 0, NULL, NULL, &t.now_s },
        { NULL, 0, NULL, NULL, NULL },
    };
    int code = cli_parse(&t.cli, argc, argv, options);

    if (code == CLI_GO_ON) {
        code = run_rotate(&t);
    }
    cli_free(&t.cli);
    return code;
}

/* --- revoke and delete -------------------------------------------------- */

/* DOMAIN SELECTOR, the configuration and the keys; the key that is meant. */
static int
begin_one(struct turn *t, struct rotating *r,
          const struct keystore_key **key_out)
{
    int code;

    if (t->cli.word_count != 2) {
        return cli_misuse(&t->cli, "a domain and a selector");
    }
    code = take_domain(t, 0);
    if (code == CLI_GO_ON &&
        !keystore_selector_parse(bytes_str(t->cli.words[1]), t->selector)) {
        code = cli_misuse(&t->cli, "%s is not a selector", t->cli.words[1]);
    }
    if (code == CLI_GO_ON) {
        code = cli_conf(&t->cli);
    }
    if (code == CLI_GO_ON) {
        code = rotating_begin(r, &t->cli, t->now_s);
    }
    if (code != CLI_GO_ON) {
        return code;
    }
    *key_out = keystore_find(r->data.store, t->names[0], t->selector);
    return *key_out != NULL
               ? CLI_GO_ON
               : cli_fail(&t->cli, EX_NOINPUT,
                          "there is no key %s/%s; sealpost key list",
                          t->names[0], t->selector);
}

static int
run_revoke(struct turn *t, struct rotating *r)
{
    const struct rotate_wish wish = { .domains = t->names,
                                      .count = 1,
                                      .emergency = true,
                                      .force = t->force,
                                      .selector = t->selector,
                                      .dry_run = t->cli.dry_run };
    const struct keystore_key *key = NULL;
    int code = begin_one(t, r, &key);

    if (code != CLI_GO_ON) {
        return code;
    }
    assert(key != NULL);
    if (key->view.state == VIEW_KEY_REVOKED) {
        cli_note(&t->cli, "%s/%s is revoked already", t->names[0], t->selector);
        return EX_OK;
    }
    r->waits = true;
    return rotating_run(r, &wish);
}

int
key_revoke(int argc, char **argv)
{
    struct turn t = { .cli = { .name = "key revoke", .usage = revoke_usage } };
    struct rotating r = { .cli = &t.cli };
    const struct cli_option options[] = {
        { "--force", 0, &t.force, NULL, NULL },
        { "--now", 0, NULL, NULL, &t.now_s },
        { NULL, 0, NULL, NULL, NULL },
    };
    int code = cli_parse(&t.cli, argc, argv, options);

    if (code == CLI_GO_ON) {
        code = run_revoke(&t, &r);
        rotating_end(&r);
    }
    cli_free(&t.cli);
    return code;
}

static int
run_delete(struct turn *t, struct rotating *r)
{
    const struct keystore_key *key = NULL;
    int code = begin_one(t, r, &key);

    if (code != CLI_GO_ON) {
        return code;
    }
    assert(key != NULL);
    if (!t->force && key->view.state != VIEW_KEY_NEW &&
        key->view.state != VIEW_KEY_REVOKED) {
        return cli_fail(&t->cli, EX_DATAERR,
                        "%s/%s is %s; sealpost key revoke first, or --force",
                        t->names[0], t->selector,
                        keynote_state_name(key->view.state));
    }
    if (t->cli.dry_run) {
        fprintf(stderr, "dry run: %s/%s would be deleted\n", t->names[0],
                t->selector);
        return EX_OK;
    }
    return rotating_delete(r, t->names[0], t->selector);
}

int
key_delete(int argc, char **argv)
{
    struct turn t = { .cli = { .name = "key delete", .usage = delete_usage } };
    struct rotating r = { .cli = &t.cli };
    const struct cli_option options[] = {
        { "--force", 0, &t.force, NULL, NULL },
        { NULL, 0, NULL, NULL, NULL },
    };
    int code = cli_parse(&t.cli, argc, argv, options);

    if (code == CLI_GO_ON) {
        code = run_delete(&t, &r);
        rotating_end(&r);
    }
    cli_free(&t.cli);
    return code;
}
