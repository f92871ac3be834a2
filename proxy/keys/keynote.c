/*
 * keynote - the .conf beside a key; see keynote.h.
 */
#include "proxy/keys/keynote.h"

#include <base/base64.h>

#include <dkim/keyrecord.h>

#include <openssl/evp.h>

enum {
    PUBLIC_LINE = 120
}; /* inih takes lines of at most 199 octets */

struct reading {
    struct strings *strings;
    struct keystore_key key;
    struct key_silence silent[KEY_SILENCES_MAX];
    struct buf public_b64;
    struct conf_errors *errors;
    unsigned seen;
    bool bad;
};

/* What a setter says is allowed when it is not so; NULL: taken. */
typedef const char *setter(struct reading *r, const char *value);

/* --- reading ------------------------------------------------------------ */

static const char *
set_state(struct reading *r, const char *value)
{
    return keynote_state_parse(value, &r->key.view.state)
               ? NULL
               : "new, published, active, retiring or revoked";
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

/* The names and fields of all that are one. */
static const struct {
    const char *name;
    size_t offset;
} dates[] = {
    { "created", offsetof(struct keystore_key, created_s) },
    { "published", offsetof(struct keystore_key, life.published_s) },
    { "seen", offsetof(struct keystore_key, life.seen_s) },
    { "proved", offsetof(struct keystore_key, view.proved_s) },
    { "activated", offsetof(struct keystore_key, view.activated_s) },
    { "retired", offsetof(struct keystore_key, life.retired_s) },
    { "revoked", offsetof(struct keystore_key, life.revoked_s) },
    { "fault_since", offsetof(struct keystore_key, life.fault_s) },
};
enum {
    DATES = sizeof(dates) / sizeof(dates[0])
};

static const char *
set_date(struct reading *r, unsigned i, const char *value)
{
    char *field = (char *)&r->key + dates[i].offset;
    uint64_t time_s;

    if (!keynote_time_parse(value, &time_s)) {
        return "a UTC time as 2026-11-21T22:00:00Z";
    }
    memcpy(field, &time_s, sizeof(time_s));
    return NULL;
}

static const char *
set_wait(struct reading *r, const char *value)
{
    uint64_t n = 0;

    if (value[0] != '\0' && !bytes_to_u64(bytes_str(value), UINT32_MAX, &n)) {
        return "a number of seconds";
    }
    r->key.life.wait_s = (unsigned)n;
    return NULL;
}

static const char *
set_fault(struct reading *r, const char *value)
{
    if (!keynote_fault_parse(value, &r->key.life.fault)) {
        return "gone, differs, revoked, condemned or nothing";
    }
    r->key.view.faulty = r->key.life.fault != KEY_FAULT_NONE;
    return NULL;
}

static const char *
set_reason(struct reading *r, const char *value)
{
    r->key.life.reason = strings_copy(r->strings, bytes_str(value));
    return NULL;
}

static const char *
set_silent(struct reading *r, const char *value)
{
    struct bytes word = bytes_make(value, strcspn(value, " "));
    struct key_silence *s = r->silent + r->key.life.silent_count;
    char server[KEY_SERVER_MAX + 1];
    char time[KEYNOTE_TIME];

    if (value[0] == '\0') {
        return NULL;
    }
    keynote_line(value + word.len, server, sizeof(server));
    if (r->key.life.silent_count == KEY_SILENCES_MAX || server[0] == '\0' ||
        !bytes_copy(word, time, sizeof(time)) ||
        !keynote_time_parse(time, &s->since_s)) {
        return "a UTC time and a server, at most 16 of them";
    }
    s->server = strings_copy(r->strings, bytes_str(server));
    if (s->server != NULL) {
        r->key.life.silent_count++;
    }
    return NULL;
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
    char note[KEYNOTE_TEXT_MAX + 1];

    keynote_note(value, note);
    r->key.note = strings_copy(r->strings, bytes_str(note));
    return NULL;
}

static const char *
set_owner(struct reading *r, const char *value)
{
    if (!keynote_owner_ok(value)) {
        return "a user's name";
    }
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
    { "public", set_public, true, true },
    { "note", set_note, false, false },
    { "owner", set_owner, false, false },
    { "test_mode", set_test_mode, false, false },
    { "wait", set_wait, false, false },
    { "fault", set_fault, false, false },
    { "reason", set_reason, false, false },
    { "silent", set_silent, false, true },
};
enum {
    SETTINGS = sizeof(settings) / sizeof(settings[0])
};

/* bit: what stands for the setting in r->seen. */
static bool
is_in_turn(struct reading *r, const struct conf_entry *e, unsigned bit,
           bool append)
{
    bool again = (r->seen & 1u << bit) != 0;

    r->seen |= 1u << bit;
    if (again == (e->append && append)) {
        return true;
    }
    r->bad = true;
    conf_error(r->errors, e->file, e->line, "%s",
               again ? "the setting stands here twice; once"
                     : "`+=` without a first line; `public` and `silent` only");
    return false;
}

static void
judge_value(struct reading *r, const struct conf_entry *e, const char *allowed)
{
    if (allowed != NULL) {
        r->bad = true;
        conf_error(r->errors, e->file, e->line, "bad value of %s; %s", e->key,
                   allowed);
    }
}

/* False: not a setting of this name. */
static bool
take_setting(struct reading *r, const struct conf_entry *e)
{
    for (unsigned i = 0; i < SETTINGS; i++) {
        if (strcmp(e->key, settings[i].name) == 0) {
            if (is_in_turn(r, e, i, settings[i].append)) {
                judge_value(r, e, settings[i].set(r, e->value));
            }
            return true;
        }
    }
    for (unsigned i = 0; i < DATES; i++) {
        if (strcmp(e->key, dates[i].name) == 0) {
            if (is_in_turn(r, e, SETTINGS + i, false)) {
                judge_value(r, e, set_date(r, i, e->value));
            }
            return true;
        }
    }
    return false;
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
    if (e->key != NULL && !take_setting(r, e)) {
        r->bad = true;
        conf_error(r->errors, e->file, e->line,
                   "unknown setting; state, type, bits, public, note, owner, "
                   "test_mode, wait, fault, reason, silent, or the date of a "
                   "step");
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

/* Moves what was read to the memory of the key. False: no memory. */
static bool
keep_texts(struct reading *r)
{
    struct key_life *life = &r->key.life;
    size_t size = sizeof(r->silent[0]);
    struct key_silence *silent =
        strings_array(r->strings, life->silent_count, size);

    r->key.public_b64 = strings_copy(r->strings, buf_bytes(&r->public_b64));
    if (silent != NULL) {
        memcpy(silent, r->silent, life->silent_count * size);
    }
    life->silent = silent;
    return silent != NULL && r->key.public_b64 != NULL && r->key.note != NULL &&
           r->key.view.owner != NULL && life->reason != NULL;
}

/* What the base64 of p= stands for, hashed; zeros when it is no base64. */
static void
hash_public(const char *b64, uint8_t *hash_out)
{
    uint8_t octets[DKIM_KEY_OCTETS_MAX];
    size_t len;

    if (base64_decode(bytes_str(b64), false, octets, sizeof(octets), &len)) {
        (void)EVP_Digest(octets, len, hash_out, NULL, EVP_sha256(), NULL);
    }
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
    r.key.life.reason = "";
    if (conf_read_fd(fd, path, take_entry, &r, errors) && !r.bad &&
        is_whole(&r, path)) {
        good = !buf_failed(&r.public_b64) && keep_texts(&r);
        if (!good) { /* left out without a word it would sign nothing */
            conf_error(errors, path, 0, "out of memory");
        }
    }
    buf_free(&r.public_b64);
    if (good) {
        hash_public(r.key.public_b64, r.key.view.public_hash);
        r.key.view.domain = key_out->view.domain;
        r.key.view.selector = key_out->view.selector;
        *key_out = r.key;
    }
    return good;
}

/* --- writing ------------------------------------------------------------ */

static void
put_dates(const struct keystore_key *key, struct buf *out)
{
    char time[KEYNOTE_TIME];
    uint64_t time_s;

    for (unsigned i = 0; i < DATES; i++) {
        memcpy(&time_s, (const char *)key + dates[i].offset, sizeof(time_s));
        if (time_s != 0) {
            keynote_time(time_s, time);
            buf_printf(out, "%s = %s\n", dates[i].name, time);
        }
    }
}

static void
put_life(const struct key_life *life, struct buf *out)
{
    char text[KEY_REASON_MAX + 1];
    char time[KEYNOTE_TIME];

    if (life->wait_s != 0) {
        buf_printf(out, "wait = %u\n", life->wait_s);
    }
    if (life->fault != KEY_FAULT_NONE) {
        buf_printf(out, "fault = %s\n", keynote_fault_name(life->fault));
    }
    keynote_line(life->reason == NULL ? "" : life->reason, text, sizeof(text));
    if (text[0] != '\0') {
        buf_printf(out, "reason = %s\n", text);
    }
    for (size_t i = 0; i < life->silent_count; i++) {
        keynote_time(life->silent[i].since_s, time);
        keynote_line(life->silent[i].server, text, KEY_SERVER_MAX + 1);
        buf_printf(out, "silent %s %s %s\n", i == 0 ? "=" : "+=", time, text);
    }
}

void
keynote_put(const struct keystore_key *key, struct buf *out)
{
    struct bytes rest = bytes_str(key->public_b64);
    const char *equals = "=";

    buf_printf(out, "[key]\nstate = %s\ntype = %s\nbits = %u\n",
               keynote_state_name(key->view.state),
               keynote_type_name(key->view.alg), key->view.bits);
    put_dates(key, out);
    do {
        struct bytes line = bytes_take(rest, PUBLIC_LINE);

        buf_printf(out, "public %s %.*s\n", equals, BYTES_ARG(line));
        rest = bytes_skip(rest, line.len);
        equals = "+=";
    } while (rest.len > 0);
    buf_printf(out, "note = %s\nowner = %s\ntest_mode = %s\n", key->note,
               key->view.owner, key->test_mode ? "yes" : "no");
    put_life(&key->life, out);
}
