/*
 * domain_check - `sealpost domain check`: what is wrong in DNS, and the mend.
 */
#include "proxy/cli/domain_check.h"

#include <signal.h>
#include <stdio.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

enum {
    FINDINGS_EXIT = 1,
    INTERVAL_S = 30,
    INTERVAL_MAX_S = 86400
};

static const char usage[] =
    "usage: sealpost domain check [DOMAIN...] [--selector S]\n"
    "           [--from ADDRESS] [--watch] [--interval SECONDS]\n"
    "           [--nameserver ADDR[:PORT]] [--json] [-c FILE]\n"
    "Asks the authoritative servers of the domains (all that have keys, when\n"
    "none is named), and resolvers, for the records of their keys, SPF and\n"
    "DMARC; says what is wrong, why, the line that mends it, and when the mend\n"
    "is seen. --selector: any selector, of any domain. --watch: again and\n"
    "again, until all is green.\n"
    "Exit 0: green; 1: findings; 75: nobody answered, ask again later.\n";

/* --- words ---------------------------------------------------------------- */

static int
parse_from(struct domain_check *dc)
{
    const char *at;

    if (dc->from == NULL) {
        return CLI_GO_ON;
    }
    at = strrchr(dc->from, '@');
    if (!dkim_domain_parse(bytes_str(at == NULL ? dc->from : at + 1), false,
                           dc->from_domain)) {
        return cli_misuse(&dc->cli, "--from %s; an address or a domain",
                          dc->from);
    }
    return CLI_GO_ON;
}

static int
parse_words(struct domain_check *dc)
{
    if (dc->cli.word_count == 0 && dc->selector != NULL) {
        return cli_misuse(&dc->cli, "--selector: of which domain?");
    }
    if (dc->selector != NULL &&
        !keystore_selector_parse(bytes_str(dc->selector), dc->selector_name)) {
        return cli_misuse(&dc->cli,
                          "--selector %s; letters, digits, hyphens, "
                          "underscores and dots, at most 63",
                          dc->selector);
    }
    if (dc->interval_s == 0 || dc->interval_s > INTERVAL_MAX_S) {
        return cli_misuse(&dc->cli, "--interval takes 1 to %d seconds",
                          INTERVAL_MAX_S);
    }
    return parse_from(dc);
}

/* --- watching ------------------------------------------------------------- */

static enum finding_severity
worst_of_all(const struct domain_check *dc)
{
    enum finding_severity worst = FINDING_NOTE;

    for (size_t i = 0; i < dc->count; i++) {
        enum finding_severity one = domain_check_worst(&dc->domains[i]);

        worst = one > worst ? one : worst;
    }
    return worst;
}

/* Nothing is known to be wrong, but somebody did not answer. */
static bool
is_temporary(const struct domain_check *dc)
{
    bool any = false;

    for (size_t i = 0; i < dc->count; i++) {
        const struct check_domain *d = &dc->domains[i];

        for (size_t k = 0; k <= d->count; k++) {
            const struct findings *f =
                k == d->count ? &d->findings : &d->keys[k].findings;

            if (findings_worst(f) > FINDING_NOTE && !findings_temporary(f)) {
                return false;
            }
            any = any || findings_temporary(f);
        }
    }
    return any;
}

/* The first time at which caches will have forgotten something. */
static uint32_t
shortest_wait(const struct domain_check *dc)
{
    uint32_t wait_s = 0;

    for (size_t i = 0; i < dc->count; i++) {
        const struct check_domain *d = &dc->domains[i];

        for (size_t k = 0; k < d->count; k++) {
            const struct findings *f = &d->keys[k].findings;

            for (size_t n = 0; n < f->count; n++) {
                uint32_t one = f->list[n].wait_s;

                wait_s =
                    one > 0 && (wait_s == 0 || one < wait_s) ? one : wait_s;
            }
        }
    }
    return wait_s;
}

static void
say_progress(const struct domain_check *dc)
{
    char clock[16] = "";
    struct tm tm;
    time_t now = time(NULL);
    uint32_t wait_s = shortest_wait(dc);

    if (localtime_r(&now, &tm) != NULL) {
        (void)strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
    }
    for (size_t i = 0; i < dc->count; i++) {
        struct buf text = BUF_INIT;
        const char *line;

        domain_check_summary(&dc->domains[i], &text);
        line = buf_str(&text);
        fprintf(stderr, "%s %s: %s", clock, dc->domains[i].name,
                line == NULL ? "" : line);
        if (wait_s > 0) {
            fprintf(stderr, "; caches forget in %u s", wait_s);
        }
        fprintf(stderr, "\n");
        buf_free(&text);
    }
}

static int
look_until_green(struct domain_check *dc)
{
    int code = domain_check_look(dc);

    while (code == CLI_GO_ON && dc->watch && worst_of_all(dc) > FINDING_NOTE) {
        say_progress(dc);
        (void)sleep((unsigned)dc->interval_s);
        domain_check_forget(dc);
        code = domain_check_look(dc);
    }
    if (code == CLI_GO_ON && dc->watch) {
        say_progress(dc);
    }
    return code;
}

static int
run(struct domain_check *dc)
{
    int code = parse_words(dc);

    if (code == CLI_GO_ON) {
        code = cli_conf_maybe(&dc->cli);
    }
    if (code == CLI_GO_ON && dc->cli.conf != NULL) {
        code = cli_load(&dc->cli, false, &dc->data);
    }
    if (code == CLI_GO_ON) {
        code = domain_check_choose(dc);
    }
    if (code == CLI_GO_ON) {
        code = look_until_green(dc);
    }
    if (code == CLI_GO_ON) {
        code = domain_check_report(dc);
    }
    if (code != EX_OK) {
        return code;
    }
    if (worst_of_all(dc) == FINDING_NOTE) {
        return EX_OK;
    }
    return is_temporary(dc) ? EX_TEMPFAIL : FINDINGS_EXIT;
}

static void
check_free(struct domain_check *dc)
{
    domain_check_forget(dc);
    for (size_t i = 0; i < dc->count; i++) {
        struct check_domain *d = &dc->domains[i];

        for (size_t k = 0; k < d->count; k++) {
            buf_free(&d->keys[k].target);
        }
        free(d->keys);
        free(d->subdomains);
        domainfile_free(&d->file);
    }
    free(dc->domains);
    cli_data_free(&dc->data);
    cli_free(&dc->cli);
    free(dc);
}

int
domain_check(int argc, char **argv)
{
    struct domain_check *dc = calloc(1, sizeof(*dc));
    int code;

    if (dc == NULL) {
        fprintf(stderr, "sealpost domain check: no memory\n");
        return EX_OSERR;
    }
    dc->cli = (struct cli){ .name = "domain check", .usage = usage };
    dc->interval_s = INTERVAL_S;
    const struct cli_option options[] = {
        { "--selector", 's', NULL, &dc->selector, NULL },
        { "--from", 0, NULL, &dc->from, NULL },
        { "--nameserver", 0, NULL, &dc->nameserver, NULL },
        { "--interval", 0, NULL, NULL, &dc->interval_s },
        { "--watch", 0, &dc->watch, NULL, NULL },
        { NULL, 0, NULL, NULL, NULL },
    };
    code = cli_parse(&dc->cli, argc, argv, options);
    if (code == CLI_GO_ON) {
        code = run(dc);
    }
    check_free(dc);
    return code;
}
