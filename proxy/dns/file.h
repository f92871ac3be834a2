/*
 * file - DNS answers from a file, for `sealpost verify --dns` and tests.
 *
 * The format is product.md's: NAME TYPE DATA, one record a line. Nothing else
 * is asked; a name that is not in the file does not exist.
 */
#ifndef PROXY_DNS_FILE_H
#define PROXY_DNS_FILE_H

#include <base/buf.h>

#include <dkim/dns.h>

enum {
    DNS_FILE_OCTETS_MAX = 16 * 1024 * 1024,
    DNS_FILE_CNAMES_MAX = 8
};

struct dns_file;

/* NULL: *error has "FILE:LINE: what is wrong; what is allowed". */
struct dns_file *dns_file_load(const char *path, struct buf *error);
/* The same from memory, which is not kept. name: FILE in errors. */
struct dns_file *dns_file_parse(const char *name, struct bytes text,
                                struct buf *error);
void dns_file_free(struct dns_file **f);

/* Follows CNAMEs (at most 8). The answer is lent until the next call. */
void dns_file_ask(struct dns_file *f, const struct dns_question *q,
                  struct dns_answer *answer_out);

#endif
