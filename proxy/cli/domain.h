/*
 * domain - what the files of `sealpost domain` share.
 */
#ifndef PROXY_CLI_DOMAIN_H
#define PROXY_CLI_DOMAIN_H

#include <dkim/address.h>

#include <proxy/cli/cli.h>
#include <proxy/domains/domainfile.h>

int domain_list(int argc, char **argv);

#endif
