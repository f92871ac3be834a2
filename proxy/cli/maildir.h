/*
 * maildir - messages kept as files: written in tmp, renamed to new.
 *
 * The message's octets are kept exactly as they came. The envelope, when
 * wanted, stands in a directory of its own as NAME.json.
 */
#ifndef PROXY_CLI_MAILDIR_H
#define PROXY_CLI_MAILDIR_H

#include <base/buf.h>

struct maildir {
    const char *path;      /* borrowed */
    const char *envelopes; /* borrowed; NULL: none are kept */
    char host[65];
    uint64_t count; /* of this process, for unique names */
};

/* One message on its way. Zero is none. */
struct maildir_file {
    char name[160];
    int fd; /* -1: none */
    bool failed;
};

/* Makes path, cur, new, tmp and envelopes when missing. False: errno. */
bool maildir_open(struct maildir *m, const char *path, const char *envelopes);

bool maildir_begin(struct maildir *m, struct maildir_file *f);
void maildir_write(struct maildir_file *f, struct bytes octets);
/* Synced and in new; the envelope first, so that who sees the message finds
 * it. False: errno, and nothing was kept. */
bool maildir_deliver(struct maildir *m, struct maildir_file *f,
                     struct bytes envelope);
/* The file is not kept. */
void maildir_drop(struct maildir *m, struct maildir_file *f);

#endif
