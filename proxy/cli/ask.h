/*
 * ask - DNS questions of a command: from a file, or from a live resolver.
 *
 * The answer comes through the callback, at once or while cli_dns_wait()
 * runs; a callback may ask again.
 */
#ifndef PROXY_CLI_ASK_H
#define PROXY_CLI_ASK_H

#include <dkim/verify.h>

#include <proxy/cli/cli.h>

struct cli_dns;

/*
 * file: --dns, or NULL. nameserver: --nameserver ADDR[:PORT], or NULL: that
 * of c->conf, else /etc/resolv.conf. EX_OK, or an exit code that was
 * explained.
 */
int cli_dns_open(const struct cli *c, const char *file, const char *nameserver,
                 struct cli_dns **dns_out);
void cli_dns_close(struct cli_dns **dns);

/* Which nameservers it asks, for those who ask in other ways; lent. */
const struct dns_conf *cli_dns_conf(const struct cli_dns *dns);

/* Lent for the call. */
typedef void cli_dns_callback(const struct dns_answer *answer, void *arg);

void cli_dns_ask(struct cli_dns *dns, const struct dns_question *q,
                 cli_dns_callback *cb, void *arg);
/* Until every question has its answer. */
void cli_dns_wait(struct cli_dns *dns);

/* Has the keys of all signatures told to verify, and waits for them. */
void cli_dns_keys(struct cli_dns *dns, struct dkim_verify *verify);

#endif
