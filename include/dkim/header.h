/*
 * header - a message's header block, taken apart into fields.
 *
 * Fields keep the octets they came with; nothing is unfolded or decoded here.
 *
 * RFC 5322 2.2, 3.6.
 */
#ifndef DKIM_HEADER_H
#define DKIM_HEADER_H

#include <base/bytes.h>

enum {
    DKIM_HEADER_OCTETS_MAX = 256 * 1024,
    DKIM_HEADER_FIELDS_MAX = 1000
};

struct dkim_field {
    struct bytes raw;   /* the whole field with its folds and last CRLF */
    struct bytes name;  /* without the colon and white space before it */
    struct bytes value; /* behind the colon, folds included, without the
                           last CRLF */
};

enum dkim_header_fault {
    DKIM_HEADER_NO_COLON = 1,  /* a line that is no field: kept, name empty */
    DKIM_HEADER_BAD_NAME = 2,  /* a name with octets outside 33-126 */
    DKIM_HEADER_FOLD_FIRST = 4, /* the first line is a continuation: whatever
                                   is put before it would swallow it */
    DKIM_HEADER_NO_BLANK = 8   /* the message ended inside the header */
};

/* Owns the array of fields, borrows the octets. */
struct dkim_header {
    struct dkim_field *fields; /* from the top */
    size_t count;
    unsigned faults;
};

enum dkim_header_result {
    DKIM_HEADER_OK,
    DKIM_HEADER_TOO_MANY, /* more than DKIM_HEADER_FIELDS_MAX */
    DKIM_HEADER_NO_MEMORY
};

/*
 * Where the header ends in a message that is still growing: the offset behind
 * the blank line, with *block_out the octets before it (the last field's CRLF
 * included). 0: not yet. A message that starts with CRLF has an empty header.
 * from: where to go on looking (0 at first; before: octets known to hold no
 * end, minus 3). Cost: one pass.
 */
size_t dkim_header_end(struct bytes message, size_t from,
                       struct bytes *block_out);

/*
 * The same for a whole message. False: there is no blank line; the block is
 * the whole message and the body is empty.
 */
bool dkim_header_split(struct bytes message, struct bytes *block_out,
                       struct bytes *body_out);

/*
 * Takes a block (without the blank line) apart. NO_BLANK is set when it does
 * not end in CRLF; else only the caller can know. raw octets are borrowed until
 * dkim_header_free().
 */
enum dkim_header_result dkim_header_parse(struct bytes block,
                                          struct dkim_header *header_out);
void dkim_header_free(struct dkim_header *header);

/* How many fields have this name (any case). */
size_t dkim_header_count(const struct dkim_header *header, const char *name);

/* The n-th from the top (0 first); NULL when there are fewer. */
const struct dkim_field *dkim_header_get(const struct dkim_header *header,
                                         const char *name, size_t n);

#endif
