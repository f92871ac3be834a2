/*
 * domainstatus - `sealpost domain status`: every key, its next step and when.
 */
#include "proxy/cli/domain.h"
#include "proxy/cli/rotating.h"
#include "proxy/json/json.h"
#include "proxy/keys/keynote.h"

#include <stdio.h>
#include <sysexits.h>

static const char status_usage[] =
    "usage: sealpost domain status [DOMAIN] [--now UNIX] [--json] [-c FILE]\n"
    "Shows each key of the domains, its next step, when that comes and its\n"
    "condition; DNS is not asked (sealpost domain check does). Exit code 1\n"
    "when a domain is red.\n";

struct status {
    struct cli cli;
    struct rotating rotating;
    struct rotate_facts *facts;
    struct plan_rules rules;
    uint64_t now_s;
    char domain[DKIM_DOMAIN_MAX + 1]; /* "": all */
    struct cli_table table;
    struct buf json;
    size_t keys;
    bool red;
    bool known;
};

static const char *
step_word(const struct plan *next)
{
    return next->step == PLAN_WAIT ? "-" : plan_step_name(next->step);
}

/* What a step on the owner's side means to him. */
static const char *
condition_of(const struct plan_track *t, size_t key, const struct plan *next)
{
    if (!t->keys[key].ours && next->step == PLAN_REVOKE) {
        return "then its TXT record may go";
    }
    if (!t->keys[key].ours && next->step == PLAN_DELETE) {
        return "its TXT record may go";
    }
    return next->why;
}

static void
put_row(struct status *s, const struct plan_track *t, size_t key,
        const struct plan *next)
{
    const struct keystore_key *k = t->keys[key].key;
    char when[KEYNOTE_TIME];
    char type[32];

    rotating_when(next->step == PLAN_WAIT ? 0 : next->when_s, s->rules.now_s,
                  when);
    snprintf(type, sizeof(type),
             k->view.alg == DKIM_ALG_ED25519_SHA256 ? "%s" : "%s-%u",
             keynote_type_name(k->view.alg), k->view.bits);
    cli_table_cell(&s->table, t->domain);
    cli_table_cell(&s->table, k->view.selector);
    cli_table_cell(&s->table, type);
    cli_table_cell(&s->table, t->owner[0] == '\0' ? "-" : t->owner);
    cli_table_cell(&s->table, k->life.fault == KEY_FAULT_NONE
                                  ? keynote_state_name(k->view.state)
                                  : keynote_fault_name(k->life.fault));
    cli_table_cell(&s->table, step_word(next));
    cli_table_cell(&s->table, when);
    cli_table_cell(&s->table, condition_of(t, key, next));
}

/* The servers that are waited for. */
static void
put_silent(struct buf *o, const struct key_life *life)
{
    buf_puts(o, ",\"silent\":[");
    for (size_t i = 0; i < life->silent_count; i++) {
        buf_puts(o, i == 0 ? "{" : ",{");
        json_member(o, "server", life->silent[i].server);
        cli_json_time(o, "since", life->silent[i].since_s);
        buf_putc(o, '}');
    }
    buf_putc(o, ']');
}

static void
put_json(struct status *s, const struct plan_track *t, size_t key,
         const struct plan *next)
{
    const struct keystore_key *k = t->keys[key].key;
    struct buf *o = &s->json;

    buf_puts(o, s->keys == 0 ? "\n{" : ",\n{");
    json_member(o, "domain", t->domain);
    json_member(o, "selector", k->view.selector);
    json_member(o, "type", keynote_type_name(k->view.alg));
    buf_printf(o, ",\"bits\":%u,\"ours\":%s", k->view.bits,
               t->keys[key].ours ? "true" : "false");
    json_member(o, "user", t->owner);
    json_member(o, "state", keynote_state_name(k->view.state));
    cli_json_time(o, "created", k->created_s);
    cli_json_time(o, "published", k->life.published_s);
    cli_json_time(o, "seen", k->life.seen_s);
    cli_json_time(o, "proved", k->view.proved_s);
    cli_json_time(o, "activated", k->view.activated_s);
    cli_json_time(o, "retired", k->life.retired_s);
    cli_json_time(o, "revoked", k->life.revoked_s);
    json_member(o, "fault", keynote_fault_name(k->life.fault));
    cli_json_time(o, "fault_since", k->life.fault_s);
    json_member(o, "reason", k->life.reason);
    put_silent(o, &k->life);
    json_member(o, "next",
                next->step == PLAN_WAIT ? "" : plan_step_name(next->step));
    cli_json_time(o, "when", next->when_s);
    json_member(o, "condition", condition_of(t, key, next));
    buf_putc(o, '}');
}

static void
put_track(struct status *s, const struct plan_track *t)
{
    struct plan next;
    size_t active = plan_active(t);

    s->known = true;
    s->red = s->red || (active < t->count &&
                        t->keys[active].key->life.fault != KEY_FAULT_NONE);
    for (size_t i = 0; i < t->count; i++) {
        plan_outlook(t, &s->rules, i, &next);
        if (s->cli.json) {
            put_json(s, t, i, &next);
        } else {
            put_row(s, t, i, &next);
        }
        s->keys++;
    }
}

/* What the zone is waiting for, if it is. */
static void
say_tries(const struct status *s)
{
    const char *state_dir = s->rotating.world.store->state_dir;
    struct publish_tries tries;
    char when[KEYNOTE_TIME];

    publish_tries_read(state_dir, &tries);
    if (tries.failures > 0) {
        rotating_when(tries.next_s, s->rules.now_s, when);
        fprintf(stderr,
                "the zone could not be changed, %u times: %s; next try: %s\n",
                tries.failures, tries.why, when);
    }
}

static void
say_domain(const struct status *s)
{
    const struct domain_file *file =
        s->domain[0] == '\0' ? NULL : rotate_facts_file(s->facts, s->domain);
    char since[KEYNOTE_TIME];

    if (file == NULL || s->cli.json) {
        return;
    }
    keynote_time(file->colour_s, since);
    printf("%s: %s, %s%s%s%s%s\n\n", file->domain,
           domainfile_way_name(file->way), domainfile_colour_name(file->colour),
           since[0] == '\0' ? "" : " since ", since,
           file->why[0] == '\0' ? "" : ": ", file->why);
}

static int
show(struct status *s)
{
    static const char *const titles[] = { "DOMAIN", "SELECTOR", "TYPE",
                                          "USER",   "STATE",    "NEXT",
                                          "WHEN",   "CONDITION" };
    const struct plan_track *t;
    int code;

    say_domain(s);
    cli_table_begin(&s->table, titles, 8);
    buf_putc(&s->json, '[');
    for (size_t n = 0; (t = rotate_facts_track(s->facts, n)) != NULL; n++) {
        if (s->domain[0] == '\0' || strcmp(t->domain, s->domain) == 0) {
            put_track(s, t);
        }
    }
    if (!s->known && s->domain[0] != '\0' &&
        rotate_facts_file(s->facts, s->domain) == NULL) {
        buf_free(&s->table.text);
        return cli_fail(&s->cli, EX_NOINPUT,
                        "%s has no keys and was not added; sealpost domain "
                        "list",
                        s->domain);
    }
    if (s->cli.json) {
        buf_puts(&s->json, s->keys == 0 ? "]\n" : "\n]\n");
        code = buf_failed(&s->json) ? cli_fail(&s->cli, EX_OSERR, "no memory")
                                    : cli_write(&s->cli, buf_bytes(&s->json));
        buf_free(&s->table.text);
    } else {
        code = cli_table_end(&s->cli, &s->table);
    }
    say_tries(s);
    return code == EX_OK && s->red ? 1 : code;
}

static int
run_status(struct status *s)
{
    struct conf_errors *errors;
    int code;

    if (s->cli.word_count > 1) {
        return cli_misuse(&s->cli, "too many arguments");
    }
    code = s->cli.word_count == 0
               ? CLI_GO_ON
               : cli_take_domain(&s->cli, s->cli.words[0], s->domain);
    if (code == CLI_GO_ON) {
        code = cli_conf(&s->cli);
    }
    if (code == CLI_GO_ON) {
        code = rotating_begin(&s->rotating, &s->cli, s->now_s);
    }
    if (code != CLI_GO_ON) {
        return code;
    }
    s->rules =
        (struct plan_rules){ &s->cli.conf->rotate, s->cli.conf->sign.expire_s,
                             s->rotating.world.now_s };
    errors = conf_errors_new();
    s->facts =
        errors == NULL ? NULL : rotate_facts_load(&s->rotating.world, errors);
    code = cli_errors(&s->cli, errors);
    conf_errors_free(&errors);
    if (s->facts == NULL) {
        return code == CLI_GO_ON ? cli_fail(&s->cli, EX_OSERR, "no memory")
                                 : code;
    }
    return show(s);
}

int
domain_status(int argc, char **argv)
{
    struct status s = { .cli = { .name = "domain status",
                                 .usage = status_usage } };
    const struct cli_option options[] = {
        { "--now", 0, NULL, NULL, &s.now_s },
        { NULL, 0, NULL, NULL, NULL },
    };
    int code = cli_parse(&s.cli, argc, argv, options);

    if (code == CLI_GO_ON) {
        code = run_status(&s);
    }
    buf_free(&s.json);
    rotate_facts_free(&s.facts);
    s.cli.json = false; /* the table was it */
    s.rotating.cli = &s.cli;
    rotating_end(&s.rotating);
    cli_free(&s.cli);
    return code;
}
