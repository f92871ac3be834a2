/*
 * verify - `sealpost verify`: a message from stdin, one
 * Authentication-Results field to stdout (RFC 8601).
 *
 * A method is a row of `methods`, in the order of the field.
 */
#include "proxy/cli/verify.h"

#include "proxy/json/json.h"
#include "proxy/users/uservalue.h"

#include <arpa/inet.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
    "usage: sealpost verify [--dns FILE | --nameserver ADDR[:PORT]]\n"
    "           [--authserv-id ID] [--time UNIX] [--only LIST]\n"
    "           [--require LIST] [--allow-legacy] [--json]\n"
    "           [--ip ADDR --helo NAME --mail-from ADDR]\n"
    "Methods: dkim, spf (with --ip), dmarc (without --ip: by DKIM alone), arc.\n"
    "A message on stdin; one Authentication-Results field on stdout.\n"
    "Exit 0: a DKIM signature passes, or all that --require names; 1: none\n"
    "does; 65: not a message; 75: not to be said now.\n";

static const struct {
    const char *name;
    verify_method *run;
} methods[] = {
    { "dkim", verify_dkim },
    { "spf", verify_spf },
    { "dmarc", verify_dmarc },
    { "arc", verify_arc },
};

enum {
    METHODS = sizeof(methods) / sizeof(methods[0]),
    DKIM_METHOD = 0,
    SPF_METHOD = 1
};

/* "dkim,spf" to a set of 1u << row. */
static int
parse_methods(const struct verification *v, const char *option,
              const char *list, unsigned *set_out)
{
    struct bytes rest = bytes_str(list);
    struct bytes item;

    *set_out = 0;
    while (uservalue_item(&rest, &item)) {
        unsigned i = 0;

        while (i < METHODS && !bytes_is(item, methods[i].name)) {
            i++;
        }
        if (i == METHODS) {
            struct buf known = BUF_INIT;
            int code;

            for (i = 0; i < METHODS; i++) {
                buf_printf(&known, "%s%s", i > 0 ? "," : "", methods[i].name);
            }
            code = cli_misuse(&v->cli, "%s %s; a list of %s", option, list,
                              buf_failed(&known) ? "" : buf_str(&known));
            buf_free(&known);
            return code;
        }
        *set_out |= 1u << i;
    }
    return *set_out != 0 ? CLI_GO_ON
                         : cli_misuse(&v->cli, "%s needs a method", option);
}

static int
parse_lists(const struct verification *v, unsigned *only_out,
            unsigned *require_out)
{
    int code = CLI_GO_ON;

    *only_out = (1u << METHODS) - 1;
    *require_out = 1u << DKIM_METHOD;
    if (v->only != NULL) {
        code = parse_methods(v, "--only", v->only, only_out);
    }
    if (code == CLI_GO_ON && v->require != NULL) {
        code = parse_methods(v, "--require", v->require, require_out);
    }
    if (code == CLI_GO_ON && v->require == NULL) {
        /* --only spf without dkim: what is judged is what counts */
        *require_out &= *only_out;
        *require_out = *require_out == 0 ? *only_out : *require_out;
    }
    if (code == CLI_GO_ON && (*require_out & ~*only_out) != 0) {
        return cli_misuse(&v->cli, "--require names what --only leaves out");
    }
    return code;
}

/* SPF is about a client: without one it is left out, or cannot be asked for.
 */
static int
check_client(const struct verification *v, unsigned *only, unsigned require)
{
    uint8_t address[16];

    if (v->ip != NULL) {
        return inet_pton(AF_INET, v->ip, address) == 1 ||
                       inet_pton(AF_INET6, v->ip, address) == 1
                   ? CLI_GO_ON
                   : cli_misuse(&v->cli, "--ip %s; a numeric address", v->ip);
    }
    if (v->helo != NULL || v->mail_from != NULL) {
        return cli_misuse(&v->cli, "--helo and --mail-from need --ip");
    }
    if ((require & 1u << SPF_METHOD) != 0 ||
        (v->only != NULL && (*only & 1u << SPF_METHOD) != 0)) {
        return cli_misuse(&v->cli, "spf needs --ip, --helo and --mail-from");
    }
    *only &= ~(1u << SPF_METHOD);
    return CLI_GO_ON;
}

/* Ours: --authserv-id, else the configuration's, else this host's name. */
static const char *
own_id(const struct verification *v, char *host, size_t cap)
{
    if (v->authserv_id != NULL) {
        return v->authserv_id;
    }
    if (v->cli.conf != NULL) {
        return v->cli.conf->server.authserv_id;
    }
    if (gethostname(host, cap) != 0 || host[0] == '\0') {
        return "localhost";
    }
    host[cap - 1] = '\0';
    return host;
}

void
verification_member(struct verification *v, const char *name)
{
    buf_printf(&v->json, "%s\"%s\":", v->json.len > 0 ? "," : "", name);
}

/* Runs the methods; *outcomes: by row. */
static int
judge(struct verification *v, unsigned only, enum verify_outcome *outcomes)
{
    for (unsigned i = 0; i < METHODS; i++) {
        int outcome = VERIFY_FAIL;

        if (only & 1u << i) {
            outcome = methods[i].run(v);
        }
        if (outcome < 0) {
            return cli_fail(&v->cli, EX_OSERR, "no memory");
        }
        outcomes[i] = (enum verify_outcome)outcome;
    }
    return CLI_GO_ON;
}

static int
print(struct verification *v)
{
    struct buf object = BUF_INIT;
    char host[256] = "";
    struct bytes field;
    int code;

    v->results.address = v->ip;
    if (!methods_field(&v->authres, own_id(v, host, sizeof(host)), &v->results,
                       &field)) {
        return cli_fail(&v->cli, EX_OSERR, "no memory");
    }
    if (!v->cli.json) {
        return cli_write(&v->cli, field);
    }
    buf_putc(&object, '{');
    buf_put(&object, buf_bytes(&v->json));
    buf_puts(&object, ",\"field\":");
    json_string(&object, field);
    buf_puts(&object, "}\n");
    code = buf_failed(&object) ? cli_fail(&v->cli, EX_OSERR, "no memory")
                               : cli_write(&v->cli, buf_bytes(&object));
    buf_free(&object);
    return code;
}

/* All that is required passes: 0. One fails: 1. Else it was temporary. */
static int
exit_code(unsigned require, const enum verify_outcome *outcomes)
{
    bool temporary = false;

    for (unsigned i = 0; i < METHODS; i++) {
        if (require & 1u << i && outcomes[i] == VERIFY_FAIL) {
            return 1;
        }
        temporary =
            temporary || (require & 1u << i && outcomes[i] == VERIFY_TEMPORARY);
    }
    return temporary ? EX_TEMPFAIL : EX_OK;
}

static int
run(struct verification *v)
{
    enum verify_outcome outcomes[METHODS] = { VERIFY_FAIL };
    unsigned only, require;
    int code = parse_lists(v, &only, &require);

    if (code == CLI_GO_ON) {
        code = check_client(v, &only, require);
    }
    if (code != CLI_GO_ON) {
        return code;
    }
    if (v->cli.word_count > 0) {
        return cli_misuse(&v->cli, "the message comes on stdin, not as an "
                                   "argument");
    }
    if (v->dns_path != NULL && v->nameserver != NULL) {
        return cli_misuse(&v->cli, "--dns or --nameserver, not both");
    }
    code = cli_conf_maybe(&v->cli);
    if (code != CLI_GO_ON) {
        return code;
    }
    v->time_s = v->time_s == UINT64_MAX ? (uint64_t)time(NULL) : v->time_s;
    code = cli_dns_open(&v->cli, v->dns_path, v->nameserver, &v->dns);
    if (code == EX_OK) {
        code = cli_message_read(&v->cli, STDIN_FILENO, &v->message);
    }
    if (code != EX_OK) {
        return code;
    }
    code = judge(v, only, outcomes);
    if (code == CLI_GO_ON) {
        code = print(v);
    }
    return code == EX_OK ? exit_code(require, outcomes) : code;
}

int
cli_verify(int argc, char **argv)
{
    struct verification v = { .cli = { .name = "verify", .usage = usage },
                              .time_s = UINT64_MAX };
    const struct cli_option options[] = {
        { "--dns", 0, NULL, &v.dns_path, NULL },
        { "--nameserver", 0, NULL, &v.nameserver, NULL },
        { "--authserv-id", 0, NULL, &v.authserv_id, NULL },
        { "--time", 0, NULL, NULL, &v.time_s },
        { "--only", 0, NULL, &v.only, NULL },
        { "--require", 0, NULL, &v.require, NULL },
        { "--allow-legacy", 0, &v.allow_legacy, NULL, NULL },
        { "--ip", 0, NULL, &v.ip, NULL },
        { "--helo", 0, NULL, &v.helo, NULL },
        { "--mail-from", 0, NULL, &v.mail_from, NULL },
        { NULL, 0, NULL, NULL, NULL },
    };
    int code = cli_parse(&v.cli, argc, argv, options);

    if (code == CLI_GO_ON) {
        code = run(&v);
    }
    cli_message_free(&v.message);
    cli_dns_close(&v.dns);
    dkim_authres_free(&v.authres);
    buf_free(&v.json);
    dkim_verify_free(&v.dkim);
    spf_free(&v.spf);
    dmarc_free(&v.dmarc);
    arc_free(&v.arc);
    cli_free(&v.cli);
    return code;
}
