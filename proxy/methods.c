/*
 * methods - see proxy/methods.h.
 */
#include "proxy/methods.h"

#include "proxy/idn.h"

#include <dkim/address.h>

void
methods_author(const struct dkim_header *header, char *out)
{
    struct dkim_author author;

    if (dkim_from_parse(header, &author) != DKIM_FROM_OK ||
        !idn_domain(bytes_str(author.domain), out)) {
        out[0] = '\0';
    }
}

struct spf *
methods_spf(const struct spf_input *input)
{
    char helo[IDN_NAME_MAX + 1], mailbox[IDN_MAILBOX_MAX];
    struct spf_input ascii = *input;

    if (idn_domain(input->helo, helo)) {
        ascii.helo = bytes_str(helo);
    }
    ascii.mail_from = idn_mailbox(input->mail_from, mailbox);
    ascii.helo_too = true;
    return spf_new(&ascii);
}

/* What DMARC may take for a pass. */
static bool
counts(enum dkim_verdict verdict, bool doubted)
{
    return verdict == DKIM_PASS || (doubted && verdict == DKIM_TEMPERROR);
}

static const char *
spf_domain(const struct spf *spf, bool doubted)
{
    const struct spf_outcome *o;

    if (spf == NULL) {
        return NULL;
    }
    o = spf_outcome(spf, SPF_MAIL_FROM);
    if (!o->checked) {
        o = spf_outcome(spf, SPF_HELO); /* MAIL FROM was empty */
    }
    return doubted && o->result == SPF_TEMPERROR ? o->domain
                                                 : spf_dmarc_domain(spf);
}

struct dmarc *
methods_dmarc(const char *author, const struct dkim_verify *dkim,
              const struct spf *spf, bool doubted)
{
    const char *passing[DMARC_DKIM_MAX];
    struct dmarc_input input = { .author = author, .dkim = passing };

    for (size_t i = 0; dkim != NULL && i < dkim_verify_count(dkim); i++) {
        const struct dkim_verify_result *r = dkim_verify_result(dkim, i);

        if (counts(r->verdict, doubted) && input.dkim_count < DMARC_DKIM_MAX) {
            passing[input.dkim_count++] = r->domain;
        }
    }
    input.spf = spf_domain(spf, doubted);
    return dmarc_new(&input);
}

bool
methods_field(struct dkim_authres *a, const char *authserv_id,
              const struct methods_results *r, struct bytes *field_out)
{
    dkim_authres_begin(a, authserv_id);
    if (r->dkim != NULL) {
        dkim_authres_dkim(a, r->dkim);
    }
    if (r->spf != NULL) {
        spf_authres(a, r->spf);
    }
    if (r->dmarc != NULL) {
        dmarc_authres(a, r->dmarc);
    }
    if (r->arc != NULL && (r->arc_none || arc_result(r->arc) != ARC_NONE)) {
        arc_authres(a, r->arc, r->address);
    }
    return dkim_authres_end(a, field_out);
}
