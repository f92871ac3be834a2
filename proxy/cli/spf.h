/*
 * spf - SPF for commands: `sealpost spf`, and the method of `verify`.
 */
#ifndef PROXY_CLI_SPF_H
#define PROXY_CLI_SPF_H

#include <dkim/spf.h>

#include <proxy/cli/ask.h>

struct cli_spf_conf {
    const char *ip;        /* numeric */
    const char *helo;      /* NULL is "" */
    const char *mail_from; /* with or without <>; NULL is "" */
    uint64_t time_s;
    bool explain;
};

/* Asks all and judges. EX_OK, or an exit code that was explained. The caller
 * frees *spf_out with spf_free(). */
int cli_spf_run(const struct cli *c, struct cli_dns *dns,
                const struct cli_spf_conf *conf, struct spf **spf_out);

#endif
