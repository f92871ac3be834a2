/*
 * client_auth - AUTH towards a server; see smtp/client.h.
 *
 * The strongest mechanism that the server offers and the caller allows is
 * taken, and no other after it was refused: who has guessed wrong once must
 * not show the password in a weaker way.
 *
 * RFC 4954 4; 4616 (PLAIN); 5802, 7677 (SCRAM); 7628 (OAUTHBEARER); XOAUTH2
 * as Google and Microsoft document it.
 */
#include "client_steps.h"

#include <base/base64.h>
#include <base/wipe.h>

#include <smtp/sasl.h>

enum {
    LINE_MAX = 512, /* RFC 5321 4.5.3.1.4: a command with its CRLF */
    DETAIL_MAX = 1024
};

static void
put_base64(struct buf *out, struct bytes text)
{
    if (buf_reserve(out, BASE64_LEN(text.len))) {
        out->len += base64_encode(text, (char *)out->ptr + out->len);
    }
}

/* Takes text away, and leaves no trace of it. */
static void
put_secret(struct buf *out, struct buf *text)
{
    put_base64(out, buf_bytes(text));
    out->failed = out->failed || buf_failed(text);
    wipe(text->ptr, text->cap);
    buf_free(text);
}

/* --- first responses ------------------------------------------------------ */

/* False: SCRAM can't begin. */
typedef bool put_initial(struct smtp_client *c, struct buf *out);

static bool
put_plain(struct smtp_client *c, struct buf *out)
{
    smtp_sasl_plain_put(out, c->conf.user, c->conf.secret);
    return true;
}

/* "user=U^Aauth=Bearer T^A^A" */
static bool
put_xoauth2(struct smtp_client *c, struct buf *out)
{
    struct buf text = BUF_INIT;

    buf_printf(&text, "user=%s\1auth=Bearer %s\1\1", c->conf.user,
               c->conf.secret);
    put_secret(out, &text);
    return true;
}

/* RFC 5801 4: a saslname has no bare comma and no bare equals sign. */
static void
put_saslname(struct buf *out, const char *name)
{
    for (; *name != '\0'; name++) {
        buf_puts(out, *name == ',' ? "=2C" : *name == '=' ? "=3D" : "");
        if (*name != ',' && *name != '=') {
            buf_putc(out, *name);
        }
    }
}

/* RFC 7628 3.1. */
static bool
put_oauthbearer(struct smtp_client *c, struct buf *out)
{
    struct buf text = BUF_INIT;

    buf_puts(&text, "n,a=");
    put_saslname(&text, c->conf.user);
    buf_printf(&text, ",\1host=%s\1port=%u\1auth=Bearer %s\1\1",
               c->conf.host == NULL ? "" : c->conf.host, (unsigned)c->conf.port,
               c->conf.secret);
    put_secret(out, &text);
    return true;
}

static bool
put_scram(struct smtp_client *c, struct buf *out)
{
    c->proved = false;
    return c->conf.scram(c->conf.scram_ctx, c->mech, bytes_make(NULL, 0),
                         out) == SMTP_SCRAM_MORE;
}

/* --- which mechanism ------------------------------------------------------ */

/* The strongest first. after: what the reply to the first response is for. */
static const struct mech_rule {
    enum smtp_mech mech;
    put_initial *initial; /* NULL: there is none */
    enum smtp_client_step after;
} rules[] = {
    { SMTP_MECH_SCRAM_SHA_256_PLUS, put_scram, STEP_SCRAM },
    { SMTP_MECH_SCRAM_SHA_256, put_scram, STEP_SCRAM },
    { SMTP_MECH_OAUTHBEARER, put_oauthbearer, STEP_AUTH },
    { SMTP_MECH_XOAUTH2, put_xoauth2, STEP_AUTH },
    { SMTP_MECH_PLAIN, put_plain, STEP_AUTH },
    { SMTP_MECH_LOGIN, NULL, STEP_LOGIN_USER },
};
enum {
    RULES = sizeof(rules) / sizeof(rules[0])
};

static const struct mech_rule *
choose(const struct smtp_client *c)
{
    unsigned allowed = c->conf.mechs != 0
                           ? c->conf.mechs
                           : (unsigned)SMTP_MECH_PLAIN | SMTP_MECH_LOGIN;

    if (c->conf.scram == NULL) {
        allowed &= ~((unsigned)SMTP_MECH_SCRAM_SHA_256 |
                     (unsigned)SMTP_MECH_SCRAM_SHA_256_PLUS);
    }
    if (!c->tls) {
        allowed &= ~(unsigned)SMTP_MECH_SCRAM_SHA_256_PLUS;
    }
    allowed &= ~c->forbidden;
    for (unsigned i = 0; i < RULES; i++) {
        if (c->caps.mechs & allowed & rules[i].mech) {
            return &rules[i];
        }
    }
    return NULL;
}

void
smtp_client_forbid(struct smtp_client *c, unsigned mechs)
{
    c->forbidden |= mechs;
}

static const struct mech_rule *
rule_of(enum smtp_mech mech)
{
    unsigned i = 0;

    while (rules[i].mech != mech) {
        i++;
    }
    return &rules[i];
}

/* RFC 4954 4: a response that does not fit into a command waits for 334. */
static void
put_command(struct smtp_client *c, const struct mech_rule *rule,
            const struct buf *initial, struct buf *out)
{
    const char *name = smtp_mech_name(rule->mech);
    size_t octets = strlen("AUTH ") + strlen(name) + 1 + initial->len + 2;

    buf_printf(out, "AUTH %s", name);
    if (rule->initial == NULL) {
        c->step = rule->after;
    } else if (octets > LINE_MAX) {
        c->step = STEP_AUTH_READY;
    } else {
        buf_putc(out, ' ');
        buf_put(out, buf_bytes(initial));
        c->step = rule->after;
    }
    buf_puts(out, "\r\n");
}

enum smtp_client_action
smtp_client_start_auth(struct smtp_client *c, struct buf *out)
{
    const struct mech_rule *rule;
    struct buf initial = BUF_INIT;
    bool possible;

    if (c->conf.user == NULL) {
        return smtp_client_ready(c);
    }
    if (!c->tls && c->conf.tls == SMTP_CLIENT_TLS_MAY) {
        /* Who can strip STARTTLS would get the password. */
        return smtp_client_fail(c, SMTP_CLIENT_NO_STARTTLS, NULL, out);
    }
    rule = choose(c);
    if (rule == NULL) {
        return smtp_client_fail(c, SMTP_CLIENT_NO_MECH, NULL, out);
    }
    c->mech = rule->mech;
    possible = rule->initial == NULL || rule->initial(c, &initial);
    out->failed = out->failed || buf_failed(&initial);
    if (possible) {
        put_command(c, rule, &initial, out);
    }
    wipe(initial.ptr, initial.cap);
    buf_free(&initial);
    return possible ? SMTP_CLIENT_WAIT
                    : smtp_client_fail(c, SMTP_CLIENT_SCRAM, NULL, out);
}

/* --- replies -------------------------------------------------------------- */

static enum smtp_client_action
refused(struct smtp_client *c, const struct smtp_reply *reply, struct buf *out)
{
    bool token =
        c->mech == SMTP_MECH_XOAUTH2 || c->mech == SMTP_MECH_OAUTHBEARER;

    if (reply->code / 100 == 4) {
        return smtp_client_fail(c, SMTP_CLIENT_AUTH_LATER, reply, out);
    }
    return smtp_client_fail(c, token ? SMTP_CLIENT_TOKEN : SMTP_CLIENT_AUTH,
                            reply, out);
}

enum smtp_client_action
smtp_client_on_auth_ready(struct smtp_client *c, const struct smtp_reply *reply,
                          struct buf *out)
{
    const struct mech_rule *rule = rule_of(c->mech);

    if (reply->code != 334) {
        return refused(c, reply, out);
    }
    if (!rule->initial(c, out)) {
        return smtp_client_fail(c, SMTP_CLIENT_SCRAM, reply, out);
    }
    buf_puts(out, "\r\n");
    c->step = rule->after;
    return SMTP_CLIENT_WAIT;
}

static struct bytes
challenge(const struct smtp_reply *reply)
{
    struct bytes rest = reply->text, line = { NULL, 0 };

    (void)smtp_reply_line(&rest, &line);
    return bytes_trim(line);
}

/* RFC 7628 3.2.3: why, as JSON, before the failure itself. Both kinds of
 * servers go on at an answer without meaning: "AQ==", or an empty line. */
static enum smtp_client_action
on_token_error(struct smtp_client *c, const struct smtp_reply *reply,
               struct buf *out)
{
    bool bearer = c->mech == SMTP_MECH_OAUTHBEARER;
    struct bytes text = challenge(reply);
    uint8_t json[DETAIL_MAX];
    size_t n = 0;

    if (!base64_decode(text, false, json, sizeof(json), &n) || n == 0) {
        json[0] = '?';
        n = 1;
    }
    smtp_client_note(c, bytes_make(json, n));
    buf_puts(out, bearer ? "AQ==\r\n" : "\r\n");
    return SMTP_CLIENT_WAIT;
}

enum smtp_client_action
smtp_client_on_auth(struct smtp_client *c, const struct smtp_reply *reply,
                    struct buf *out)
{
    bool token =
        c->mech == SMTP_MECH_XOAUTH2 || c->mech == SMTP_MECH_OAUTHBEARER;

    if (reply->code == 334 && token && c->said[0] == '\0') {
        return on_token_error(c, reply, out);
    }
    if (reply->code / 100 != 2) {
        return refused(c, reply, out);
    }
    return smtp_client_ready(c);
}

enum smtp_client_action
smtp_client_on_login(struct smtp_client *c, const struct smtp_reply *reply,
                     struct buf *out)
{
    bool user = c->step == STEP_LOGIN_USER;

    if (reply->code != 334) {
        return refused(c, reply, out);
    }
    put_base64(out, bytes_str(user ? c->conf.user : c->conf.secret));
    buf_puts(out, "\r\n");
    c->step = user ? STEP_LOGIN_SECRET : STEP_AUTH;
    return SMTP_CLIENT_WAIT;
}

/* A 235 counts only of a server that has shown that it knows the password,
 * too: whoever stands in for it must not learn who logs in here for what. */
enum smtp_client_action
smtp_client_on_scram(struct smtp_client *c, const struct smtp_reply *reply,
                     struct buf *out)
{
    enum smtp_scram_result result;

    if (reply->code != 334) {
        if (reply->code / 100 == 2) {
            return c->proved
                       ? smtp_client_ready(c)
                       : smtp_client_fail(c, SMTP_CLIENT_SCRAM, reply, out);
        }
        return refused(c, reply, out);
    }
    result = c->proved ? SMTP_SCRAM_FAILED
                       : c->conf.scram(c->conf.scram_ctx, c->mech,
                                       challenge(reply), out);
    if (result == SMTP_SCRAM_FAILED) {
        return smtp_client_fail(c, SMTP_CLIENT_SCRAM, reply, out);
    }
    c->proved = result == SMTP_SCRAM_DONE;
    buf_puts(out, "\r\n");
    return SMTP_CLIENT_WAIT;
}
