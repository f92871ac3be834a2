/*
 * methods - DKIM, SPF, DMARC and ARC put together in one way for all.
 *
 * The daemon and `sealpost verify` carry the questions each by its own means;
 * what goes into the evaluators and what comes out as a field is made here,
 * so that both write the same octets about the same message.
 */
#ifndef PROXY_METHODS_H
#define PROXY_METHODS_H

#include <dkim/arc.h>
#include <dkim/authres.h>
#include <dkim/dmarc.h>
#include <dkim/header.h>
#include <dkim/spf.h>
#include <dkim/verify.h>

enum {
    METHODS_KEYS_MAX = 100, /* DKIM's questions: max_signatures' limit */
    METHODS_SEALS_MAX = 2 * ARC_SETS_MAX
};

/* The domain of the one author in A-labels; "" when there is no such one.
 * out: room for DNS_NAME_MAX + 1. */
void methods_author(const struct dkim_header *header, char *out);

/* spf_new() with the domains of HELO and MAIL FROM in A-labels, and HELO
 * judged too. NULL: no memory. */
struct spf *methods_spf(const struct spf_input *input);

/*
 * The author's domain against what passed. dkim and spf may be NULL. doubted:
 * what could not be judged for a temporary reason counts as a pass too. NULL:
 * no memory.
 */
struct dmarc *methods_dmarc(const char *author, const struct dkim_verify *dkim,
                            const struct spf *spf, bool doubted);

/* NULL: not in the field. All done, all borrowed. */
struct methods_results {
    const struct dkim_verify *dkim;
    const struct spf *spf;
    const struct dmarc *dmarc;
    const struct arc *arc; /* NONE is left out unless arc_none */
    bool arc_none;
    const char *address; /* the client's, or NULL */
};

/* The whole Authentication-Results field, lent until dkim_authres_free(a).
 * False: no memory. */
bool methods_field(struct dkim_authres *a, const char *authserv_id,
                   const struct methods_results *r, struct bytes *field_out);

#endif
