/*
 * oauth - what the presets of an [oauth NAME] stand for, and what it lacks; a
 * part of finish.c and of rules.c.
 *
 * Client secrets go over HTTPS, or to a server of this machine.
 */
#include "reader.h"
#include "sections.h"
#include "values.h"

#include <string.h>

static const char google_url[] = "https://oauth2.googleapis.com/token";
static const char google_scope[] = "https://mail.google.com/";
/* Microsoft: an application's own rights, and those that a user gave it. */
static const char microsoft_own[] = "https://outlook.office365.com/.default";
static const char microsoft_user[] =
    "https://outlook.office.com/SMTP.Send offline_access";

static void
finish_microsoft(struct conf *conf, struct oauth_conf *o)
{
    struct buf url = BUF_INIT;

    if (o->scope[0] == '\0') {
        o->scope =
            o->refresh_token_file[0] == '\0' ? microsoft_own : microsoft_user;
    }
    if (o->token_url[0] == '\0' && o->tenant[0] != '\0') {
        buf_printf(&url,
                   "https://login.microsoftonline.com/%s/oauth2/v2.0/token",
                   o->tenant);
        o->token_url = conf_arena_take(&conf->memory->arena, &url);
    }
}

void
conf_finish_oauth(struct conf *conf, struct oauth_conf *o)
{
    if (strcmp(o->preset, "m365") == 0) {
        finish_microsoft(conf, o);
    } else if (strcmp(o->preset, "gmail") == 0) {
        o->token_url = o->token_url[0] == '\0' ? google_url : o->token_url;
        o->scope = o->scope[0] == '\0' ? google_scope : o->scope;
    }
}

/* "http://127.0.0.1:1/x" and "http://[::1]/x" stay on this machine. */
static bool
is_loopback_url(const char *url)
{
    static const char *const hosts[] = { "http://127.0.0.1", "http://[::1]",
                                         "http://localhost" };

    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        size_t len = strlen(hosts[i]);

        if (strncmp(url, hosts[i], len) == 0 &&
            (url[len] == ':' || url[len] == '/')) {
            return true;
        }
    }
    return false;
}

void
conf_rules_oauth(const struct conf *conf, const struct oauth_conf *o,
                 struct conf_errors *errors)
{
    const struct conf_section *s = conf_section_of(conf, o);
    bool missing = o->token_url == NULL || o->token_url[0] == '\0';

    if (missing && conf_is_sound(s, "token_url preset tenant")) {
        conf_error(errors, AT(s, "token_url"),
                   "[oauth %s] has no token_url; token_url = "
                   "https://HOST/PATH, or preset = m365 with tenant, or "
                   "preset = gmail",
                   o->name);
    } else if (!missing && strncmp(o->token_url, "https://", 8) != 0 &&
               !is_loopback_url(o->token_url)) {
        conf_error(errors, AT(s, "token_url"),
                   "token_url = %s would show secrets to the network; "
                   "https://HOST/PATH",
                   o->token_url);
    }
    if (o->client_secret_file[0] == '\0' && o->refresh_token_file[0] == '\0' &&
        conf_is_sound(s, "client_secret_file refresh_token_file")) {
        conf_error(errors, AT(s, "client_secret_file"),
                   "[oauth %s] has neither client_secret_file nor "
                   "refresh_token_file; one of them, or both",
                   o->name);
    }
    if (strcmp(o->preset, "gmail") == 0 && o->refresh_token_file[0] == '\0' &&
        conf_is_sound(s, "refresh_token_file")) {
        conf_error(errors, AT(s, "refresh_token_file"),
                   "Google gives no token for mail by client credentials; "
                   "refresh_token_file = FILE with the refresh token of an "
                   "account that has consented");
    }
    if (o->tenant[0] != '\0' && strcmp(o->preset, "m365") != 0 &&
        conf_is_sound(s, "preset")) {
        conf_warning(errors, AT(s, "tenant"),
                     "tenant does nothing without preset = m365; take it out");
    }
}
