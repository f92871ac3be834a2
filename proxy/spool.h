/*
 * spool - the body of one message: in memory up to a threshold, then in a file.
 *
 * The file is unlinked before the first octet is in it: a crash leaves
 * nothing behind. Reading goes once from the start to the end, and what was
 * read of a file is given back to the file system meanwhile.
 *
 * OWNERSHIP
 *   spool_new()    the caller owns the spool until spool_free().
 *   spool_append() copies.
 *   spool_read()   lends *out until the next spool_*() call on it.
 *   spool_free()   takes the spool away: *sp is NULL afterwards. NULL is fine.
 */
#ifndef PROXY_SPOOL_H
#define PROXY_SPOOL_H

#include <base/bytes.h>

#include <proxy/config/conf.h>

struct spool;

enum spool_result {
    SPOOL_OK,
    SPOOL_FULL,   /* max_total of all messages together: 452 4.3.1 */
    SPOOL_FAILED, /* open, write or read failed; see spool_error() */
    SPOOL_NO_MEMORY
};

/*
 * conf is borrowed. total: octets held by all spools of this process, counted
 * here. NULL: no memory.
 */
struct spool *spool_new(const struct spool_conf *conf, uint64_t *total);
/*
 * May one more body of so many octets be begun? FAILED: its file system has
 * less than one and a half times as much. Nothing is set aside for it, and to
 * append may fail all the same.
 */
enum spool_result spool_room(const struct spool_conf *conf, uint64_t total,
                             uint64_t octets);
/* After a failure the spool holds nothing and stays failed. */
enum spool_result spool_append(struct spool *sp, struct bytes b);
uint64_t spool_octets(const struct spool *sp);
/* The next piece, up to 64 KiB; empty at the end. */
enum spool_result spool_read(struct spool *sp, struct bytes *out);
/* All has been read. */
bool spool_at_end(const struct spool *sp);
/* errno of the failure as text; "" when there was none. */
const char *spool_error(const struct spool *sp);
void spool_free(struct spool **sp);

#endif
