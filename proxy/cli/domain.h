/*
 * domain - what the files of `sealpost domain` share.
 */
#ifndef PROXY_CLI_DOMAIN_H
#define PROXY_CLI_DOMAIN_H

#include <dkim/address.h>

#include <proxy/cli/cli.h>
#include <proxy/domains/domainfile.h>

int domain_add(int argc, char **argv);
/* `add --guide`: a dialogue on the terminal. An exit code. */
int domain_guide(struct cli *c, bool dual);
int domain_delete(int argc, char **argv);
int domain_migrate(int argc, char **argv);
int domain_status(int argc, char **argv);
int domain_check(int argc, char **argv);
int domain_list(int argc, char **argv);

#endif
