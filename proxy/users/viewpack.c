/*
 * viewpack - a view as octets, from the keeper to its workers; see view.h.
 *
 * Numbers are little-endian; a text is its length in four octets, itself and a
 * NUL. Users and keys come in their order, and keys with the mark of those that
 * are reserved: to sort and to mark 100 000 takes longer than messages may wait
 * in a worker. The reader trusts nothing: counts, enums, lengths and the order
 * are checked, and what is left over is a fault.
 */
#include "proxy/users/strings.h"
#include "proxy/users/view.h"

#include <stdlib.h>

static const char magic[] = "SPVIEW3\n";

/* The least octets a packed element can have: a bound for counts. */
enum {
    FROM_OCTETS_MIN = 11,
    SELECTOR_OCTETS_MIN = 5,
    TEXT_OCTETS_MAX = 64 * 1024
};

struct reader {
    struct bytes in;
    struct strings strings; /* of a piece: the builder copies */
    bool bad;
};

static void
put_u32(struct buf *out, uint32_t n)
{
    for (unsigned i = 0; i < 32; i += 8) {
        buf_putc(out, (char)(uint8_t)(n >> i));
    }
}

static void
put_u64(struct buf *out, uint64_t n)
{
    put_u32(out, (uint32_t)n);
    put_u32(out, (uint32_t)(n >> 32));
}

static void
put_text(struct buf *out, const char *text)
{
    struct bytes b = bytes_str(text);

    put_u32(out, (uint32_t)b.len);
    buf_put(out, b);
    buf_putc(out, '\0');
}

static void
put_user(struct buf *out, const struct view_user *u)
{
    uint32_t selectors = 0;

    while (u->selectors[selectors] != NULL) {
        selectors++;
    }
    put_text(out, u->name);
    put_u32(out, (uint32_t)u->from_count);
    for (size_t i = 0; i < u->from_count; i++) {
        buf_putc(out, (char)u->from[i].kind);
        put_text(out, u->from[i].local);
        put_text(out, u->from[i].domain);
    }
    put_u32(out, selectors);
    for (uint32_t i = 0; i < selectors; i++) {
        put_text(out, u->selectors[i]);
    }
    put_text(out, u->domain);
    put_text(out, u->upstream);
    put_text(out, u->upstream_username);
    put_text(out, u->upstream_password_file);
    buf_putc(out, (char)u->own_selector);
    buf_putc(out, (char)u->other_from);
    buf_putc(out, (char)u->no_key);
    buf_putc(out, (char)u->locked);
    put_u32(out, u->rate_count);
    put_u32(out, u->rate_s);
    put_u32(out, u->recipient_count);
    put_u32(out, u->recipient_s);
}

static void
put_key(struct buf *out, const struct view_key *k)
{
    put_text(out, k->domain);
    put_text(out, k->selector);
    put_text(out, k->owner);
    buf_putc(out, (char)k->alg);
    buf_putc(out, (char)k->state);
    put_u32(out, k->bits);
    put_u64(out, k->activated_s);
    put_u64(out, k->proved_s);
    buf_putc(out, (char)k->faulty);
    buf_putc(out, (char)k->reserved);
    buf_put(out, bytes_make(k->public_hash, sizeof(k->public_hash)));
}

bool
view_pack(const struct view *v, struct buf *out)
{
    size_t users = view_user_count(v);
    size_t keys = view_key_count(v);

    buf_puts(out, magic);
    put_u64(out, view_epoch(v));
    put_u32(out, (uint32_t)users);
    put_u32(out, (uint32_t)keys);
    for (size_t i = 0; i < users; i++) {
        put_user(out, view_user_at(v, i));
    }
    for (size_t i = 0; i < keys; i++) {
        put_key(out, view_key_at(v, i));
    }
    return !buf_failed(out);
}

/* --- reading ------------------------------------------------------------ */

static uint64_t
get_number(struct reader *r, unsigned octets)
{
    uint64_t n = 0;

    if (r->bad || r->in.len < octets) {
        r->bad = true;
        return 0;
    }
    for (unsigned i = 0; i < octets; i++) {
        n |= (uint64_t)r->in.ptr[i] << (8 * i);
    }
    r->in = bytes_skip(r->in, octets);
    return n;
}

/* One octet below limit: an enum or a bool. */
static unsigned
get_small(struct reader *r, unsigned limit)
{
    unsigned n = (unsigned)get_number(r, 1);

    r->bad = r->bad || n >= limit;
    return r->bad ? 0 : n;
}

/* How many elements follow, each of at least so many octets. */
static size_t
get_count(struct reader *r, size_t octets_min)
{
    size_t n = (size_t)get_number(r, 4);

    r->bad = r->bad || n > r->in.len / octets_min;
    return r->bad ? 0 : n;
}

/* Lent by what is read. */
static const char *
get_text(struct reader *r)
{
    size_t len = (size_t)get_number(r, 4);
    const char *text = (const char *)r->in.ptr;

    if (r->bad || len > TEXT_OCTETS_MAX || len >= r->in.len ||
        bytes_find(bytes_take(r->in, len + 1), 0) != len) {
        r->bad = true;
        return "";
    }
    r->in = bytes_skip(r->in, len + 1);
    return text;
}

static void
get_octets(struct reader *r, uint8_t *out, size_t len)
{
    r->bad = r->bad || r->in.len < len;
    if (!r->bad) {
        memcpy(out, r->in.ptr, len);
        r->in = bytes_skip(r->in, len);
    }
}

static void
get_from(struct reader *r, struct view_user *u)
{
    size_t count = get_count(r, FROM_OCTETS_MIN);
    struct view_from *from = strings_array(&r->strings, count, sizeof(*from));

    if (from == NULL) {
        r->bad = true;
        return;
    }
    for (size_t i = 0; i < count && !r->bad; i++) {
        from[i].kind = (enum view_from_kind)get_small(r, VIEW_FROM_ADDRESS + 1);
        from[i].local = get_text(r);
        from[i].domain = get_text(r);
    }
    u->from = from;
    u->from_count = count;
}

static void
get_selectors(struct reader *r, struct view_user *u)
{
    size_t count = get_count(r, SELECTOR_OCTETS_MIN);
    const char **list = strings_array(&r->strings, count + 1, sizeof(*list));

    if (list == NULL) {
        r->bad = true;
        return;
    }
    for (size_t i = 0; i < count && !r->bad; i++) {
        list[i] = get_text(r);
    }
    u->selectors = list;
}

static bool
get_user(struct reader *r, struct view_builder *b)
{
    struct view_user u = { .name = get_text(r) };

    get_from(r, &u);
    get_selectors(r, &u);
    u.domain = get_text(r);
    u.upstream = get_text(r);
    u.upstream_username = get_text(r);
    u.upstream_password_file = get_text(r);
    u.own_selector = get_small(r, 2) != 0;
    u.other_from = (enum conf_other_from)get_small(r, CONF_OTHER_AS_USER + 1);
    u.no_key = (enum conf_no_key)get_small(r, CONF_NO_KEY_REJECT + 1);
    u.locked = get_small(r, 2) != 0;
    u.rate_count = (unsigned)get_number(r, 4);
    u.rate_s = (unsigned)get_number(r, 4);
    u.recipient_count = (unsigned)get_number(r, 4);
    u.recipient_s = (unsigned)get_number(r, 4);
    r->bad = r->bad || !view_builder_user(b, &u);
    return !r->bad;
}

static bool
get_key(struct reader *r, struct view_builder *b)
{
    struct view_key k = { .domain = get_text(r) };

    k.selector = get_text(r);
    k.owner = get_text(r);
    k.alg = (enum dkim_alg)get_small(r, DKIM_ALG_ED25519_SHA256 + 1);
    k.state = (enum view_key_state)get_small(r, VIEW_KEY_REVOKED + 1);
    k.bits = (unsigned)get_number(r, 4);
    k.activated_s = get_number(r, 8);
    k.proved_s = get_number(r, 8);
    k.faulty = get_small(r, 2) != 0;
    k.reserved = get_small(r, 2) != 0;
    get_octets(r, k.public_hash, sizeof(k.public_hash));
    r->bad = r->bad || !view_builder_key(b, &k);
    return !r->bad;
}

struct view_unpacker {
    struct reader reader;
    struct view_builder *builder;
    uint64_t epoch;
    size_t users, keys; /* that are still to come */
};

struct view_unpacker *
view_unpacker_new(struct bytes packed)
{
    struct view_unpacker *u = calloc(1, sizeof(*u));
    struct reader *r;

    if (u == NULL || (u->builder = view_builder_new()) == NULL) {
        free(u);
        return NULL;
    }
    r = &u->reader;
    r->bad = !bytes_is(bytes_take(packed, sizeof(magic) - 1), magic);
    r->in = bytes_skip(packed, r->bad ? 0 : sizeof(magic) - 1);
    u->epoch = get_number(r, 8);
    u->users = (size_t)get_number(r, 4);
    u->keys = (size_t)get_number(r, 4);
    return u;
}

enum view_unpack_result
view_unpacker_step(struct view_unpacker *u, size_t entries,
                   struct view **view_out)
{
    struct reader *r = &u->reader;
    struct view *v;

    for (; entries > 0 && u->users > 0 && !r->bad; entries--) {
        u->users -= get_user(r, u->builder);
    }
    for (; entries > 0 && u->users == 0 && u->keys > 0 && !r->bad; entries--) {
        u->keys -= get_key(r, u->builder);
    }
    strings_free(&r->strings);
    if (!r->bad && u->users + u->keys > 0) {
        return VIEW_UNPACK_MORE;
    }
    if (r->bad || r->in.len > 0) {
        return VIEW_UNPACK_FAILED;
    }
    v = view_build_copy(&u->builder, u->epoch);
    if (v == NULL) {
        return VIEW_UNPACK_FAILED;
    }
    *view_out = v;
    return VIEW_UNPACK_DONE;
}

void
view_unpacker_free(struct view_unpacker **up)
{
    struct view_unpacker *u = *up;

    *up = NULL;
    if (u != NULL) {
        strings_free(&u->reader.strings);
        view_builder_free(&u->builder);
        free(u);
    }
}

struct view *
view_unpack(struct bytes packed)
{
    struct view_unpacker *u = view_unpacker_new(packed);
    struct view *v = NULL;

    if (u != NULL) {
        (void)view_unpacker_step(u, SIZE_MAX, &v);
    }
    view_unpacker_free(&u);
    return v;
}
