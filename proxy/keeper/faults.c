/*
 * faults - words about keys, by name; see faults.h.
 */
#include <base/namehash.h>

#include <proxy/keeper/faults.h>
#include <proxy/keeper/protocol.h>
#include <stdlib.h>

enum {
    BUCKETS = 1024
};

struct fault {
    char domain[KEEPER_DOMAIN_MAX + 1];
    char selector[KEEPER_SELECTOR_MAX + 1];
    uint8_t public_hash[VIEW_PUBLIC_HASH];
    enum keeper_seen word;
    uint64_t time_s;
    struct fault *next;
};

struct faults {
    size_t count;
    struct fault *buckets[BUCKETS];
};

struct faults *
faults_new(void)
{
    return calloc(1, sizeof(struct faults));
}

static void
clear(struct faults *f)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        while (f->buckets[i] != NULL) {
            struct fault *next = f->buckets[i]->next;

            free(f->buckets[i]);
            f->buckets[i] = next;
        }
    }
    f->count = 0;
}

void
faults_free(struct faults **f)
{
    if (*f != NULL) {
        clear(*f);
        free(*f);
        *f = NULL;
    }
}

static struct fault *
copy_list(const struct fault *from, bool *failed)
{
    struct fault *list = NULL;

    for (; from != NULL && !*failed; from = from->next) {
        struct fault *copy = malloc(sizeof(*copy));

        *failed = copy == NULL;
        if (copy != NULL) {
            *copy = *from;
            copy->next = list;
            list = copy;
        }
    }
    return list;
}

struct faults *
faults_copy(const struct faults *f)
{
    struct faults *copy = faults_new();
    bool failed = copy == NULL;

    for (size_t i = 0; i < BUCKETS && !failed; i++) {
        copy->buckets[i] = copy_list(f->buckets[i], &failed);
    }
    if (failed) {
        faults_free(&copy);
    } else {
        copy->count = f->count;
    }
    return copy;
}

static size_t
bucket_of(const char *domain, const char *selector)
{
    return name_hash(name_hash(NAME_HASH_FIRST, bytes_str(domain)),
                     bytes_str(selector)) %
           BUCKETS;
}

static struct fault *
find(const struct faults *f, const char *domain, const char *selector)
{
    struct fault *fault =
        f->count == 0 ? NULL : f->buckets[bucket_of(domain, selector)];

    while (fault != NULL && (strcmp(fault->domain, domain) != 0 ||
                             strcmp(fault->selector, selector) != 0)) {
        fault = fault->next;
    }
    return fault;
}

static bool
is_about(const struct fault *fault, const struct view_key *key)
{
    return memcmp(fault->public_hash, key->public_hash, VIEW_PUBLIC_HASH) == 0;
}

static struct fault *
add(struct faults *f, const struct view_key *key)
{
    struct fault **bucket = &f->buckets[bucket_of(key->domain, key->selector)];
    struct fault *fault = calloc(1, sizeof(*fault));

    if (fault == NULL ||
        !bytes_copy(bytes_str(key->domain), fault->domain,
                    sizeof(fault->domain)) ||
        !bytes_copy(bytes_str(key->selector), fault->selector,
                    sizeof(fault->selector))) {
        free(fault);
        return NULL;
    }
    fault->next = *bucket;
    *bucket = fault;
    f->count++;
    return fault;
}

static void
forget(struct faults *f, struct fault *fault)
{
    struct fault **link =
        &f->buckets[bucket_of(fault->domain, fault->selector)];

    while (*link != fault) {
        link = &(*link)->next;
    }
    *link = fault->next;
    free(fault);
    f->count--;
}

bool
faults_note(struct faults *f, const struct view_key *key, enum keeper_seen word,
            uint64_t now_s)
{
    struct fault *fault = find(f, key->domain, key->selector);
    bool was = faults_judge(f, key);

    if (fault != NULL && is_about(fault, key) &&
        fault->word == KEEPER_SEEN_REFUSED) {
        return false;
    }
    if (word == KEEPER_SEEN_GOOD) {
        if (fault != NULL) {
            forget(f, fault);
        }
        return faults_judge(f, key) != was;
    }
    fault = fault == NULL ? add(f, key) : fault;
    if (fault == NULL) {
        return false;
    }
    memcpy(fault->public_hash, key->public_hash, VIEW_PUBLIC_HASH);
    fault->word = word;
    fault->time_s = now_s;
    return faults_judge(f, key) != was;
}

bool
faults_refused(const struct faults *f, const char *domain, const char *selector)
{
    const struct fault *fault = find(f, domain, selector);

    return fault != NULL && fault->word == KEEPER_SEEN_REFUSED;
}

bool
faults_judge(const struct faults *f, const struct view_key *key)
{
    const struct fault *fault = find(f, key->domain, key->selector);

    return key->faulty || (fault != NULL && is_about(fault, key));
}

size_t
faults_count(const struct faults *f)
{
    return f->count;
}

/* What DNS was seen to say holds unless the key was proved since. */
static bool
still_holds(const struct fault *fault, const struct view *view)
{
    const struct view_key *key = view_key(view, fault->domain, fault->selector);

    return key != NULL && is_about(fault, key) &&
           fault->word != KEEPER_SEEN_REFUSED && key->proved_s <= fault->time_s;
}

void
faults_reloaded(struct faults *f, const struct view *view)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        struct fault **link = &f->buckets[i];

        while (*link != NULL) {
            struct fault *fault = *link;

            if (still_holds(fault, view)) {
                link = &fault->next;
            } else {
                *link = fault->next;
                free(fault);
                f->count--;
            }
        }
    }
}
