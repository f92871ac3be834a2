/*
 * useredit - users.conf, changed: comments, order and the rest stay.
 *
 *   struct useredit e;
 *   if (useredit_begin(&e, path, &owner)) ...   locked and read
 *   useredit_add / set / delete                 any number, in memory
 *   useredit_commit(&e, errors)                 checked, then written at once
 *   useredit_end(&e)
 *
 * A change that would make a file that the keeper refuses is not written.
 */
#ifndef PROXY_USERS_USEREDIT_H
#define PROXY_USERS_USEREDIT_H

#include <base/buf.h>

#include <proxy/config/reader.h>
#include <proxy/keys/replace.h>

struct useredit {
    const char *path; /* borrowed */
    struct buf text;  /* the file, as it is to be */
    struct replace_owner owner;
    int lock;
};

enum useredit_result {
    USEREDIT_OK,
    USEREDIT_IO,      /* errno says why */
    USEREDIT_NO_USER, /* there is no such user */
    USEREDIT_EXISTS,  /* there is one already */
    USEREDIT_BAD,     /* the new file would be refused; see errors */
    USEREDIT_NO_MEMORY
};

/*
 * Waits for path.lock and reads path (a missing file is an empty one). owner:
 * whose the file is to be when it is new; an old file keeps its own.
 */
enum useredit_result useredit_begin(struct useredit *e, const char *path,
                                    const struct replace_owner *owner);

/* An empty section at the end. */
enum useredit_result useredit_add(struct useredit *e, const char *user);

/*
 * Sets one setting of a user; NULL takes it away. A list ("a, b, c") too long
 * for one line goes on with `+=`. Only lines of that setting change.
 */
enum useredit_result useredit_set(struct useredit *e, const char *user,
                                  const char *key, const char *value);

/* The section, up to its last setting. */
enum useredit_result useredit_delete(struct useredit *e, const char *user);

/* Checks the new text as the keeper will, then replaces the file. */
enum useredit_result useredit_commit(struct useredit *e,
                                     struct conf_errors *errors);
void useredit_end(struct useredit *e);

#endif
