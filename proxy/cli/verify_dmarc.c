/*
 * verify_dmarc - DMARC, for `sealpost verify`; see verify.h.
 *
 * DKIM and SPF are judged for it even when --only leaves them out of the
 * field.
 */
#include "proxy/cli/verify.h"
#include "proxy/json/json.h"

static void
on_answer(const struct dns_answer *answer, void *arg)
{
    dmarc_answer(arg, answer);
}

/* NULL: no memory. */
static struct dmarc *
evaluate(struct verification *v)
{
    char author[DNS_NAME_MAX + 1];
    struct dns_question q;
    struct dmarc *d;

    methods_author(&v->message.header, author);
    d = methods_dmarc(author, v->dkim, v->spf, false);
    while (d != NULL && dmarc_run(d, &q) == DMARC_ASK) {
        cli_dns_ask(v->dns, &q, on_answer, d);
        cli_dns_wait(v->dns);
    }
    return d;
}

static void
put_json(struct verification *v, const struct dmarc_outcome *o)
{
    verification_member(v, "dmarc");
    buf_putc(&v->json, '{');
    json_member(&v->json, "result", dmarc_result_name(o->result));
    json_member(&v->json, "reason", o->reason);
    json_member(&v->json, "policy", dmarc_policy_name(o->policy));
    json_member(&v->json, "from", o->author);
    json_member(&v->json, "policy_domain", o->policy_domain);
    buf_printf(&v->json, ",\"testing\":%s,\"aligned\":{\"dkim\":%s,",
               o->testing ? "true" : "false",
               o->dkim_aligned ? "true" : "false");
    buf_printf(&v->json, "\"spf\":%s}}", o->spf_aligned ? "true" : "false");
}

int
verify_dmarc(struct verification *v)
{
    enum dmarc_result result;

    if (verification_dkim(v) && verification_spf(v)) {
        v->dmarc = evaluate(v);
    }
    if (v->dmarc == NULL) {
        return -1;
    }
    result = dmarc_outcome(v->dmarc)->result;
    put_json(v, dmarc_outcome(v->dmarc));
    v->results.dmarc = v->dmarc;
    return result == DMARC_PASS        ? VERIFY_PASS
           : result == DMARC_TEMPERROR ? VERIFY_TEMPORARY
                                       : VERIFY_FAIL;
}
