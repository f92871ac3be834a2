/*
 * check - the order of commands and all refusals, as tables; see check.h.
 *
 * First the phase and the configuration, then the arguments: credentials in
 * an AUTH that may not come now are not looked at.
 */
#include "check.h"

#include "path.h"

#define BIT(n) (1u << (n))

static const struct smtp_refusal refusals[REFUSAL_COUNT] = {
    [REFUSE_CONTROL] = { 500, "5.5.2",
                         "Control characters do not belong in a command; end "
                         "lines with CRLF",
                         false },
    [REFUSE_LONG] = { 500, "5.5.2", "Line too long", false },
    [REFUSE_LONG_AUTH] = { 500, "5.5.6", "Authentication line too long",
                           false }, /* RFC 4954 4 */
    [REFUSE_FLOOD] = { 421, "4.7.0", "Line too long, closing", true },
    [REFUSE_ERRORS] = { 421, "4.7.0", "Too many errors", true },
    [REFUSE_JUNK] = { 421, "4.7.0", "Too many commands without mail", true },
    [REFUSE_UNKNOWN] = { 500, "5.5.2", "Command not recognized", false },
    [REFUSE_NOT_HERE] = { 502, "5.5.1", "Command not offered here", false },
    [REFUSE_SYNTAX] = { 501, "5.5.4", "Malformed arguments", false },
    [REFUSE_SENDER] = { 501, "5.1.7",
                        "Malformed sender address; write "
                        "MAIL FROM:<local@domain>",
                        false },
    [REFUSE_RECIPIENT] = { 501, "5.1.3",
                           "Malformed recipient address; write "
                           "RCPT TO:<local@domain>",
                           false },
    [REFUSE_UTF8] = { 553, "5.6.7",
                      "This address needs SMTPUTF8 and well-formed UTF-8",
                      false }, /* RFC 6531 3.5 */
    [REFUSE_PARAM] = { 555, "5.5.4",
                       "Parameter not recognized or not offered here", false },
    [REFUSE_PARAM_VALUE] = { 501, "5.5.4", "Malformed value of a parameter",
                             false },
    [REFUSE_PARAM_TWICE] = { 501, "5.5.4", "Parameter given twice", false },
    [REFUSE_REQUIRETLS] = { 550, "5.7.30",
                            "The upstream does not support REQUIRETLS", false },
    [REFUSE_REQUIRETLS_CLEAR] = { 530, "5.7.10",
                                  "REQUIRETLS needs TLS; send STARTTLS first",
                                  false },
    [REFUSE_SIZE] = { 552, "5.3.4",
                      "Message too big; see SIZE in the reply to EHLO",
                      false }, /* RFC 1870 6.1 */
    [REFUSE_EHLO_FIRST] = { 503, "5.5.1", "Send EHLO first", false },
    [REFUSE_NESTED_MAIL] = { 503, "5.5.1",
                             "A transaction is going on; finish it or send "
                             "RSET",
                             false },
    [REFUSE_NO_MAIL] = { 503, "5.5.1", "Send MAIL first", false },
    [REFUSE_NO_RCPT] = { 554, "5.5.1", "No valid recipients", false },
    [REFUSE_IN_TRANSACTION] = { 503, "5.5.1",
                                "Not during a transaction; finish it or send "
                                "RSET",
                                false },
    [REFUSE_CHUNKS] = { 503, "5.5.1",
                        "Not after BDAT or a failed chunk; send RSET", false },
    [REFUSE_CHUNK_SIZE] = { 501, "5.5.4",
                            "Malformed chunk size, closing; write "
                            "BDAT OCTETS [LAST]",
                            true }, /* where the payload ends is unknown */
    [REFUSE_TLS_TWICE] = { 503, "5.5.1", "TLS is already on", false },
    [REFUSE_TLS_AFTER_AUTH] = { 503, "5.5.1",
                                "Send STARTTLS before authentication", false },
    [REFUSE_AUTH_TWICE] = { 503, "5.5.1", "Already authenticated", false },
    [REFUSE_AUTH_IN_CLEAR] = { 538, "5.7.11",
                               "Encryption required; send STARTTLS first",
                               false }, /* RFC 4954 6 */
    [REFUSE_NEEDS_TLS] = { 530, "5.7.0", "Must issue a STARTTLS command first",
                           false }, /* RFC 3207 4 */
    [REFUSE_NEEDS_AUTH] = { 530, "5.7.0", "Authentication required",
                            false }, /* RFC 4954 6 */
};

/* RFC 5321 4.1.4: order of commands. One row per phase, nothing elsewhere. */
enum {
    ALWAYS = BIT(SMTP_VERB_EHLO) | BIT(SMTP_VERB_HELO) | BIT(SMTP_VERB_RSET) |
             BIT(SMTP_VERB_NOOP) | BIT(SMTP_VERB_QUIT) | BIT(SMTP_VERB_VRFY) |
             BIT(SMTP_VERB_HELP)
};

static const unsigned legal_verbs[] = {
    [SMTP_PHASE_CONNECTED] = ALWAYS,
    [SMTP_PHASE_READY] = ALWAYS | BIT(SMTP_VERB_STARTTLS) |
                         BIT(SMTP_VERB_AUTH) | BIT(SMTP_VERB_MAIL),
    [SMTP_PHASE_SASL] = 0,
    [SMTP_PHASE_MAIL] = ALWAYS | BIT(SMTP_VERB_RCPT),
    [SMTP_PHASE_RCPT] = ALWAYS | BIT(SMTP_VERB_RCPT) | BIT(SMTP_VERB_DATA) |
                        BIT(SMTP_VERB_BDAT),
    [SMTP_PHASE_DATA] = 0,
    [SMTP_PHASE_BDAT] = ALWAYS | BIT(SMTP_VERB_BDAT),
    [SMTP_PHASE_END] = 0,
};

const struct smtp_refusal *
smtp_refusal(enum refusal refusal)
{
    return &refusals[refusal];
}

uint64_t
smtp_message_max(const struct smtp_server *s)
{
    return s->conf.message_max == 0 ? UINT64_MAX : s->conf.message_max;
}

static bool
may_mail(const struct smtp_server *s)
{
    return s->phase != SMTP_PHASE_CONNECTED && !smtp_server_in_transaction(s);
}

/* STARTTLS: RFC 3207 4.2. */
static enum refusal
check_starttls(const struct smtp_server *s)
{
    if (s->tls) {
        return REFUSE_TLS_TWICE;
    }
    if (!s->conf.starttls) {
        return REFUSE_NOT_HERE;
    }
    if (!s->esmtp) {
        return REFUSE_EHLO_FIRST;
    }
    if (smtp_server_in_transaction(s)) {
        return REFUSE_IN_TRANSACTION;
    }
    return s->authenticated ? REFUSE_TLS_AFTER_AUTH : NOTHING_REFUSED;
}

/* AUTH: RFC 4954 4. */
static enum refusal
check_auth(const struct smtp_server *s)
{
    if (!s->conf.auth) {
        return REFUSE_NOT_HERE;
    }
    if (s->authenticated) {
        return REFUSE_AUTH_TWICE;
    }
    if (smtp_server_in_transaction(s)) {
        return REFUSE_IN_TRANSACTION;
    }
    if (s->conf.auth_needs_tls && !s->tls) {
        return REFUSE_AUTH_IN_CLEAR;
    }
    return s->esmtp ? NOTHING_REFUSED : REFUSE_EHLO_FIRST;
}

static enum refusal
check_mail(const struct smtp_server *s)
{
    if (!may_mail(s)) {
        return s->phase == SMTP_PHASE_CONNECTED ? REFUSE_EHLO_FIRST
                                                : REFUSE_NESTED_MAIL;
    }
    if (s->conf.mail_needs_tls && !s->tls) {
        return REFUSE_NEEDS_TLS;
    }
    return s->conf.mail_needs_auth && !s->authenticated ? REFUSE_NEEDS_AUTH
                                                        : NOTHING_REFUSED;
}

/* RCPT, DATA, BDAT out of order: which of the reasons it is. */
static enum refusal
check_order(const struct smtp_server *s, enum smtp_verb verb)
{
    if (legal_verbs[s->phase] & BIT(verb)) {
        return verb == SMTP_VERB_BDAT && s->chunk_failed ? REFUSE_CHUNKS
                                                         : NOTHING_REFUSED;
    }
    if (s->phase == SMTP_PHASE_BDAT) {
        return REFUSE_CHUNKS; /* RFC 3030 2: not mixed with DATA */
    }
    /* 3.3: MAIL was accepted, no RCPT was. */
    return s->phase == SMTP_PHASE_MAIL ? REFUSE_NO_RCPT : REFUSE_NO_MAIL;
}

/* To whom it is not offered it does not exist. */
static enum refusal
check_xclient(const struct smtp_server *s, enum smtp_cap offer)
{
    if (!(s->conf.offers & offer)) {
        return REFUSE_NOT_HERE;
    }
    return smtp_server_in_transaction(s) ? REFUSE_IN_TRANSACTION
                                         : NOTHING_REFUSED;
}

/* What the phase and the configuration say, before arguments are looked at. */
static enum refusal
check_verb(const struct smtp_server *s, enum smtp_verb verb)
{
    switch (verb) {
    case SMTP_VERB_UNKNOWN:
    case SMTP_VERB_COUNT:
        return REFUSE_UNKNOWN;
    case SMTP_VERB_EXPN:
        return REFUSE_NOT_HERE; /* 3.5.3, 7.3 */
    case SMTP_VERB_STARTTLS:
        return check_starttls(s);
    case SMTP_VERB_AUTH:
        return check_auth(s);
    case SMTP_VERB_XCLIENT:
        return check_xclient(s, SMTP_CAP_XCLIENT);
    case SMTP_VERB_XFORWARD:
        return check_xclient(s, SMTP_CAP_XFORWARD);
    case SMTP_VERB_MAIL:
        return check_mail(s);
    case SMTP_VERB_BDAT:
        return s->conf.chunking ? check_order(s, verb) : REFUSE_NOT_HERE;
    default:
        return check_order(s, verb);
    }
}

/* Parameters of extensions that are not offered here. */
static enum refusal
check_params(const struct smtp_server *s, const struct smtp_params *params)
{
    static const struct {
        enum smtp_param param;
        enum smtp_cap cap;
    } param_caps[] = {
        { SMTP_PARAM_RET, SMTP_CAP_DSN },
        { SMTP_PARAM_ENVID, SMTP_CAP_DSN },
        { SMTP_PARAM_NOTIFY, SMTP_CAP_DSN },
        { SMTP_PARAM_ORCPT, SMTP_CAP_DSN },
        { SMTP_PARAM_SMTPUTF8, SMTP_CAP_SMTPUTF8 },
        { SMTP_PARAM_AUTH, SMTP_CAP_AUTH },
    };
    unsigned offers = s->conf.offers;

    offers |= s->conf.smtputf8 ? SMTP_CAP_SMTPUTF8 : 0;
    offers |= s->conf.auth ? SMTP_CAP_AUTH : 0;
    for (size_t i = 0; i < sizeof(param_caps) / sizeof(param_caps[0]); i++) {
        if (params->present & BIT(param_caps[i].param) &&
            !(offers & param_caps[i].cap)) {
            return REFUSE_PARAM;
        }
    }
    if (params->present & BIT(SMTP_PARAM_REQUIRETLS) &&
        !(s->tls && offers & SMTP_CAP_REQUIRETLS)) {
        /* RFC 8689 4.2.1: the sender asks for no delivery then. */
        return s->tls ? REFUSE_REQUIRETLS : REFUSE_REQUIRETLS_CLEAR;
    }
    /* RFC 3030 3: BINARYMIME is never offered, a signature needs lines. */
    return params->body == SMTP_BODY_BINARYMIME ? REFUSE_PARAM
                                                : NOTHING_REFUSED;
}

static enum refusal
check_mail_args(const struct smtp_server *s, const struct smtp_command *cmd)
{
    const struct smtp_params *params = &cmd->params;
    bool utf8 = (params->present & BIT(SMTP_PARAM_SMTPUTF8)) != 0;

    if (cmd->path.utf8 && !(utf8 && s->conf.smtputf8)) {
        return REFUSE_UTF8;
    }
    if (params->size > smtp_message_max(s)) {
        return REFUSE_SIZE;
    }
    return check_params(s, params);
}

static enum refusal
check_rcpt_args(const struct smtp_server *s, const struct smtp_command *cmd)
{
    bool utf8 =
        cmd->path.utf8 || smtp_has_8bit(cmd->params.value[SMTP_PARAM_ORCPT]);

    return utf8 && !s->utf8 ? REFUSE_UTF8 : check_params(s, &cmd->params);
}

static enum refusal
refusal_of(enum smtp_verb verb, enum smtp_err err)
{
    static const enum refusal by_err[SMTP_ERR_COUNT] = {
        [SMTP_ERR_CONTROL] = REFUSE_CONTROL,
        [SMTP_ERR_SYNTAX] = REFUSE_SYNTAX,
        [SMTP_ERR_ADDRESS] = REFUSE_RECIPIENT,
        [SMTP_ERR_UTF8] = REFUSE_UTF8,
        [SMTP_ERR_PARAM] = REFUSE_PARAM,
        [SMTP_ERR_PARAM_VALUE] = REFUSE_PARAM_VALUE,
        [SMTP_ERR_PARAM_TWICE] = REFUSE_PARAM_TWICE,
    };

    if (verb == SMTP_VERB_MAIL && err == SMTP_ERR_ADDRESS) {
        return REFUSE_SENDER;
    }
    return by_err[err];
}

enum refusal
smtp_check_line(const struct smtp_server *s, struct bytes line,
                struct smtp_command *cmd_out)
{
    enum smtp_err err = smtp_command_parse(line, cmd_out);
    enum refusal refusal;

    if (err != SMTP_OK && cmd_out->verb == SMTP_VERB_BDAT && s->conf.chunking) {
        return REFUSE_CHUNK_SIZE; /* whatever the phase: see its row */
    }
    if (err == SMTP_ERR_CONTROL) {
        return REFUSE_CONTROL;
    }
    refusal = check_verb(s, cmd_out->verb);
    if (refusal != NOTHING_REFUSED) {
        return refusal;
    }
    if (err != SMTP_OK) {
        return refusal_of(cmd_out->verb, err);
    }
    if (cmd_out->verb == SMTP_VERB_MAIL) {
        return check_mail_args(s, cmd_out);
    }
    return cmd_out->verb == SMTP_VERB_RCPT ? check_rcpt_args(s, cmd_out)
                                           : NOTHING_REFUSED;
}

bool
smtp_check_foreign(struct bytes in)
{
    static const char *const words[] = { "GET", "POST", "CONNECT" };

    if (in.len > 0 && in.ptr[0] == 0x16) {
        return true;
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t n = strlen(words[i]);

        if (bytes_starts_ci(in, words[i]) && in.len > n &&
            (in.ptr[n] == ' ' || in.ptr[n] == '\r')) {
            return true;
        }
    }
    return false;
}
