/*
 * stats - the region is made, joined and left; counters and gauges. See
 * stats.h, and region.h for what lies where.
 */
#include "proxy/stats/region.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    ENTRIES_MIN = 1024,
    ENTRIES_A_CONNECTION = 8, /* three names each, and room to spare */
    CONNECTIONS_MAX = 1 << 17 /* more are STATS_FULL one day */
};

static uint64_t
pages(uint64_t octets)
{
    return (octets + REGION_PAGE - 1) / REGION_PAGE * REGION_PAGE;
}

static struct region_slot *
slot_at(const struct stats *s, unsigned index)
{
    uint8_t *first = (uint8_t *)s->head + pages(sizeof(*s->head));

    return (struct region_slot *)(void *)(first + index * s->head->slot_octets);
}

struct region_slot *
region_slot(const struct stats *s, unsigned index)
{
    return atomic_load(&s->head->taken[index]) == 0 ? NULL : slot_at(s, index);
}

void
region_add(_Atomic uint64_t *at, uint64_t n)
{
    uint64_t was = atomic_load_explicit(at, memory_order_relaxed);

    atomic_store_explicit(at, was + n, memory_order_relaxed);
}

/* --- making it ------------------------------------------------------------ */

static uint64_t
entries_for(unsigned connections)
{
    uint64_t n = connections < CONNECTIONS_MAX ? connections : CONNECTIONS_MAX;
    uint64_t entries = ENTRIES_MIN;

    while (entries < n * ENTRIES_A_CONNECTION) {
        entries *= 2;
    }
    return entries;
}

static bool
describe(struct region_head *head, unsigned slots, unsigned connections)
{
    struct timespec now;

    memset(head, 0, sizeof(*head));
    clock_gettime(CLOCK_REALTIME, &now);
    head->magic = REGION_MAGIC;
    head->entries = entries_for(connections);
    head->slot_octets = pages(sizeof(struct region_slot) +
                              head->entries * sizeof(struct region_entry));
    head->octets = pages(sizeof(*head)) + slots * head->slot_octets;
    head->started_s = (uint64_t)now.tv_sec;
    head->taken[0] = 1;
    return getrandom(head->seed, sizeof(head->seed), 0) ==
           (ssize_t)sizeof(head->seed);
}

/* fd -1: memory of this process alone. Pages that nobody writes to cost
 * nothing. */
static struct stats *
map(int fd, uint64_t octets, int protection)
{
    int kind = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
    /* cppcheck-suppress invalidFunctionArg ; -1 goes with MAP_ANONYMOUS */
    void *at = mmap(NULL, octets, protection, kind | MAP_NORESERVE, fd, 0);
    struct stats *s = at == MAP_FAILED ? NULL : calloc(1, sizeof(*s));

    if (s == NULL) {
        if (at != MAP_FAILED) {
            (void)munmap(at, octets);
        }
        if (fd >= 0) {
            (void)close(fd);
        }
        return NULL;
    }
    s->head = at;
    s->fd = fd;
    return s;
}

static struct stats *
make(int fd, unsigned slots, unsigned connections)
{
    struct region_head *head = malloc(sizeof(*head));
    struct stats *s = NULL;

    if (head != NULL && describe(head, slots, connections) &&
        (fd < 0 || ftruncate(fd, (off_t)head->octets) == 0)) {
        s = map(fd, head->octets, PROT_READ | PROT_WRITE);
    } else if (fd >= 0) {
        (void)close(fd);
    }
    if (s != NULL) {
        /* Behind it all is zero: pages that nobody needs yet. */
        memcpy(s->head, head, offsetof(struct region_head, buckets));
        s->mine = slot_at(s, 0);
    }
    free(head);
    return s;
}

/* Who holds a copy to read by can't open it again to write, nor cut it. */
struct stats *
stats_new(unsigned connections)
{
    int fd = memfd_create("sealpost-stats", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    struct stats *s = fd < 0 ? NULL : make(fd, REGION_SLOTS, connections);

    if (s != NULL) {
        (void)fchmod(fd, S_IRUSR);
        (void)fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
    }
    return s;
}

/* What is there, if it is a region. */
static struct stats *
join(int fd, int protection)
{
    struct stat st;
    uint64_t octets;
    struct stats *s;

    if (fstat(fd, &st) != 0 || st.st_size < (off_t)sizeof(struct region_head)) {
        (void)close(fd);
        errno = EINVAL;
        return NULL;
    }
    octets = (uint64_t)st.st_size;
    s = map(fd, octets, protection);
    if (s != NULL &&
        (s->head->magic != REGION_MAGIC || s->head->octets != octets)) {
        (void)munmap(s->head, octets);
        (void)close(fd);
        free(s);
        errno = EINVAL;
        return NULL;
    }
    return s;
}

struct stats *
stats_join(int fd, unsigned slot, unsigned connections)
{
    struct stats *s;

    if (fd < 0 || slot == STATS_NO_SLOT || slot >= REGION_SLOTS) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return make(-1, 1, connections);
    }
    s = join(fd, PROT_READ | PROT_WRITE);
    if (s != NULL) {
        s->mine = slot_at(s, slot);
    }
    return s;
}

struct stats *
stats_open(int fd)
{
    return join(fd, PROT_READ);
}

void
stats_free(struct stats **sp)
{
    struct stats *s = *sp;

    if (s == NULL) {
        return;
    }
    (void)munmap(s->head, s->head->octets);
    if (s->fd >= 0) {
        (void)close(s->fd);
    }
    free(s);
    *sp = NULL;
}

int
stats_fd(const struct stats *s)
{
    return s->fd;
}

int
stats_read_fd(const struct stats *s)
{
    char path[40];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", s->fd);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* --- slots ---------------------------------------------------------------- */

unsigned
stats_slot_take(struct stats *s)
{
    for (unsigned i = 1; s->fd >= 0 && i < REGION_SLOTS; i++) {
        if (atomic_load(&s->head->taken[i]) == 0) {
            atomic_store(&s->head->taken[i], 1);
            return i;
        }
    }
    return STATS_NO_SLOT;
}

static void
keep_rows(struct stats *s, const struct region_slot *slot)
{
    struct stats_row row;

    for (unsigned kind = 0; kind < STATS_ROW_KINDS; kind++) {
        for (size_t i = 0; i < REGION_ROWS; i++) {
            if (!region_row_read(&slot->rows[kind][i], &row)) {
                continue;
            }
            for (unsigned v = 0; v < STATS_ROW_VALUES; v++) {
                stats_note(s, (enum stats_row_kind)kind, bytes_str(row.name),
                           (enum stats_row_value)v, row.values[v], row.last_s);
            }
        }
    }
}

/* Its one writer is dead: the pages are given back, and are zero again. */
static void
empty(struct stats *s, struct region_slot *slot)
{
    off_t at = (uint8_t *)slot - (uint8_t *)s->head;

    if (fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at,
                  (off_t)s->head->slot_octets) != 0) {
        memset(slot, 0, s->head->slot_octets);
    }
}

void
stats_slot_release(struct stats *s, unsigned index)
{
    struct region_slot *slot =
        index == STATS_NO_SLOT ? NULL : region_slot(s, index);

    if (slot == NULL) {
        return;
    }
    for (unsigned i = 0; i < STATS_COUNTERS; i++) {
        region_add(&s->mine->counters[i], atomic_load(&slot->counters[i]));
    }
    keep_rows(s, slot);
    empty(s, slot);
    atomic_store(&s->head->taken[index], 0);
}

unsigned
stats_workers(const struct stats *s)
{
    unsigned n = 0;

    for (unsigned i = 1; i < REGION_SLOTS; i++) {
        n += atomic_load(&s->head->taken[i]) != 0;
    }
    return n;
}

/* --- counters ------------------------------------------------------------- */

void
stats_count(struct stats *s, enum stats_counter counter, uint64_t n)
{
    region_add(&s->mine->counters[counter], n);
}

void
stats_set(struct stats *s, enum stats_gauge gauge, uint64_t value)
{
    atomic_store_explicit(&s->mine->gauges[gauge], value, memory_order_relaxed);
}

uint64_t
stats_started_s(const struct stats *s)
{
    return s->head->started_s;
}

uint64_t
stats_counter(const struct stats *s, enum stats_counter counter)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < REGION_SLOTS; i++) {
        struct region_slot *slot = region_slot(s, i);

        sum += slot == NULL ? 0 : atomic_load(&slot->counters[counter]);
    }
    return sum;
}

/* Users, keys and limits are the same for all workers. */
uint64_t
stats_gauge(const struct stats *s, enum stats_gauge gauge)
{
    bool same = gauge == STATS_KEYS || gauge == STATS_KEYS_FAULTY ||
                gauge == STATS_USERS || gauge == STATS_SESSIONS_MAX;
    uint64_t sum = 0;

    for (unsigned i = 0; i < REGION_SLOTS; i++) {
        struct region_slot *slot = region_slot(s, i);
        uint64_t v = slot == NULL ? 0 : atomic_load(&slot->gauges[gauge]);

        sum = !same ? sum + v : v > sum ? v : sum;
    }
    return sum;
}

const char *
stats_counter_name(enum stats_counter counter)
{
    static const char *const names[STATS_COUNTERS] = {
        [STATS_CONNECTIONS] = "connections",
        [STATS_HANDSHAKES] = "handshakes",
        [STATS_LOGINS] = "logins",
        [STATS_LOGINS_DENIED] = "logins_denied",
        [STATS_DELIVERED] = "delivered",
        [STATS_REFUSED_MAIL] = "refused",
        [STATS_DEFERRED] = "deferred",
        [STATS_UNKNOWN] = "unknown",
        [STATS_ABORTED] = "aborted",
        [STATS_RECIPIENTS] = "recipients",
        [STATS_OCTETS] = "octets",
        [STATS_SIGNED] = "signed",
        [STATS_SELF_VERIFY_FAILED] = "self_verify_failed",
        [STATS_UPSTREAM_FAILED] = "upstream_failed",
        [STATS_OVER_CONNECTIONS] = "over_connections",
        [STATS_OVER_IP] = "over_connections_per_ip",
        [STATS_OVER_NETWORK] = "over_connections_per_network",
        [STATS_OVER_USER] = "over_connections_per_user",
        [STATS_OVER_HANDSHAKES] = "over_handshakes_per_minute",
        [STATS_OVER_RATE] = "over_rate",
        [STATS_OVER_RECIPIENT_RATE] = "over_recipient_rate",
        [STATS_OVER_RECIPIENTS] = "over_recipients",
        [STATS_OVER_ERRORS] = "over_errors",
        [STATS_OVER_JUNK] = "over_junk_commands",
        [STATS_OVER_AUTH_FAILURES] = "over_auth_failures",
        [STATS_TOO_SLOW] = "under_min_data_rate",
        [STATS_TIMEOUTS] = "timeouts",
        [STATS_STRESS] = "stress",
    };

    return names[counter];
}

const char *
stats_gauge_name(enum stats_gauge gauge)
{
    static const char *const names[STATS_GAUGES] = {
        [STATS_SESSIONS] = "sessions",
        [STATS_SESSIONS_MAX] = "sessions_max",
        [STATS_TRANSACTIONS] = "transactions",
        [STATS_SPOOL_OCTETS] = "spool_octets",
        [STATS_KEYS] = "keys",
        [STATS_KEYS_FAULTY] = "keys_faulty",
        [STATS_USERS] = "users",
        [STATS_STRESSED] = "stressed",
    };

    return names[gauge];
}
