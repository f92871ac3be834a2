/*
 * upkeep - data as it changes: loaded anew, or shown with new faults; private
 * to the keeper.
 */
#ifndef PROXY_KEEPER_UPKEEP_H
#define PROXY_KEEPER_UPKEEP_H

#include <proxy/keeper/server.h>

/* --- reload.c ------------------------------------------------------------- */

/* Unlocked, main thread. Users and keys from the disk, all or nothing. */
void reload_all(struct server *s);
void reload_log(const struct keeper_data *data);
/* Unlocked, main thread. Takes data, which becomes the present one, and gives
 * each worker that ever asked its view. */
void reload_publish(struct server *s, struct keeper_data *data);

/* --- upkeep.c ------------------------------------------------------------- */

/* Locked. word is about this key of the present notes. */
void upkeep_seen(struct server *s, const struct view_key *key,
                 enum keeper_seen word);
/* Locked. The key made a signature that its public half refuses, or can't
 * make another: it signs nothing until users and keys are loaded anew. */
void upkeep_refused(struct server *s, const char *domain, const char *selector);

/* Locked. The identity has signed with this key. */
void upkeep_signed(struct server *s, struct identity *identity,
                   const char *domain, const char *selector);
/* Locked. So many messages with a From in this domain, which has no key. */
void upkeep_from(struct server *s, struct bytes domain, uint32_t count);

/* What the main thread keeps in mind; zeroed at first. */
struct upkeep {
    uint64_t view_ms;  /* when a view was last made for faults */
    uint64_t books_ms; /* when the books were last written */
};

/* Unlocked, main thread. Does what is due; milliseconds until more is, -1: not
 * before there is news. */
int upkeep_run(struct server *s, struct upkeep *u);
/* Unlocked, main thread, no other thread is left: what is not written yet. */
void upkeep_end(struct server *s);

#endif
