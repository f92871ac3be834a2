/*
 * data - users and keys as loaded at one moment: the keeper's truth.
 *
 * Immutable; a reload makes another with a higher epoch. Threads hold what
 * they work with.
 */
#ifndef PROXY_KEEPER_DATA_H
#define PROXY_KEEPER_DATA_H

#include <proxy/keeper/faults.h>
#include <proxy/keys/keystore.h>
#include <proxy/users/userfile.h>
#include <proxy/users/view.h>
#include <stdatomic.h>

enum {
    DATA_SCRAM_KINDS_MAX = 16
};

/* How the SCRAM secrets of users differ: what may be seen from outside. */
struct data_scram_kind {
    unsigned iterations;
    size_t salt_octets;
};

struct keeper_data {
    struct view *view;      /* owned; public */
    struct userfile *users; /* owned, or base's; secret */
    int view_fd;            /* owned; the packed view in a sealed memfd */
    uint64_t epoch;
    struct data_scram_kind scram_kinds[DATA_SCRAM_KINDS_MAX];
    size_t scram_kind_count;
    uint64_t loaded;          /* the epoch in which users were loaded */
    struct keeper_data *base; /* held; the same as its notes say it is; NULL:
                                 this is that */
    atomic_uint refs;         /* private; stays the last */
};

/*
 * Loads users.conf and keys/ of conf's state_dir. Mistakes are logged, each
 * on a line of its own; NULL: there was one that is not a mere warning. The
 * caller holds the result once.
 */
struct keeper_data *data_load(const struct conf *conf, uint64_t epoch);

/*
 * base (or that which it is made of), where faults say which keys are faulty:
 * a view of its own, all else is shared. NULL: no memory or descriptors. The
 * caller holds the result once.
 */
struct keeper_data *data_with_faults(struct keeper_data *base,
                                     const struct faults *faults,
                                     uint64_t epoch);
/* The view as the keys' notes make it. */
const struct view *data_notes(const struct keeper_data *data);

struct keeper_data *data_hold(struct keeper_data *data);
/* *data is NULL afterwards; NULL is fine. The last one wipes and frees. */
void data_drop(struct keeper_data **data);

#endif
