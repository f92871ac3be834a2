/*
 * data - users and keys as loaded at one moment: the keeper's truth.
 *
 * Immutable; a reload makes another with a higher epoch. Threads hold what
 * they work with.
 */
#ifndef PROXY_KEEPER_DATA_H
#define PROXY_KEEPER_DATA_H

#include <proxy/keys/keystore.h>
#include <proxy/users/userfile.h>
#include <proxy/users/view.h>
#include <stdatomic.h>

struct keeper_data {
    struct view *view;      /* owned; public */
    struct userfile *users; /* owned; secret */
    int view_fd;            /* owned; the packed view in a sealed memfd */
    uint64_t epoch;
    atomic_uint refs; /* private */
};

/*
 * Loads users.conf and keys/ of conf's state_dir. Mistakes are logged, each
 * on a line of its own; NULL: there was one that is not a mere warning. The
 * caller holds the result once.
 */
struct keeper_data *data_load(const struct conf *conf, uint64_t epoch);

struct keeper_data *data_hold(struct keeper_data *data);
/* *data is NULL afterwards; NULL is fine. The last one wipes and frees. */
void data_drop(struct keeper_data **data);

#endif
