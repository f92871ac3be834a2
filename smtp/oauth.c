/*
 * oauth - bearer tokens in SASL messages; see smtp/oauth.h.
 */
#include "gs2.h"
#include "path.h"

#include <smtp/caps.h>
#include <smtp/oauth.h>

enum {
    SEPARATOR = 1
};

/* RFC 6750 2.1, b64token. */
static bool
token_ok(struct bytes token)
{
    size_t n = 0;

    while (n < token.len &&
           (byte_is_alpha(token.ptr[n]) || byte_is_digit(token.ptr[n]) ||
            memchr("-._~+/", token.ptr[n], 6) != NULL)) {
        n++;
    }
    for (size_t i = n; i < token.len; i++) {
        if (token.ptr[i] != '=') {
            return false;
        }
    }
    return n > 0;
}

/* "auth=Bearer TOKEN"; the scheme in any case. */
static bool
take_auth(struct bytes pair, struct bytes *token)
{
    static const char scheme[] = "auth=bearer ";

    if (token->len > 0) {
        return false;
    }
    *token = bytes_starts_ci(pair, scheme)
                 ? bytes_trim(bytes_skip(pair, sizeof(scheme) - 1))
                 : bytes_make(NULL, 0);
    return token_ok(*token);
}

/* *(key "=" value ^A) ^A, and nothing behind it. */
static bool
read_pairs(struct bytes rest, struct bytes *token_out)
{
    struct bytes token = { NULL, 0 };

    while (rest.len > 0) {
        struct bytes pair = bytes_take(rest, bytes_find(rest, SEPARATOR));

        if (pair.len == rest.len) {
            return false;
        }
        rest = bytes_skip(rest, pair.len + 1);
        if (pair.len == 0) {
            *token_out = token;
            return rest.len == 0 && token.len > 0;
        }
        if (bytes_find(pair, '\0') < pair.len ||
            (bytes_starts_ci(pair, "auth=") && !take_auth(pair, &token))) {
            return false;
        }
    }
    return false;
}

/* "user=USER^A". */
static bool
take_user(struct bytes *in, char *user_out)
{
    static const char key[] = "user=";
    struct bytes field = bytes_take(*in, bytes_find(*in, SEPARATOR));
    struct bytes user;

    if (field.len == in->len || !bytes_starts_ci(field, key)) {
        return false;
    }
    user = bytes_skip(field, sizeof(key) - 1);
    *in = bytes_skip(*in, field.len + 1);
    return user.len > 0 && smtp_utf8_valid(user) &&
           bytes_copy(user, user_out, SMTP_SASL_USER_MAX + 1);
}

/* RFC 7628 3.1: the user is the authorization identity. */
static bool
take_header(struct bytes *in, char *user_out)
{
    struct smtp_gs2 gs2;

    if (!smtp_gs2_take(in, &gs2) || gs2.flag == 'p' || gs2.authzid[0] == '\0' ||
        in->len == 0 || in->ptr[0] != SEPARATOR) {
        return false;
    }
    *in = bytes_skip(*in, 1);
    memcpy(user_out, gs2.authzid, sizeof(gs2.authzid));
    return true;
}

bool
smtp_oauth_parse(unsigned mech, struct bytes message, char *user_out,
                 struct bytes *token_out)
{
    return (mech == SMTP_MECH_XOAUTH2 ? take_user(&message, user_out)
                                      : take_header(&message, user_out)) &&
           read_pairs(message, token_out);
}
