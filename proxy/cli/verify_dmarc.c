/*
 * verify_dmarc - DMARC, for `sealpost verify`; see verify.h.
 *
 * DKIM and SPF are judged for it even when --only leaves them out of the
 * field.
 */
#include "proxy/cli/verify.h"

#include <dkim/address.h>
#include <dkim/dmarc.h>

static void
on_answer(const struct dns_answer *answer, void *arg)
{
    dmarc_answer(arg, answer);
}

/* NULL: no memory. */
static struct dmarc *
evaluate(struct verification *v)
{
    const char *passing[DMARC_DKIM_MAX];
    struct dmarc_input input = { .dkim = passing };
    struct dkim_author author;
    struct dns_question q;
    struct dmarc *d;

    for (size_t i = 0; i < dkim_verify_count(v->dkim); i++) {
        const struct dkim_verify_result *r = dkim_verify_result(v->dkim, i);

        if (r->verdict == DKIM_PASS && input.dkim_count < DMARC_DKIM_MAX) {
            passing[input.dkim_count++] = r->domain;
        }
    }
    if (dkim_from_parse(&v->message.header, &author) == DKIM_FROM_OK) {
        input.author = author.domain;
    }
    input.spf = v->spf == NULL ? NULL : spf_dmarc_domain(v->spf);
    d = dmarc_new(&input);
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
    cli_json_text(&v->json, "result", dmarc_result_name(o->result));
    cli_json_text(&v->json, "reason", o->reason);
    cli_json_text(&v->json, "policy", dmarc_policy_name(o->policy));
    cli_json_text(&v->json, "from", o->author);
    cli_json_text(&v->json, "policy_domain", o->policy_domain);
    buf_printf(&v->json, ",\"testing\":%s,\"aligned\":{\"dkim\":%s,",
               o->testing ? "true" : "false",
               o->dkim_aligned ? "true" : "false");
    buf_printf(&v->json, "\"spf\":%s}}", o->spf_aligned ? "true" : "false");
}

int
verify_dmarc(struct verification *v)
{
    enum dmarc_result result;
    struct dmarc *d = NULL;

    if (verification_dkim(v) && verification_spf(v)) {
        d = evaluate(v);
    }
    if (d == NULL) {
        return -1;
    }
    result = dmarc_outcome(d)->result;
    put_json(v, dmarc_outcome(d));
    dmarc_authres(&v->authres, d);
    dmarc_free(&d);
    return result == DMARC_PASS        ? VERIFY_PASS
           : result == DMARC_TEMPERROR ? VERIFY_TEMPORARY
                                       : VERIFY_FAIL;
}
