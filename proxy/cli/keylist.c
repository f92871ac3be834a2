/*
 * keylist - `sealpost key list` and `sealpost key show`.
 */
#include "proxy/cli/key.h"
#include "proxy/cli/keyrecord.h"
#include "proxy/cli/rotating.h"
#include "proxy/json/json.h"
#include "proxy/keys/keynote.h"

#include <proxy/domains/domainfile.h>
#include <stdio.h>
#include <sysexits.h>
#include <time.h>

static const char list_usage[] =
    "usage: sealpost key list [DOMAIN] [--json] [-c FILE]\n"
    "Lists the keys of the key store, with the next step of each and when\n"
    "it comes.\n";
static const char show_usage[] =
    "usage: sealpost key show DOMAIN [SELECTOR] [-c FILE]\n"
    "           [--format zone|value|json|route53|cloudflare|bind]\n"
    "Shows the DNS record of a key, or of all keys of a domain that are in\n"
    "use.\n";

/* What comes next for each key; `domain status` says it in full. */
struct outlooks {
    struct rotate_world world;
    struct rotate_facts *facts; /* NULL: they could not be read */
    struct plan_rules rules;
    size_t track; /* of the domain that is listed now: both are sorted */
};

static void
begin_outlooks(struct outlooks *o, const struct cli *c, struct cli_data *data)
{
    struct conf_errors *errors = conf_errors_new();

    cli_view(c, data); /* a fixed selector has no next step */
    o->rules = (struct plan_rules){ &c->conf->rotate, c->conf->sign.expire_s,
                                    (uint64_t)time(NULL) };
    o->world = (struct rotate_world){ .store = &data->store_conf,
                                      .rotate = &c->conf->rotate,
                                      .users = data->view };
    if (errors != NULL) {
        o->facts = rotate_facts_load(&o->world, errors);
    }
    conf_errors_free(&errors); /* what is wrong with keys was said */
}

/* Keys come in the order of their domains. */
static void
outlook_of(struct outlooks *o, const struct keystore_key *k,
           struct plan *next_out)
{
    const struct plan_track *t = NULL;

    *next_out = (struct plan){ .step = PLAN_WAIT };
    while (o->facts != NULL &&
           (t = rotate_facts_track(o->facts, o->track)) != NULL &&
           strcmp(t->domain, k->view.domain) < 0) {
        o->track++;
    }
    for (size_t n = o->track;
         t != NULL && strcmp(t->domain, k->view.domain) == 0;
         t = rotate_facts_track(o->facts, ++n)) {
        for (size_t i = 0; i < t->count; i++) {
            if (strcmp(t->keys[i].key->view.selector, k->view.selector) == 0) {
                plan_outlook(t, &o->rules, i, next_out);
                return;
            }
        }
    }
}

static void
put_json_key(struct buf *out, const struct keystore_key *k,
             const struct plan *next)
{
    buf_putc(out, '{');
    json_member(out, "domain", k->view.domain);
    json_member(out, "selector", k->view.selector);
    json_member(out, "type", keynote_type_name(k->view.alg));
    buf_printf(out, ",\"bits\":%u", k->view.bits);
    json_member(out, "state", keynote_state_name(k->view.state));
    cli_json_time(out, "created", k->created_s);
    cli_json_time(out, "activated", k->view.activated_s);
    json_member(out, "next",
                next->step == PLAN_WAIT ? "" : plan_step_name(next->step));
    cli_json_time(out, "when", next->step == PLAN_WAIT ? 0 : next->when_s);
    json_member(out, "owner", k->view.owner);
    json_member(out, "note", k->note);
    buf_printf(out, ",\"test_mode\":%s}", k->test_mode ? "true" : "false");
}

static bool
is_chosen(const struct key_command *ch, const struct keystore_key *k)
{
    return ch->cli.word_count == 0 || strcmp(k->view.domain, ch->domain) == 0;
}

static int
list_json(struct key_command *ch, const struct keystore *store,
          struct outlooks *o)
{
    struct buf out = BUF_INIT;
    bool first = true;
    int code;

    buf_putc(&out, '[');
    for (size_t i = 0; i < keystore_count(store); i++) {
        const struct keystore_key *k = keystore_key_at(store, i);

        if (is_chosen(ch, k)) {
            buf_puts(&out, first ? "\n" : ",\n");
            struct plan next;

            outlook_of(o, k, &next);
            put_json_key(&out, k, &next);
            first = false;
        }
    }
    buf_puts(&out, first ? "]\n" : "\n]\n");
    code = buf_failed(&out) ? cli_fail(&ch->cli, EX_OSERR, "no memory")
                            : cli_write(&ch->cli, buf_bytes(&out));
    buf_free(&out);
    return code;
}

static int
list_table(struct key_command *ch, const struct keystore *store,
           struct outlooks *o)
{
    static const char *const titles[] = { "DOMAIN", "SELECTOR", "TYPE",
                                          "STATE",  "NEXT",     "WHEN",
                                          "OWNER",  "NOTE" };
    struct cli_table t;

    cli_table_begin(&t, titles, 8);
    for (size_t i = 0; i < keystore_count(store); i++) {
        const struct keystore_key *k = keystore_key_at(store, i);
        char text[KEYNOTE_TIME];
        struct plan next;

        if (!is_chosen(ch, k)) {
            continue;
        }
        outlook_of(o, k, &next);
        cli_table_cell(&t, k->view.domain);
        cli_table_cell(&t, k->view.selector);
        snprintf(text, sizeof(text),
                 k->view.alg == DKIM_ALG_ED25519_SHA256 ? "%s" : "%s-%u",
                 keynote_type_name(k->view.alg), k->view.bits);
        cli_table_cell(&t, text);
        cli_table_cell(&t, keynote_state_name(k->view.state));
        cli_table_cell(&t, next.step == PLAN_WAIT ? "-"
                                                  : plan_step_name(next.step));
        rotating_when(next.step == PLAN_WAIT ? 0 : next.when_s, o->rules.now_s,
                      text);
        cli_table_cell(&t, text);
        cli_table_cell(&t, k->view.owner[0] == '\0' ? "-" : k->view.owner);
        cli_table_cell(&t, k->note);
    }
    return cli_table_end(&ch->cli, &t);
}

static int
run_list(struct key_command *ch, struct cli_data *data)
{
    struct outlooks o = { .facts = NULL };
    int code = CLI_GO_ON;

    if (ch->cli.word_count > 1) {
        return cli_misuse(&ch->cli, "too many arguments");
    }
    if (ch->cli.word_count == 1) {
        code = key_domain(ch, ch->cli.words[0]);
    }
    if (code == CLI_GO_ON) {
        code = cli_conf(&ch->cli);
    }
    if (code == CLI_GO_ON) {
        code = cli_load(&ch->cli, false, data);
    }
    if (code != CLI_GO_ON) {
        return code;
    }
    begin_outlooks(&o, &ch->cli, data);
    code = ch->cli.json ? list_json(ch, data->store, &o)
                        : list_table(ch, data->store, &o);
    rotate_facts_free(&o.facts);
    return code;
}

int
key_list(int argc, char **argv)
{
    static const struct cli_option none[] = { { NULL, 0, NULL, NULL, NULL } };
    struct key_command ch = { .cli = { .name = "key list",
                                       .usage = list_usage } };
    struct cli_data data = { .users_path = BUF_INIT };
    int code = cli_parse(&ch.cli, argc, argv, none);

    if (code == CLI_GO_ON) {
        code = run_list(&ch, &data);
    }
    cli_data_free(&data);
    cli_free(&ch.cli);
    return code;
}

/* Where the key's record stands: [rotate] zone when it is in a slot of a
 * delegated domain, where the owner has a CNAME; "": in the owner's zone. */
static const char *
zone_of(const struct key_command *ch, const struct domain_file *file,
        const struct keystore_key *k)
{
    return file != NULL && file->way == DOMAIN_DELEGATED &&
                   domainfile_is_slot(file, k->view.selector)
               ? ch->cli.conf->rotate.zone
               : "";
}

/* With a selector that key; else all of the domain that are in use. */
static int
show_records(struct key_command *ch, const struct keystore *store,
             const struct domain_file *file,
             const struct keyrecord_format *format)
{
    struct buf out = BUF_INIT;
    int code;

    for (size_t i = 0; i < keystore_count(store); i++) {
        const struct keystore_key *k = keystore_key_at(store, i);
        bool named = ch->cli.word_count > 1;

        if (is_chosen(ch, k) &&
            (named ? strcmp(k->view.selector, ch->selector) == 0
                   : k->view.state != VIEW_KEY_REVOKED)) {
            buf_puts(&out, out.len == 0 ? format->begin : format->between);
            format->put(k, zone_of(ch, file, k), &out);
        }
    }
    if (buf_failed(&out)) {
        code = cli_fail(&ch->cli, EX_OSERR, "no memory");
    } else if (out.len == 0) {
        code = cli_fail(&ch->cli, EX_NOINPUT,
                        "there is no such key; "
                        "sealpost key list");
    } else {
        buf_puts(&out, format->end);
        code = cli_write(&ch->cli, buf_bytes(&out));
    }
    buf_free(&out);
    return code;
}

static int
show_domain(struct key_command *ch, const struct cli_data *data,
            const struct keyrecord_format *format)
{
    struct conf_errors *errors = conf_errors_new();
    struct domain_file *file =
        domainfile_load(&data->store_conf, ch->domain, errors);
    int code = cli_errors(&ch->cli, errors);

    if (code == CLI_GO_ON) {
        code = show_records(ch, data->store, file, format);
    }
    domainfile_free(&file);
    conf_errors_free(&errors);
    return code;
}

static int
run_show(struct key_command *ch, const char *name, struct cli_data *data)
{
    const struct keyrecord_format *format = keyrecord_format(name);
    int code;

    if (format == NULL) {
        struct buf known = BUF_INIT;

        keyrecord_formats(&known);
        (void)buf_str(&known);
        code = cli_misuse(&ch->cli, "--format %s; %s", name,
                          buf_failed(&known) ? "" : (const char *)known.ptr);
        buf_free(&known);
        return code;
    }
    code = key_begin(ch, 1, 2);
    if (code == CLI_GO_ON) {
        code = cli_load(&ch->cli, false, data);
    }
    return code == CLI_GO_ON ? show_domain(ch, data, format) : code;
}

int
key_show(int argc, char **argv)
{
    struct key_command ch = { .cli = { .name = "key show",
                                       .usage = show_usage } };
    struct cli_data data = { .users_path = BUF_INIT };
    const char *format = NULL;
    const struct cli_option options[] = {
        { "--format", 0, NULL, &format, NULL },
        { NULL, 0, NULL, NULL, NULL },
    };
    int code = cli_parse(&ch.cli, argc, argv, options);

    if (code == CLI_GO_ON) {
        format = format != NULL ? format : ch.cli.json ? "json" : "zone";
        code = run_show(&ch, format, &data);
    }
    cli_data_free(&data);
    cli_free(&ch.cli);
    return code;
}
