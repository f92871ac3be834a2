/*
 * taglist - "name=value; name=value": signatures, key records, ARC sets.
 *
 * Names are case-sensitive; a name that occurs twice, known or not, spoils the
 * whole list; so does an empty tag. White space may be folded only as a header
 * field is: CRLF and then WSP. RFC 6376 3.2; UTF-8 in values: RFC 8616.
 */
#ifndef DKIM_TAGLIST_H
#define DKIM_TAGLIST_H

#include <base/bytes.h>

enum {
    DKIM_TAGS_MAX = 64
};

struct dkim_tag {
    struct bytes name;
    struct bytes value; /* without white space at its ends */
    struct bytes raw;   /* all between "=" and ";" */
};

enum dkim_tag_result {
    DKIM_TAG_FOUND,
    DKIM_TAG_END,
    DKIM_TAG_SYNTAX,
    DKIM_TAG_DUPLICATE,
    DKIM_TAG_TOO_MANY /* more than DKIM_TAGS_MAX */
};

/* Caller-allocated; fields private; views borrow the text. */
struct dkim_taglist {
    struct bytes rest;
    size_t count;
    struct bytes names[DKIM_TAGS_MAX];
};

void dkim_taglist_init(struct dkim_taglist *list, struct bytes text);

/* The next tag; *tag_out is touched with FOUND only. Then go on. */
enum dkim_tag_result dkim_taglist_next(struct dkim_taglist *list,
                                       struct dkim_tag *tag_out);

/*
 * The next element of a value that is a list divided by colons, without white
 * space around it. Start with *rest = value, *more = true; false at the end.
 */
bool dkim_taglist_element(struct bytes *rest, bool *more,
                          struct bytes *element_out);

#endif
