/*
 * main - the program `sealpost`: one row a sub-command.
 *
 * A new command: its function in cli.h, its row here, its file in this
 * directory and its manual page in etc/man.
 */
#include "proxy/cli/cli.h"

static const struct cli_command commands[] = {
    { "sign", cli_sign, "sign a message: stdin to stdout" },
    { "verify", cli_verify, "judge a message: Authentication-Results" },
    { "spf", cli_spf, "may this client send mail for this domain?" },
    { "explain", cli_explain, "why each signature passes or fails" },
    { "key", cli_key, "make, import, list and show signing keys" },
    { "domain", cli_domain, "domains whose keys are looked after" },
    { "user", cli_user, "add, change, lock, list and test users" },
    { "status", cli_status, "what the running daemon does" },
    { "oauth", cli_oauth, "keep tokens for an upstream fresh" },
    { "sink", cli_sink, "an upstream for trials: accepts into a Maildir" },
    { "notify", cli_notify, "try notices; certificates that run out" },
    { "dmarc-report", cli_dmarc_report, "what receivers say of our mail" },
    { NULL, NULL, NULL },
};

int
main(int argc, char **argv)
{
    return cli_dispatch("sealpost", commands, argc, argv);
}
