/*
 * headerhash - the header input of a signature; see dkim/headerhash.h.
 */
#include "dkim/digest.h"

#include <dkim/headerhash.h>
#include <dkim/taglist.h>

#include <stdlib.h>

struct dkim_header_hash {
    enum dkim_canon_mode mode;
    struct dkim_digest digest; /* owns */
    bool used[DKIM_HEADER_FIELDS_MAX];
};

struct dkim_header_hash *
dkim_header_hash_new(enum dkim_canon_mode mode, enum dkim_hash_alg alg)
{
    struct dkim_header_hash *h = malloc(sizeof(*h));

    if (h == NULL) {
        return NULL;
    }
    h->mode = mode;
    if (!dkim_digest_init(&h->digest, alg)) {
        dkim_header_hash_free(&h);
    }
    return h;
}

static void
put_digest(void *ctx, struct bytes text)
{
    dkim_digest_put(ctx, text);
}

static struct bytes
without_crlf(struct bytes raw)
{
    if (raw.len >= 2 && memcmp(raw.ptr + raw.len - 2, "\r\n", 2) == 0) {
        raw.len -= 2;
    }
    return raw;
}

static void
start_field(struct dkim_header_hash *h, struct dkim_field_canon *canon)
{
    struct dkim_sink sink = { put_digest, &h->digest };

    dkim_field_canon_init(canon, h->mode, sink);
}

void
dkim_header_hash_field(struct dkim_header_hash *h, struct bytes raw)
{
    struct dkim_field_canon canon;

    start_field(h, &canon);
    dkim_field_canon_feed(&canon, without_crlf(raw));
    dkim_digest_put(&h->digest, BYTES_LIT("\r\n"));
}

static size_t
count_of(const struct dkim_header *header)
{
    return header->count < DKIM_HEADER_FIELDS_MAX ? header->count
                                                  : DKIM_HEADER_FIELDS_MAX;
}

/* 5.4.2: from the bottom; an absent field is the null string. */
static void
hash_named(struct dkim_header_hash *h, const struct dkim_header *header,
           struct bytes name)
{
    for (size_t i = count_of(header); i-- > 0;) {
        if (!h->used[i] && bytes_eq_ci(header->fields[i].name, name)) {
            h->used[i] = true;
            dkim_header_hash_field(h, header->fields[i].raw);
            return;
        }
    }
}

void
dkim_header_hash_names(struct dkim_header_hash *h,
                       const struct dkim_header *header, struct bytes names,
                       const struct dkim_field *except)
{
    struct bytes name;
    bool more = true;

    for (size_t i = 0; i < count_of(header); i++) {
        h->used[i] = &header->fields[i] == except;
    }
    while (dkim_taglist_element(&names, &more, &name)) {
        if (name.len > 0) {
            hash_named(h, header, name);
        }
    }
}

bool
dkim_header_hash_signature(struct dkim_header_hash *h, struct bytes raw)
{
    struct bytes text = without_crlf(raw);
    struct dkim_field_canon canon;
    struct dkim_taglist list;
    struct dkim_tag tag;
    size_t colon = bytes_find(text, ':');

    if (colon == text.len) {
        return false;
    }
    dkim_taglist_init(&list, bytes_skip(text, colon + 1));
    do {
        if (dkim_taglist_next(&list, &tag) != DKIM_TAG_FOUND) {
            return false;
        }
    } while (!bytes_is(tag.name, "b"));

    start_field(h, &canon);
    dkim_field_canon_feed(&canon,
                          bytes_take(text, (size_t)(tag.raw.ptr - text.ptr)));
    text = bytes_skip(text, (size_t)(tag.raw.ptr - text.ptr) + tag.raw.len);
    dkim_field_canon_feed(&canon, text);
    return true;
}

size_t
dkim_header_hash_end(struct dkim_header_hash *h, uint8_t *out)
{
    return dkim_digest_end(&h->digest, out);
}

void
dkim_header_hash_free(struct dkim_header_hash **h)
{
    if (*h != NULL) {
        dkim_digest_free(&(*h)->digest);
        free(*h);
        *h = NULL;
    }
}
