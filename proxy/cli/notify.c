/*
 * notify - `sealpost notify`: tries [notify], and tells of certificates where
 * no rotation does.
 */
#include "proxy/cli/cli.h"

#include <proxy/notices/notice.h>
#include <sysexits.h>
#include <time.h>

static const char usage[] =
    "usage: sealpost notify [--test] [--dry-run] [-c FILE]\n"
    "Tells by [notify] of certificates that run out, each once a day at most.\n"
    "--test: sends a notice that says it is a test.\n";

static int
run(struct cli *c, bool test)
{
    const struct notify_conf *notify;
    struct notice n = { NOTICE_TEST, "a test", "",
                        "This is a test of [notify]: it works.\n",
                        (uint64_t)time(NULL) };
    bool good;
    int code;

    if (c->word_count > 0) {
        return cli_misuse(c, "too many arguments");
    }
    code = cli_conf(c);
    if (code != CLI_GO_ON) {
        return code;
    }
    notify = &c->conf->notify;
    if (notify->command[0] == '\0' && notify->mail[0] == '\0') {
        return cli_fail(c, EX_CONFIG,
                        "%s: [notify] tells nobody; mail = ADDRESS or command "
                        "= COMMAND",
                        c->conf->path);
    }
    if (c->dry_run) {
        cli_note(c, "dry run: would tell%s%s%s%s",
                 notify->command[0] != '\0' ? " by " : "", notify->command,
                 notify->mail[0] != '\0' ? " to " : "", notify->mail);
        return EX_OK;
    }
    good = test ? notice_send(c->conf, &n)
                : notice_certificates(c->conf, n.time_s);
    return good ? EX_OK : cli_fail(c, EX_TEMPFAIL, "not everything was sent");
}

int
cli_notify(int argc, char **argv)
{
    struct cli c = { .name = "notify", .usage = usage };
    bool test = false;
    const struct cli_option options[] = {
        { "--test", 0, &test, NULL, NULL },
        { NULL, 0, NULL, NULL, NULL },
    };
    int code = cli_parse(&c, argc, argv, options);

    if (code == CLI_GO_ON) {
        code = run(&c, test);
    }
    cli_free(&c);
    return code;
}
