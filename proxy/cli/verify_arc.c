/*
 * verify_arc - the ARC chain, for `sealpost verify`; see verify.h.
 */
#include "proxy/cli/verify.h"
#include "proxy/json/json.h"

/* One question's way back to the chain. */
struct waiting {
    struct arc *arc;
    unsigned id;
};

static void
on_answer(const struct dns_answer *answer, void *arg)
{
    const struct waiting *w = arg;

    arc_answer(w->arc, w->id, answer);
}

static void
ask_all(struct verification *v, struct arc *arc)
{
    struct waiting waiting[METHODS_SEALS_MAX];
    struct dns_question q;
    unsigned id;
    size_t n = 0;

    while (n < METHODS_SEALS_MAX && arc_question(arc, &q, &id)) {
        waiting[n] = (struct waiting){ arc, id };
        cli_dns_ask(v->dns, &q, on_answer, waiting + n);
        n++;
    }
    cli_dns_wait(v->dns);
}

int
verify_arc(struct verification *v)
{
    enum arc_result result;

    v->arc = arc_new(&v->message.header);
    if (v->arc == NULL) {
        return -1;
    }
    arc_body(v->arc, v->message.body);
    ask_all(v, v->arc);
    arc_end(v->arc);
    result = arc_result(v->arc);
    verification_member(v, "arc");
    buf_putc(&v->json, '{');
    json_member(&v->json, "result", arc_result_name(result));
    json_member(&v->json, "reason", arc_reason(v->arc));
    buf_printf(&v->json, ",\"sets\":%u,\"oldest_pass\":%u}", arc_count(v->arc),
               arc_oldest_pass(v->arc));
    v->results.arc = v->arc;
    /* As the daemon: a message without a chain is not worth a word, unless
     * it was asked for. */
    v->results.arc_none = v->only != NULL || v->require != NULL;
    return result == ARC_PASS ? VERIFY_PASS : VERIFY_FAIL;
}
