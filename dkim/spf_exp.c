/*
 * spf_exp - the domain's explanation of a fail; see dkim/spf_state.h.
 *
 * It never changes a result: whatever goes wrong, there is none.
 *
 * RFC 7208 6.2.
 */
#include "spf_state.h"

void
spf_on_explanation(struct spf *s, const struct dns_answer *a)
{
    /* Anything but one good text means no explanation. */
    if (a->count == 1 && a->records[0].data.len > 0 &&
        spf_macro_good(a->records[0].data, true)) {
        buf_put(&s->words, a->records[0].data);
    }
    if (s->words.len == 0) {
        spf_drop_frames(s);
    }
}

/* The words are a stranger's: printable ASCII, not too many. */
static void
take_words(struct spf *s)
{
    struct buf text = BUF_INIT;

    if (spf_expand(s, buf_bytes(&s->words), &text)) {
        size_t n =
            text.len < SPF_EXPLANATION_MAX ? text.len : SPF_EXPLANATION_MAX;

        for (size_t i = 0; i < n; i++) {
            uint8_t c = text.ptr[i];

            s->explanation[i] = c >= 0x20 && c <= 0x7e ? (char)c : '?';
        }
        s->explanation[n] = '\0';
    }
    buf_free(&text);
    spf_drop_frames(s);
}

void
spf_step_explain(struct spf *s)
{
    struct bytes text =
        s->words.len > 0 ? buf_bytes(&s->words) : spf_top(s)->term.spec;
    char target[DNS_NAME_MAX + 1];

    if (!s->ptr_known && spf_macro_uses_ptr(text)) {
        spf_ask_ptr(s);
    } else if (s->words.len > 0) {
        take_words(s);
    } else if (spf_term_target(s, target)) {
        spf_ask(s, SPF_WANT_EXPLANATION, DNS_TXT, target);
    } else {
        spf_drop_frames(s);
    }
}
