/*
 * faults - what was seen to be wrong with keys since they were loaded.
 *
 * The notes beside the keys say what the last rotation saw. Between two of
 * them a worker watches DNS (proxy/watch.h), and the keeper checks what it
 * signs. Their word is added to the notes': it holds until it is taken back,
 * or the key is proved anew, or it is another key; it never outdoes a note,
 * which may know more (a key that was condemned stands in DNS, too).
 *
 * No locks: the caller has one.
 */
#ifndef PROXY_KEEPER_FAULTS_H
#define PROXY_KEEPER_FAULTS_H

#include <proxy/keeper/client.h>
#include <proxy/users/view.h>

struct faults;

/* NULL: no memory. */
struct faults *faults_new(void);
void faults_free(struct faults **f);
/* A copy of all of it. NULL: no memory. */
struct faults *faults_copy(const struct faults *f);

/*
 * word is about this key of the view, as its note says it is; GOOD takes the
 * words before it back. True: that is news, and the next view must show it. A
 * refused key stays refused. No memory: false.
 */
bool faults_note(struct faults *f, const struct view_key *key,
                 enum keeper_seen word, uint64_t now_s);

/* Does it keep the key from signing at all? */
bool faults_refused(const struct faults *f, const char *domain,
                    const char *selector);
/* Is the key faulty, by the note and all that came after it? */
bool faults_judge(const struct faults *f, const struct view_key *key);
size_t faults_count(const struct faults *f);

/* The notes were loaded anew: what they outdo is forgotten, and so are
 * refusals; that is how a mended key comes back. */
void faults_reloaded(struct faults *f, const struct view *view);

#endif
