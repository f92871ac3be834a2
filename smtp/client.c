/*
 * client - greeting to MAIL as steps; see smtp/client.h.
 *
 * A step is what the next reply answers. Each has one function, which sends
 * the next line, or says that the way is over. Where to go after EHLO, TLS
 * and a refused STARTTLS is decided in one place, after_hello().
 */
#include "client_steps.h"

#include <smtp/xclient.h>

#define BIT(n) (1u << (n))

void
smtp_client_init(struct smtp_client *c, const struct smtp_client_conf *conf,
                 bool tls)
{
    *c = (struct smtp_client){ .conf = *conf,
                               .step = STEP_GREETING,
                               .tls = tls };
}

void
smtp_client_note(struct smtp_client *c, struct bytes text)
{
    size_t n =
        text.len < SMTP_CLIENT_SAID_MAX ? text.len : SMTP_CLIENT_SAID_MAX;

    for (size_t i = 0; i < n; i++) {
        uint8_t octet = text.ptr[i];

        c->said[i] = octet < ' ' || octet > '~' ? '?' : (char)octet;
    }
    c->said[n] = '\0';
}

/* RFC 5321 3.1: take leave, unless the server already has (421). */
enum smtp_client_action
smtp_client_fail(struct smtp_client *c, enum smtp_client_failure failure,
                 const struct smtp_reply *reply, struct buf *out)
{
    struct bytes rest, line;

    c->failure = failure;
    c->code = reply == NULL ? 0 : reply->code;
    c->step = STEP_OVER;
    if (reply != NULL && c->said[0] == '\0') {
        rest = reply->text;
        if (smtp_reply_line(&rest, &line)) {
            smtp_client_note(c, line);
        }
    }
    if (c->code != 421) {
        buf_puts(out, "QUIT\r\n");
    }
    return SMTP_CLIENT_FAILED;
}

enum smtp_client_action
smtp_client_ready(struct smtp_client *c)
{
    c->step = STEP_OVER;
    return SMTP_CLIENT_READY;
}

static enum smtp_client_action
send_hello(struct smtp_client *c, enum smtp_client_step step, struct buf *out)
{
    const char *verb = step == STEP_HELO ? "HELO"
                       : c->conf.lmtp    ? "LHLO"
                                         : "EHLO";

    buf_printf(out, "%s %s\r\n", verb, c->conf.hostname);
    c->step = step;
    return SMTP_CLIENT_WAIT;
}

/* XCLIENT_README: before AUTH, whose result it would take back. */
static enum smtp_client_action
introduce(struct smtp_client *c, struct buf *out)
{
    if (c->conf.xclient == NULL || c->introduced) {
        return smtp_client_start_auth(c, out);
    }
    if (smtp_xclient_put(out, SMTP_VERB_XCLIENT, c->caps.xclient,
                         c->conf.xclient)) {
        c->step = STEP_XCLIENT;
        return SMTP_CLIENT_WAIT;
    }
    return c->conf.xclient_needed
               ? smtp_client_fail(c, SMTP_CLIENT_NO_XCLIENT, NULL, out)
               : smtp_client_start_auth(c, out);
}

static enum smtp_client_action
after_hello(struct smtp_client *c, struct buf *out)
{
    if (c->tls || c->conf.tls == SMTP_CLIENT_TLS_NONE) {
        return introduce(c, out);
    }
    if (c->caps.offers & SMTP_CAP_STARTTLS) {
        buf_puts(out, "STARTTLS\r\n");
        c->step = STEP_STARTTLS;
        return SMTP_CLIENT_WAIT;
    }
    if (c->conf.tls == SMTP_CLIENT_TLS_REQUIRED) {
        return smtp_client_fail(c, SMTP_CLIENT_NO_STARTTLS, NULL, out);
    }
    return introduce(c, out);
}

static enum smtp_client_action
on_greeting(struct smtp_client *c, const struct smtp_reply *reply,
            struct buf *out)
{
    if (reply->code != 220) {
        return smtp_client_fail(c, SMTP_CLIENT_GREETING, reply, out);
    }
    return send_hello(c, STEP_EHLO, out);
}

static enum smtp_client_action
on_ehlo(struct smtp_client *c, const struct smtp_reply *reply, struct buf *out)
{
    if (reply->code / 100 == 5 && !c->conf.lmtp) {
        return send_hello(c, STEP_HELO, out); /* 3.2 */
    }
    if (reply->code / 100 != 2) {
        return smtp_client_fail(c, SMTP_CLIENT_EHLO, reply, out);
    }
    smtp_caps_parse(reply, &c->caps);
    return after_hello(c, out);
}

static enum smtp_client_action
on_helo(struct smtp_client *c, const struct smtp_reply *reply, struct buf *out)
{
    if (reply->code / 100 != 2) {
        return smtp_client_fail(c, SMTP_CLIENT_EHLO, reply, out);
    }
    return after_hello(c, out);
}

static enum smtp_client_action
on_starttls(struct smtp_client *c, const struct smtp_reply *reply,
            struct buf *out)
{
    if (reply->code == 220) {
        c->step = STEP_HANDSHAKE;
        return SMTP_CLIENT_TLS;
    }
    if (c->conf.tls == SMTP_CLIENT_TLS_REQUIRED || reply->code == 421) {
        return smtp_client_fail(c, SMTP_CLIENT_NO_STARTTLS, reply, out);
    }
    return introduce(c, out);
}

/* 220: the session begins again, with a new EHLO. */
static enum smtp_client_action
on_xclient(struct smtp_client *c, const struct smtp_reply *reply,
           struct buf *out)
{
    c->introduced = true;
    if (reply->code == 220) {
        return send_hello(c, STEP_EHLO, out);
    }
    if (c->conf.xclient_needed || reply->code == 421) {
        return smtp_client_fail(c, SMTP_CLIENT_NO_XCLIENT, reply, out);
    }
    return smtp_client_start_auth(c, out);
}

/* A reply that nothing asked for: nobody can tell what it answers. */
static enum smtp_client_action
on_stray(struct smtp_client *c, const struct smtp_reply *reply, struct buf *out)
{
    enum smtp_client_failure failure = c->failure;

    if (failure == SMTP_CLIENT_NO_FAILURE) {
        failure = c->step == STEP_HANDSHAKE ? SMTP_CLIENT_NO_STARTTLS
                                            : SMTP_CLIENT_GREETING;
    }
    (void)out;
    c->failure = failure;
    c->code = reply->code;
    c->step = STEP_OVER;
    return SMTP_CLIENT_FAILED;
}

enum smtp_client_action
smtp_client_reply(struct smtp_client *c, const struct smtp_reply *reply,
                  struct buf *out)
{
    static enum smtp_client_action (*const steps[STEP_COUNT])(
        struct smtp_client *, const struct smtp_reply *, struct buf *) = {
        [STEP_GREETING] = on_greeting,
        [STEP_EHLO] = on_ehlo,
        [STEP_HELO] = on_helo,
        [STEP_STARTTLS] = on_starttls,
        [STEP_HANDSHAKE] = on_stray,
        [STEP_XCLIENT] = on_xclient,
        [STEP_AUTH_READY] = smtp_client_on_auth_ready,
        [STEP_AUTH] = smtp_client_on_auth,
        [STEP_LOGIN_USER] = smtp_client_on_login,
        [STEP_LOGIN_SECRET] = smtp_client_on_login,
        [STEP_SCRAM] = smtp_client_on_scram,
        [STEP_OVER] = on_stray,
    };

    return steps[c->step](c, reply, out);
}

void
smtp_client_tls_started(struct smtp_client *c, struct buf *out)
{
    c->tls = true;
    c->caps = (struct smtp_caps){ 0 }; /* RFC 3207 4.2 */
    (void)send_hello(c, STEP_EHLO, out);
}

const char *
smtp_client_failure_text(enum smtp_client_failure failure)
{
    static const char *const texts[SMTP_CLIENT_FAILURES] = {
        [SMTP_CLIENT_NO_FAILURE] = "no failure",
        [SMTP_CLIENT_GREETING] = "the server did not greet with 220",
        [SMTP_CLIENT_EHLO] = "the server refused EHLO and HELO",
        [SMTP_CLIENT_NO_STARTTLS] = "the server does not offer STARTTLS",
        [SMTP_CLIENT_NO_MECH] =
            "the server offers no AUTH mechanism that may be used here",
        [SMTP_CLIENT_AUTH] = "the server refused the user name or password",
        [SMTP_CLIENT_AUTH_LATER] = "the server can't check logins now",
        [SMTP_CLIENT_TOKEN] = "the server refused the token",
        [SMTP_CLIENT_SCRAM] =
            "the server has not proved that it knows the password",
        [SMTP_CLIENT_NO_XCLIENT] = "the server does not take XCLIENT from here",
    };

    return failure < SMTP_CLIENT_FAILURES ? texts[failure] : "unknown failure";
}

/* Safe inside a command: nothing in it ends or splits a line. */
static bool
is_safe(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < ' ' || text.ptr[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

static bool
all_safe(struct bytes path, const struct smtp_params *params)
{
    for (unsigned i = 0; i < SMTP_PARAM_COUNT; i++) {
        if (params->present & BIT(i) && !is_safe(params->value[i])) {
            return false;
        }
    }
    return is_safe(path);
}

/* " NAME=VALUE", or " NAME" when the value is empty, if it was given. */
static void
put_param(struct buf *out, const struct smtp_params *params,
          enum smtp_param param, const char *name)
{
    if (!(params->present & BIT(param))) {
        return;
    }
    buf_putc(out, ' ');
    buf_puts(out, name);
    if (params->value[param].len > 0) {
        buf_putc(out, '=');
        buf_put(out, params->value[param]);
    }
}

bool
smtp_mail_put(struct buf *out, const struct smtp_caps *caps, struct bytes path,
              const struct smtp_params *params, uint64_t size)
{
    if (!all_safe(path, params)) {
        return false;
    }
    buf_puts(out, "MAIL FROM:<");
    buf_put(out, path);
    buf_putc(out, '>');
    if (caps->offers & SMTP_CAP_SIZE && size > 0) {
        buf_puts(out, " SIZE=");
        buf_put_number(out, size);
    }
    if (caps->offers & SMTP_CAP_8BITMIME &&
        params->body == SMTP_BODY_8BITMIME) {
        buf_puts(out, " BODY=8BITMIME");
    }
    if (caps->offers & SMTP_CAP_SMTPUTF8) {
        put_param(out, params, SMTP_PARAM_SMTPUTF8, "SMTPUTF8");
    }
    if (caps->offers & SMTP_CAP_DSN) {
        put_param(out, params, SMTP_PARAM_RET, "RET");
        put_param(out, params, SMTP_PARAM_ENVID, "ENVID");
    }
    if (caps->offers & SMTP_CAP_REQUIRETLS) {
        put_param(out, params, SMTP_PARAM_REQUIRETLS, "REQUIRETLS");
    }
    buf_puts(out, "\r\n");
    return true;
}

bool
smtp_rcpt_put(struct buf *out, const struct smtp_caps *caps, struct bytes path,
              const struct smtp_params *params)
{
    if (!all_safe(path, params)) {
        return false;
    }
    buf_puts(out, "RCPT TO:<");
    buf_put(out, path);
    buf_putc(out, '>');
    if (caps->offers & SMTP_CAP_DSN) {
        put_param(out, params, SMTP_PARAM_NOTIFY, "NOTIFY");
        put_param(out, params, SMTP_PARAM_ORCPT, "ORCPT");
    }
    buf_puts(out, "\r\n");
    return true;
}
