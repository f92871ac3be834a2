/*
 * usersettings - the settings of users.conf; see userread.h.
 *
 * A row of `settings` is a setting; the function of each says what is allowed
 * when the value is not. A new one: a field of struct view_user, a function,
 * a row, and its line in viewpack.c and sealpost-users.conf(5).
 */
#include "proxy/config/suggest.h"
#include "proxy/keys/keystore.h"
#include "proxy/users/scramsecret.h"
#include "proxy/users/userread.h"
#include "proxy/users/uservalue.h"

#include <dkim/address.h>

#include <stdlib.h>

enum {
    UPSTREAM_USERNAME_MAX = 255
};

/* Takes the value; NULL, or what is wrong and what is allowed. */
typedef const char *setter(struct userread *r, const char *value);

static const char *
set_password(struct userread *r, const char *value)
{
    if (value[0] == '\0') {
        return "empty password; a crypt(3) string as `sealpost user passwd` "
               "writes it, or no `password` at all";
    }
    if (!uservalue_hash(value)) {
        return "the password is not a crypt(3) string; yescrypt ($y$), bcrypt "
               "($2b$) or SHA-512 ($6$), as `sealpost user passwd` writes it";
    }
    userread_secret(r)->password = userread_keep(r, bytes_str(value));
    return NULL;
}

static const char *
set_scram(struct userread *r, const char *value)
{
    struct scram_secret secret;

    if (value[0] != '\0' && !scram_secret_parse(bytes_str(value), &secret)) {
        return "not an RFC 5803 string; SCRAM-SHA-256$ITERATIONS:SALT$KEY:KEY "
               "as `sealpost user passwd` writes it, 4096 iterations or more";
    }
    userread_secret(r)->scram = userread_keep(r, bytes_str(value));
    return NULL;
}

static void
push_from(struct userread *r, const struct view_from *from)
{
    if (r->from_count == r->from_cap) {
        size_t cap = r->from_cap == 0 ? 16 : r->from_cap * 2;
        struct view_from *list = realloc(r->from, cap * sizeof(*list));

        if (list == NULL) {
            r->no_memory = true;
            return;
        }
        r->from = list;
        r->from_cap = cap;
    }
    r->from[r->from_count].kind = from->kind;
    r->from[r->from_count].local = userread_keep(r, bytes_str(from->local));
    r->from[r->from_count].domain = userread_keep(r, bytes_str(from->domain));
    r->from_count++;
}

static const char *
set_from(struct userread *r, const char *value)
{
    struct bytes rest = bytes_str(value);
    struct bytes item;

    while (!r->no_memory && uservalue_item(&rest, &item)) {
        struct uservalue_from from;

        if (r->from_count == USERFILE_FROM_MAX) {
            return "more than 1000 `from` entries; *.DOMAIN covers all "
                   "domains below one";
        }
        if (!uservalue_from(item, &from)) {
            r->culprit = item;
            return "not a `from` entry; DOMAIN, *.DOMAIN, LOCAL@DOMAIN or *, "
                   "domains in their xn-- form";
        }
        push_from(r, &(struct view_from){ from.kind, from.local, from.domain });
    }
    return NULL;
}

static const char *
set_selector(struct userread *r, const char *value)
{
    struct bytes rest = bytes_str(value);
    struct bytes item;
    char selector[DKIM_DOMAIN_MAX + 1];

    userread_lines(r)->selector = r->line;
    while (uservalue_item(&rest, &item)) {
        bool own = bytes_is_ci(item, "own");

        if (userread_user(r)->own_selector || (own && r->selector_count > 0)) {
            return "`own` beside another selector; `own` alone, or selectors";
        }
        if (own) {
            userread_user(r)->own_selector = true;
        } else if (!keystore_selector_parse(item, selector)) {
            r->culprit = item;
            return "not a selector; letters, digits, hyphens, underscores "
                   "and dots, at most 63, or `own`";
        } else if (r->selector_count == USERREAD_SELECTORS_MAX) {
            return "more than 8 selectors; one an algorithm";
        } else {
            r->selectors[r->selector_count++] =
                userread_keep(r, bytes_str(selector));
        }
    }
    return NULL;
}

static const char *
set_domain(struct userread *r, const char *value)
{
    char domain[DKIM_DOMAIN_MAX + 1];

    if (value[0] == '\0') {
        return NULL;
    }
    if (!dkim_domain_parse(bytes_str(value), false, domain)) {
        return "not a domain; one domain, in its xn-- form";
    }
    userread_user(r)->domain = userread_keep(r, bytes_str(domain));
    return NULL;
}

static const char *
set_other_from(struct userread *r, const char *value)
{
    static const char *const words[] = { "", "reject", "unsigned",
                                         "sign-as-user" };

    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(value, words[i]) == 0) {
            userread_user(r)->other_from = (enum conf_other_from)i;
            return NULL;
        }
    }
    return "not a word of other_from; reject, unsigned or sign-as-user";
}

static const char *
set_no_key(struct userread *r, const char *value)
{
    static const char *const words[] = { "", "unsigned", "tempfail", "reject" };

    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(value, words[i]) == 0) {
            userread_user(r)->no_key = (enum conf_no_key)i;
            return NULL;
        }
    }
    return "not a word of no_key; unsigned, tempfail or reject";
}

static const char *
set_upstream(struct userread *r, const char *value)
{
    userread_lines(r)->upstream = r->line;
    /* cppcheck-suppress AssignmentAddressToInteger ; not the line's number */
    userread_user(r)->upstream = userread_keep(r, bytes_str(value));
    return NULL;
}

static const char *
set_upstream_username(struct userread *r, const char *value)
{
    userread_user(r)->upstream_username = userread_keep(r, bytes_str(value));
    return strlen(value) <= UPSTREAM_USERNAME_MAX
               ? NULL
               : "the name is too long; at most 255 octets";
}

static const char *
set_upstream_password_file(struct userread *r, const char *value)
{
    userread_user(r)->upstream_password_file =
        userread_keep(r, bytes_str(value));
    return value[0] == '\0' || value[0] == '/'
               ? NULL
               : "not a path; a path that begins with /";
}

static const char *
set_rate(struct userread *r, const char *value)
{
    return value[0] == '\0' || uservalue_rate(bytes_str(value),
                                              &userread_user(r)->rate_count,
                                              &userread_user(r)->rate_s)
               ? NULL
               : "not a rate; COUNT/s, /m, /h or /d, as 500/h";
}

static const char *
set_recipient_rate(struct userread *r, const char *value)
{
    return value[0] == '\0' ||
                   uservalue_rate(bytes_str(value),
                                  &userread_user(r)->recipient_count,
                                  &userread_user(r)->recipient_s)
               ? NULL
               : "not a rate; COUNT/s, /m, /h or /d, as 500/h";
}

static const char *
set_locked(struct userread *r, const char *value)
{
    userread_user(r)->locked = strcmp(value, "yes") == 0;
    return userread_user(r)->locked || strcmp(value, "no") == 0
               ? NULL
               : "not yes or no; yes or no";
}

static const char *
set_name(struct userread *r, const char *value)
{
    if (!uservalue_name(bytes_str(value))) {
        return USERREAD_NAME_RULE;
    }
    userread_user(r)->name = userread_lower(r, bytes_str(value));
    return NULL;
}

static const struct {
    const char *name;
    setter *set;
    bool append; /* a list: may go on with += */
    bool secret; /* never repeated in a message */
} settings[] = {
    { "name", set_name, false, false },
    { "password", set_password, false, true },
    { "scram", set_scram, false, true },
    { "from", set_from, true, false },
    { "selector", set_selector, true, false },
    { "domain", set_domain, false, false },
    { "other_from", set_other_from, false, false },
    { "no_key", set_no_key, false, false },
    { "upstream", set_upstream, false, false },
    { "upstream_username", set_upstream_username, false, false },
    { "upstream_password_file", set_upstream_password_file, false, false },
    { "rate", set_rate, false, false },
    { "recipient_rate", set_recipient_rate, false, false },
    { "locked", set_locked, false, false },
};
enum {
    SETTINGS = sizeof(settings) / sizeof(settings[0])
};

static const char *
take(struct userread *r, const struct conf_entry *e, unsigned i)
{
    if (e->append && !settings[i].append) {
        return "`+=` behind a setting that is no list; `=`";
    }
    if (!e->append && (r->seen & 1u << i) != 0) {
        return "the setting stands here twice; once, or `+=` for a list";
    }
    r->seen |= 1u << i;
    r->line = e->line;
    return settings[i].set(r, e->value);
}

/* What stands before the rule: the key, and its value unless that is a secret
 * or would hide what is wrong. */
static void
tell(struct userread *r, const struct conf_entry *e, bool secret,
     const char *wrong)
{
    struct bytes value =
        r->culprit.len > 0 ? r->culprit : bytes_str(secret ? "" : e->value);

    r->bad = true;
    conf_error(r->errors, e->file, e->line, "%s%s%.*s: %s", e->key,
               value.len > 0 ? " = " : "", (int)value.len,
               value.len > 0 ? (const char *)value.ptr : "", wrong);
}

static void
tell_unknown(struct userread *r, const struct conf_entry *e)
{
    struct conf_suggest near = CONF_SUGGEST(bytes_str(e->key));

    for (unsigned i = 0; i < SETTINGS; i++) {
        conf_suggest_offer(&near, settings[i].name);
    }
    r->bad = true;
    if (near.best != NULL) {
        conf_error(r->errors, e->file, e->line,
                   "unknown setting %s; did you mean %s?", e->key, near.best);
    } else {
        conf_error(r->errors, e->file, e->line,
                   "unknown setting %s; sealpost-users.conf(5) lists them",
                   e->key);
    }
}

void
userread_setting(struct userread *r, const struct conf_entry *e)
{
    for (unsigned i = 0; i < SETTINGS; i++) {
        if (strcmp(e->key, settings[i].name) == 0) {
            const char *wrong;

            r->culprit.len = 0;
            wrong = take(r, e, i);
            if (wrong != NULL) {
                tell(r, e, settings[i].secret, wrong);
            }
            return;
        }
    }
    tell_unknown(r, e);
}
