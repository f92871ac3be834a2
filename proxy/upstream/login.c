/*
 * login - see proxy/upstream/login.h.
 */
#include "proxy/upstream/login.h"

#include "proxy/config/secret.h"
#include "proxy/upstream/link.h"

#include <base/wipe.h>

#include <errno.h>
#include <stdlib.h>

#define PASSWORD_MECHS                                               \
    ((unsigned)SMTP_MECH_SCRAM_SHA_256_PLUS |                        \
     (unsigned)SMTP_MECH_SCRAM_SHA_256 | (unsigned)SMTP_MECH_PLAIN | \
     (unsigned)SMTP_MECH_LOGIN)
#define TOKEN_MECHS \
    ((unsigned)SMTP_MECH_XOAUTH2 | (unsigned)SMTP_MECH_OAUTHBEARER)

/* --- secrets from files --------------------------------------------------- */

void
login_secret_free(char **secret)
{
    if (*secret != NULL) {
        wipe(*secret, strlen(*secret));
        free(*secret);
        *secret = NULL;
    }
}

char *
login_read(const char *path, const char *what, size_t octets_max,
           struct buf *error)
{
    char text[CONF_TOKEN_MAX + 1];
    char *secret = NULL;

    switch (conf_secret_read(path, octets_max, text)) {
    case CONF_SECRET_OK:
        secret = strdup(text);
        if (secret == NULL) {
            buf_puts(error, "no memory");
        }
        break;
    case CONF_SECRET_FILE:
        buf_printf(error, "%s: %s; it must be readable by the service's user",
                   path, strerror(errno));
        break;
    case CONF_SECRET_LINE:
        buf_printf(error, "%s: the first line must be a %s of 1 to %zu octets",
                   path, what, octets_max);
        break;
    }
    wipe(text, sizeof(text));
    return secret;
}

/* --- wishes --------------------------------------------------------------- */

static bool
copy_text(const char *text, char **out)
{
    *out = text == NULL ? NULL : strdup(text);
    return text == NULL || *out != NULL;
}

bool
login_wish_copy(const struct upstream_wish *wish, struct login_wish *out)
{
    bool ok;

    *out = (struct login_wish){ 0 };
    if (wish == NULL) {
        return true;
    }
    out->mechs = wish->mechs;
    out->refusal = wish->refusal;
    ok = copy_text(wish->username, &out->username) &&
         copy_text(wish->secret_file, &out->secret_file) &&
         copy_text(wish->secret, &out->secret);
    if (ok && wish->client != NULL) {
        out->client = malloc(sizeof(*out->client));
        ok = out->client != NULL;
        if (ok) {
            *out->client = *wish->client;
        }
    }
    if (!ok) {
        login_wish_free(out);
    }
    return ok;
}

void
login_wish_free(struct login_wish *wish)
{
    free(wish->username);
    free(wish->secret_file);
    login_secret_free(&wish->secret);
    free(wish->client);
    *wish = (struct login_wish){ 0 };
}

void
login_key(const struct upstream_wish *wish, struct buf *out)
{
    if (wish == NULL) {
        return;
    }
    if (wish->username != NULL) {
        buf_printf(out, "%s\n%s\n", wish->username,
                   wish->secret_file == NULL ? "" : wish->secret_file);
    }
    if (wish->client != NULL) {
        (void)smtp_xclient_put(out, SMTP_VERB_XCLIENT, UINT_MAX, wish->client);
    }
}

/* --- credentials ---------------------------------------------------------- */

static bool
take(char *secret, const char *user, unsigned mechs, struct login *out)
{
    if (secret == NULL) {
        return false;
    }
    *out = (struct login){ user, secret, mechs };
    return true;
}

static char *
copy_secret(const char *secret, struct buf *error)
{
    char *copy = strdup(secret);

    if (copy == NULL) {
        buf_puts(error, "no memory");
    }
    return copy;
}

bool
login_load(const struct upstream *u, const struct login_wish *wish,
           struct login *out, struct buf *error)
{
    const struct upstream_conf *conf = u->conf;
    bool oauth = conf->login == CONF_LOGIN_OAUTH;
    unsigned mechs =
        conf->auth_mechanisms & (oauth ? TOKEN_MECHS : PASSWORD_MECHS);
    const char *what = oauth ? "token" : "password";
    size_t max = oauth ? CONF_TOKEN_MAX : CONF_PASSWORD_MAX;

    *out = (struct login){ 0 };
    if (wish->secret != NULL) {
        return take(copy_secret(wish->secret, error), wish->username,
                    wish->mechs != 0 ? wish->mechs : mechs, out);
    }
    if (conf->login == CONF_LOGIN_NONE) {
        return true;
    }
    if (conf->login == CONF_LOGIN_CLIENT) {
        buf_printf(error,
                   "[upstream %s] takes the client's own credentials, and "
                   "this client logged in elsewhere; see login = client",
                   conf->name);
        return false;
    }
    if (wish->username != NULL && wish->secret_file != NULL) {
        return take(login_read(wish->secret_file, what, max, error),
                    wish->username, mechs, out);
    }
    if (oauth) { /* read anew each time: another process keeps it fresh */
        return take(login_read(conf->token_file, what, max, error),
                    conf->username, mechs, out);
    }
    return take(copy_secret(u->password, error), conf->username, mechs, out);
}

void
login_free(struct login *login)
{
    login_secret_free(&login->secret);
    *login = (struct login){ 0 };
}
