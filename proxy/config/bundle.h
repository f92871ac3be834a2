/*
 * bundle - a configuration file and its includes, as read once.
 *
 * Between reading files and judging them: conf_load() judges the bundle that
 * it has just gathered, conf_pack() writes one down, conf_load_fd() takes it
 * up again. So master, workers and keeper judge the very same octets, and a
 * file that changes meanwhile changes nothing.
 *
 * OWNERSHIP
 *   conf_bundle_*() that make one: caller owns it until conf_bundle_free();
 *   all texts in it are lent until then.
 */
#ifndef PROXY_CONFIG_BUNDLE_H
#define PROXY_CONFIG_BUNDLE_H

#include <base/buf.h>

#include <proxy/config/arena.h>
#include <sys/types.h>

enum {
    CONF_DEPTH_MAX = 8,                 /* includes in includes */
    CONF_FILES_MAX = 1000,              /* of one configuration */
    CONF_FILE_OCTETS_MAX = 1024 * 1024, /* of each */
    CONF_BUNDLE_OCTETS_MAX = 64 * 1024 * 1024
};

struct conf_file {
    const char *path;
    const char *fault; /* "": text is whole; else why it could not be read */
    struct bytes text;
    struct conf_include *includes; /* in the order of their lines */
    struct conf_file *next;        /* included by the same line */
    dev_t dev;                     /* gathering only */
    ino_t ino;
    const struct conf_file *parent;
};

struct conf_include {
    unsigned line; /* of the including file */
    struct conf_file *files;
    struct conf_include *next;
};

struct conf_bundle {
    struct conf_file *root; /* NULL: no memory */
    struct conf_arena arena;
    size_t files;
    size_t octets;
};

/* Reads path and what it includes. A file that fails has its fault. */
void conf_bundle_gather(struct conf_bundle *b, const char *path);

/* One file from memory, no includes: `include` finds nothing. */
void conf_bundle_text(struct conf_bundle *b, const char *name,
                      struct bytes text);

void conf_bundle_pack(const struct conf_bundle *b, struct buf *out);
/* False: not what conf_bundle_pack() writes, or no memory. Copies. */
bool conf_bundle_unpack(struct conf_bundle *b, struct bytes packed);

void conf_bundle_free(struct conf_bundle *b);

#endif
