/*
 * authres_checks - SPF, DMARC and ARC in Authentication-Results.
 *
 * RFC 8601 2.7.2 (spf); 9989 (dmarc); 8617 10.1 (arc).
 */
#include <dkim/arc.h>
#include <dkim/authres.h>
#include <dkim/dmarc.h>
#include <dkim/spf.h>

#include <stdio.h>

void
spf_authres(struct dkim_authres *a, const struct spf *s)
{
    enum spf_identity identity = spf_identity(s);
    const struct spf_outcome *o = spf_outcome(s, identity);

    dkim_authres_result(a, "spf", spf_result_name(o->result),
                        o->result == SPF_PASS ? "" : o->reason);
    /* 2.7.2: without the local part. */
    if (o->domain[0] != '\0') {
        dkim_authres_property(
            a, identity == SPF_HELO ? "smtp.helo" : "smtp.mailfrom",
            bytes_str(o->domain));
    }
}

void
dmarc_authres(struct dkim_authres *a, const struct dmarc *d)
{
    const struct dmarc_outcome *o = dmarc_outcome(d);

    dkim_authres_result(a, "dmarc", dmarc_result_name(o->result),
                        o->result == DMARC_PASS ? "" : o->reason);
    if (o->author[0] != '\0') {
        dkim_authres_property(a, "header.from", bytes_str(o->author));
    }
    if (o->result == DMARC_FAIL) {
        dkim_authres_property(a, "policy.dmarc",
                              bytes_str(dmarc_policy_name(o->policy)));
    }
}

void
arc_authres(struct dkim_authres *a, const struct arc *chain,
            const char *remote_ip)
{
    char number[16];

    dkim_authres_result(a, "arc", arc_result_name(arc_result(chain)),
                        arc_reason(chain));
    if (arc_result(chain) == ARC_PASS) {
        snprintf(number, sizeof(number), "%u", arc_oldest_pass(chain));
        dkim_authres_property(a, "header.oldest-pass", bytes_str(number));
    }
    if (remote_ip != NULL && arc_result(chain) != ARC_NONE) {
        dkim_authres_property(a, "smtp.remote-ip", bytes_str(remote_ip));
    }
}
