/*
 * sasl - one line of an AUTH exchange after the other; see smtp/sasl.h.
 *
 * Every decoded octet passes through one buffer on the stack that is wiped;
 * what is kept in *s is kept with DONE and STEP (and the user's name between
 * two lines) only.
 */
#include "path.h"

#include <base/base64.h>
#include <base/wipe.h>

#include <smtp/caps.h>
#include <smtp/oauth.h>
#include <smtp/sasl.h>
#include <smtp/scram.h>

enum {
    LINE_MAX_OCTETS = 12288, /* RFC 4954 4 */
    RAW_MAX = LINE_MAX_OCTETS / 4 * 3
};

enum step {
    STEP_FIRST,
    STEP_USER,
    STEP_SECRET,
    STEP_CONFIRM, /* SCRAM: the client has still to take our proof */
    STEP_OVER
};

/* "Username:" and "Password:": what clients of LOGIN compare with. */
static const char prompt_user[] = "VXNlcm5hbWU6";
static const char prompt_secret[] = "UGFzc3dvcmQ6";

void
smtp_sasl_init(struct smtp_sasl *s, unsigned mech)
{
    *s = (struct smtp_sasl){ .mech = mech };
}

static bool
keep(struct bytes value, char *dst, size_t cap)
{
    return value.len > 0 && bytes_copy(value, dst, cap);
}

static bool
keep_secret(struct smtp_sasl *s, struct bytes value)
{
    return keep(value, s->secret, SMTP_SASL_SECRET_MAX + 1);
}

/* RFC 4616 2: [authzid] NUL authcid NUL passwd. */
static enum smtp_sasl_result
take_plain(struct smtp_sasl *s, struct bytes raw)
{
    struct bytes authzid = bytes_take(raw, bytes_find(raw, '\0'));
    struct bytes user, secret;

    if (authzid.len == raw.len) {
        return SMTP_SASL_INVALID;
    }
    raw = bytes_skip(raw, authzid.len + 1);
    user = bytes_take(raw, bytes_find(raw, '\0'));
    if (user.len == raw.len) {
        return SMTP_SASL_INVALID;
    }
    secret = bytes_skip(raw, user.len + 1);
    if ((authzid.len > 0 && !bytes_eq(authzid, user)) ||
        !smtp_utf8_valid(user) || !keep(user, s->user, sizeof(s->user)) ||
        !keep_secret(s, secret)) {
        return SMTP_SASL_INVALID;
    }
    return SMTP_SASL_DONE;
}

static enum smtp_sasl_result
take_login(struct smtp_sasl *s, struct bytes raw, const char **prompt_out)
{
    if (s->step == STEP_SECRET) {
        return keep_secret(s, raw) ? SMTP_SASL_DONE : SMTP_SASL_INVALID;
    }
    if (!smtp_utf8_valid(raw) || !keep(raw, s->user, sizeof(s->user))) {
        return SMTP_SASL_INVALID;
    }
    s->step = STEP_SECRET;
    *prompt_out = prompt_secret;
    return SMTP_SASL_MORE;
}

/* RFC 5802 3; 4954 4: with the proof accepted, the client answers our last
 * message with an empty line. */
static enum smtp_sasl_result
take_scram(struct smtp_sasl *s, struct bytes raw)
{
    struct smtp_scram_first first;

    if (s->step == STEP_CONFIRM) {
        return raw.len == 0 ? SMTP_SASL_DONE : SMTP_SASL_INVALID;
    }
    if (!keep_secret(s, raw)) {
        return SMTP_SASL_INVALID;
    }
    if (s->step == STEP_SECRET) {
        s->step = STEP_CONFIRM;
        return SMTP_SASL_STEP;
    }
    if (!smtp_scram_first_parse(raw, &first)) {
        return SMTP_SASL_INVALID;
    }
    memcpy(s->user, first.user, sizeof(first.user));
    s->step = STEP_SECRET;
    return SMTP_SASL_STEP;
}

static enum smtp_sasl_result
take_oauth(struct smtp_sasl *s, struct bytes raw)
{
    struct bytes token;

    return smtp_oauth_parse(s->mech, raw, s->user, &token) &&
                   keep(token, s->secret, sizeof(s->secret))
               ? SMTP_SASL_DONE
               : SMTP_SASL_INVALID;
}

/* RFC 4422 A.1: an authorization identity, or nothing. */
static enum smtp_sasl_result
take_external(struct smtp_sasl *s, struct bytes raw)
{
    return smtp_utf8_valid(raw) && bytes_copy(raw, s->user, sizeof(s->user))
               ? SMTP_SASL_DONE
               : SMTP_SASL_INVALID;
}

static enum smtp_sasl_result
take_message(struct smtp_sasl *s, struct bytes raw, const char **prompt_out)
{
    switch (s->mech) {
    case SMTP_MECH_PLAIN:
        return take_plain(s, raw);
    case SMTP_MECH_LOGIN:
        return take_login(s, raw, prompt_out);
    case SMTP_MECH_SCRAM_SHA_256:
    case SMTP_MECH_SCRAM_SHA_256_PLUS:
        return take_scram(s, raw);
    case SMTP_MECH_OAUTHBEARER:
    case SMTP_MECH_XOAUTH2:
        return take_oauth(s, raw);
    case SMTP_MECH_EXTERNAL:
        return take_external(s, raw);
    default:
        return SMTP_SASL_INVALID;
    }
}

static enum smtp_sasl_result
take_base64(struct smtp_sasl *s, struct bytes text, const char **prompt_out)
{
    enum smtp_sasl_result result;
    uint8_t raw[RAW_MAX];
    size_t len;

    if (text.len > LINE_MAX_OCTETS) {
        return SMTP_SASL_INVALID;
    }
    if (!base64_decode(text, false, raw, sizeof(raw), &len)) {
        result = SMTP_SASL_BASE64;
    } else {
        result = take_message(s, bytes_make(raw, len), prompt_out);
    }
    wipe(raw, sizeof(raw));
    return result;
}

static enum smtp_sasl_result
finish(struct smtp_sasl *s, enum smtp_sasl_result result)
{
    if (result == SMTP_SASL_MORE || result == SMTP_SASL_STEP) {
        return result;
    }
    s->step = STEP_OVER;
    if (result != SMTP_SASL_DONE) {
        wipe(s->user, sizeof(s->user));
        wipe(s->secret, sizeof(s->secret));
    }
    return result;
}

enum smtp_sasl_result
smtp_sasl_start(struct smtp_sasl *s, bool has_initial, struct bytes initial,
                const char **prompt_out)
{
    s->step = STEP_USER;
    if (!has_initial) {
        *prompt_out = s->mech == SMTP_MECH_LOGIN ? prompt_user : "";
        return SMTP_SASL_MORE;
    }
    if (bytes_is(initial, "=")) { /* RFC 4954 4: an empty one */
        initial.len = 0;
    }
    return finish(s, take_base64(s, initial, prompt_out));
}

enum smtp_sasl_result
smtp_sasl_line(struct smtp_sasl *s, struct bytes line, const char **prompt_out)
{
    if (bytes_is(line, "*")) {
        return finish(s, SMTP_SASL_CANCEL);
    }
    if (s->step == STEP_FIRST || s->step == STEP_OVER) {
        return finish(s, SMTP_SASL_INVALID);
    }
    return finish(s, take_base64(s, line, prompt_out));
}

void
smtp_sasl_plain_put(struct buf *out, const char *user, const char *secret)
{
    size_t user_len = strlen(user);
    size_t secret_len = strlen(secret);
    size_t len = user_len + secret_len + 2;
    uint8_t *raw = malloc(len);

    if (raw == NULL || !buf_reserve(out, BASE64_LEN(len))) {
        out->failed = true;
        free(raw);
        return;
    }
    raw[0] = '\0';
    memcpy(raw + 1, user, user_len + 1);
    memcpy(raw + user_len + 2, secret, secret_len);
    out->len +=
        base64_encode(bytes_make(raw, len), (char *)out->ptr + out->len);
    wipe(raw, len);
    free(raw);
}
