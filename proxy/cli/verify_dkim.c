/*
 * verify_dkim - the signatures, for `sealpost verify`; see verify.h.
 */
#include "proxy/cli/verify.h"
#include "proxy/json/json.h"

enum {
    SIGNATURES_MAX = 8 /* max_signatures, without a configuration */
};

static void
put_json(struct buf *out, const struct dkim_verify_result *r)
{
    buf_putc(out, '{');
    json_member(out, "result", dkim_verdict_name(r->verdict));
    json_member(out, "reason", r->reason);
    json_member(out, "domain", r->domain);
    json_member(out, "selector", r->selector);
    buf_puts(out, ",\"identity\":");
    json_string(out, r->identity);
    json_member(out, "algorithm", r->alg_known ? dkim_alg_name(r->alg) : "");
    buf_printf(out, ",\"key_bits\":%u,\"testing\":%s,\"b\":", r->key_bits,
               r->testing ? "true" : "false");
    json_string(out, bytes_take(r->b, 8)); /* as header.b (RFC 6008) */
    buf_putc(out, '}');
}

static enum verify_outcome
report(struct verification *v, const struct dkim_verify *verify)
{
    enum verify_outcome outcome = VERIFY_FAIL;

    verification_member(v, "dkim");
    buf_putc(&v->json, '[');
    for (size_t i = 0; i < dkim_verify_count(verify); i++) {
        const struct dkim_verify_result *r = dkim_verify_result(verify, i);

        if (i > 0) {
            buf_putc(&v->json, ',');
        }
        put_json(&v->json, r);
        if (r->verdict == DKIM_PASS) {
            outcome = VERIFY_PASS;
        } else if (r->verdict == DKIM_TEMPERROR && outcome == VERIFY_FAIL) {
            outcome = VERIFY_TEMPORARY;
        }
    }
    buf_putc(&v->json, ']');
    v->results.dkim = verify;
    return outcome;
}

bool
verification_dkim(struct verification *v)
{
    struct dkim_verify_conf conf = { .now_s = v->time_s,
                                     .signatures_max = SIGNATURES_MAX,
                                     .allow_legacy = v->allow_legacy };

    if (v->dkim != NULL) {
        return true;
    }
    if (v->cli.conf != NULL) {
        conf.signatures_max =
            conf_check_section(v->cli.conf, "default")->max_signatures;
    }
    v->dkim = dkim_verify_new(&v->message.header, &conf);
    if (v->dkim == NULL) {
        return false;
    }
    dkim_verify_body(v->dkim, v->message.body);
    cli_dns_keys(v->dns, v->dkim);
    dkim_verify_end(v->dkim);
    return true;
}

int
verify_dkim(struct verification *v)
{
    return verification_dkim(v) ? (int)report(v, v->dkim) : -1;
}
