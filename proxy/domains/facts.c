/*
 * facts - keys and notes sorted into tracks; see rotate.h.
 *
 * Keys and files come sorted by domain and are merged; a domain whose note is
 * faulty is left alone, with all its keys.
 */
#include "proxy/domains/rotate_private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- tracks ------------------------------------------------------------- */

static bool
make_room(struct rotate_track *t)
{
    size_t cap = t->cap == 0 ? 4 : t->cap * 2;
    struct keystore_key **keys;
    struct plan_key *plan_keys;

    if (t->plan.count < t->cap) {
        return true;
    }
    keys = realloc(t->keys, cap * sizeof(*keys));
    if (keys != NULL) {
        t->keys = keys;
    }
    plan_keys = realloc(t->plan_keys, cap * sizeof(*plan_keys));
    if (plan_keys != NULL) {
        t->plan_keys = plan_keys;
        t->plan.keys = plan_keys;
    }
    if (keys == NULL || plan_keys == NULL) {
        return false;
    }
    t->cap = cap;
    return true;
}

bool
rotate_track_add(struct rotate_facts *facts, struct rotate_track *t,
                 const struct keystore_key *key, bool ours)
{
    struct keystore_key *copy =
        strings_array(&facts->strings, 1, sizeof(*copy));
    size_t at = t->plan.count;

    if (copy == NULL || !make_room(t)) {
        return false;
    }
    *copy = *key;
    while (at > 0 &&
           strcmp(t->keys[at - 1]->view.selector, key->view.selector) > 0) {
        at--;
    }
    memmove(t->keys + at + 1, t->keys + at,
            (t->plan.count - at) * sizeof(*t->keys));
    memmove(t->plan_keys + at + 1, t->plan_keys + at,
            (t->plan.count - at) * sizeof(*t->plan_keys));
    t->keys[at] = copy;
    t->plan_keys[at] = (struct plan_key){ copy, NULL, ours };
    t->plan.count++;
    return true;
}

void
rotate_track_drop(struct rotate_track *t, size_t key)
{
    size_t behind = t->plan.count - key - 1;

    memmove(t->keys + key, t->keys + key + 1, behind * sizeof(*t->keys));
    memmove(t->plan_keys + key, t->plan_keys + key + 1,
            behind * sizeof(*t->plan_keys));
    t->plan.count--;
}

static struct rotate_track *
add_track(struct rotate_facts *f, const char *domain, enum dkim_alg alg,
          const char *owner)
{
    struct rotate_track *t;

    if (f->track_count == f->track_cap) {
        size_t cap = f->track_cap == 0 ? 16 : f->track_cap * 2;
        struct rotate_track *tracks = realloc(f->tracks, cap * sizeof(*tracks));

        if (tracks == NULL) {
            return NULL;
        }
        f->tracks = tracks;
        f->track_cap = cap;
    }
    assert(f->tracks != NULL);
    t = f->tracks + f->track_count++;
    *t = (struct rotate_track){
        .plan = { .domain = domain, .alg = alg, .owner = owner }
    };
    return t;
}

static bool
add_rings(struct rotate_facts *f, struct domain_file *file)
{
    for (size_t i = 0; i < file->track_count; i++) {
        struct domain_track *ring = file->tracks + i;
        struct rotate_track *t =
            add_track(f, file->domain, ring->alg, ring->user);

        if (t == NULL) {
            return false;
        }
        t->file = file;
        t->ring = ring;
        t->plan.managed = true;
        t->plan.delegated = ring->slot_count > 0;
        t->plan.slot_count = ring->slot_count;
        for (size_t s = 0; s < ring->slot_count; s++) {
            t->plan.slots[s] =
                (struct plan_slot){ ring->slots[s].token, ring->slots[s].used_s,
                                    NULL };
        }
    }
    return true;
}

/* --- where a key belongs ------------------------------------------------ */

struct placing {
    struct rotate_facts *facts;
    struct domain_file *file; /* NULL: the domain has none */
    size_t first;             /* of the domain's tracks */
};

static bool
is_in_slot(const struct rotate_track *t, const char *selector)
{
    for (size_t s = 0; s < t->plan.slot_count; s++) {
        if (strcmp(t->plan.slots[s].token, selector) == 0) {
            return true;
        }
    }
    return false;
}

static bool
is_reserved(const struct rotate_facts *f, const struct keystore_key *k)
{
    const struct view_key *v =
        f->world->users == NULL
            ? NULL
            : view_key(f->world->users, k->view.domain, k->view.selector);

    return v != NULL && v->reserved;
}

/* A key for itself: it is watched, and a fixed selector's proved, too. */
static bool
place_alone(const struct placing *p, const struct keystore_key *k)
{
    struct rotate_track *t =
        add_track(p->facts, k->view.domain, k->view.alg, k->view.owner);

    if (t == NULL) {
        return false;
    }
    t->file = p->file;
    t->plan.fixed = true;
    return rotate_track_add(p->facts, t, k, false);
}

static struct rotate_track *
track_of(const struct placing *p, const struct keystore_key *k, bool *ours_out)
{
    struct rotate_track *kind = NULL;

    *ours_out = false;
    for (size_t i = p->first; i < p->facts->track_count; i++) {
        struct rotate_track *t = p->facts->tracks + i;

        if (is_in_slot(t, k->view.selector)) {
            *ours_out = true;
            return t;
        }
        if (!t->plan.fixed && t->plan.alg == k->view.alg &&
            strcmp(t->plan.owner, k->view.owner) == 0) {
            kind = t;
        }
    }
    return kind;
}

static bool
place(const struct placing *p, const struct keystore_key *k)
{
    bool ours;
    struct rotate_track *t = track_of(p, k, &ours);
    bool stray = !ours && t != NULL && t->plan.delegated &&
                 !domainfile_is_earlier(t->file, k->view.selector);

    if (!ours && is_reserved(p->facts, k)) {
        return place_alone(p, k);
    }
    if (stray) {
        /* It is not one of the slots: it does not begin to sign by itself. */
        return k->view.state == VIEW_KEY_NEW ||
               k->view.state == VIEW_KEY_PUBLISHED || place_alone(p, k);
    }
    if (t == NULL) {
        t = add_track(p->facts, k->view.domain, k->view.alg, k->view.owner);
        if (t == NULL) {
            return false;
        }
        t->file = p->file;
    }
    return rotate_track_add(p->facts, t, k, ours);
}

/* --- all ---------------------------------------------------------------- */

static bool
load_files(struct rotate_facts *f, const char ***names_out,
           struct conf_errors *errors)
{
    const char **names =
        domainfile_names(f->world->store, &f->strings, &f->file_count, errors);

    if (names == NULL) {
        f->file_count = 0;
        return false;
    }
    f->files = calloc(f->file_count + 1, sizeof(struct domain_file *));
    if (f->files == NULL) {
        f->file_count = 0;
        return false;
    }
    for (size_t i = 0; i < f->file_count; i++) {
        size_t lines = conf_errors_count(errors);

        f->files[i] = domainfile_load(f->world->store, names[i], errors);
        if (f->files[i] == NULL) {
            f->odd = names[i];
        }
        if (f->files[i] == NULL && conf_errors_count(errors) == lines) {
            return false; /* no memory */
        }
    }
    *names_out = names;
    return true;
}

/*
 * A slot without a key that can be read, and with a note: it is not free.
 * What is in it may sign and stand in the zone.
 */
static bool
is_odd(const struct rotate_facts *f, const struct rotate_track *t, size_t slot)
{
    const char *token = t->plan.slots[slot].token;
    struct buf path = BUF_INIT;
    bool odd;

    for (size_t i = 0; i < t->plan.count; i++) {
        if (strcmp(t->keys[i]->view.selector, token) == 0) {
            return false;
        }
    }
    keystore_path(f->world->store, t->plan.domain, token, ".conf", &path);
    odd = buf_failed(&path) || access((const char *)path.ptr, F_OK) == 0 ||
          errno != ENOENT;
    buf_free(&path);
    return odd;
}

static void
block_odd(struct rotate_facts *f, size_t first)
{
    for (size_t i = first; i < f->track_count; i++) {
        struct rotate_track *t = f->tracks + i;

        for (size_t s = 0; s < t->plan.slot_count; s++) {
            if (is_odd(f, t, s)) {
                t->blocked = true;
                f->odd = t->plan.domain;
            }
        }
    }
}

/* One domain: its rings and its keys, from *key on. */
static bool
take_domain(struct rotate_facts *f, const char *domain,
            struct domain_file *file, bool skip, size_t *key)
{
    const struct placing p = { f, file, f->track_count };
    const struct keystore_key *k;
    bool good = skip || file == NULL || add_rings(f, file);

    while (good && (k = keystore_key_at(f->store, *key)) != NULL &&
           strcmp(k->view.domain, domain) == 0) {
        good = skip || place(&p, k);
        ++*key;
    }
    block_odd(f, p.first);
    return good;
}

static bool
sort_all(struct rotate_facts *f, const char *const *names)
{
    size_t key = 0;
    size_t file = 0;
    bool good = true;

    while (good && (key < keystore_count(f->store) || file < f->file_count)) {
        const struct keystore_key *k = keystore_key_at(f->store, key);
        const char *domain = k == NULL ? names[file] : k->view.domain;
        bool noted;

        if (file < f->file_count && strcmp(names[file], domain) < 0) {
            domain = names[file];
        }
        noted = file < f->file_count && strcmp(names[file], domain) == 0;
        /* What is faulty is not touched; nor what sends no mail. */
        good = take_domain(f, domain, noted ? f->files[file] : NULL,
                           noted && (f->files[file] == NULL ||
                                     f->files[file]->way == DOMAIN_NO_MAIL),
                           &key);
        file += noted ? 1 : 0;
    }
    return good;
}

struct rotate_facts *
rotate_facts_load(const struct rotate_world *world, struct conf_errors *errors)
{
    struct rotate_facts *f = calloc(1, sizeof(*f));
    const char **names = NULL;

    if (f == NULL) {
        return NULL;
    }
    f->world = world;
    f->store = keystore_load(world->store, errors);
    if (f->store == NULL || !load_files(f, &names, errors) ||
        !sort_all(f, names)) {
        rotate_facts_free(&f);
    }
    return f;
}

void
rotate_facts_free(struct rotate_facts **facts)
{
    struct rotate_facts *f = *facts;

    if (f == NULL) {
        return;
    }
    for (size_t i = 0; i < f->track_count; i++) {
        free(f->tracks[i].keys);
        free(f->tracks[i].plan_keys);
    }
    free(f->tracks);
    for (size_t i = 0; i < f->file_count; i++) {
        domainfile_free(&f->files[i]);
    }
    free(f->files);
    if (f->seen != NULL) {
        seen_free(f->seen, f->seen_count);
        free(f->seen);
    }
    keystore_free(&f->store);
    strings_free(&f->strings);
    free(f);
    *facts = NULL;
}

const struct plan_track *
rotate_facts_track(const struct rotate_facts *facts, size_t n)
{
    return n < facts->track_count ? &facts->tracks[n].plan : NULL;
}

const struct domain_file *
rotate_facts_file(const struct rotate_facts *facts, const char *domain)
{
    for (size_t i = 0; i < facts->file_count; i++) {
        if (facts->files[i] != NULL &&
            strcmp(facts->files[i]->domain, domain) == 0) {
            return facts->files[i];
        }
    }
    return NULL;
}
