/*
 * year - a world for the life cycle of keys; see year.h.
 */
#include "tests/support/cmocka.h"
#include "tests/support/year_private.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    DAY_S = 86400
};

uint64_t
year_random(struct year *y, uint64_t below)
{
    /* xorshift64*: the year must be the same on every machine */
    y->random ^= y->random >> 12;
    y->random ^= y->random << 25;
    y->random ^= y->random >> 27;
    return (y->random * 2685821657736338717u >> 11) % below;
}

bool
year_chance(struct year *y, unsigned percent)
{
    return year_random(y, 100) < percent;
}

bool
year_is_out(const struct year *y, unsigned what)
{
    return y->now_s < y->outage_until_s[what];
}

struct year_name *
year_find(struct year *y, const char *domain, const char *selector)
{
    for (size_t i = 0; i < y->name_count; i++) {
        if (strcmp(y->names[i].domain, domain) == 0 &&
            strcmp(y->names[i].selector, selector) == 0) {
            return y->names + i;
        }
    }
    return NULL;
}

struct year_name *
year_add_name(struct year *y, const char *domain, const char *selector,
              bool ours)
{
    struct year_name *n = y->names + y->name_count++;

    assert_true(y->name_count <= YEAR_NAMES);
    memset(n, 0, sizeof(*n));
    snprintf(n->domain, sizeof(n->domain), "%s", domain);
    snprintf(n->selector, sizeof(n->selector), "%s", selector);
    n->ours = ours;
    return n;
}

/* --- making ------------------------------------------------------------- */

void
year_begin(struct year *y, uint64_t seed, const char *dir,
           const struct year_faults *faults)
{
    bool talks = y->talks;

    memset(y, 0, sizeof(*y));
    y->talks = talks;
    y->random = seed * 0x9e3779b97f4a7c15u + 1;
    y->faults = *faults;
    y->now_s = 1800000000;
    y->rotate = (struct rotate_conf){ .present = true,
                                      .every_s = 90 * DAY_S,
                                      .retire_s = 30 * DAY_S,
                                      .revoked_s = 7 * DAY_S,
                                      .zone = "dkim.relay.example",
                                      .prove = CONF_PROVE_AUTHORITATIVE,
                                      .publish = CONF_PUBLISH_RFC2136 };
    snprintf(y->dir, sizeof(y->dir), "%s", dir);
    y->store = (struct keystore_conf){ .state_dir = y->dir,
                                       .uid = (uid_t)-1,
                                       .gid = (gid_t)-1 };
    y->deaths_left = -1;
}

static void
add_old_key(struct year *y, struct domain_file *file, const char *domain)
{
    struct keystore_key key = { .created_s = y->now_s, .note = "" };
    struct year_name *n = year_add_name(y, domain, "old", false);
    struct strings strings = { NULL };

    key.view.domain = domain;
    key.view.selector = "old";
    key.view.owner = "";
    key.view.state = VIEW_KEY_ACTIVE;
    key.view.activated_s = y->now_s;
    assert_int_equal(
        keystore_generate(&y->store, DKIM_ALG_ED25519_SHA256, 0, &key), KEY_OK);
    assert_int_equal(keystore_note(&y->store, &strings, &key), KEY_OK);
    snprintf(n->owner_text, sizeof(n->owner_text), "p=%s", key.public_b64);
    strings_free(&strings);
    n->owner_has[0] = n->owner_has[1] = true;
    n->was_active = true;
    n->signed_s = y->now_s;
    assert_true(domainfile_earlier(file, "old"));
}

void
year_add_delegated(struct year *y, const char *domain, bool migrating)
{
    struct conf_errors *errors = conf_errors_new();
    struct buf text = BUF_INIT;
    struct domain_file *file;
    int lock;

    /* tokens of this year's own randomness: the order of things hangs on it */
    buf_puts(&text, "[domain]\nway = delegated\n[track]\ntype = ed25519\n");
    for (unsigned i = 0; i < PLAN_SLOTS; i++) {
        char token[32];

        snprintf(token, sizeof(token), "%c%010ju",
                 (char)('a' + year_random(y, 26)), (uintmax_t)y->random);
        token[12] = '\0';
        year_add_name(y, domain, token, true);
        buf_printf(&text, "slot %s %s\n", i == 0 ? "=" : "+=", token);
    }
    file = domainfile_read(buf_bytes(&text), domain, "the note", errors);
    assert_non_null(file);
    buf_free(&text);
    conf_errors_free(&errors);
    if (migrating) {
        add_old_key(y, file, domain);
    }
    lock = domainfile_lock(&y->store);
    assert_true(lock >= 0 && domainfile_save(&y->store, file));
    close(lock);
    domainfile_free(&file);
}

void
year_add_own(struct year *y, const char *domain)
{
    struct domain_file *file = domainfile_new(domain, DOMAIN_OWN);
    int lock = domainfile_lock(&y->store);

    assert_non_null(domainfile_track(file, DKIM_ALG_ED25519_SHA256, "", true));
    assert_true(lock >= 0 && domainfile_save(&y->store, file));
    close(lock);
    domainfile_free(&file);
}

/* --- the zone ----------------------------------------------------------- */

/* A record that changes must have had its time: see the issue, point 1. */
static void
judge_change(const struct year *y, const struct year_name *n, const char *text)
{
    bool was_key = n->primary[0] != '\0' && strcmp(n->primary, "p=") != 0;
    bool is_key = text[0] != '\0' && strcmp(text, "p=") != 0;

    if (was_key && !n->condemned && n->signed_s != 0 &&
        n->signed_s + y->rotate.retire_s > y->now_s) {
        fail_msg("%s/%s leaves the zone %ju s after it signed", n->domain,
                 n->selector, (uintmax_t)(y->now_s - n->signed_s));
    }
    if (was_key && is_key) {
        fail_msg("%s/%s: another key without p= between", n->domain,
                 n->selector);
    }
    if (strcmp(n->primary, "p=") == 0 && strcmp(text, n->last_key) != 0 &&
        n->p_empty_s + y->rotate.revoked_s > y->now_s) {
        fail_msg("%s/%s: p= empty for %ju s only", n->domain, n->selector,
                 (uintmax_t)(y->now_s - n->p_empty_s));
    }
}

static void
put_record(struct year *y, const struct publish_record *r)
{
    for (size_t i = 0; i < y->name_count; i++) {
        struct year_name *n = y->names + i;
        size_t len = strlen(n->selector);

        if (!n->ours || strncmp(r->name, n->selector, len) != 0 ||
            r->name[len] != '.' || strcmp(n->primary, r->text) == 0) {
            continue;
        }
        judge_change(y, n, r->text);
        if (strcmp(r->text, "p=") == 0) {
            n->p_empty_s = y->now_s;
            memcpy(n->last_key, n->primary, YEAR_TEXT);
        }
        if (n->primary[0] != '\0' && r->text[0] == '\0') {
            n->used = true; /* whoever comes next */
            n->signed_s = 0;
            n->was_active = false;
            n->condemned = false;
        }
        snprintf(n->primary, sizeof(n->primary), "%s", r->text);
        snprintf(n->target[0], YEAR_TEXT, "%s", r->text);
        if (!year_is_out(y, YEAR_OUT_COPIES)) {
            snprintf(n->target[1], YEAR_TEXT, "%s", r->text);
        }
    }
}

bool
year_publish(void *arg, const struct publish_record *records, size_t count,
             struct buf *why_out)
{
    struct year *y = arg;
    bool fails = year_is_out(y, YEAR_OUT_PUBLISHER) ||
                 year_chance(y, y->faults.publisher);
    size_t done = !fails ? count : (size_t)year_random(y, count + 1);

    if (year_is_out(y, YEAR_OUT_PUBLISHER)) {
        done = 0;
    }
    for (size_t i = 0; i < count; i++) {
        assert_true(i == 0 || strcmp(records[i - 1].name, records[i].name) < 0);
        if (records[i].changed && i < done) {
            put_record(y, records + i);
        }
    }
    if (fails) {
        buf_puts(why_out, "the zone is shut");
    }
    return !fails;
}

void
year_text(const struct keystore_key *key, struct buf *out)
{
    buf_printf(out, "p=%s",
               key->view.state == VIEW_KEY_REVOKED ? "" : key->public_b64);
}

/* --- time passes -------------------------------------------------------- */

/* The owner publishes what he is asked to, and takes away what may go. */
static void
owner_works(struct year *y)
{
    struct conf_errors *errors = conf_errors_new();
    struct keystore *s = keystore_load(&y->store, errors);

    assert_non_null(s);
    for (size_t i = 0; i < keystore_count(s); i++) {
        const struct keystore_key *k = keystore_key_at(s, i);
        struct year_name *n = year_find(y, k->view.domain, k->view.selector);

        if (n == NULL || n->ours || !year_chance(y, 20)) {
            continue;
        }
        if (k->view.state == VIEW_KEY_REVOKED) {
            n->owner_text[0] = '\0';
            n->owner_has[0] = n->owner_has[1] = false;
        } else {
            snprintf(n->owner_text, sizeof(n->owner_text), "p=%s",
                     k->public_b64);
        }
    }
    keystore_free(&s);
    conf_errors_free(&errors);
}

static void
servers_work(struct year *y)
{
    bool out = year_is_out(y, YEAR_OUT_RECORDS);

    for (size_t i = 0; i < y->name_count; i++) {
        struct year_name *n = y->names + i;

        if (!year_is_out(y, YEAR_OUT_COPIES)) {
            memcpy(n->target[1], n->target[0], YEAR_TEXT);
        }
        for (unsigned k = 0; k < YEAR_OWNERS; k++) {
            n->owner_has[k] = !out && (n->ours || n->owner_text[0] != '\0');
        }
    }
}

/* The clock went: what lies in the future is now, as everywhere. */
static void
turn_clock(struct year *y)
{
    int64_t by_s = year_chance(y, 50) ? 40 * DAY_S : -10 * DAY_S;

    y->now_s = (uint64_t)((int64_t)y->now_s + by_s);
    for (size_t i = 0; i < y->name_count; i++) {
        struct year_name *n = y->names + i;
        uint64_t *const dates[] = { &n->complete_s, &n->signed_s,
                                    &n->p_empty_s };

        for (size_t k = 0; k < 3; k++) {
            if (*dates[k] > y->now_s) {
                *dates[k] = y->now_s;
            }
        }
        for (unsigned k = 0; k < YEAR_RESOLVERS; k++) {
            n->cache[k].until_s = 0;
        }
    }
    for (size_t i = 0; i < 4; i++) {
        y->outage_until_s[i] = 0;
    }
}

void
year_pass(struct year *y, uint64_t seconds)
{
    y->now_s += seconds;
    if (year_chance(y, y->faults.jump)) {
        turn_clock(y);
    }
    if (year_chance(y, y->faults.outage)) {
        size_t what = (size_t)year_random(y, 4);

        y->outage_until_s[what] = y->now_s + year_random(y, 6 * DAY_S);
    }
    owner_works(y);
    servers_work(y);
}
