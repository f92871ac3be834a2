/*
 * spf - `sealpost spf`: may this client send for this domain, and why.
 */
#include "proxy/cli/spf.h"

#include "proxy/json/json.h"
#include "proxy/methods.h"

#include <arpa/inet.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
    "usage: sealpost spf --ip ADDR --helo NAME --mail-from ADDR\n"
    "           [--dns FILE | --nameserver ADDR[:PORT]] [--time UNIX] "
    "[--json]\n"
    "The result word, then why. An empty --mail-from is <>: HELO is checked.\n"
    "Exit 0: pass; 1: another result; 75: not to be said now.\n";

struct spf_command {
    struct cli cli;
    struct cli_spf_conf conf;
    const char *dns_path;
    const char *nameserver;
    struct cli_dns *dns;
};

static void
on_answer(const struct dns_answer *answer, void *arg)
{
    spf_answer(arg, answer);
}

static struct bytes
without_brackets(const char *text)
{
    struct bytes b = bytes_str(text);

    if (b.len >= 2 && b.ptr[0] == '<' && b.ptr[b.len - 1] == '>') {
        b = bytes_make(b.ptr + 1, b.len - 2);
    }
    return b;
}

int
cli_spf_run(const struct cli *c, struct cli_dns *dns,
            const struct cli_spf_conf *conf, struct spf **spf_out)
{
    char host[256] = "";
    struct spf_input input = { .helo = bytes_str(conf->helo),
                               .mail_from = without_brackets(conf->mail_from),
                               .now_s = conf->time_s,
                               .explain = conf->explain };
    struct dns_question q;
    struct spf *s;

    if (inet_pton(AF_INET, conf->ip, input.ip) == 1) {
        input.ip_octets = 4;
    } else if (inet_pton(AF_INET6, conf->ip, input.ip) == 1) {
        input.ip_octets = 16;
    } else {
        return cli_misuse(c, "--ip %s; a numeric address", conf->ip);
    }
    if (c->conf != NULL) {
        input.receiver = c->conf->server.hostname;
    } else if (gethostname(host, sizeof(host) - 1) == 0 && host[0] != '\0') {
        input.receiver = host;
    }
    s = methods_spf(&input);
    if (s == NULL) {
        return cli_fail(c, EX_OSERR, "no memory");
    }
    while (spf_run(s, &q) == SPF_ASK) {
        cli_dns_ask(dns, &q, on_answer, s);
        cli_dns_wait(dns);
    }
    *spf_out = s;
    return EX_OK;
}

static void
put_text(struct buf *out, const struct spf *s)
{
    enum spf_identity identity = spf_identity(s);
    const struct spf_outcome *o = spf_outcome(s, identity);
    const struct spf_outcome *helo = spf_outcome(s, SPF_HELO);

    buf_printf(out, "%s\n%s %s: %s.\n", spf_result_name(o->result),
               identity == SPF_HELO ? "HELO" : "MAIL FROM",
               o->domain[0] == '\0' ? "without a domain" : o->domain,
               o->reason);
    if (o->term[0] != '\0') {
        buf_printf(out, "Decided by \"%s\" in the record of %s.\n", o->term,
                   o->where);
    } else if (o->where[0] != '\0' && o->result != SPF_NONE) {
        buf_printf(out, "Decided by the record of %s.\n", o->where);
    }
    if (identity == SPF_MAIL_FROM && helo->checked) {
        buf_printf(out, "HELO %s: %s, %s.\n", helo->domain,
                   spf_result_name(helo->result), helo->reason);
    }
    if (spf_explanation(s)[0] != '\0') {
        buf_printf(out, "%s explains: %s\n", o->domain, spf_explanation(s));
    }
}

static void
put_json(struct buf *out, const struct spf *s)
{
    enum spf_identity identity = spf_identity(s);
    const struct spf_outcome *o = spf_outcome(s, identity);

    buf_putc(out, '{');
    json_member(out, "result", spf_result_name(o->result));
    json_member(out, "reason", o->reason);
    json_member(out, "identity", identity == SPF_HELO ? "helo" : "mailfrom");
    json_member(out, "domain", o->domain);
    json_member(out, "record", o->where);
    json_member(out, "term", o->term);
    json_member(out, "explanation", spf_explanation(s));
    buf_puts(out, "}\n");
}

static int
print(const struct spf_command *k, const struct spf *s)
{
    struct buf out = BUF_INIT;
    int code;

    if (k->cli.json) {
        put_json(&out, s);
    } else {
        put_text(&out, s);
    }
    code = buf_failed(&out) ? cli_fail(&k->cli, EX_OSERR, "no memory")
                            : cli_write(&k->cli, buf_bytes(&out));
    buf_free(&out);
    return code;
}

static int
check_line(const struct spf_command *k)
{
    if (k->cli.word_count > 0) {
        return cli_misuse(&k->cli, "%s; everything is an option",
                          k->cli.words[0]);
    }
    if (k->conf.ip == NULL || k->conf.helo == NULL ||
        k->conf.mail_from == NULL) {
        return cli_misuse(&k->cli, "--ip, --helo and --mail-from are needed");
    }
    if (k->dns_path != NULL && k->nameserver != NULL) {
        return cli_misuse(&k->cli, "--dns or --nameserver, not both");
    }
    return CLI_GO_ON;
}

static int
run(struct spf_command *k)
{
    struct spf *s = NULL;
    int code = check_line(k);

    if (code == CLI_GO_ON) {
        code = cli_conf_maybe(&k->cli);
    }
    if (code != CLI_GO_ON) {
        return code;
    }
    if (k->conf.time_s == UINT64_MAX) {
        k->conf.time_s = (uint64_t)time(NULL);
    }
    code = cli_dns_open(&k->cli, k->dns_path, k->nameserver, &k->dns);
    if (code == EX_OK) {
        code = cli_spf_run(&k->cli, k->dns, &k->conf, &s);
    }
    if (code == EX_OK) {
        code = print(k, s);
    }
    if (code == EX_OK && spf_result(s) != SPF_PASS) {
        code = spf_result(s) == SPF_TEMPERROR ? EX_TEMPFAIL : 1;
    }
    spf_free(&s);
    return code;
}

int
cli_spf(int argc, char **argv)
{
    struct spf_command k = { .cli = { .name = "spf", .usage = usage },
                             .conf = { .time_s = UINT64_MAX,
                                       .explain = true } };
    const struct cli_option options[] = {
        { "--ip", 0, NULL, &k.conf.ip, NULL },
        { "--helo", 0, NULL, &k.conf.helo, NULL },
        { "--mail-from", 0, NULL, &k.conf.mail_from, NULL },
        { "--dns", 0, NULL, &k.dns_path, NULL },
        { "--nameserver", 0, NULL, &k.nameserver, NULL },
        { "--time", 0, NULL, NULL, &k.conf.time_s },
        { NULL, 0, NULL, NULL, NULL },
    };
    int code = cli_parse(&k.cli, argc, argv, options);

    if (code == CLI_GO_ON) {
        code = run(&k);
    }
    cli_dns_close(&k.dns);
    cli_free(&k.cli);
    return code;
}
