/*
 * client - greeting to MAIL as steps; see smtp/client.h.
 *
 * A step is what the next reply answers. Each has one function, which sends
 * the next line, or says that the way is over. Where to go after EHLO, TLS
 * and a refused STARTTLS is decided in one place, after_hello().
 */
#include <base/base64.h>
#include <base/wipe.h>

#include <smtp/client.h>
#include <smtp/sasl.h>

#define BIT(n) (1u << (n))

enum step {
    STEP_GREETING,
    STEP_EHLO,
    STEP_HELO,
    STEP_STARTTLS,
    STEP_HANDSHAKE, /* no reply comes now: smtp_client_tls_started() */
    STEP_AUTH,
    STEP_LOGIN_USER,
    STEP_LOGIN_SECRET,
    STEP_OVER,
    STEP_COUNT
};

void
smtp_client_init(struct smtp_client *c, const struct smtp_client_conf *conf,
                 bool tls)
{
    *c = (struct smtp_client){ .conf = *conf,
                               .step = STEP_GREETING,
                               .tls = tls };
}

/* RFC 5321 3.1: take leave, unless the server already has (421). */
static enum smtp_client_action
fail(struct smtp_client *c, enum smtp_client_failure failure, int code,
     struct buf *out)
{
    c->failure = failure;
    c->code = code;
    c->step = STEP_OVER;
    if (code != 421) {
        buf_puts(out, "QUIT\r\n");
    }
    return SMTP_CLIENT_FAILED;
}

static enum smtp_client_action
ready(struct smtp_client *c)
{
    c->step = STEP_OVER;
    return SMTP_CLIENT_READY;
}

static enum smtp_client_action
send_hello(struct smtp_client *c, enum step step, struct buf *out)
{
    buf_printf(out, "%s %s\r\n", step == STEP_EHLO ? "EHLO" : "HELO",
               c->conf.hostname);
    c->step = step;
    return SMTP_CLIENT_WAIT;
}

/* RFC 4954 4: PLAIN in one line; LOGIN where there is no PLAIN. */
static enum smtp_client_action
start_auth(struct smtp_client *c, struct buf *out)
{
    if (c->conf.user == NULL) {
        return ready(c);
    }
    if (!c->tls && c->conf.tls == SMTP_CLIENT_TLS_MAY) {
        /* Who can strip STARTTLS would get the password. */
        return fail(c, SMTP_CLIENT_NO_STARTTLS, 0, out);
    }
    if (c->caps.mechs & SMTP_MECH_PLAIN) {
        buf_puts(out, "AUTH PLAIN ");
        smtp_sasl_plain_put(out, c->conf.user, c->conf.secret);
        buf_puts(out, "\r\n");
        c->step = STEP_AUTH;
        return SMTP_CLIENT_WAIT;
    }
    if (c->caps.mechs & SMTP_MECH_LOGIN) {
        buf_puts(out, "AUTH LOGIN\r\n");
        c->step = STEP_LOGIN_USER;
        return SMTP_CLIENT_WAIT;
    }
    return fail(c, SMTP_CLIENT_NO_MECH, 0, out);
}

static enum smtp_client_action
after_hello(struct smtp_client *c, struct buf *out)
{
    if (c->tls || c->conf.tls == SMTP_CLIENT_TLS_NONE) {
        return start_auth(c, out);
    }
    if (c->caps.offers & SMTP_CAP_STARTTLS) {
        buf_puts(out, "STARTTLS\r\n");
        c->step = STEP_STARTTLS;
        return SMTP_CLIENT_WAIT;
    }
    if (c->conf.tls == SMTP_CLIENT_TLS_REQUIRED) {
        return fail(c, SMTP_CLIENT_NO_STARTTLS, 0, out);
    }
    return start_auth(c, out);
}

static enum smtp_client_action
on_greeting(struct smtp_client *c, const struct smtp_reply *reply,
            struct buf *out)
{
    if (reply->code != 220) {
        return fail(c, SMTP_CLIENT_GREETING, reply->code, out);
    }
    return send_hello(c, STEP_EHLO, out);
}

static enum smtp_client_action
on_ehlo(struct smtp_client *c, const struct smtp_reply *reply, struct buf *out)
{
    if (reply->code / 100 == 5) {
        return send_hello(c, STEP_HELO, out); /* 3.2 */
    }
    if (reply->code / 100 != 2) {
        return fail(c, SMTP_CLIENT_EHLO, reply->code, out);
    }
    smtp_caps_parse(reply, &c->caps);
    return after_hello(c, out);
}

static enum smtp_client_action
on_helo(struct smtp_client *c, const struct smtp_reply *reply, struct buf *out)
{
    if (reply->code / 100 != 2) {
        return fail(c, SMTP_CLIENT_EHLO, reply->code, out);
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
        return fail(c, SMTP_CLIENT_NO_STARTTLS, reply->code, out);
    }
    return start_auth(c, out);
}

static enum smtp_client_action
on_auth(struct smtp_client *c, const struct smtp_reply *reply, struct buf *out)
{
    if (reply->code / 100 != 2) {
        return fail(c, SMTP_CLIENT_AUTH, reply->code, out);
    }
    return ready(c);
}

static void
put_base64(struct buf *out, struct bytes text)
{
    if (buf_reserve(out, BASE64_LEN(text.len))) {
        out->len += base64_encode(text, (char *)out->ptr + out->len);
    }
}

static enum smtp_client_action
on_login(struct smtp_client *c, const struct smtp_reply *reply, struct buf *out)
{
    bool user = c->step == STEP_LOGIN_USER;

    if (reply->code != 334) {
        return fail(c, SMTP_CLIENT_AUTH, reply->code, out);
    }
    put_base64(out, bytes_str(user ? c->conf.user : c->conf.secret));
    buf_puts(out, "\r\n");
    c->step = user ? STEP_LOGIN_SECRET : STEP_AUTH;
    return SMTP_CLIENT_WAIT;
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
        [STEP_GREETING] = on_greeting, [STEP_EHLO] = on_ehlo,
        [STEP_HELO] = on_helo,         [STEP_STARTTLS] = on_starttls,
        [STEP_HANDSHAKE] = on_stray,   [STEP_AUTH] = on_auth,
        [STEP_LOGIN_USER] = on_login,  [STEP_LOGIN_SECRET] = on_login,
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
            "the server offers neither AUTH PLAIN nor AUTH LOGIN",
        [SMTP_CLIENT_AUTH] = "the server refused the user name or password",
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
    buf_printf(out, " %s", name);
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
        buf_printf(out, " SIZE=%llu", (unsigned long long)size);
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
