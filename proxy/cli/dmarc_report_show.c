/*
 * dmarc_report_show - reports as a table and as JSON.
 */
#include "proxy/cli/dmarc_report.h"
#include "proxy/json/json.h"

#include <sysexits.h>

/* Cells of one domain and selector stand together. */
static bool
same_signature(const struct report_cell *a, const struct report_cell *b)
{
    return strcmp(a->domain, b->domain) == 0 &&
           strcmp(a->selector, b->selector) == 0;
}

/* The sums of those from the i-th on; *end_out: behind them. */
static struct report_cell
sum_of(const struct dmarc_reports *d, size_t i, size_t *end_out)
{
    struct report_cell sum = d->cells[i];

    for (i++; i < d->count && same_signature(&sum, &d->cells[i]); i++) {
        const struct report_cell *c = &d->cells[i];

        sum.messages += c->messages;
        sum.dkim_pass += c->dkim_pass;
        sum.dkim_fail += c->dkim_fail;
        sum.spf_pass += c->spf_pass;
        sum.dmarc_pass += c->dmarc_pass;
    }
    *end_out = i;
    return sum;
}

/* --- table -------------------------------------------------------------- */

static void
put_number(struct cli_table *t, uint64_t n)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%ju", (uintmax_t)n);
    cli_table_cell(t, text);
}

static void
put_row(struct cli_table *t, const struct report_cell *c, const char *domain,
        const char *selector, const char *source)
{
    cli_table_cell(t, domain);
    cli_table_cell(t, selector);
    cli_table_cell(t, source);
    put_number(t, c->messages);
    put_number(t, c->dkim_pass);
    put_number(t, c->dkim_fail);
    put_number(t, c->spf_pass);
    put_number(t, c->dmarc_pass);
}

int
dmarc_report_table(struct dmarc_reports *d)
{
    static const char *const titles[] = { "DOMAIN",   "SELECTOR",  "SOURCE",
                                          "MESSAGES", "DKIM-PASS", "DKIM-FAIL",
                                          "SPF-PASS", "DMARC-PASS" };
    struct cli_table t;
    size_t again = 0, end;

    cli_table_begin(&t, titles, 8);
    for (size_t i = 0; i < d->count; i = end) {
        struct report_cell sum = sum_of(d, i, &end);

        put_row(&t, &sum, sum.domain, sum.selector, "all");
        for (; i < end; i++) {
            if (d->all_sources || d->cells[i].dkim_fail > 0) {
                put_row(&t, &d->cells[i], "", "", d->cells[i].source);
            }
        }
    }
    for (size_t i = 0; i < d->seen_count; i++) {
        again += d->seen[i].again;
    }
    if (again > 0) {
        cli_note(&d->cli, "%zu of %zu reports were counted before", again,
                 d->seen_count);
    }
    return cli_table_end(&d->cli, &t);
}

/* --- JSON --------------------------------------------------------------- */

static void
put_report(struct buf *out, const struct dmarc_report_seen *s)
{
    buf_putc(out, '{');
    json_member(out, "organisation", s->organisation);
    json_member(out, "id", s->id);
    json_member(out, "domain", s->domain);
    cli_json_time(out, "begin", s->begin_s);
    cli_json_time(out, "end", s->end_s);
    buf_printf(out, ",\"counted_before\":%s}", s->again ? "true" : "false");
}

static void
put_sums(struct buf *out, const struct report_cell *c)
{
    buf_printf(out,
               ",\"messages\":%ju,\"dkim_pass\":%ju,\"dkim_fail\":%ju,"
               "\"spf_pass\":%ju,\"dmarc_pass\":%ju",
               (uintmax_t)c->messages, (uintmax_t)c->dkim_pass,
               (uintmax_t)c->dkim_fail, (uintmax_t)c->spf_pass,
               (uintmax_t)c->dmarc_pass);
}

static void
put_signature(struct buf *out, const struct dmarc_reports *d, size_t i,
              size_t *end_out)
{
    struct report_cell sum = sum_of(d, i, end_out);

    buf_putc(out, '{');
    json_member(out, "domain", sum.domain);
    json_member(out, "selector", sum.selector);
    put_sums(out, &sum);
    buf_puts(out, ",\"sources\":[");
    for (size_t k = i; k < *end_out; k++) {
        buf_puts(out, k == i ? "\n  {" : ",\n  {");
        json_member(out, "source", d->cells[k].source);
        put_sums(out, &d->cells[k]);
        buf_putc(out, '}');
    }
    buf_puts(out, "]}");
}

int
dmarc_report_json(struct dmarc_reports *d)
{
    struct buf out = BUF_INIT;
    size_t end;
    int code;

    buf_puts(&out, "{\"reports\":[");
    for (size_t i = 0; i < d->seen_count; i++) {
        buf_puts(&out, i == 0 ? "\n " : ",\n ");
        put_report(&out, &d->seen[i]);
    }
    buf_puts(&out, "],\n\"signatures\":[");
    for (size_t i = 0; i < d->count; i = end) {
        buf_puts(&out, i == 0 ? "\n " : ",\n ");
        put_signature(&out, d, i, &end);
    }
    buf_puts(&out, "]}\n");
    code = buf_failed(&out) ? cli_fail(&d->cli, EX_OSERR, "no memory")
                            : cli_write(&d->cli, buf_bytes(&out));
    buf_free(&out);
    return code;
}
