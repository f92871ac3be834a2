/*
 * reader - an ini file line by line, with file and line number of each entry.
 *
 * The only user of inih. It refuses, with the line, what inih would cut or
 * read differently: a section name over 49 octets, a line over 199, NUL, an
 * indented line. sealpost.conf, users.conf and the notes beside the keys are
 * all read through it, and every mistake becomes a line of struct conf_errors.
 */
#ifndef PROXY_CONFIG_READER_H
#define PROXY_CONFIG_READER_H

#include <base/bytes.h>

#include <proxy/config/conf.h>

/* Lent for the call. */
struct conf_entry {
    const char *file;    /* the include's name, when it stands in one */
    unsigned line;       /* from 1 */
    const char *section; /* "" before the first one */
    const char *key;     /* NULL: this line begins the section */
    const char *value;   /* trimmed, without its comment; "" for none */
    bool append;         /* "key += value" */
    bool faulty;         /* a section's head, of which a mistake was told */
};

typedef void conf_entry_callback(const struct conf_entry *entry, void *arg);

/*
 * Reads path from a descriptor that the caller opened (and closes), so that
 * the caller can judge owner and mode first. `include` is an ordinary key
 * here. False: it could not be read or had a faulty line; errors says which.
 * Entries before and after a faulty line are given all the same, and the
 * section whose head is faulty, as far as its name can be read.
 */
bool conf_read_fd(int fd, const char *path, conf_entry_callback *cb, void *arg,
                  struct conf_errors *errors);

/* The same from memory; name stands for the file in errors. */
bool conf_read_text(struct bytes text, const char *name,
                    conf_entry_callback *cb, void *arg,
                    struct conf_errors *errors);

/* NULL: no memory. */
struct conf_errors *conf_errors_new(void);

/*
 * Adds "FILE:LINE: " and the text; line 0: "FILE: ". The text says what is
 * wrong, then, behind a semicolon, what is allowed.
 */
__attribute__((format(printf, 4, 5))) void conf_error(struct conf_errors *e,
                                                      const char *file,
                                                      unsigned line,
                                                      const char *format, ...);
__attribute__((format(printf, 4, 5))) void
conf_warning(struct conf_errors *e, const char *file, unsigned line,
             const char *format, ...);

/* The lines of another list, behind those of e; ends it. *from NULL: lines
 * that could not be kept. */
void conf_errors_take(struct conf_errors *e, struct conf_errors **from);

/* Each file's lines in the order of their numbers; files keep their order. */
void conf_errors_sort(struct conf_errors *e);

#endif
