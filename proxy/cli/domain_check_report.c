/*
 * domain_check_report - what `domain check` prints.
 */
#include "proxy/cli/domain_check.h"
#include "proxy/json/json.h"
#include "proxy/keys/keynote.h"
#include "proxy/survey/judge.h"

#include <stdio.h>
#include <sysexits.h>
#include <time.h>

enum finding_severity
domain_check_worst(const struct check_domain *d)
{
    enum finding_severity worst = findings_worst(&d->findings);

    for (size_t k = 0; k < d->count; k++) {
        enum finding_severity one = findings_worst(&d->keys[k].findings);

        worst = one > worst ? one : worst;
    }
    return worst;
}

static const char *
colour(enum finding_severity worst)
{
    return worst >= FINDING_ERROR     ? "red"
           : worst == FINDING_WARNING ? "yellow"
                                      : "green";
}

static void
count_findings(const struct findings *f, size_t *errors, size_t *warnings,
               struct buf *ids)
{
    for (size_t i = 0; i < f->count; i++) {
        const struct finding *one = &f->list[i];

        *errors += one->severity >= FINDING_ERROR;
        *warnings += one->severity == FINDING_WARNING;
        if (one->severity >= FINDING_WARNING) {
            buf_printf(ids, "%s%s", ids->len > 0 ? ", " : "", one->id);
        }
    }
}

void
domain_check_summary(const struct check_domain *d, struct buf *out)
{
    size_t errors = 0, warnings = 0;
    struct buf ids = BUF_INIT;

    for (size_t k = 0; k < d->count; k++) {
        count_findings(&d->keys[k].findings, &errors, &warnings, &ids);
    }
    count_findings(&d->findings, &errors, &warnings, &ids);
    buf_puts(out, colour(domain_check_worst(d)));
    if (errors > 0) {
        buf_printf(out, ", %zu error%s", errors, errors == 1 ? "" : "s");
    }
    if (warnings > 0) {
        buf_printf(out, ", %zu warning%s", warnings, warnings == 1 ? "" : "s");
    }
    if (ids.len > 0) {
        buf_printf(out, " (%s)", buf_str(&ids) == NULL ? "" : buf_str(&ids));
    }
    buf_free(&ids);
}

/* --- text ----------------------------------------------------------------- */

/* What strangers have published is shown, but not to the terminal's code. */
static void
put_clean(struct buf *out, struct bytes text, const char *indent)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];

        if (c == '\n') {
            buf_printf(out, "\n%s", indent);
        } else if (c < 0x20 || c >= 0x7f) {
            buf_printf(out, "\\%03u", c);
        } else {
            buf_putc(out, (char)c);
        }
    }
    buf_putc(out, '\n');
}

static void
put_findings(struct buf *out, const struct findings *f)
{
    for (size_t i = 0; i < f->count; i++) {
        const struct finding *one = &f->list[i];

        buf_printf(out, "  %s %s: ", finding_severity_name(one->severity),
                   one->id);
        put_clean(out, buf_bytes(&one->what), "    ");
        buf_printf(out, "    why:  %s\n", one->why);
        if (one->mend.len > 0) {
            buf_puts(out, "    mend: ");
            put_clean(out, buf_bytes(&one->mend), "          ");
        }
        if (one->visible.len > 0) {
            buf_puts(out, "    seen: ");
            put_clean(out, buf_bytes(&one->visible), "          ");
        }
    }
}

static void
put_key_line(struct buf *out, const struct check_key *k)
{
    size_t servers = 0, resolvers = 0;

    for (size_t i = 0; i < k->facts.counts[PLACE_RECORD]; i++) {
        bool resolver = k->facts.sights[PLACE_RECORD][i].role == SEEN_RESOLVER;

        resolvers += resolver;
        servers += !resolver;
    }
    buf_printf(out, "  %s._domainkey.%s: %s", k->facts.key.selector,
               k->facts.key.domain, colour(findings_worst(&k->findings)));
    if (k->key != NULL) {
        buf_printf(out, ", %s, %s", keynote_type_name(k->key->view.alg),
                   keynote_state_name(k->key->view.state));
    } else if (k->facts.key.target[0] != '\0') {
        buf_puts(out, ", a free slot");
    }
    buf_printf(out, " (%zu server%s, %zu resolver%s asked)\n", servers,
               servers == 1 ? "" : "s", resolvers, resolvers == 1 ? "" : "s");
}

static void
put_mail_line(struct buf *out, const struct mail_facts *m)
{
    buf_printf(out, "  SPF: ");
    put_clean(out,
              m->spf_records == 0 ? BYTES_LIT("none") : bytes_str(m->spf_text),
              "    ");
    if (m->dmarc_domain[0] == '\0') {
        buf_puts(out, "  DMARC: none\n");
        return;
    }
    buf_printf(out, "  DMARC: p=%s of %s; d=%s %s with From: %s\n",
               dmarc_policy_name(m->dmarc_policy), m->dmarc_domain, m->domain,
               m->aligned ? "aligns" : "does not align", m->from);
}

static void
put_domain(struct buf *out, const struct check_domain *d)
{
    buf_printf(out, "%s: ", d->name);
    domain_check_summary(d, out);
    buf_putc(out, '\n');
    for (size_t k = 0; k < d->count; k++) {
        put_key_line(out, &d->keys[k]);
        put_findings(out, &d->keys[k].findings);
    }
    put_mail_line(out, &d->mail);
    put_findings(out, &d->findings);
}

/* --- JSON ----------------------------------------------------------------- */

static void
put_member(struct buf *o, const char *key, struct bytes value)
{
    buf_printf(o, ",\"%s\":", key);
    json_string(o, value);
}

static void
put_json_findings(struct buf *o, const struct findings *f)
{
    buf_puts(o, ",\"findings\":[");
    for (size_t i = 0; i < f->count; i++) {
        const struct finding *one = &f->list[i];

        buf_puts(o, i == 0 ? "{" : ",{");
        json_member(o, "id", one->id);
        json_member(o, "severity", finding_severity_name(one->severity));
        put_member(o, "what", buf_bytes(&one->what));
        json_member(o, "why", one->why);
        put_member(o, "mend", buf_bytes(&one->mend));
        put_member(o, "visible", buf_bytes(&one->visible));
        buf_printf(o, ",\"wait_s\":%u,\"temporary\":%s}", one->wait_s,
                   one->temporary ? "true" : "false");
    }
    buf_putc(o, ']');
}

static void
put_json_sights(struct buf *o, const struct facts *facts)
{
    static const char *const roles[] = { "owner", "target", "resolver" };
    static const char *const whats[] = { "key",   "cname",   "revoked",
                                         "other", "missing", "broken",
                                         "silent" };
    struct seen_question q = facts_question(&facts->key);

    buf_puts(o, ",\"servers\":[");
    for (size_t i = 0; i < facts->counts[PLACE_RECORD]; i++) {
        struct seen_at at;

        judge_sight(&q, &facts->sights[PLACE_RECORD][i], &at);
        buf_puts(o, i == 0 ? "{" : ",{");
        json_member(o, "role", roles[at.role]);
        json_member(o, "server", at.server);
        json_member(o, "what", whats[at.what]);
        json_member(o, "detail", at.detail);
        buf_printf(o, ",\"ttl_s\":%u,\"negative_s\":%u}", at.ttl_s,
                   at.negative_s);
    }
    buf_putc(o, ']');
}

static void
put_json_key(struct buf *out, const struct check_key *k)
{
    buf_putc(out, '{');
    json_member(out, "name", k->facts.names[PLACE_RECORD]);
    json_member(out, "selector", k->facts.key.selector);
    json_member(out, "target", k->facts.key.target);
    json_member(out, "colour", colour(findings_worst(&k->findings)));
    if (k->key != NULL) {
        json_member(out, "type", keynote_type_name(k->key->view.alg));
        json_member(out, "state", keynote_state_name(k->key->view.state));
    }
    put_json_sights(out, &k->facts);
    put_json_findings(out, &k->findings);
    buf_putc(out, '}');
}

static void
put_json_mail(struct buf *o, const struct mail_facts *m)
{
    buf_puts(o, ",\"spf\":{");
    json_member(o, "record", m->spf_text);
    json_member(o, "stranger", spf_result_name(m->spf_result));
    buf_puts(o, "},\"dmarc\":{");
    json_member(o, "domain", m->dmarc_domain);
    json_member(
        o, "policy",
        m->dmarc_domain[0] == '\0' ? "" : dmarc_policy_name(m->dmarc_policy));
    json_member(o, "from", m->from);
    buf_printf(o, ",\"aligned\":%s}", m->aligned ? "true" : "false");
}

static void
put_json_domain(struct buf *out, const struct check_domain *d)
{
    buf_putc(out, '{');
    json_member(out, "domain", d->name);
    json_member(out, "colour", colour(domain_check_worst(d)));
    buf_puts(out, ",\"keys\":[");
    for (size_t k = 0; k < d->count; k++) {
        buf_puts(out, k == 0 ? "" : ",");
        put_json_key(out, &d->keys[k]);
    }
    buf_putc(out, ']');
    put_json_mail(out, &d->mail);
    put_json_findings(out, &d->findings);
    buf_putc(out, '}');
}

int
domain_check_report(const struct domain_check *dc)
{
    struct buf out = BUF_INIT;
    int code;

    buf_puts(&out, dc->cli.json ? "[" : "");
    for (size_t i = 0; i < dc->count; i++) {
        if (dc->cli.json) {
            buf_puts(&out, i == 0 ? "\n" : ",\n");
            put_json_domain(&out, &dc->domains[i]);
        } else {
            put_domain(&out, &dc->domains[i]);
        }
    }
    buf_puts(&out, dc->cli.json ? "\n]\n" : "");
    code = buf_failed(&out) ? cli_fail(&dc->cli, EX_OSERR, "no memory")
                            : cli_write(&dc->cli, buf_bytes(&out));
    buf_free(&out);
    return code;
}
