/*
 * command - one table of verbs, one function an argument form; see
 * smtp/command.h.
 *
 * To support another verb: enum smtp_verb, a row here, a row in each table of
 * server.c.
 */
#include "params.h"
#include "path.h"

#include <smtp/command.h>
#include <smtp/xclient.h>

enum {
    NAME_MAX_OCTETS = 255, /* EHLO, HELO: RFC 5321 4.5.3.1.2 */
    MECH_MAX_OCTETS = 20   /* AUTH: RFC 4422 3.1 */
};

typedef enum smtp_err parse_arg(struct smtp_command *cmd);

static enum smtp_err
parse_any(struct smtp_command *cmd)
{
    (void)cmd;
    return SMTP_OK;
}

static enum smtp_err
parse_none(struct smtp_command *cmd)
{
    return cmd->arg.len == 0 ? SMTP_OK : SMTP_ERR_SYNTAX;
}

static enum smtp_err
parse_required(struct smtp_command *cmd)
{
    return cmd->arg.len > 0 ? SMTP_OK : SMTP_ERR_SYNTAX;
}

/*
 * 4.1.1.1: one word. What it names is not judged (4.1.4): machines give
 * whatever their owners called them. Printable ASCII only.
 */
static enum smtp_err
parse_name(struct smtp_command *cmd)
{
    if (cmd->arg.len == 0 || cmd->arg.len > NAME_MAX_OCTETS) {
        return SMTP_ERR_SYNTAX;
    }
    for (size_t i = 0; i < cmd->arg.len; i++) {
        if (cmd->arg.ptr[i] <= ' ' || cmd->arg.ptr[i] > '~') {
            return SMTP_ERR_SYNTAX;
        }
    }
    cmd->name = cmd->arg;
    return SMTP_OK;
}

/* "FROM:<path> PARAMS"; a space behind the colon is let through. */
static enum smtp_err
parse_path(struct smtp_command *cmd, const char *prefix,
           enum smtp_path_kind kind)
{
    struct bytes rest = cmd->arg;
    enum smtp_err err;

    if (!bytes_starts_ci(rest, prefix)) {
        return SMTP_ERR_SYNTAX;
    }
    rest = bytes_skip(rest, strlen(prefix));
    while (rest.len > 0 && rest.ptr[0] == ' ') {
        rest = bytes_skip(rest, 1);
    }
    err = smtp_path_take(&rest, kind, &cmd->path);
    if (err != SMTP_OK) {
        return err;
    }
    if (rest.len > 0 && rest.ptr[0] != ' ') {
        return SMTP_ERR_ADDRESS;
    }
    return smtp_params_parse(cmd->verb, rest, &cmd->params);
}

static enum smtp_err
parse_mail(struct smtp_command *cmd)
{
    return parse_path(cmd, "FROM:", SMTP_PATH_REVERSE);
}

static enum smtp_err
parse_rcpt(struct smtp_command *cmd)
{
    return parse_path(cmd, "TO:", SMTP_PATH_FORWARD);
}

/* RFC 3030 2: chunk-size [SP "LAST"]. */
static enum smtp_err
parse_bdat(struct smtp_command *cmd)
{
    struct bytes size = bytes_take(cmd->arg, bytes_find(cmd->arg, ' '));
    struct bytes rest = bytes_skip(cmd->arg, size.len);

    if (!bytes_to_u64(size, UINT64_MAX, &cmd->chunk) ||
        (rest.len > 0 && !bytes_is_ci(rest, " LAST"))) {
        return SMTP_ERR_SYNTAX;
    }
    cmd->last = rest.len > 0;
    return SMTP_OK;
}

/* RFC 4954 4: mechanism [SP initial-response]. */
static enum smtp_err
parse_auth(struct smtp_command *cmd)
{
    struct bytes mech = bytes_take(cmd->arg, bytes_find(cmd->arg, ' '));
    struct bytes rest = bytes_skip(cmd->arg, mech.len);

    if (mech.len == 0 || mech.len > MECH_MAX_OCTETS) {
        return SMTP_ERR_SYNTAX;
    }
    for (size_t i = 0; i < mech.len; i++) {
        uint8_t c = mech.ptr[i];

        if (!byte_is_alpha(c) && !byte_is_digit(c) && c != '-' && c != '_') {
            return SMTP_ERR_SYNTAX;
        }
    }
    cmd->name = mech;
    cmd->has_initial = rest.len > 0;
    if (cmd->has_initial) {
        cmd->initial = bytes_skip(rest, 1);
    }
    return bytes_find(cmd->initial, ' ') == cmd->initial.len ? SMTP_OK
                                                             : SMTP_ERR_SYNTAX;
}

/* Judged here so that a malformed one is refused like all others; who acts
 * on it parses it again. */
static enum smtp_err
parse_xclient(struct smtp_command *cmd)
{
    struct smtp_xattrs attrs;

    return smtp_xclient_parse(cmd->verb, cmd->arg, &attrs);
}

static const struct verb_rule {
    const char *name;
    parse_arg *parse;
} rules[SMTP_VERB_COUNT] = {
    [SMTP_VERB_UNKNOWN] = { "?", parse_any },
    [SMTP_VERB_EHLO] = { "EHLO", parse_name },
    [SMTP_VERB_HELO] = { "HELO", parse_name },
    [SMTP_VERB_MAIL] = { "MAIL", parse_mail },
    [SMTP_VERB_RCPT] = { "RCPT", parse_rcpt },
    [SMTP_VERB_DATA] = { "DATA", parse_none },
    [SMTP_VERB_BDAT] = { "BDAT", parse_bdat },
    [SMTP_VERB_RSET] = { "RSET", parse_none },
    [SMTP_VERB_NOOP] = { "NOOP", parse_any },
    [SMTP_VERB_QUIT] = { "QUIT", parse_none },
    [SMTP_VERB_VRFY] = { "VRFY", parse_required },
    [SMTP_VERB_EXPN] = { "EXPN", parse_any },
    [SMTP_VERB_HELP] = { "HELP", parse_any },
    [SMTP_VERB_STARTTLS] = { "STARTTLS", parse_none },
    [SMTP_VERB_AUTH] = { "AUTH", parse_auth },
    [SMTP_VERB_XCLIENT] = { "XCLIENT", parse_xclient },
    [SMTP_VERB_XFORWARD] = { "XFORWARD", parse_xclient },
};

static enum smtp_verb
find_verb(struct bytes word)
{
    for (unsigned i = SMTP_VERB_UNKNOWN + 1; i < SMTP_VERB_COUNT; i++) {
        if (bytes_is_ci(word, rules[i].name)) {
            return (enum smtp_verb)i;
        }
    }
    return SMTP_VERB_UNKNOWN;
}

static bool
has_control(struct bytes line)
{
    for (size_t i = 0; i < line.len; i++) {
        if (line.ptr[i] < ' ' || line.ptr[i] == 0x7f) {
            return true;
        }
    }
    return false;
}

enum smtp_err
smtp_command_parse(struct bytes line, struct smtp_command *cmd_out)
{
    struct smtp_command cmd = { 0 };
    struct bytes word;
    enum smtp_err err;

    while (line.len > 0 && line.ptr[line.len - 1] == ' ') {
        line.len--; /* 4.1.1: tolerate trailing white space */
    }
    word = bytes_take(line, bytes_find(line, ' '));
    cmd.verb = find_verb(word);
    cmd.arg = bytes_skip(line, word.len + (word.len < line.len ? 1 : 0));
    err = has_control(line) ? SMTP_ERR_CONTROL : rules[cmd.verb].parse(&cmd);
    *cmd_out = err == SMTP_OK ? cmd : (struct smtp_command){ .verb = cmd.verb };
    return err;
}

const char *
smtp_verb_name(enum smtp_verb verb)
{
    return verb < SMTP_VERB_COUNT ? rules[verb].name : "?";
}

const char *
smtp_err_text(enum smtp_err err)
{
    static const char *const texts[SMTP_ERR_COUNT] = {
        [SMTP_OK] = "no error",
        [SMTP_ERR_CONTROL] = "control characters do not belong in a command",
        [SMTP_ERR_SYNTAX] = "the arguments of this command are malformed",
        [SMTP_ERR_ADDRESS] = "the address is malformed; write <local@domain>",
        [SMTP_ERR_UTF8] = "this address needs SMTPUTF8 and well-formed UTF-8",
        [SMTP_ERR_PARAM] = "a parameter is not known or not offered here",
        [SMTP_ERR_PARAM_VALUE] = "the value of a parameter is malformed",
        [SMTP_ERR_PARAM_TWICE] = "a parameter was given twice",
    };

    return err < SMTP_ERR_COUNT ? texts[err] : "unknown error";
}
