/*
 * domainadd - `sealpost domain add`, `migrate` and `delete`.
 */
#include "proxy/cli/domain.h"
#include "proxy/cli/domainrecords.h"
#include "proxy/cli/rotating.h"
#include "proxy/keys/keynote.h"

#include <errno.h>
#include <stdio.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

static const char add_usage[] =
    "usage: sealpost domain add DOMAIN [--dual] [--user USER] [--note TEXT]\n"
    "           [--own | --no-mail] [--dry-run] [--json] [-c FILE]\n"
    "       sealpost domain add --guide [DOMAIN] [--dual] [-c FILE]\n"
    "Looks after the keys of a domain, and prints what its owner publishes\n"
    "once: three CNAMEs into [rotate] zone, six with --dual (RSA and\n"
    "Ed25519). --user: three of that user's own. --own: the owner publishes\n"
    "each key himself. --no-mail: nothing ever signs for it. Again: prints\n"
    "the same, and adds what is new. --guide: a dialogue, until mail is\n"
    "signed.\n";
static const char migrate_usage[] =
    "usage: sealpost domain migrate DOMAIN --delegated [--dual] [--dry-run]\n"
    "           [--json] [-c FILE]\n"
    "From keys of the owner's own to CNAMEs, without a gap: the old selector\n"
    "signs until the CNAMEs are proved. `sealpost domain status` says when\n"
    "its TXT record may go.\n";
static const char delete_usage[] =
    "usage: sealpost domain delete DOMAIN [--keep-keys] [--dry-run]\n"
    "           [--no-reload] [-c FILE]\n"
    "Takes a domain's records out of the zone and deletes its keys: nothing\n"
    "signs for it then. --keep-keys: the keys stay, unattended.\n";

struct change {
    struct cli cli;
    struct rotating rotating;
    char domain[DKIM_DOMAIN_MAX + 1];
    const char *user;
    const char *note;
    bool dual;
    bool own;
    bool no_mail;
    bool delegated;
    bool guide;
    bool keep_keys;
    struct domain_file *file;
};

static int
begin(struct change *ch)
{
    int code;

    if (ch->cli.word_count != 1) {
        return cli_misuse(&ch->cli, "one domain");
    }
    code = cli_take_domain(&ch->cli, ch->cli.words[0], ch->domain);
    if (code != CLI_GO_ON) {
        return code;
    }
    if (ch->note != NULL && !keynote_text_ok(ch->note)) {
        return cli_misuse(&ch->cli,
                          "--note takes one line of at most %d octets, "
                          "without `;`",
                          KEYNOTE_TEXT_MAX);
    }
    code = cli_conf(&ch->cli);
    if (code == CLI_GO_ON) {
        code = rotating_begin(&ch->rotating, &ch->cli, 0);
    }
    return code;
}

/* Its note, or NULL when it has none. CLI_GO_ON, or an exit code. */
static int
load_file(struct change *ch)
{
    struct conf_errors *errors = conf_errors_new();
    int code;

    if (errors == NULL) {
        return cli_fail(&ch->cli, EX_OSERR, "no memory");
    }
    ch->file = domainfile_load(ch->rotating.world.store, ch->domain, errors);
    code = cli_errors(&ch->cli, errors);
    conf_errors_free(&errors);
    return code;
}

static int
fail_write(const struct change *ch)
{
    return cli_fail(&ch->cli, EX_CANTCREAT, "%s/domains: %s",
                    ch->cli.conf->server.state_dir, strerror(errno));
}

/* The run that makes and publishes the first keys. A publisher that fails is
 * a remark: the timer comes again. */
static int
first_run(struct change *ch)
{
    const char *names[] = { ch->domain };
    const struct rotate_wish wish = { .domains = names, .count = 1 };
    struct cli quiet = ch->cli;
    int code;

    quiet.json = false;
    rotating_without_dns(&ch->rotating);
    ch->rotating.cli = &quiet;
    ch->rotating.silent = true;
    code = rotating_run(&ch->rotating, &wish);
    ch->rotating.cli = &ch->cli;
    if (code != EX_OK) {
        cli_note(&ch->cli, "the first keys wait for the next run of `sealpost "
                           "key rotate --due`");
    }
    return code == EX_TEMPFAIL ? EX_OK : code;
}

/* --- add ---------------------------------------------------------------- */

static enum domain_way
wanted_way(const struct change *ch)
{
    return ch->no_mail ? DOMAIN_NO_MAIL
           : ch->own   ? DOMAIN_OWN
                       : DOMAIN_DELEGATED;
}

/* From here on she is written as users.conf has her. */
static int
check_user(struct change *ch)
{
    const struct view_user *user;

    if (ch->user == NULL) {
        return CLI_GO_ON;
    }
    user = view_user(ch->rotating.data.view, bytes_str(ch->user));
    if (user == NULL) {
        return cli_fail(&ch->cli, EX_NOUSER,
                        "there is no user %s; sealpost user list", ch->user);
    }
    ch->user = user->name;
    return CLI_GO_ON;
}

static int
check_add(struct change *ch)
{
    const struct rotate_conf *rotate = &ch->cli.conf->rotate;

    if (ch->own && ch->no_mail) {
        return cli_misuse(&ch->cli, "--own or --no-mail");
    }
    if (ch->no_mail) {
        return ch->user == NULL && !ch->dual
                   ? CLI_GO_ON
                   : cli_misuse(&ch->cli, "--no-mail stands alone");
    }
    if (rotating_configured(&ch->cli) != CLI_GO_ON) {
        return EX_CONFIG;
    }
    if (!ch->own &&
        (rotate->zone[0] == '\0' || rotate->publish == CONF_PUBLISH_NONE)) {
        return cli_fail(&ch->cli, EX_CONFIG,
                        "%s: [rotate] has no %s; zone = the zone behind the "
                        "CNAMEs, and publish = how records get into it, or "
                        "--own",
                        ch->cli.conf->path,
                        rotate->zone[0] == '\0' ? "zone" : "publish");
    }
    return check_user(ch);
}

static bool
add_tracks(struct change *ch)
{
    const char *user = ch->user == NULL ? "" : ch->user;

    if (ch->file->way == DOMAIN_NO_MAIL) {
        return true;
    }
    return domainfile_track(ch->file, DKIM_ALG_RSA_SHA256, user, true) !=
               NULL &&
           (!ch->dual || domainfile_track(ch->file, DKIM_ALG_ED25519_SHA256,
                                          user, true) != NULL);
}

/* One of the domain's own keys that is in use or will be; NULL: none. */
static const char *
key_in_use(const struct change *ch)
{
    const struct keystore *store = ch->rotating.data.store;
    const struct keystore_key *k;

    for (size_t i = 0; (k = keystore_key_at(store, i)) != NULL; i++) {
        const struct view_key *v =
            view_key(ch->rotating.data.view, k->view.domain, k->view.selector);

        if (strcmp(k->view.domain, ch->domain) == 0 &&
            k->view.owner[0] == '\0' && k->view.state != VIEW_KEY_REVOKED &&
            (v == NULL || !v->reserved)) {
            return k->view.selector;
        }
    }
    return NULL;
}

/* A new one, when there is none. */
static bool
have_file(struct change *ch, enum domain_way way)
{
    if (ch->file == NULL) {
        ch->file = domainfile_new(ch->domain, way);
        if (ch->file != NULL) {
            ch->file->added_s = ch->rotating.world.now_s;
        }
    }
    return ch->file != NULL;
}

/* The file as it should be, in memory. */
static int
make_file(struct change *ch)
{
    enum domain_way way = wanted_way(ch);

    if (ch->file != NULL && ch->file->way != way) {
        return cli_fail(&ch->cli, EX_CANTCREAT, "%s was added as %s; %s",
                        ch->domain, domainfile_way_name(ch->file->way),
                        ch->file->way == DOMAIN_OWN && way == DOMAIN_DELEGATED
                            ? "sealpost domain migrate"
                            : "sealpost domain delete first");
    }
    if (ch->file == NULL && way == DOMAIN_DELEGATED && key_in_use(ch) != NULL) {
        return cli_fail(&ch->cli, EX_CANTCREAT,
                        "%s has a key of its own, %s; sealpost domain migrate "
                        "%s --delegated goes on from it, --own looks after it",
                        ch->domain, key_in_use(ch), ch->domain);
    }
    if (!have_file(ch, way)) {
        return cli_fail(&ch->cli, EX_OSERR, "no memory");
    }
    if (ch->note != NULL) {
        ch->file->note = ch->note;
    }
    return add_tracks(ch) ? CLI_GO_ON
                          : cli_fail(&ch->cli, EX_OSERR,
                                     "no memory, or too many users with "
                                     "slots in %s",
                                     ch->domain);
}

/* Reads, changes and writes under the lock. */
static int
change_file(struct change *ch, int (*make)(struct change *ch))
{
    int lock = domainfile_lock(ch->rotating.world.store);
    int code;

    if (lock < 0) {
        return fail_write(ch);
    }
    code = load_file(ch);
    if (code == CLI_GO_ON) {
        code = make(ch);
    }
    if (code == CLI_GO_ON && !ch->cli.dry_run &&
        !domainfile_save(ch->rotating.world.store, ch->file)) {
        code = fail_write(ch);
    }
    close(lock);
    return code;
}

static void
explain_add(const struct change *ch)
{
    static const char *const next[] = {
        [DOMAIN_DELEGATED] =
            "publish these once; a key signs as soon as every nameserver "
            "shows it (sealpost domain status)",
        [DOMAIN_OWN] = "publish each new key as `sealpost key show` says; it "
                       "signs as soon as every nameserver shows it",
        [DOMAIN_NO_MAIL] = "publish these; nothing signs for it",
    };

    if (!ch->cli.json) {
        fprintf(stderr, "%s: %s\n", ch->domain, next[ch->file->way]);
    }
}

static int
run_add(struct change *ch)
{
    int code = begin(ch);

    if (code == CLI_GO_ON) {
        code = check_add(ch);
    }
    if (code == CLI_GO_ON) {
        code = change_file(ch, make_file);
    }
    if (code == CLI_GO_ON) {
        explain_add(ch);
        code = domainrecords_show(&ch->cli, ch->file, ch->user);
    }
    if (code == EX_OK && !ch->cli.dry_run && !ch->no_mail) {
        code = first_run(ch);
    }
    return code;
}

static int
finish(struct change *ch, int code)
{
    ch->rotating.cli = &ch->cli;
    ch->cli.json = false; /* the records were it */
    rotating_end(&ch->rotating);
    domainfile_free(&ch->file);
    cli_free(&ch->cli);
    return code;
}

int
domain_add(int argc, char **argv)
{
    struct change ch = { .cli = { .name = "domain add", .usage = add_usage } };
    const struct cli_option options[] = {
        { "--dual", 0, &ch.dual, NULL, NULL },
        { "--own", 0, &ch.own, NULL, NULL },
        { "--guide", 0, &ch.guide, NULL, NULL },
        { "--no-mail", 0, &ch.no_mail, NULL, NULL },
        { "--user", 'u', NULL, &ch.user, NULL },
        { "--note", 0, NULL, &ch.note, NULL },
        { NULL, 0, NULL, NULL, NULL },
    };
    int code = cli_parse(&ch.cli, argc, argv, options);

    if (code == CLI_GO_ON && ch.guide) {
        code = domain_guide(&ch.cli, ch.dual);
    } else if (code == CLI_GO_ON) {
        code = run_add(&ch);
    }
    return finish(&ch, code);
}

/* --- migrate ------------------------------------------------------------ */

/* The selectors of before go on until the slots are proved. */
static bool
keep_earlier(struct change *ch, const struct keystore_key *k)
{
    const struct view_key *v =
        view_key(ch->rotating.data.view, k->view.domain, k->view.selector);
    bool fixed = v != NULL && v->reserved;

    if (strcmp(k->view.domain, ch->domain) != 0 || fixed ||
        k->view.state == VIEW_KEY_REVOKED) {
        return true;
    }
    return domainfile_earlier(ch->file, k->view.selector) &&
           domainfile_track(ch->file, k->view.alg, k->view.owner, true) != NULL;
}

static int
make_migration(struct change *ch)
{
    const struct keystore *store = ch->rotating.data.store;
    bool good = true;

    if (ch->file != NULL && ch->file->way == DOMAIN_NO_MAIL) {
        return cli_fail(&ch->cli, EX_CANTCREAT,
                        "%s was added as no-mail; sealpost domain delete "
                        "first",
                        ch->domain);
    }
    if (!have_file(ch, DOMAIN_DELEGATED)) {
        return cli_fail(&ch->cli, EX_OSERR, "no memory");
    }
    ch->file->way = DOMAIN_DELEGATED;
    for (size_t i = 0; good && i < ch->file->track_count; i++) {
        const struct domain_track *t = ch->file->tracks + i;

        good = domainfile_track(ch->file, t->alg, t->user, true) != NULL;
    }
    for (size_t i = 0; good && i < keystore_count(store); i++) {
        const struct keystore_key *k = keystore_key_at(store, i);

        good = domainfile_is_slot(ch->file, k->view.selector) ||
               keep_earlier(ch, k);
    }
    return good && add_tracks(ch) ? CLI_GO_ON
                                  : cli_fail(&ch->cli, EX_OSERR,
                                             "no memory, or over %d keys in %s",
                                             DOMAIN_EARLIER_MAX, ch->domain);
}

static int
run_migrate(struct change *ch)
{
    int code;

    if (!ch->delegated) {
        return cli_misuse(&ch->cli, "--delegated is the only way there is");
    }
    code = begin(ch);
    if (code == CLI_GO_ON) {
        code = check_add(ch);
    }
    if (code == CLI_GO_ON) {
        code = change_file(ch, make_migration);
    }
    if (code != CLI_GO_ON) {
        return code;
    }
    if (!ch->cli.json) {
        fprintf(stderr,
                "%s: publish these once; the old selector%s until they are "
                "proved, then sealpost domain status says when its TXT record "
                "may go\n",
                ch->domain, ch->file->earlier_count > 1 ? "s sign" : " signs");
    }
    code = domainrecords_show(&ch->cli, ch->file, NULL);
    return code == EX_OK && !ch->cli.dry_run ? first_run(ch) : code;
}

int
domain_migrate(int argc, char **argv)
{
    struct change ch = { .cli = { .name = "domain migrate",
                                  .usage = migrate_usage } };
    const struct cli_option options[] = {
        { "--delegated", 0, &ch.delegated, NULL, NULL },
        { "--dual", 0, &ch.dual, NULL, NULL },
        { NULL, 0, NULL, NULL, NULL },
    };
    int code = cli_parse(&ch.cli, argc, argv, options);

    return finish(&ch, code == CLI_GO_ON ? run_migrate(&ch) : code);
}

/* --- delete ------------------------------------------------------------- */

static int
run_delete(struct change *ch)
{
    int code = begin(ch);

    if (code == CLI_GO_ON) {
        code = load_file(ch);
    }
    if (code != CLI_GO_ON) {
        return code;
    }
    if (ch->file == NULL) {
        return cli_fail(&ch->cli, EX_NOINPUT,
                        "%s was not added; sealpost domain list", ch->domain);
    }
    if (ch->cli.dry_run) {
        fprintf(stderr, "dry run: %s would be deleted%s\n", ch->domain,
                ch->keep_keys ? "" : ", with its keys");
        return EX_OK;
    }
    code = rotating_forget(&ch->rotating, ch->domain, !ch->keep_keys);
    if (code == EX_OK) {
        fprintf(stderr, "%s is deleted; its owner may take %s away\n",
                ch->domain,
                ch->file->way == DOMAIN_DELEGATED ? "the CNAME records"
                                                  : "its records");
    }
    return code;
}

int
domain_delete(int argc, char **argv)
{
    struct change ch = { .cli = { .name = "domain delete",
                                  .usage = delete_usage } };
    const struct cli_option options[] = {
        { "--keep-keys", 0, &ch.keep_keys, NULL, NULL },
        { NULL, 0, NULL, NULL, NULL },
    };
    int code = cli_parse(&ch.cli, argc, argv, options);

    return finish(&ch, code == CLI_GO_ON ? run_delete(&ch) : code);
}
