/*
 * domainlist - `sealpost domain list`.
 */
#include "proxy/cli/domain.h"
#include "proxy/json/json.h"
#include "proxy/keys/keynote.h"

#include <sysexits.h>

static const char list_usage[] =
    "usage: sealpost domain list [--json] [-c FILE]\n"
    "Lists the domains whose keys are looked after, and how the last run\n"
    "found them.\n";

static void
put_json(struct buf *out, const struct domain_file *file)
{
    buf_putc(out, '{');
    json_member(out, "domain", file->domain);
    json_member(out, "way", domainfile_way_name(file->way));
    cli_json_time(out, "added", file->added_s);
    json_member(out, "colour", domainfile_colour_name(file->colour));
    cli_json_time(out, "colour_since", file->colour_s);
    cli_json_time(out, "checked", file->checked_s);
    json_member(out, "why", file->why);
    json_member(out, "note", file->note);
    buf_putc(out, '}');
}

static void
put_row(struct cli_table *t, const struct domain_file *file)
{
    char time[KEYNOTE_TIME];

    cli_table_cell(t, file->domain);
    cli_table_cell(t, domainfile_way_name(file->way));
    cli_table_cell(t, file->way == DOMAIN_NO_MAIL
                          ? "-"
                          : domainfile_colour_name(file->colour));
    keynote_time(file->checked_s, time);
    cli_table_cell(t, time[0] == '\0' ? "-" : time);
    cli_table_cell(t, file->why[0] == '\0' ? file->note : file->why);
}

struct listing {
    struct cli *cli;
    struct cli_table table;
    struct buf json;
    size_t count;
};

static void
put_domain(struct listing *l, const struct domain_file *file)
{
    if (l->cli->json) {
        buf_puts(&l->json, l->count++ == 0 ? "\n" : ",\n");
        put_json(&l->json, file);
    } else {
        put_row(&l->table, file);
    }
}

/* Faulty files are left out, with a line. */
static int
list_all(struct listing *l)
{
    struct conf_errors *errors = conf_errors_new();
    struct strings strings = { NULL };
    struct keystore_conf conf;
    const char **names = NULL;
    size_t count = 0;
    int code;

    keystore_conf_init(&conf, &l->cli->conf->server,
                       l->cli->conf->sign.allow_short_keys);
    if (errors != NULL) {
        names = domainfile_names(&conf, &strings, &count, errors);
    }
    for (size_t i = 0; names != NULL && i < count; i++) {
        struct domain_file *file = domainfile_load(&conf, names[i], errors);

        if (file != NULL) {
            put_domain(l, file);
        }
        domainfile_free(&file);
    }
    code = cli_errors(l->cli, errors);
    conf_errors_free(&errors);
    strings_free(&strings);
    return code;
}

static int
run_list(struct cli *c)
{
    static const char *const titles[] = { "DOMAIN", "WAY", "STATE", "CHECKED",
                                          "NOTE" };
    struct listing l = { .cli = c, .json = BUF_INIT };
    int faults;
    int code;

    if (c->word_count > 0) {
        return cli_misuse(c, "too many arguments");
    }
    code = cli_conf(c);
    if (code != CLI_GO_ON) {
        return code;
    }
    cli_table_begin(&l.table, titles, 5);
    buf_putc(&l.json, '[');
    faults = list_all(&l);
    if (c->json) {
        buf_puts(&l.json, l.count == 0 ? "]\n" : "\n]\n");
        code = buf_failed(&l.json) ? cli_fail(c, EX_OSERR, "no memory")
                                   : cli_write(c, buf_bytes(&l.json));
        buf_free(&l.table.text);
    } else {
        code = cli_table_end(c, &l.table);
    }
    buf_free(&l.json);
    return code == EX_OK && faults != CLI_GO_ON ? faults : code;
}

int
domain_list(int argc, char **argv)
{
    static const struct cli_option none[] = { { NULL, 0, NULL, NULL, NULL } };
    struct cli c = { .name = "domain list", .usage = list_usage };
    int code = cli_parse(&c, argc, argv, none);

    if (code == CLI_GO_ON) {
        code = run_list(&c);
    }
    cli_free(&c);
    return code;
}
