/*
 * keynote - what is known about one key: the .conf beside its .pem.
 *
 *   [key]
 *   state = active                     new published active retiring revoked
 *   type = rsa                         rsa ed25519
 *   bits = 2048
 *   created = 2026-11-21T22:00:00Z
 *   activated = 2026-11-21T22:05:00Z   empty: never
 *   published seen proved retired revoked fault_since   dates like these
 *   wait = 14400                       seconds from seen to proved
 *   fault =                            gone differs revoked condemned
 *   reason =                           of the last step
 *   silent = 2026-11-21T22:05:00Z ns1.example.net [192.0.2.1]
 *   silent += ...                      one line a server
 *   public = MIIB...                   what stands in p=
 *   public += ...                      as many lines as it needs
 *   note =
 *   owner =                            a user, for her own slot
 *   test_mode = no
 *
 * A setting that is missing is empty, so that older notes are read, too.
 */
#ifndef PROXY_KEYS_KEYNOTE_H
#define PROXY_KEYS_KEYNOTE_H

#include <proxy/keys/keystore.h>
#include <proxy/users/strings.h>

enum {
    KEYNOTE_TEXT_MAX = 150
}; /* octets of note */

/*
 * Reads from fd; path stands for it in errors. Everything but domain and
 * selector is set in *key_out, with strings kept by s. False: an error line
 * was added, or no memory.
 */
bool keynote_read(int fd, const char *path, struct strings *s,
                  struct keystore_key *key_out, struct conf_errors *errors);

/* key->note is keynote_text_ok(). */
void keynote_put(const struct keystore_key *key, struct buf *out);

/* One line without control characters and `;`, not too long. */
bool keynote_text_ok(const char *note);

/* Makes such a line of any text, in ASCII: what does not fit is left out,
 * other octets become a blank. out: room for so many octets, the NUL
 * included. */
void keynote_line(const char *text, char *out, size_t room);
/* The same of a note, which may be UTF-8: made by hand it may be any text. */
void keynote_note(const char *text, char out[KEYNOTE_TEXT_MAX + 1]);

/* A user's name, not too long, or "". */
bool keynote_owner_ok(const char *user);

/* "gone", "" for NONE; and back, false for another word. */
const char *keynote_fault_name(enum key_fault fault);
bool keynote_fault_parse(const char *word, enum key_fault *fault_out);

/* "active"; and back, in the same way. */
const char *keynote_state_name(enum view_key_state state);
bool keynote_state_parse(const char *word, enum view_key_state *state_out);
const char *keynote_type_name(enum dkim_alg alg); /* "rsa", "ed25519" */
bool keynote_type_parse(const char *word, enum dkim_alg *alg_out);

/* "2026-11-21T22:00:00Z" and a NUL: room for KEYNOTE_TIME. 0 gives "". */
enum {
    KEYNOTE_TIME = 32
};
void keynote_time(uint64_t time_s, char *out);
/* Only the form that keynote_time() gives; "" is 0. */
bool keynote_time_parse(const char *text, uint64_t *time_out);

#endif
