/*
 * allowed - what a setting takes, in words; see values.h.
 */
#include "values.h"

struct unit {
    uint64_t factor;
    const char *name;
};

/* The biggest unit that divides it: 86400 is 1d. */
static void
put_scaled(struct buf *out, uint64_t n, const struct unit *units)
{
    while (units->factor > 1 && (n == 0 || n % units->factor != 0)) {
        units++;
    }
    buf_printf(out, "%ju%s", (uintmax_t)(n / units->factor), units->name);
}

static void
put_range(const struct conf_setting *s, const struct unit *units,
          struct buf *out)
{
    buf_puts(out, "from ");
    put_scaled(out, s->min, units);
    buf_puts(out, " to ");
    put_scaled(out, s->max, units);
}

static void
put_time(const struct conf_setting *s, struct buf *out)
{
    static const struct unit units[] = {
        { 86400, "d" }, { 3600, "h" }, { 60, "m" }, { 1, "s" }
    };

    buf_puts(out, "a number with s, m, h or d, ");
    put_range(s, units, out);
}

static void
put_size(const struct conf_setting *s, struct buf *out)
{
    static const struct unit units[] = {
        { 1 << 30, "G" }, { 1 << 20, "M" }, { 1 << 10, "K" }, { 1, "" }
    };

    buf_puts(out, "a number with K, M or G, ");
    put_range(s, units, out);
}

static void
put_number(const struct conf_setting *s, struct buf *out)
{
    static const struct unit units[] = { { 1, "" } };

    buf_puts(out,
             s->type == CONF_AUTO_NUMBER ? "auto, or a number " : "a number ");
    put_range(s, units, out);
}

static void
put_words(const struct conf_setting *s, struct buf *out)
{
    for (const struct conf_word *w = s->words; w->word != NULL; w++) {
        const char *between = w[1].word == NULL ? " or " : ", ";

        buf_puts(out, w == s->words ? "" : between);
        buf_puts(out, w->word[0] == '\0' ? "nothing" : w->word);
    }
}

static const char *const phrases[CONF_TYPES] = {
    [CONF_TEXT] = "one line of text",
    [CONF_HOST] = "a name such as relay.example.com",
    [CONF_PATH] = "a path that begins with /",
    [CONF_ACCOUNT] = "an account of at most 32 letters, digits, _ and -",
    [CONF_USER] = "a user of users.conf",
    [CONF_LOG] = "stderr, syslog or a path that begins with /",
    [CONF_NAME] = "the NAME of a section, of letters, digits, _, - and .",
    [CONF_FIELD] = "a header field's name such as X-Quarantine",
    [CONF_RATE] = "COUNT/s, /m, /h or /d, as 500/h, or nothing",
    [CONF_BOOL] = "yes or no",
    [CONF_BACKEND] = "users, dovecot:PATH or upstream",
    [CONF_CANON] = "relaxed or simple for the header, /, the same for the body",
    [CONF_LISTEN] = "ADDRESS:PORT or [ADDRESS]:PORT, numeric, port 1 to 65535",
    [CONF_SERVERS] = "ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT, numeric",
    [CONF_TARGETS] = "HOST:PORT or [ADDRESS]:PORT, port 1 to 65535",
    [CONF_POOL] =
        ("HOST:PORT or [ADDRESS]:PORT, port 1 to 65535; weight=1 to 100 behind "
         "it when several share the load"),
    [CONF_SENDERS] = "names such as example.com, *.example.org",
    [CONF_NETWORKS] = "networks such as 192.0.2.0/24, 2001:db8::/32",
    [CONF_PINS] = ("sha256:HEX, as openssl x509 -fingerprint -sha256 "
                   "prints it"),
    [CONF_CERT_USERS] = "sha256:HEX = USER, or subject:DN = USER",
    [CONF_PATHS] = "paths that begin with /",
    [CONF_DOMAINS] = "names such as example.com, example.org",
    [CONF_FIELDS] = "header fields' names such as x-campaign, x-job",
    [CONF_HEADERS] = "default, NAME, +NAME, -NAME; NAME may end in *",
};

void
conf_value_allowed(const struct conf_setting *setting, struct buf *out)
{
    switch (setting->type) {
    case CONF_TIME:
        put_time(setting, out);
        break;
    case CONF_SIZE:
        put_size(setting, out);
        break;
    case CONF_NUMBER:
    case CONF_AUTO_NUMBER:
        put_number(setting, out);
        break;
    case CONF_WORD:
    case CONF_CHOICE:
    case CONF_WORDS:
        put_words(setting, out);
        break;
    default:
        buf_puts(out, phrases[setting->type]);
    }
}
