/*
 * domain - `sealpost domain`: one row a command.
 */
#include "proxy/cli/domain.h"

#include "proxy/cli/cli.h"

static const struct cli_command commands[] = {
    { "add", domain_add, "look after a domain's keys; what to publish" },
    { "check", domain_check, "say what is wrong in DNS, and how to mend it" },
    { "list", domain_list, "list the domains and how they are" },
    { "status", domain_status, "every key, its next step and when" },
    { "migrate", domain_migrate, "from own records to CNAMEs, without a gap" },
    { "delete", domain_delete, "end it: records, keys and note" },
    { NULL, NULL, NULL },
};

int
cli_domain(int argc, char **argv)
{
    return cli_dispatch("sealpost domain", commands, argc, argv);
}
