/*
 * domain - `sealpost domain`: one row a command.
 */
#include "proxy/cli/domain.h"

#include "proxy/cli/cli.h"

static const struct cli_command commands[] = {
    { "list", domain_list, "list the domains and how they are" },
    { NULL, NULL, NULL },
};

int
cli_domain(int argc, char **argv)
{
    return cli_dispatch("sealpost domain", commands, argc, argv);
}
