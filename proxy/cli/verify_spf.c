/*
 * verify_spf - SPF, for `sealpost verify`; see verify.h.
 */
#include "proxy/cli/spf.h"
#include "proxy/cli/verify.h"
#include "proxy/json/json.h"

#include <sysexits.h>

bool
verification_spf(struct verification *v)
{
    const struct cli_spf_conf conf = { .ip = v->ip,
                                       .helo = v->helo,
                                       .mail_from = v->mail_from,
                                       .time_s = v->time_s };

    if (v->spf != NULL || v->ip == NULL) {
        return true;
    }
    return cli_spf_run(&v->cli, v->dns, &conf, &v->spf) == EX_OK;
}

int
verify_spf(struct verification *v)
{
    const struct spf_outcome *o;

    if (!verification_spf(v)) {
        return -1;
    }
    o = spf_outcome(v->spf, spf_identity(v->spf));
    verification_member(v, "spf");
    buf_putc(&v->json, '{');
    json_member(&v->json, "result", spf_result_name(o->result));
    json_member(&v->json, "reason", o->reason);
    json_member(&v->json, "identity",
                spf_identity(v->spf) == SPF_HELO ? "helo" : "mailfrom");
    json_member(&v->json, "domain", o->domain);
    buf_putc(&v->json, '}');
    v->results.spf = v->spf;
    return o->result == SPF_PASS        ? VERIFY_PASS
           : o->result == SPF_TEMPERROR ? VERIFY_TEMPORARY
                                        : VERIFY_FAIL;
}
