/*
 * dmarc_report - `sealpost dmarc-report`: what receivers say of our mail.
 */
#include "proxy/cli/dmarc_report.h"

#include <errno.h>
#include <fcntl.h>
#include <proxy/reports/days.h>
#include <proxy/reports/reports.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

enum {
    REPORTS_MAX = 100000,
    CELLS_MAX = 1000000,
    AHEAD_S = 2 * 86400 /* of a receiver's clock */
};

static const char usage[] =
    "usage: sealpost dmarc-report FILE... [--sources] [--json] [--dry-run]\n"
    "           [-c FILE]\n"
    "Reads DMARC aggregate reports (XML, gzip, zip, or the message; - for\n"
    "stdin), sums what passed and failed, and keeps the sums of domains that\n"
    "have a key here: a fall after a rotation holds up the next one.\n"
    "--dry-run keeps nothing.\n";

/* --- keeping ------------------------------------------------------------ */

static bool
has_key(const struct keystore *store, const char *domain)
{
    for (size_t i = 0; i < keystore_count(store); i++) {
        if (strcmp(keystore_key_at(store, i)->view.domain, domain) == 0) {
            return true;
        }
    }
    return false;
}

static bool
add_cells(struct reports *kept, const struct report *r, const char *domain,
          uint32_t day)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct report_cell *c = &r->cells[i];

        /* "-" is no signature of ours, good or bad */
        if (strcmp(c->domain, domain) == 0 && strcmp(c->selector, "-") != 0 &&
            !reports_add(kept, day, c->selector, c->dkim_pass, c->dkim_fail)) {
            return false;
        }
    }
    return true;
}

/* Loads, adds, saves. False: errno. */
static bool
add_report(struct dmarc_reports *d, const struct report *r, const char *domain,
           struct bytes id, bool *again_out)
{
    const char *state_dir = d->cli.conf->server.state_dir;
    uint32_t day = reports_day_of(r->begin_s / 2 + r->end_s / 2);
    struct reports *kept = reports_load(state_dir, domain);
    bool good = kept != NULL;

    if (good && reports_take(kept, day, id)) {
        *again_out = true;
    } else if (good) {
        good = add_cells(kept, r, domain, day) &&
               (d->cli.dry_run || reports_save(kept, state_dir, domain,
                                               reports_day_of(d->now_s)));
    }
    reports_free(&kept);
    return good;
}

/* One domain of a report: its cells have this d=. */
static bool
keep_domain(struct dmarc_reports *d, const struct report *r, const char *domain,
            bool *again_out)
{
    const char *state_dir = d->cli.conf->server.state_dir;
    int lock = d->cli.dry_run ? -1 : reports_lock(state_dir);
    struct buf id = BUF_INIT;
    bool good = d->cli.dry_run || lock >= 0;

    buf_printf(&id, "%s\n%s\n%s", r->organisation, r->domain, r->id);
    good = good && !buf_failed(&id) &&
           add_report(d, r, domain, buf_bytes(&id), again_out);
    if (!good) {
        (void)cli_fail(&d->cli, EX_CANTCREAT, "%s/reports/%s.conf: %s",
                       state_dir, domain, strerror(errno));
    }
    if (lock >= 0) {
        close(lock);
    }
    buf_free(&id);
    return good;
}

bool
dmarc_report_keep(struct dmarc_reports *d, const struct report *r,
                  bool *again_out)
{
    bool good = true;

    *again_out = false;
    for (size_t i = 0; i < r->count && good; i++) {
        const char *domain = r->cells[i].domain;

        if ((i == 0 || strcmp(domain, r->cells[i - 1].domain) != 0) &&
            has_key(d->data.store, domain)) {
            good = keep_domain(d, r, domain, again_out);
        }
    }
    return good;
}

/* --- one report --------------------------------------------------------- */

static bool
add_seen(struct dmarc_reports *d, const struct report *r, bool again)
{
    struct dmarc_report_seen *s;

    if (d->seen_count == d->seen_cap) {
        size_t cap = d->seen_cap * 2 + 64;

        s = cap > REPORTS_MAX ? NULL : realloc(d->seen, cap * sizeof(*s));
        if (s == NULL) {
            d->failed = "too many reports at once";
            return false;
        }
        d->seen = s;
        d->seen_cap = cap;
    }
    s = &d->seen[d->seen_count++];
    *s = (struct dmarc_report_seen){ .begin_s = r->begin_s,
                                     .end_s = r->end_s,
                                     .again = again };
    memcpy(s->organisation, r->organisation, sizeof(s->organisation));
    memcpy(s->id, r->id, sizeof(s->id));
    memcpy(s->domain, r->domain, sizeof(s->domain));
    return true;
}

static bool
add_all_cells(struct dmarc_reports *d, const struct report *r)
{
    if (d->count + r->count > d->cap) {
        size_t cap;
        struct report_cell *cells;

        d->count = report_merge(d->cells, d->count);
        cap = (d->count + r->count) * 2;
        cells =
            cap > CELLS_MAX ? NULL : realloc(d->cells, cap * sizeof(*cells));
        if (cells == NULL) {
            d->failed = "too many sources at once";
            return false;
        }
        d->cells = cells;
        d->cap = cap;
    }
    if (r->count > 0) {
        memcpy(d->cells + d->count, r->cells, r->count * sizeof(*r->cells));
        d->count += r->count;
    }
    return true;
}

static bool
take_report(void *arg, const struct report *r)
{
    struct dmarc_reports *d = arg;
    bool again = false;

    if (r->end_s > d->now_s + AHEAD_S) {
        cli_note(&d->cli,
                 "report %s of %s is about a time to come: passed "
                 "over",
                 r->id, r->organisation);
        return true;
    }
    if (!dmarc_report_keep(d, r, &again)) {
        d->failed = "the sums cannot be kept";
        return false;
    }
    return add_seen(d, r, again) && add_all_cells(d, r);
}

/* --- the command -------------------------------------------------------- */

/* EX_OK, or what this file's trouble is; the others are still read. */
static int
read_file(struct dmarc_reports *d, const char *path)
{
    bool in = strcmp(path, "-") == 0;
    int fd = in ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    struct buf file = BUF_INIT;
    char why[REPORT_WHY];
    int code;

    if (fd < 0) {
        return cli_fail(&d->cli, EX_NOINPUT, "%s: %s", path, strerror(errno));
    }
    code = cli_read_all(&d->cli, fd, path, REPORT_FILE_MAX, &file);
    close(fd);
    if (code == EX_OK && !report_read(buf_bytes(&file), take_report, d, why)) {
        code = cli_fail(&d->cli, d->failed != NULL ? EX_CANTCREAT : EX_DATAERR,
                        "%s: %s", path, d->failed != NULL ? d->failed : why);
    }
    buf_free(&file);
    return code;
}

/* What `key rotate` will say of the keys that sign now. */
static void
tell_falls(struct dmarc_reports *d)
{
    const struct keystore *store = d->data.store;

    for (size_t i = 0; i < keystore_count(store); i++) {
        const struct view_key *k = &keystore_key_at(store, i)->view;
        const struct reports_question q = { d->cli.conf->server.state_dir,
                                            k->domain, k->selector,
                                            k->activated_s, d->now_s };
        struct buf why = BUF_INIT;

        if (k->state == VIEW_KEY_ACTIVE && !reports_may_rotate(&q, &why)) {
            cli_note(&d->cli, "%s: the next rotation waits: %s", k->domain,
                     buf_str(&why) == NULL ? "" : (const char *)why.ptr);
        }
        buf_free(&why);
    }
}

static int
run(struct dmarc_reports *d)
{
    int worst = EX_OK, code;

    if (d->cli.word_count == 0) {
        return cli_misuse(&d->cli, "name the files of reports, or -");
    }
    code = cli_conf(&d->cli);
    if (code == CLI_GO_ON) {
        code = cli_load(&d->cli, false, &d->data);
    }
    if (code != CLI_GO_ON) {
        return code;
    }
    for (size_t i = 0; i < d->cli.word_count && d->failed == NULL; i++) {
        code = read_file(d, d->cli.words[i]);
        worst = code != EX_OK ? code : worst;
    }
    d->count = report_merge(d->cells, d->count);
    code = d->cli.json ? dmarc_report_json(d) : dmarc_report_table(d);
    tell_falls(d);
    return code != EX_OK ? code : worst;
}

int
cli_dmarc_report(int argc, char **argv)
{
    struct dmarc_reports d = { .cli = { .name = "dmarc-report",
                                        .usage = usage },
                               .data = { .users_path = BUF_INIT },
                               .now_s = (uint64_t)time(NULL) };
    const struct cli_option options[] = {
        { "--sources", 0, &d.all_sources, NULL, NULL },
        { NULL, 0, NULL, NULL, NULL },
    };
    int code = cli_parse(&d.cli, argc, argv, options);

    if (code == CLI_GO_ON) {
        code = run(&d);
    }
    free(d.seen);
    free(d.cells);
    cli_data_free(&d.data);
    cli_free(&d.cli);
    return code;
}
