/*
 * keynote_words - the words, lines and times of notes; see keynote.h.
 */
#include "proxy/keys/keynote.h"
#include "proxy/users/uservalue.h"

#include <time.h>

/* --- words -------------------------------------------------------------- */

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

bool
keynote_state_parse(const char *word, enum view_key_state *state_out)
{
    for (unsigned i = 0; i < STATES; i++) {
        if (strcmp(word, state_names[i]) == 0) {
            *state_out = (enum view_key_state)i;
            return true;
        }
    }
    return false;
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

static const char *const fault_names[] = {
    [KEY_FAULT_NONE] = "",
    [KEY_FAULT_GONE] = "gone",
    [KEY_FAULT_DIFFERS] = "differs",
    [KEY_FAULT_REVOKED] = "revoked",
    [KEY_FAULT_CONDEMNED] = "condemned",
};
enum {
    FAULTS = sizeof(fault_names) / sizeof(fault_names[0])
};

const char *
keynote_fault_name(enum key_fault fault)
{
    return (unsigned)fault < FAULTS ? fault_names[fault] : "?";
}

bool
keynote_fault_parse(const char *word, enum key_fault *fault_out)
{
    for (unsigned i = 0; i < FAULTS; i++) {
        if (strcmp(word, fault_names[i]) == 0) {
            *fault_out = (enum key_fault)i;
            return true;
        }
    }
    return false;
}

/* --- lines -------------------------------------------------------------- */

static void
put_line(const char *text, uint8_t last, char *out, size_t room)
{
    size_t n = 0;

    for (; *text != '\0' && n + 1 < room; text++) {
        uint8_t c = (uint8_t)*text;

        if (c > 0x20 && c <= last && c != 0x7f && c != ';') {
            out[n++] = *text;
        } else if (n > 0 && out[n - 1] != ' ') {
            out[n++] = ' ';
        }
    }
    while (n > 0 && out[n - 1] == ' ') {
        n--; /* the reader would take it away */
    }
    out[n] = '\0';
}

void
keynote_line(const char *text, char *out, size_t room)
{
    put_line(text, 0x7e, out, room);
}

void
keynote_note(const char *text, char out[KEYNOTE_TEXT_MAX + 1])
{
    put_line(text, 0xff, out, KEYNOTE_TEXT_MAX + 1);
}

bool
keynote_owner_ok(const char *user)
{
    struct bytes name = bytes_str(user);

    return name.len == 0 ||
           (name.len <= KEYNOTE_TEXT_MAX && uservalue_name(name));
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

bool
keynote_time_parse(const char *text, uint64_t *time_out)
{
    static const struct {
        unsigned at, digits, max;
    } parts[] = { { 0, 4, 9999 }, { 5, 2, 12 },  { 8, 2, 31 },
                  { 11, 2, 23 },  { 14, 2, 59 }, { 17, 2, 59 } };
    char again[KEYNOTE_TIME];
    uint64_t n[6];
    struct tm tm = { 0 };
    time_t t;

    if (text[0] == '\0') {
        *time_out = 0;
        return true;
    }
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
