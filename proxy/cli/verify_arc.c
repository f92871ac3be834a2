/*
 * verify_arc - the ARC chain, for `sealpost verify`; see verify.h.
 */
#include "proxy/cli/verify.h"

#include <dkim/arc.h>

enum {
    KEYS_MAX = 2 * ARC_SETS_MAX
};

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
    struct waiting waiting[KEYS_MAX];
    struct dns_question q;
    unsigned id;
    size_t n = 0;

    while (n < KEYS_MAX && arc_question(arc, &q, &id)) {
        waiting[n] = (struct waiting){ arc, id };
        cli_dns_ask(v->dns, &q, on_answer, waiting + n);
        n++;
    }
    cli_dns_wait(v->dns);
}

int
verify_arc(struct verification *v)
{
    struct arc *arc = arc_new(&v->message.header);
    enum arc_result result;

    if (arc == NULL) {
        return -1;
    }
    arc_body(arc, v->message.body);
    ask_all(v, arc);
    arc_end(arc);
    result = arc_result(arc);
    verification_member(v, "arc");
    buf_putc(&v->json, '{');
    cli_json_text(&v->json, "result", arc_result_name(result));
    cli_json_text(&v->json, "reason", arc_reason(arc));
    buf_printf(&v->json, ",\"sets\":%u,\"oldest_pass\":%u}", arc_count(arc),
               arc_oldest_pass(arc));
    /* As the daemon: a message without a chain is not worth a word, unless
     * it was asked for. */
    if (result != ARC_NONE || v->only != NULL || v->require != NULL) {
        arc_authres(&v->authres, arc, v->ip);
    }
    arc_free(&arc);
    return result == ARC_PASS ? VERIFY_PASS : VERIFY_FAIL;
}
