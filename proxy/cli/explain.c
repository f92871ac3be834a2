/*
 * explain - `sealpost explain`: why each signature passes or fails.
 */
#include "proxy/cli/ask.h"
#include "proxy/cli/message.h"

#include <dkim/explain.h>

#include <sysexits.h>
#include <time.h>
#include <unistd.h>

enum {
    SIGNATURES_MAX = 8
};

static const char usage[] =
    "usage: sealpost explain [--dns FILE | --nameserver ADDR[:PORT]]\n"
    "           [--time UNIX] [--allow-legacy]\n"
    "A message on stdin; in sentences why each signature passes or fails.\n"
    "Exit 0: a signature passes; 1: none does; 65: not a message; 75: not to\n"
    "be said now.\n";

struct explain_command {
    struct cli cli;
    const char *dns_path;
    const char *nameserver;
    bool allow_legacy;
    uint64_t time_s;
    struct cli_message message;
    struct cli_dns *dns;
    struct buf out;
};

/* A signature whose key is on its way. */
struct telling {
    struct dkim_explain explain;
    struct buf *out;
};

static void
on_key(const struct dns_answer *answer, void *arg)
{
    struct telling *t = arg;

    t->explain.key = answer;
    dkim_explain(&t->explain, t->out);
}

static void
tell(struct explain_command *k, const struct dkim_verify *verify, size_t n)
{
    struct telling t = {
        .explain = { .header = &k->message.header,
                     .field = dkim_header_get(&k->message.header,
                                              "dkim-signature", n),
                     .body = k->message.body,
                     .result = dkim_verify_result(verify, n) },
        .out = &k->out,
    };
    struct dns_question q;

    buf_printf(&k->out, "%sSignature %zu of %zu: ", n > 0 ? "\n" : "", n + 1,
               dkim_verify_count(verify));
    if (dkim_explain_question(t.explain.result, &q)) {
        cli_dns_ask(k->dns, &q, on_key, &t);
        cli_dns_wait(k->dns);
    } else {
        dkim_explain(&t.explain, &k->out);
    }
}

/* 0: one passes; 1: none; 75: none, and one could not be judged now. */
static int
exit_code(const struct dkim_verify *verify)
{
    int code = 1;

    for (size_t i = 0; i < dkim_verify_count(verify); i++) {
        enum dkim_verdict verdict = dkim_verify_result(verify, i)->verdict;

        if (verdict == DKIM_PASS) {
            return EX_OK;
        }
        code = verdict == DKIM_TEMPERROR ? EX_TEMPFAIL : code;
    }
    return code;
}

static int
explain(struct explain_command *k)
{
    struct dkim_verify_conf conf = { .now_s = k->time_s,
                                     .signatures_max = SIGNATURES_MAX,
                                     .allow_legacy = k->allow_legacy };
    struct dkim_verify *verify = dkim_verify_new(&k->message.header, &conf);
    int code;

    if (verify == NULL) {
        return cli_fail(&k->cli, EX_OSERR, "no memory");
    }
    dkim_verify_body(verify, k->message.body);
    cli_dns_keys(k->dns, verify);
    dkim_verify_end(verify);
    if (dkim_verify_count(verify) == 0) {
        buf_puts(&k->out, "The message has no DKIM-Signature field.\n");
    }
    for (size_t i = 0; i < dkim_verify_count(verify) && i < SIGNATURES_MAX;
         i++) {
        tell(k, verify, i);
    }
    code = exit_code(verify);
    dkim_verify_free(&verify);
    if (buf_failed(&k->out)) {
        return cli_fail(&k->cli, EX_OSERR, "no memory");
    }
    return cli_write(&k->cli, buf_bytes(&k->out)) == EX_OK ? code : EX_IOERR;
}

static int
run(struct explain_command *k)
{
    int code;

    if (k->cli.word_count > 0) {
        return cli_misuse(&k->cli, "the message comes on stdin, not as an "
                                   "argument");
    }
    if (k->dns_path != NULL && k->nameserver != NULL) {
        return cli_misuse(&k->cli, "--dns or --nameserver, not both");
    }
    code = cli_conf_maybe(&k->cli);
    if (code != CLI_GO_ON) {
        return code;
    }
    k->time_s = k->time_s == UINT64_MAX ? (uint64_t)time(NULL) : k->time_s;
    code = cli_dns_open(&k->cli, k->dns_path, k->nameserver, &k->dns);
    if (code == EX_OK) {
        code = cli_message_read(&k->cli, STDIN_FILENO, &k->message);
    }
    return code == EX_OK ? explain(k) : code;
}

int
cli_explain(int argc, char **argv)
{
    struct explain_command k = { .cli = { .name = "explain", .usage = usage },
                                 .time_s = UINT64_MAX };
    const struct cli_option options[] = {
        { "--dns", 0, NULL, &k.dns_path, NULL },
        { "--nameserver", 0, NULL, &k.nameserver, NULL },
        { "--time", 0, NULL, NULL, &k.time_s },
        { "--allow-legacy", 0, &k.allow_legacy, NULL, NULL },
        { NULL, 0, NULL, NULL, NULL },
    };
    int code = cli_parse(&k.cli, argc, argv, options);

    if (code == CLI_GO_ON) {
        code = run(&k);
    }
    cli_message_free(&k.message);
    cli_dns_close(&k.dns);
    buf_free(&k.out);
    cli_free(&k.cli);
    return code;
}
