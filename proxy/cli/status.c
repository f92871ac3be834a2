/*
 * status - `sealpost status`: what the running daemon does.
 *
 * The counters lie in memory that the daemon shares (proxy/stats), so that
 * looking at them costs it nothing. Rates are what came since the last look,
 * at first since the start.
 */
#include "proxy/process/status.h"

#include "proxy/cli/cli.h"
#include "proxy/json/json.h"
#include "proxy/stats/stats.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
    "usage: sealpost status [--by user|domain|upstream] [--watch] [--json]\n"
    "           [-c FILE]\n"
    "Shows sessions, messages, rates, limits, upstreams and spool.\n";

enum {
    ROWS_MAX = 1000,
    ROWS_SHOWN = 20, /* of each table, without --json */
    WATCH_S = 2,
    TEXT_MAX = 64
};

static const char *const kinds[STATS_ROW_KINDS] = {
    [STATS_ROW_USER] = "user",
    [STATS_ROW_DOMAIN] = "domain",
    [STATS_ROW_UPSTREAM] = "upstream",
};

static const char *const values[STATS_ROW_VALUES] = {
    [STATS_ROW_DELIVERED] = "delivered", [STATS_ROW_REFUSED] = "refused",
    [STATS_ROW_DEFERRED] = "deferred",   [STATS_ROW_RECIPIENTS] = "recipients",
    [STATS_ROW_OCTETS] = "octets",       [STATS_ROW_FAILURES] = "failures",
};

struct status_command {
    struct cli cli;
    const char *by;
    bool watch;
    struct stats *stats; /* owns; of this look */
    struct stats_row *rows;
    uint64_t now_s;
    bool looked;
    /* the last look at this daemon; before it, its start */
    uint64_t started_s;
    uint64_t then_s;
    uint64_t delivered;
};

static uint64_t
wall_clock_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec;
}

/* --- for people ----------------------------------------------------------- */

/* "3d4h", "12m5s", "7s": two units. */
static void
put_duration(char out[TEXT_MAX], uint64_t s)
{
    static const struct {
        uint64_t s;
        char name;
    } units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
    size_t i = 0;

    while (i < 3 && s < units[i].s) {
        i++;
    }
    if (i == 3 || s % units[i].s < units[i + 1].s) {
        snprintf(out, TEXT_MAX, "%llu%c", (unsigned long long)(s / units[i].s),
                 units[i].name);
    } else {
        snprintf(out, TEXT_MAX, "%llu%c%llu%c",
                 (unsigned long long)(s / units[i].s), units[i].name,
                 (unsigned long long)(s % units[i].s / units[i + 1].s),
                 units[i + 1].name);
    }
}

/* 1234567 is "1.2M". */
static void
put_octets(char out[TEXT_MAX], uint64_t n)
{
    static const char letters[] = "KMGTPE";
    double scaled = (double)n;
    int i = -1;

    for (; scaled >= 1024 && i < 5; i++) {
        scaled /= 1024;
    }
    if (i < 0) {
        snprintf(out, TEXT_MAX, "%llu", (unsigned long long)n);
    } else {
        snprintf(out, TEXT_MAX, "%.1f%c", scaled, letters[i]);
    }
}

static unsigned long long
counter(const struct status_command *ch, enum stats_counter n)
{
    return stats_counter(ch->stats, n);
}

static unsigned long long
gauge(const struct status_command *ch, enum stats_gauge n)
{
    return stats_gauge(ch->stats, n);
}

/* 0 when the clock went back. */
static uint64_t
since(const struct status_command *ch, uint64_t then_s)
{
    return ch->now_s > then_s ? ch->now_s - then_s : 0;
}

/* Messages a second since the last look. */
static double
rate(const struct status_command *ch)
{
    uint64_t n = stats_counter(ch->stats, STATS_DELIVERED) - ch->delivered;
    uint64_t s = since(ch, ch->then_s);

    return (double)n / (double)(s > 0 ? s : 1);
}

/* ", 1 key", ", 2 keys" */
static void
put_count(struct buf *out, unsigned long long n, const char *what)
{
    buf_printf(out, ", %llu %s%s", n, what, n == 1 ? "" : "s");
}

static void
put_summary(const struct status_command *ch, struct buf *out)
{
    const struct conf *conf = ch->cli.conf;
    char up[TEXT_MAX], spool[TEXT_MAX], most[TEXT_MAX], octets[TEXT_MAX];

    put_duration(up, since(ch, stats_started_s(ch->stats)));
    put_octets(spool, gauge(ch, STATS_SPOOL_OCTETS));
    put_octets(most, conf->spool.max_total);
    put_octets(octets, counter(ch, STATS_OCTETS));
    buf_printf(out, "running     %s", up);
    put_count(out, stats_workers(ch->stats), "worker");
    put_count(out, gauge(ch, STATS_KEYS), "key");
    put_count(out, gauge(ch, STATS_USERS), "user");
    buf_puts(out, "\n");
    if (gauge(ch, STATS_KEYS_FAULTY) > 0 ||
        counter(ch, STATS_SELF_VERIFY_FAILED) > 0) {
        buf_printf(out,
                   "keys        %llu active ones are at fault (log: "
                   "key-record-gone, key-record-differs, "
                   "self-verify-failed); %llu signatures did not verify\n",
                   gauge(ch, STATS_KEYS_FAULTY),
                   counter(ch, STATS_SELF_VERIFY_FAILED));
    }
    buf_printf(out, "sessions    %llu of %llu%s, %llu with a message\n",
               gauge(ch, STATS_SESSIONS), gauge(ch, STATS_SESSIONS_MAX),
               gauge(ch, STATS_STRESSED) > 0 ? " (stress: timers are short)"
                                             : "",
               gauge(ch, STATS_TRANSACTIONS));
    buf_printf(out, "spool       %s of %s\n", spool, most);
    buf_printf(out,
               "messages    %llu delivered (%.2f/s%s), %llu deferred, "
               "%llu refused, %llu unknown, %llu aborted\n",
               counter(ch, STATS_DELIVERED), rate(ch),
               ch->then_s > ch->started_s ? "" : " since the start",
               counter(ch, STATS_DEFERRED), counter(ch, STATS_REFUSED_MAIL),
               counter(ch, STATS_UNKNOWN), counter(ch, STATS_ABORTED));
    buf_printf(out, "delivered   %llu recipients, %s octets, %llu signed\n",
               counter(ch, STATS_RECIPIENTS), octets,
               counter(ch, STATS_SIGNED));
    buf_printf(out,
               "logins      %llu, %llu denied; %llu connections, "
               "%llu handshakes\n",
               counter(ch, STATS_LOGINS), counter(ch, STATS_LOGINS_DENIED),
               counter(ch, STATS_CONNECTIONS), counter(ch, STATS_HANDSHAKES));
}

/* Only those that were met. */
static void
put_limits(const struct status_command *ch, struct buf *out)
{
    bool any = false;

    for (unsigned i = STATS_OVER_CONNECTIONS; i < STATS_COUNTERS; i++) {
        unsigned long long n = counter(ch, (enum stats_counter)i);

        if (n > 0) {
            buf_printf(out, "%s%s %llu", any ? ", " : "limits      ",
                       stats_counter_name((enum stats_counter)i), n);
            any = true;
        }
    }
    buf_puts(out, any ? "\n" : "");
}

static void
cell_number(struct cli_table *t, uint64_t n)
{
    char text[TEXT_MAX];

    snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
    cli_table_cell(t, text);
}

static void
put_row(const struct status_command *ch, struct cli_table *t,
        const struct stats_row *row)
{
    char text[STATS_NAME_MAX * 4 + TEXT_MAX];
    size_t n = 0;

    /* Domains are what senders wrote: nothing may move the cursor. */
    for (const char *c = row->name; *c != '\0'; c++) {
        bool plain = *c > ' ' && *c <= '~' && *c != '\\';

        n += (size_t)snprintf(text + n, sizeof(text) - n,
                              plain ? "%c" : "\\x%02x", (unsigned char)*c);
    }
    cli_table_cell(t, text);
    cell_number(t, row->values[STATS_ROW_DELIVERED]);
    cell_number(t, row->values[STATS_ROW_DEFERRED]);
    cell_number(t, row->values[STATS_ROW_REFUSED]);
    cell_number(t, row->values[STATS_ROW_RECIPIENTS]);
    put_octets(text, row->values[STATS_ROW_OCTETS]);
    cli_table_cell(t, text);
    cell_number(t, row->values[STATS_ROW_FAILURES]);
    put_duration(text, since(ch, row->last_s));
    cli_table_cell(t, text);
}

static int
show_table(struct status_command *ch, enum stats_row_kind kind)
{
    const char *titles[] = { "USER",       "DELIVERED", "DEFERRED", "REFUSED",
                             "RECIPIENTS", "OCTETS",    "FAILED",   "SINCE" };
    size_t count = stats_rows(ch->stats, kind, ch->rows, ROWS_MAX);
    struct cli_table t;
    int code;

    titles[0] = kind == STATS_ROW_USER     ? "USER"
                : kind == STATS_ROW_DOMAIN ? "DOMAIN"
                                           : "UPSTREAM";
    cli_table_begin(&t, titles, 8);
    for (size_t i = 0; i < count && i < ROWS_SHOWN; i++) {
        put_row(ch, &t, &ch->rows[i]);
    }
    code = cli_table_end(&ch->cli, &t);
    if (code == EX_OK && count > ROWS_SHOWN) {
        cli_note(&ch->cli, "%zu more; --json shows them", count - ROWS_SHOWN);
    }
    return code;
}

static int
show_text(struct status_command *ch, unsigned kind)
{
    struct buf out = BUF_INIT;
    int code;

    if (ch->watch) {
        buf_puts(&out, !ch->looked                  ? ""
                       : isatty(STDOUT_FILENO) == 1 ? "\033[H\033[J"
                                                    : "\n");
    }
    if (ch->by == NULL) {
        put_summary(ch, &out);
        put_limits(ch, &out);
        buf_puts(&out, "\n");
    }
    code = buf_failed(&out) ? cli_fail(&ch->cli, EX_OSERR, "no memory")
                            : cli_write(&ch->cli, buf_bytes(&out));
    buf_free(&out);
    return code != EX_OK ? code : show_table(ch, (enum stats_row_kind)kind);
}

/* --- for programs --------------------------------------------------------- */

static void
put_number(struct buf *out, const char *key, uint64_t n)
{
    buf_printf(out, ",\"%s\":%llu", key, (unsigned long long)n);
}

static void
put_rows(struct status_command *ch, enum stats_row_kind kind, struct buf *out)
{
    size_t count = stats_rows(ch->stats, kind, ch->rows, ROWS_MAX);

    buf_printf(out, ",\"by_%s\":[", kinds[kind]);
    for (size_t i = 0; i < count; i++) {
        buf_puts(out, i == 0 ? "{\"name\":" : ",{\"name\":");
        json_string(out, bytes_str(ch->rows[i].name));
        for (unsigned v = 0; v < STATS_ROW_VALUES; v++) {
            put_number(out, values[v], ch->rows[i].values[v]);
        }
        put_number(out, "last", ch->rows[i].last_s);
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
}

static int
show_json(struct status_command *ch, unsigned kind)
{
    struct buf out = BUF_INIT;
    int code;

    buf_printf(&out, "{\"time\":%llu", (unsigned long long)ch->now_s);
    put_number(&out, "started", stats_started_s(ch->stats));
    put_number(&out, "workers", stats_workers(ch->stats));
    buf_printf(&out, ",\"rate\":%.3f", rate(ch));
    put_number(&out, "spool_max", ch->cli.conf->spool.max_total);
    for (unsigned i = 0; i < STATS_GAUGES; i++) {
        put_number(&out, stats_gauge_name((enum stats_gauge)i),
                   stats_gauge(ch->stats, (enum stats_gauge)i));
    }
    for (unsigned i = 0; i < STATS_COUNTERS; i++) {
        put_number(&out, stats_counter_name((enum stats_counter)i),
                   stats_counter(ch->stats, (enum stats_counter)i));
    }
    for (unsigned k = 0; k < STATS_ROW_KINDS; k++) {
        if (ch->by == NULL || k == kind) {
            put_rows(ch, (enum stats_row_kind)k, &out);
        }
    }
    buf_puts(&out, "}\n");
    code = buf_failed(&out) ? cli_fail(&ch->cli, EX_OSERR, "no memory")
                            : cli_write(&ch->cli, buf_bytes(&out));
    buf_free(&out);
    return code;
}

/* --- a look --------------------------------------------------------------- */

static int
ask(struct status_command *ch)
{
    const char *dir = ch->cli.conf->server.state_dir;
    int fd = status_ask(dir);

    if (fd < 0 && errno == EACCES) {
        return cli_fail(&ch->cli, EX_NOPERM,
                        "%s/" STATUS_SOCKET ": %s; be root or in the group of "
                        "the daemon's user",
                        dir, strerror(errno));
    }
    if (fd < 0) {
        return cli_fail(&ch->cli, EX_UNAVAILABLE,
                        "no sealpostd answers at %s/" STATUS_SOCKET ": %s", dir,
                        strerror(errno));
    }
    ch->stats = stats_open(fd);
    return ch->stats != NULL
               ? CLI_GO_ON
               : cli_fail(&ch->cli, EX_PROTOCOL,
                          "the daemon is of another version than this program");
}

/* A daemon that has started anew counts from 0. */
static void
begin_look(struct status_command *ch)
{
    uint64_t started_s = stats_started_s(ch->stats);

    ch->now_s = wall_clock_s();
    if (!ch->looked || started_s != ch->started_s ||
        stats_counter(ch->stats, STATS_DELIVERED) < ch->delivered) {
        ch->started_s = ch->then_s = started_s;
        ch->delivered = 0;
    }
}

static int
look(struct status_command *ch, unsigned kind)
{
    int code = ask(ch);

    if (code != CLI_GO_ON) {
        return code;
    }
    begin_look(ch);
    code = ch->cli.json ? show_json(ch, kind) : show_text(ch, kind);
    ch->delivered = stats_counter(ch->stats, STATS_DELIVERED);
    ch->then_s = ch->now_s;
    ch->looked = true;
    stats_free(&ch->stats);
    return code;
}

static int
run(struct status_command *ch)
{
    unsigned kind = ch->by == NULL ? STATS_ROW_UPSTREAM : 0;
    int code;

    while (ch->by != NULL && kind < STATS_ROW_KINDS &&
           strcmp(kinds[kind], ch->by) != 0) {
        kind++;
    }
    if (kind == STATS_ROW_KINDS || ch->cli.word_count > 0) {
        return cli_misuse(&ch->cli, kind == STATS_ROW_KINDS
                                        ? "--by user, domain or upstream"
                                        : "too many arguments");
    }
    code = cli_conf(&ch->cli);
    ch->rows = calloc(ROWS_MAX, sizeof(*ch->rows));
    if (code == CLI_GO_ON && ch->rows == NULL) {
        code = cli_fail(&ch->cli, EX_OSERR, "no memory");
    }
    if (code != CLI_GO_ON) {
        return code;
    }
    code = look(ch, kind);
    while (ch->watch && code == EX_OK) {
        (void)fflush(stdout);
        (void)sleep(WATCH_S);
        code = look(ch, kind);
    }
    return code;
}

int
cli_status(int argc, char **argv)
{
    struct status_command ch = { .cli = { .name = "status", .usage = usage } };
    const struct cli_option options[] = {
        { "--by", 0, NULL, &ch.by, NULL },
        { "--watch", 0, &ch.watch, NULL, NULL },
        { NULL, 0, NULL, NULL, NULL },
    };
    int code = cli_parse(&ch.cli, argc, argv, options);

    if (code == CLI_GO_ON) {
        code = run(&ch);
    }
    free(ch.rows);
    cli_free(&ch.cli);
    return code;
}
