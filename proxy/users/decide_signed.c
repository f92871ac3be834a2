/*
 * decide_signed - `already_signed = skip-aligned`; see decide.h.
 */
#include "decide.h"

#include <dkim/signature.h>

static bool
has_aligned_signature(const struct dkim_header *header, const char *domain)
{
    const struct dkim_field *f;
    size_t n = 0;

    while ((f = dkim_header_get(header, "dkim-signature", n++)) != NULL) {
        struct dkim_signature sig;

        if (dkim_signature_parse(f->value, &sig) == DKIM_SIG_OK &&
            (dkim_domain_within(domain, sig.domain) ||
             dkim_domain_within(sig.domain, domain))) {
            return true;
        }
    }
    return false;
}

void
decide_signed(bool skip_aligned, const struct dkim_header *header,
              const char *domain, struct decision *decision)
{
    if (decision->kind == DECIDE_SIGN && skip_aligned &&
        has_aligned_signature(header, domain)) {
        *decision = (struct decision){
            .kind = DECIDE_UNSIGNED,
            .rule = "already-signed",
            .reason = "an aligned signature is there (skip-aligned)",
            .fault = "",
            .fault_word = "",
        };
    }
}
