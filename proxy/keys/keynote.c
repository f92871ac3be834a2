/*
 * keynote - the .conf beside a key; see keynote.h.
 */
#include "proxy/keys/keynote.h"

#include <base/base64.h>

#include <time.h>

enum {
    PUBLIC_LINE = 120
}; /* inih takes lines of at most 199 octets */

struct reading {
    struct strings *strings;
    struct keystore_key key;
    struct buf public_b64;
    struct conf_errors *errors;
    unsigned seen;
    bool bad;
};

/* What a setter says is allowed when it is not so; NULL: taken. */
typedef const char *setter(struct reading *r, const char *value);

static const char *const state_names[] = {
    [VIEW_KEY_NEW] = "new",         [VIEW_KEY_PUBLISHED] = "published",
    [VIEW_KEY_ACTIVE] = "active",   [VIEW_KEY_RETIRING] = "retiring",
    [VIEW_KEY_REVOKED] = "revoked",
};
enum {
    STATES = sizeof(state_names) / sizeof(state_names[0])
};

const char *
keynote_state_name(enum view_key_state state)
{
    return (unsigned)state < STATES ? state_names[state] : "?";
}

const char *
keynote_type_name(enum dkim_alg alg)
{
    return alg == DKIM_ALG_ED25519_SHA256 ? "ed25519" : "rsa";
}

bool
keynote_type_parse(const char *word, enum dkim_alg *alg_out)
{
    if (strcmp(word, "rsa") == 0) {
        *alg_out = DKIM_ALG_RSA_SHA256;
        return true;
    }
    if (strcmp(word, "ed25519") == 0) {
        *alg_out = DKIM_ALG_ED25519_SHA256;
        return true;
    }
    return false;
}

bool
keynote_text_ok(const char *note)
{
    size_t len = strlen(note);

    for (size_t i = 0; i < len; i++) {
        uint8_t c = (uint8_t)note[i];

        if (c < 0x20 || c == 0x7f || c == ';') {
            return false;
        }
    }
    return len <= KEYNOTE_TEXT_MAX;
}

/* --- time --------------------------------------------------------------- */

void
keynote_time(uint64_t time_s, char *out)
{
    time_t t = (time_t)time_s;
    struct tm tm;

    out[0] = '\0';
    if (time_s != 0 && gmtime_r(&t, &tm) != NULL &&
        strftime(out, KEYNOTE_TIME, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) {
        out[0] = '\0';
    }
}

/* Only the form that keynote_time() gives. */
static bool
parse_time(const char *text, uint64_t *time_out)
{
    static const struct {
        unsigned at, digits, max;
    } parts[] = { { 0, 4, 9999 }, { 5, 2, 12 },  { 8, 2, 31 },
                  { 11, 2, 23 },  { 14, 2, 59 }, { 17, 2, 59 } };
    char again[KEYNOTE_TIME];
    uint64_t n[6];
    struct tm tm = { 0 };
    time_t t;

    if (strlen(text) != 20) {
        return false;
    }
    for (size_t i = 0; i < 6; i++) {
        if (!bytes_to_u64(bytes_make(text + parts[i].at, parts[i].digits),
                          parts[i].max, &n[i])) {
            return false;
        }
    }
    tm.tm_year = (int)n[0] - 1900;
    tm.tm_mon = (int)n[1] - 1;
    tm.tm_mday = (int)n[2];
    tm.tm_hour = (int)n[3];
    tm.tm_min = (int)n[4];
    tm.tm_sec = (int)n[5];
    t = timegm(&tm);
    keynote_time((uint64_t)t, again);
    if (t <= 0 || strcmp(text, again) != 0) {
        return false; /* 30 February, other punctuation, before 1970 */
    }
    *time_out = (uint64_t)t;
    return true;
}

/* --- reading ------------------------------------------------------------ */

static const char *
set_state(struct reading *r, const char *value)
{
    for (unsigned i = 0; i < STATES; i++) {
        if (strcmp(value, state_names[i]) == 0) {
            r->key.view.state = (enum view_key_state)i;
            return NULL;
        }
    }
    return "new, published, active, retiring or revoked";
}

static const char *
set_type(struct reading *r, const char *value)
{
    return keynote_type_parse(value, &r->key.view.alg) ? NULL
                                                       : "rsa or ed25519";
}

static const char *
set_bits(struct reading *r, const char *value)
{
    uint64_t n;

    if (!bytes_to_u64(bytes_str(value), KEYFILE_RSA_BITS_MAX, &n)) {
        return "a number up to 4096";
    }
    r->key.view.bits = (unsigned)n;
    return NULL;
}

static const char *
set_time(uint64_t *time_out, const char *value)
{
    if (value[0] == '\0') {
        *time_out = 0;
        return NULL;
    }
    return parse_time(value, time_out) ? NULL
                                       : "a UTC time as 2026-11-21T22:00:00Z";
}

static const char *
set_created(struct reading *r, const char *value)
{
    return set_time(&r->key.created_s, value);
}

static const char *
set_activated(struct reading *r, const char *value)
{
    return set_time(&r->key.view.activated_s, value);
}

static const char *
set_public(struct reading *r, const char *value)
{
    for (const char *c = value; *c != '\0'; c++) {
        if (base64_value((uint8_t)*c) < 0 && *c != '=') {
            return "base64";
        }
    }
    buf_puts(&r->public_b64, value);
    return NULL;
}

static const char *
set_note(struct reading *r, const char *value)
{
    r->key.note = strings_copy(r->strings, bytes_str(value));
    return NULL;
}

static const char *
set_owner(struct reading *r, const char *value)
{
    r->key.view.owner = strings_lower(r->strings, bytes_str(value));
    return NULL;
}

static const char *
set_test_mode(struct reading *r, const char *value)
{
    r->key.test_mode = strcmp(value, "yes") == 0;
    return r->key.test_mode || strcmp(value, "no") == 0 ? NULL : "yes or no";
}

static const struct {
    const char *name;
    setter *set;
    bool required;
    bool append; /* may go on with += */
} settings[] = {
    { "state", set_state, true, false },
    { "type", set_type, true, false },
    { "bits", set_bits, true, false },
    { "created", set_created, false, false },
    { "activated", set_activated, false, false },
    { "public", set_public, true, true },
    { "note", set_note, false, false },
    { "owner", set_owner, false, false },
    { "test_mode", set_test_mode, false, false },
};
enum {
    SETTINGS = sizeof(settings) / sizeof(settings[0])
};

static void
take_setting(struct reading *r, const struct conf_entry *e, unsigned i)
{
    bool again = (r->seen & 1u << i) != 0;
    const char *allowed;

    if (again != (e->append && settings[i].append)) {
        r->bad = true;
        conf_error(r->errors, e->file, e->line, "%s",
                   again ? "the setting stands here twice; once"
                         : "`+=` without a first line; `public` only");
        return;
    }
    r->seen |= 1u << i;
    allowed = settings[i].set(r, e->value);
    if (allowed != NULL) {
        r->bad = true;
        conf_error(r->errors, e->file, e->line, "bad value of %s; %s",
                   settings[i].name, allowed);
    }
}

static void
take_entry(const struct conf_entry *e, void *arg)
{
    struct reading *r = arg;

    if (strcmp(e->section, "key") != 0) {
        r->bad = true;
        conf_error(r->errors, e->file, e->line, "not in [key]; [key]");
        return;
    }
    for (unsigned i = 0; e->key != NULL && i < SETTINGS; i++) {
        if (strcmp(e->key, settings[i].name) == 0) {
            take_setting(r, e, i);
            return;
        }
    }
    if (e->key != NULL) {
        r->bad = true;
        conf_error(r->errors, e->file, e->line,
                   "unknown setting; state, type, bits, created, activated, "
                   "public, note, owner, test_mode");
    }
}

static bool
is_whole(struct reading *r, const char *path)
{
    for (unsigned i = 0; i < SETTINGS; i++) {
        if (settings[i].required && (r->seen & 1u << i) == 0) {
            conf_error(r->errors, path, 0, "%s is missing", settings[i].name);
            return false;
        }
    }
    return true;
}

bool
keynote_read(int fd, const char *path, struct strings *s,
             struct keystore_key *key_out, struct conf_errors *errors)
{
    struct reading r = { .strings = s, .errors = errors };
    bool good = false;

    r.public_b64 = (struct buf)BUF_INIT;
    r.key.note = "";
    r.key.view.owner = "";
    if (conf_read_fd(fd, path, take_entry, &r, errors) && !r.bad &&
        is_whole(&r, path) && !buf_failed(&r.public_b64)) {
        r.key.public_b64 = strings_copy(s, buf_bytes(&r.public_b64));
        good = r.key.public_b64 != NULL && r.key.note != NULL &&
               r.key.view.owner != NULL;
    }
    buf_free(&r.public_b64);
    if (good) {
        r.key.view.domain = key_out->view.domain;
        r.key.view.selector = key_out->view.selector;
        *key_out = r.key;
    }
    return good;
}

/* --- writing ------------------------------------------------------------ */

void
keynote_put(const struct keystore_key *key, struct buf *out)
{
    struct bytes rest = bytes_str(key->public_b64);
    const char *equals = "=";
    char time[KEYNOTE_TIME];

    buf_printf(out, "[key]\nstate = %s\ntype = %s\nbits = %u\n",
               keynote_state_name(key->view.state),
               keynote_type_name(key->view.alg), key->view.bits);
    keynote_time(key->created_s, time);
    buf_printf(out, "created = %s\n", time);
    keynote_time(key->view.activated_s, time);
    buf_printf(out, "activated = %s\n", time);
    do {
        struct bytes line = bytes_take(rest, PUBLIC_LINE);

        buf_printf(out, "public %s %.*s\n", equals, BYTES_ARG(line));
        rest = bytes_skip(rest, line.len);
        equals = "+=";
    } while (rest.len > 0);
    buf_printf(out, "note = %s\nowner = %s\ntest_mode = %s\n", key->note,
               key->view.owner, key->test_mode ? "yes" : "no");
}
