/*
 * user - `sealpost user`: add, passwd, set, lock, unlock, delete.
 *
 * Each is a number of settings for one section of users.conf, checked as the
 * keeper will check them and written in one step.
 */
#include "proxy/cli/user.h"

#include "proxy/cli/cli.h"
#include "proxy/cli/password.h"
#include "proxy/users/useredit.h"
#include "proxy/users/uservalue.h"

#include <base/wipe.h>

#include <errno.h>
#include <stdio.h>
#include <sysexits.h>

static const char add_usage[] =
    "usage: sealpost user add USER [--from LIST] [--selector S]\n"
    "           [--domain D] [--other-from W] [--no-key W] [--upstream NAME]\n"
    "           [--upstream-username NAME --upstream-password-file FILE]\n"
    "           [--rate N/h] [--recipient-rate N/h]\n"
    "           [--password-stdin | --no-password]\n"
    "           [--dry-run] [--no-reload] [-c FILE]\n"
    "LIST: DOMAIN, *.DOMAIN, LOCAL@DOMAIN or *, parted by commas.\n";
static const char passwd_usage[] =
    "usage: sealpost user passwd USER [--password-stdin] [--dry-run]\n"
    "           [--no-reload] [-c FILE]\n";
static const char set_usage[] =
    "usage: sealpost user set USER [--from LIST] [--selector S] [--domain D]\n"
    "           [--other-from reject|unsigned|sign-as-user]\n"
    "           [--no-key unsigned|tempfail|reject] [--upstream NAME]\n"
    "           [--upstream-username NAME --upstream-password-file FILE]\n"
    "           [--rate N/h] [--recipient-rate N/h] [--dry-run]\n"
    "           [--no-reload] [-c FILE]\n"
    "An empty value takes the setting away.\n";
static const char lock_usage[] =
    "usage: sealpost user lock USER [--dry-run] [--no-reload] [-c FILE]\n"
    "The user can neither log in nor send, running sessions included.\n";
static const char unlock_usage[] =
    "usage: sealpost user unlock USER [--dry-run] [--no-reload] [-c FILE]\n";
static const char delete_usage[] =
    "usage: sealpost user delete USER [--dry-run] [--no-reload] [-c FILE]\n";

/* The settings that add and set take, as options and as keys. */
static const struct {
    const char *option;
    const char *key;
} settings[] = {
    { "--from", "from" },
    { "--selector", "selector" },
    { "--domain", "domain" },
    { "--other-from", "other_from" },
    { "--no-key", "no_key" },
    { "--upstream", "upstream" },
    { "--rate", "rate" },
    { "--recipient-rate", "recipient_rate" },
    { "--upstream-username", "upstream_username" },
    { "--upstream-password-file", "upstream_password_file" },
};
enum {
    SETTINGS = sizeof(settings) / sizeof(settings[0])
};

struct change {
    struct cli cli;
    const char *values[SETTINGS]; /* NULL: not given */
    bool password_stdin;
    bool no_password; /* add: somebody else judges her logins */
    bool rehearsal;   /* nothing is asked for yet, or written */
    const char *user;
    const char *path; /* of users.conf; borrowed */
    struct useredit edit;
    char password[PASSWORD_MAX + 1];
};

typedef int change_action(struct change *ch);

static int
fail_edit(const struct change *ch, enum useredit_result result)
{
    int error = errno;

    switch (result) {
    case USEREDIT_OK:
        return CLI_GO_ON;
    case USEREDIT_IO:
        return error == EACCES || error == EPERM
                   ? cli_fail(&ch->cli, EX_NOPERM,
                              "%s: %s; be root or the account of the keys",
                              ch->path, strerror(error))
                   : cli_fail(&ch->cli, EX_CANTCREAT, "%s: %s", ch->path,
                              strerror(error));
    case USEREDIT_NO_USER:
        return cli_fail(&ch->cli, EX_NOUSER,
                        "there is no user %s; sealpost "
                        "user list",
                        ch->user);
    case USEREDIT_EXISTS:
        return cli_fail(&ch->cli, EX_CANTCREAT,
                        "there is a user %s already; "
                        "sealpost user set changes "
                        "one",
                        ch->user);
    case USEREDIT_BAD:
        return EX_DATAERR; /* its lines were printed */
    case USEREDIT_NO_MEMORY:
        break;
    }
    return cli_fail(&ch->cli, EX_OSERR, "no memory");
}

static int
set(struct change *ch, const char *key, const char *value)
{
    return fail_edit(ch, useredit_set(&ch->edit, ch->user, key, value));
}

/* --- what each does ----------------------------------------------------- */

/* The daemon would refuse all of users.conf for it. */
static int
check_upstream(struct change *ch, size_t i)
{
    const char *name = ch->values[i];

    if (strcmp(settings[i].key, "upstream") != 0 || name[0] == '\0' ||
        conf_upstream(ch->cli.conf, name) != NULL) {
        return CLI_GO_ON;
    }
    return cli_fail(&ch->cli, EX_DATAERR,
                    "--upstream %s: %s has no [upstream %s]; the name of one",
                    name, ch->cli.path, name);
}

/* NULL: not given. */
static const char *
given(const struct change *ch, const char *key)
{
    size_t i = 0;

    while (strcmp(settings[i].key, key) != 0) {
        i++;
    }
    return ch->values[i];
}

/* As above: a name without a password is a mistake. */
static int
check_login(const struct change *ch)
{
    const char *name = given(ch, "upstream_username");
    const char *file = given(ch, "upstream_password_file");

    if ((name == NULL) == (file == NULL) &&
        (name == NULL || (name[0] == '\0') == (file[0] == '\0'))) {
        return CLI_GO_ON;
    }
    return cli_misuse(&ch->cli, "--upstream-username and "
                                "--upstream-password-file go together");
}

static int
set_given(struct change *ch)
{
    int code = check_login(ch);

    for (size_t i = 0; i < SETTINGS && code == CLI_GO_ON; i++) {
        const char *value = ch->values[i];

        if (value == NULL) {
            continue;
        }
        if (strpbrk(value, "\r\n") != NULL || strstr(value, " ;") != NULL ||
            value[0] == ';') {
            return cli_misuse(&ch->cli, "%s takes one line without `;`",
                              settings[i].option);
        }
        code = check_upstream(ch, i);
        if (code == CLI_GO_ON) {
            code = set(ch, settings[i].key, value[0] == '\0' ? NULL : value);
        }
    }
    return code;
}

/* Both secrets change together: an old one would still open the door. */
static int
set_password(struct change *ch)
{
    struct buf hash = BUF_INIT;
    struct buf scram = BUF_INIT;
    bool good;
    int code;

    if (ch->rehearsal) {
        return set(ch, "password", NULL);
    }
    good = password_crypt(ch->password, &hash);
    if (good && conf_has_scram(ch->cli.conf)) {
        good = password_scram(ch->password, &scram);
    }
    if (!good || buf_str(&hash) == NULL || buf_str(&scram) == NULL) {
        code = cli_fail(&ch->cli, EX_SOFTWARE,
                        "the password could not be "
                        "hashed");
    } else {
        code = set(ch, "password", (const char *)hash.ptr);
    }
    if (code == CLI_GO_ON) {
        code =
            set(ch, "scram", scram.len == 0 ? NULL : (const char *)scram.ptr);
    }
    buf_free(&hash);
    buf_free(&scram);
    return code;
}

static int
do_add(struct change *ch)
{
    int code = fail_edit(ch, useredit_add(&ch->edit, ch->user));

    if (code == CLI_GO_ON && !ch->no_password) {
        code = set_password(ch);
    }
    return code == CLI_GO_ON ? set_given(ch) : code;
}

static int
do_set(struct change *ch)
{
    size_t given = 0;

    for (size_t i = 0; i < SETTINGS; i++) {
        given += ch->values[i] != NULL;
    }
    return given > 0 ? set_given(ch) : cli_misuse(&ch->cli, "nothing to set");
}

static int
do_lock(struct change *ch)
{
    return set(ch, "locked", "yes");
}

static int
do_unlock(struct change *ch)
{
    return set(ch, "locked", NULL);
}

static int
do_delete(struct change *ch)
{
    return fail_edit(ch, useredit_delete(&ch->edit, ch->user));
}

/* --- around it ---------------------------------------------------------- */

static int
commit(struct change *ch)
{
    struct conf_errors *errors = conf_errors_new();
    enum useredit_result result;
    int code;

    if (errors == NULL) {
        return cli_fail(&ch->cli, EX_OSERR, "no memory");
    }
    if (ch->cli.dry_run || ch->rehearsal) {
        struct userfile *f =
            userfile_parse(buf_bytes(&ch->edit.text), ch->edit.path, errors);

        result = f != NULL                       ? USEREDIT_OK
                 : conf_errors_count(errors) > 0 ? USEREDIT_BAD
                                                 : USEREDIT_NO_MEMORY;
        userfile_free(&f);
    } else {
        result = useredit_commit(&ch->edit, errors);
    }
    code = fail_edit(ch, result);
    (void)cli_errors(&ch->cli, errors);
    conf_errors_free(&errors);
    return code;
}

/* A selector that no key has is a remark now, not a riddle at the first
 * message. */
static void
check_selectors(struct change *ch)
{
    struct cli_data data = { .users_path = BUF_INIT };

    for (size_t i = 0; i < SETTINGS; i++) {
        if (ch->values[i] != NULL && strcmp(settings[i].key, "selector") == 0) {
            (void)cli_load(&ch->cli, true, &data);
            break;
        }
    }
    cli_data_free(&data);
}

static int
edit(struct change *ch, change_action *action)
{
    struct keystore_conf account;
    struct replace_owner owner;
    int code;

    keystore_conf_init(&account, &ch->cli.conf->server, false);
    owner = (struct replace_owner){ account.uid, account.gid, 0600 };
    code = fail_edit(ch, useredit_begin(&ch->edit, ch->path, &owner));
    if (code == CLI_GO_ON) {
        code = action(ch);
    }
    if (code == CLI_GO_ON) {
        code = commit(ch);
    }
    useredit_end(&ch->edit);
    if (code != CLI_GO_ON || ch->rehearsal) {
        return code;
    }
    if (ch->cli.dry_run) {
        fprintf(stderr, "dry run: nothing was written\n");
    } else {
        check_selectors(ch);
        cli_reload(&ch->cli);
    }
    return EX_OK;
}

static int
edit_there(struct change *ch, change_action *action)
{
    struct buf path = BUF_INIT;
    int code;

    buf_printf(&path, "%s/users.conf", ch->cli.conf->server.state_dir);
    ch->path = buf_str(&path);
    code = ch->path == NULL ? cli_fail(&ch->cli, EX_OSERR, "no memory")
                            : edit(ch, action);
    buf_free(&path);
    return code;
}

/* Asked without the lock: nobody waits for a person. So all is tried before
 * it and forgotten: who is wrong in the rest hears so before she types. */
static int
ask_password(struct change *ch, change_action *action)
{
    int code;

    ch->rehearsal = true;
    code = edit_there(ch, action);
    ch->rehearsal = false;
    return code == CLI_GO_ON
               ? password_read(&ch->cli, ch->password_stdin, ch->password)
               : code;
}

static int
run(struct change *ch, change_action *action, bool asks)
{
    int code;

    if (ch->cli.word_count != 1) {
        return cli_misuse(&ch->cli, "one USER");
    }
    ch->user = ch->cli.words[0];
    if (!uservalue_name(bytes_str(ch->user)) ||
        strlen(ch->user) > USERVALUE_EDIT_NAME_MAX) {
        return cli_misuse(&ch->cli,
                          "%s is not a user's name; up to %d octets "
                          "without blanks, brackets and `;`",
                          ch->user, USERVALUE_EDIT_NAME_MAX);
    }
    code = cli_conf(&ch->cli);
    if (code != CLI_GO_ON) {
        return code;
    }
    if (ch->no_password && ch->password_stdin) {
        return cli_misuse(&ch->cli,
                          "--password-stdin or --no-password, not both");
    }
    if (asks && !ch->no_password) {
        code = ask_password(ch, action);
    }
    return code == CLI_GO_ON ? edit_there(ch, action) : code;
}

static int
change(int argc, char **argv, const char *name, const char *usage,
       change_action *action)
{
    struct change ch = { .cli = { .name = name, .usage = usage } };
    bool asks =
        strcmp(name, "user add") == 0 || strcmp(name, "user passwd") == 0;
    bool sets = strcmp(name, "user add") == 0 || strcmp(name, "user set") == 0;
    struct cli_option options[SETTINGS + 3] = { { NULL, 0, NULL, NULL, NULL } };
    size_t n = 0;
    int code;

    for (size_t i = 0; sets && i < SETTINGS; i++) {
        options[n++] = (struct cli_option){ settings[i].option, 0, NULL,
                                            &ch.values[i], NULL };
    }
    if (asks) {
        options[n++] = (struct cli_option){ "--password-stdin", 0,
                                            &ch.password_stdin, NULL, NULL };
    }
    if (asks && sets) {
        options[n++] = (struct cli_option){ "--no-password", 0, &ch.no_password,
                                            NULL, NULL };
    }
    code = cli_parse(&ch.cli, argc, argv, options);
    if (code == CLI_GO_ON) {
        code = run(&ch, action, asks);
    }
    wipe(ch.password, sizeof(ch.password));
    cli_free(&ch.cli);
    return code;
}

static int
user_add(int argc, char **argv)
{
    return change(argc, argv, "user add", add_usage, do_add);
}

static int
user_passwd(int argc, char **argv)
{
    return change(argc, argv, "user passwd", passwd_usage, set_password);
}

static int
user_set(int argc, char **argv)
{
    return change(argc, argv, "user set", set_usage, do_set);
}

static int
user_lock(int argc, char **argv)
{
    return change(argc, argv, "user lock", lock_usage, do_lock);
}

static int
user_unlock(int argc, char **argv)
{
    return change(argc, argv, "user unlock", unlock_usage, do_unlock);
}

static int
user_delete(int argc, char **argv)
{
    return change(argc, argv, "user delete", delete_usage, do_delete);
}

static const struct cli_command commands[] = {
    { "add", user_add, "add a user" },
    { "passwd", user_passwd, "change a password" },
    { "list", user_list, "list the users" },
    { "set", user_set, "change a user's settings" },
    { "lock", user_lock, "shut a user out" },
    { "unlock", user_unlock, "let a user in again" },
    { "delete", user_delete, "remove a user" },
    { "test", user_test, "which signature and upstream, and why" },
    { NULL, NULL, NULL },
};

int
cli_user(int argc, char **argv)
{
    return cli_dispatch("sealpost user", commands, argc, argv);
}
