/*
 * domainrecords - what the owner of a domain publishes, to be read by people
 * and by programs.
 */
#ifndef PROXY_CLI_DOMAINRECORDS_H
#define PROXY_CLI_DOMAINRECORDS_H

#include <proxy/cli/cli.h>
#include <proxy/domains/domainfile.h>

/* user: only that user's slots; NULL: all. EX_OK or an exit code. */
int domainrecords_show(const struct cli *c, const struct domain_file *file,
                       const char *user);

#endif
