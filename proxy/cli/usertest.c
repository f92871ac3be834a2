/*
 * usertest - `sealpost user test`: what would become of a message.
 */
#include "proxy/cli/user.h"

#include "proxy/cli/cli.h"
#include "proxy/json/json.h"
#include "proxy/users/decide.h"
#include "proxy/users/uservalue.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sysexits.h>

static const char test_usage[] =
    "usage: sealpost user test USER --from ADDR [--client IP] [--json]\n"
    "           [-c FILE]\n"
    "A dry run: which rule, which signature, which upstream, and why.\n";

struct trial {
    struct cli cli;
    const char *from;
    const char *client;
    struct cli_data data;
    struct dkim_author author;
    const struct view_user *user;
    const struct listen_conf *listen; /* the one she would come to */
    const struct upstream_conf *upstream;
    const char *route; /* why this upstream */
    bool trusted;      /* the client is in its trusted_networks */
    struct decision decision;
};

static bool
parse_client(const char *text, struct sockaddr_storage *out)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

    memset(out, 0, sizeof(*out));
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        out->ss_family = AF_INET;
        return true;
    }
    out->ss_family = AF_INET6;
    return inet_pton(AF_INET6, text, &v6->sin6_addr) == 1;
}

/* The first outbound listener that trusts the client, else the first. */
static int
choose_listener(struct trial *t)
{
    const struct conf *conf = t->cli.conf;
    struct sockaddr_storage client;

    if (t->client != NULL && !parse_client(t->client, &client)) {
        return cli_misuse(&t->cli, "--client %s; a numeric address", t->client);
    }
    for (size_t i = 0; i < conf->listen_count && !t->trusted; i++) {
        const struct listen_conf *l = conf->listens + i;

        if (l->mode != CONF_OUTBOUND) {
            continue;
        }
        t->trusted = t->client != NULL &&
                     conf_networks_has(&l->trusted_networks,
                                       (const struct sockaddr *)&client);
        if (t->trusted || t->listen == NULL) {
            t->listen = l;
        }
    }
    return t->listen != NULL ? CLI_GO_ON
                             : cli_fail(&t->cli, EX_CONFIG,
                                        "%s has no listener with mode = "
                                        "outbound",
                                        conf->path);
}

static int
choose_upstream(struct trial *t)
{
    const char *name =
        t->user->upstream[0] != '\0' ? t->user->upstream : t->listen->upstream;

    t->route =
        t->user->upstream[0] != '\0' ? "the user's own" : "the listener's";
    t->upstream = conf_upstream_of_sender(t->cli.conf, t->author.domain);
    if (t->user->upstream[0] == '\0' && t->upstream != NULL) {
        t->route = "the sender domain's";
        return CLI_GO_ON;
    }
    t->upstream = conf_upstream(t->cli.conf, name);
    return t->upstream != NULL ? CLI_GO_ON
                               : cli_fail(&t->cli, EX_CONFIG,
                                          "there is no [upstream %s]; the "
                                          "name of one",
                                          name);
}

static int
take_from(struct trial *t)
{
    struct uservalue_from from;

    if (t->from == NULL) {
        return cli_misuse(&t->cli, "--from ADDR is needed");
    }
    if (!uservalue_from(bytes_str(t->from), &from) ||
        from.kind != VIEW_FROM_ADDRESS) {
        return cli_misuse(&t->cli, "--from %s; one address, LOCAL@DOMAIN",
                          t->from);
    }
    memcpy(t->author.local, from.local, sizeof(t->author.local));
    memcpy(t->author.domain, from.domain, sizeof(t->author.domain));
    return CLI_GO_ON;
}

static const char *
kind_word(enum decide_kind kind)
{
    return kind == DECIDE_SIGN       ? "sign"
           : kind == DECIDE_UNSIGNED ? "send unsigned"
                                     : "refuse";
}

/* What the upstream's preset sets; how the user logs in there. */
static void
put_contract(const struct trial *t, struct buf *out)
{
    size_t before = out->len;

    buf_printf(out, "preset:    %s: ", t->upstream->preset);
    if (!conf_preset_put(t->cli.conf, t->upstream, out)) {
        out->len = before;
    } else {
        buf_putc(out, '\n');
    }
    if (t->upstream->login == CONF_LOGIN_CLIENT) {
        buf_puts(out, "login:     with what the client logs in with\n");
    } else if (t->upstream->login != CONF_LOGIN_NONE) {
        buf_printf(out, "login:     %s\n",
                   t->user->upstream_username[0] != '\0'
                       ? t->user->upstream_username
                       : t->upstream->username);
    }
}

static void
put_trial(const struct trial *t, struct buf *out)
{
    const struct decision *d = &t->decision;

    buf_printf(out, "user:      %s\nfrom:      %s@%s\n", t->user->name,
               t->author.local, t->author.domain);
    if (t->client != NULL) {
        buf_printf(out, "client:    %s, %s\n", t->client,
                   t->trusted ? "in trusted_networks: may send without AUTH"
                              : "not trusted: must log in");
        if (t->trusted && t->listen->trusted_user[0] != '\0') {
            buf_printf(out, "           without AUTH it counts as %s\n",
                       t->listen->trusted_user);
        }
    }
    buf_printf(out, "listener:  %s\nupstream:  %s (%s)\n", t->listen->name,
               t->upstream->name, t->route);
    put_contract(t, out);
    buf_printf(out, "decision:  %s\nrule:      %s\nreason:    %s\n",
               kind_word(d->kind), d->rule, d->reason);
    if (d->fault[0] != '\0') {
        buf_printf(out, "fault:     %s\n", d->fault);
    }
    for (size_t i = 0; i < d->count; i++) {
        buf_printf(out, "signature: d=%s s=%s a=%s\n", d->signatures[i].domain,
                   d->signatures[i].selector,
                   dkim_alg_name(d->signatures[i].alg));
    }
    if (d->kind == DECIDE_SIGN) {
        buf_printf(out, "aligned:   %s\n",
                   d->aligned ? "yes"
                              : "no: this signature does not count for DMARC");
    }
    if (d->kind == DECIDE_REFUSE) {
        buf_printf(out, "reply:     %d %s %s\n", d->code, d->enhanced, d->text);
    }
}

static void
put_trial_json(const struct trial *t, struct buf *out)
{
    const struct decision *d = &t->decision;

    buf_putc(out, '{');
    json_member(out, "user", t->user->name);
    json_member(out, "from", t->from);
    json_member(out, "listener", t->listen->name);
    json_member(out, "upstream", t->upstream->name);
    json_member(out, "route", t->route);
    json_member(out, "decision",
                d->kind == DECIDE_SIGN       ? "sign"
                : d->kind == DECIDE_UNSIGNED ? "unsigned"
                                             : "refuse");
    json_member(out, "rule", d->rule);
    json_member(out, "reason", d->reason);
    json_member(out, "fault", d->fault);
    buf_puts(out, ",\"signatures\":[");
    for (size_t i = 0; i < d->count; i++) {
        buf_puts(out, i > 0 ? ",{" : "{");
        json_member(out, "domain", d->signatures[i].domain);
        json_member(out, "selector", d->signatures[i].selector);
        json_member(out, "algorithm", dkim_alg_name(d->signatures[i].alg));
        buf_putc(out, '}');
    }
    buf_printf(out, "],\"aligned\":%s,\"trusted\":%s,\"code\":%d",
               d->aligned ? "true" : "false", t->trusted ? "true" : "false",
               d->code);
    json_member(out, "enhanced", d->enhanced);
    json_member(out, "text", d->text);
    buf_puts(out, "}\n");
}

static int
decide_and_print(struct trial *t)
{
    struct decide_question q = { .view = t->data.view,
                                 .sign = &t->cli.conf->sign,
                                 .user = t->user,
                                 .author = &t->author,
                                 .signatures = t->upstream->signatures };
    struct buf out = BUF_INIT;
    int code;

    decide(&q, &t->decision);
    if (t->cli.json) {
        put_trial_json(t, &out);
    } else {
        put_trial(t, &out);
    }
    code = buf_failed(&out) ? cli_fail(&t->cli, EX_OSERR, "no memory")
                            : cli_write(&t->cli, buf_bytes(&out));
    buf_free(&out);
    return code;
}

static int
run_test(struct trial *t)
{
    int code = CLI_GO_ON;

    if (t->cli.word_count != 1) {
        return cli_misuse(&t->cli, "one USER");
    }
    code = take_from(t);
    if (code == CLI_GO_ON) {
        code = cli_conf(&t->cli);
    }
    if (code == CLI_GO_ON) {
        code = cli_load(&t->cli, true, &t->data);
    }
    if (code != CLI_GO_ON) {
        return code;
    }
    t->user = view_user(t->data.view, bytes_str(t->cli.words[0]));
    if (t->user == NULL) {
        return cli_fail(&t->cli, EX_NOUSER,
                        "there is no user %s; sealpost "
                        "user list",
                        t->cli.words[0]);
    }
    code = choose_listener(t);
    if (code == CLI_GO_ON) {
        code = choose_upstream(t);
    }
    return code == CLI_GO_ON ? decide_and_print(t) : code;
}

int
user_test(int argc, char **argv)
{
    struct trial t = {
        .cli = { .name = "user test", .usage = test_usage, .quiet = true },
        .data = { .users_path = BUF_INIT }
    };
    const struct cli_option options[] = {
        { "--from", 0, NULL, &t.from, NULL },
        { "--client", 0, NULL, &t.client, NULL },
        { NULL, 0, NULL, NULL, NULL },
    };
    int code = cli_parse(&t.cli, argc, argv, options);

    if (code == CLI_GO_ON) {
        code = run_test(&t);
    }
    cli_data_free(&t.data);
    cli_free(&t.cli);
    return code;
}
