/*
 * rows - what users, domains and upstreams did, for the status; see stats.h.
 *
 * A slot has one writer; the name of a row changes when it gives way to
 * another, and a reader that sees this happen looks again.
 */
#include "proxy/stats/region.h"

#include <stdlib.h>

enum {
    TRIES = 100
};

static bool
is_named(const struct region_row *row, struct bytes name)
{
    return atomic_load(&row->last_s) != 0 && bytes_is(name, row->name);
}

static void
rename_row(struct region_row *row, struct bytes name)
{
    region_add(&row->seq, 1);
    atomic_thread_fence(memory_order_seq_cst);
    (void)bytes_copy(name, row->name, sizeof(row->name));
    for (unsigned i = 0; i < STATS_ROW_VALUES; i++) {
        atomic_store(&row->values[i], 0);
    }
    atomic_thread_fence(memory_order_seq_cst);
    region_add(&row->seq, 1);
}

struct region_row *
region_row(const struct region_head *head, struct region_slot *slot,
           enum stats_row_kind kind, struct bytes name, uint64_t now_s)
{
    uint64_t key = region_hash(head, REGION_OF_ROWS + (unsigned)kind, name);
    struct region_row *oldest = NULL;

    for (unsigned i = 0; i < REGION_WINDOW; i++) {
        struct region_row *row =
            &slot->rows[kind][(key + i) & (REGION_ROWS - 1)];

        if (is_named(row, name)) {
            return row;
        }
        if (oldest == NULL ||
            atomic_load(&row->last_s) < atomic_load(&oldest->last_s)) {
            oldest = row;
        }
    }
    rename_row(oldest, name);
    atomic_store(&oldest->last_s, now_s);
    return oldest;
}

void
stats_note(struct stats *s, enum stats_row_kind kind, struct bytes name,
           enum stats_row_value value, uint64_t n, uint64_t now_s)
{
    struct region_row *row;

    name =
        bytes_take(name, name.len < STATS_NAME_MAX ? name.len : STATS_NAME_MAX);
    row = region_row(s->head, s->mine, kind, name, now_s);
    if (atomic_load(&row->last_s) < now_s) {
        atomic_store(&row->last_s, now_s);
    }
    region_add(&row->values[value], n);
}

bool
region_row_read(const struct region_row *row, struct stats_row *out)
{
    for (int i = 0; i < TRIES; i++) {
        uint64_t before = atomic_load(&row->seq);

        memcpy(out->name, row->name, sizeof(out->name));
        out->name[STATS_NAME_MAX] = '\0';
        out->last_s = atomic_load(&row->last_s);
        for (unsigned v = 0; v < STATS_ROW_VALUES; v++) {
            out->values[v] = atomic_load(&row->values[v]);
        }
        atomic_thread_fence(memory_order_seq_cst);
        if (before % 2 == 0 && atomic_load(&row->seq) == before) {
            return out->last_s != 0;
        }
    }
    return false; /* its writer died in the middle of it */
}

/* --- the reader ----------------------------------------------------------- */

static int
by_name(const void *a, const void *b)
{
    const struct stats_row *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static uint64_t
messages(const struct stats_row *row)
{
    return row->values[STATS_ROW_DELIVERED] + row->values[STATS_ROW_REFUSED] +
           row->values[STATS_ROW_DEFERRED];
}

static int
by_messages(const void *a, const void *b)
{
    uint64_t x = messages(a), y = messages(b);

    return x > y ? -1 : x < y ? 1 : by_name(a, b);
}

/* Rows of one name stand next to each other: they become one. */
static size_t
merge(struct stats_row *rows, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || strcmp(rows[kept - 1].name, rows[i].name) != 0) {
            rows[kept++] = rows[i];
            continue;
        }
        for (unsigned v = 0; v < STATS_ROW_VALUES; v++) {
            rows[kept - 1].values[v] += rows[i].values[v];
        }
        if (rows[i].last_s > rows[kept - 1].last_s) {
            rows[kept - 1].last_s = rows[i].last_s;
        }
    }
    return kept;
}

static size_t
gather(const struct stats *s, enum stats_row_kind kind, struct stats_row *all)
{
    size_t count = 0;

    for (unsigned i = 0; i < REGION_SLOTS; i++) {
        const struct region_slot *slot = region_slot(s, i);

        for (size_t r = 0; slot != NULL && r < REGION_ROWS; r++) {
            count += region_row_read(&slot->rows[kind][r], &all[count]);
        }
    }
    return count;
}

size_t
stats_rows(const struct stats *s, enum stats_row_kind kind,
           struct stats_row *rows_out, size_t max)
{
    struct stats_row *all =
        calloc((size_t)REGION_SLOTS * REGION_ROWS + 1, sizeof(*all));
    size_t count;

    if (all == NULL) {
        return 0;
    }
    count = gather(s, kind, all);
    qsort(all, count, sizeof(*all), by_name);
    count = merge(all, count);
    qsort(all, count, sizeof(*all), by_messages);
    memcpy(rows_out, all, (count < max ? count : max) * sizeof(*all));
    free(all);
    return count < max ? count : max;
}
