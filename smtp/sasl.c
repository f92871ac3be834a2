/*
 * sasl - PLAIN and LOGIN; see smtp/sasl.h.
 *
 * Every decoded octet passes through one buffer on the stack that is wiped;
 * what is kept in *s is kept with DONE (and the user's name between the two
 * lines of LOGIN) only.
 */
#include "path.h"

#include <base/base64.h>
#include <base/wipe.h>

#include <smtp/caps.h>
#include <smtp/sasl.h>

enum {
    LINE_MAX_OCTETS = 12288, /* RFC 4954 4 */
    RAW_MAX = LINE_MAX_OCTETS / 4 * 3
};

enum step {
    STEP_FIRST,
    STEP_USER,
    STEP_SECRET,
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
        !keep(secret, s->secret, sizeof(s->secret))) {
        return SMTP_SASL_INVALID;
    }
    return SMTP_SASL_DONE;
}

static enum smtp_sasl_result
take_login(struct smtp_sasl *s, struct bytes raw, const char **prompt_out)
{
    if (s->step == STEP_SECRET) {
        return keep(raw, s->secret, sizeof(s->secret)) ? SMTP_SASL_DONE
                                                       : SMTP_SASL_INVALID;
    }
    if (!smtp_utf8_valid(raw) || !keep(raw, s->user, sizeof(s->user))) {
        return SMTP_SASL_INVALID;
    }
    s->step = STEP_SECRET;
    *prompt_out = prompt_secret;
    return SMTP_SASL_MORE;
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
    } else if (s->mech == SMTP_MECH_PLAIN) {
        result = take_plain(s, bytes_make(raw, len));
    } else {
        result = take_login(s, bytes_make(raw, len), prompt_out);
    }
    wipe(raw, sizeof(raw));
    return result;
}

static enum smtp_sasl_result
finish(struct smtp_sasl *s, enum smtp_sasl_result result)
{
    if (result != SMTP_SASL_MORE) {
        s->step = STEP_OVER;
    }
    if (result != SMTP_SASL_MORE && result != SMTP_SASL_DONE) {
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
        *prompt_out = s->mech == SMTP_MECH_PLAIN ? "" : prompt_user;
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
    if (s->step != STEP_USER && s->step != STEP_SECRET) {
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
