/*
 * fuzz_view_unpack - any octets as a view; and each view that is taken must
 * survive being packed again and decide without a fault. In pieces of any size
 * it is the same one.
 */
#include "proxy/users/decide.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_decisions(const struct view *v)
{
    struct sign_conf sign = { .parent_key = true, .also = "example.com" };
    struct dkim_author author = { "a", "sub.example.com" };

    for (size_t i = 0; i < view_user_count(v) && i < 8; i++) {
        struct decide_question q = { v, &sign, view_user_at(v, i), &author,
                                     CONF_SIGN_DUAL };
        struct decision d;

        decide(&q, &d);
        for (size_t n = 0; n < d.count; n++) {
            if (!users_may_sign(v, &sign, q.user, d.signatures[n].domain,
                                d.signatures[n].selector)) {
                abort();
            }
        }
    }
}

static struct view *
in_pieces(struct bytes packed, size_t entries)
{
    struct view_unpacker *u = view_unpacker_new(packed);
    enum view_unpack_result result;
    struct view *v = NULL;

    if (u == NULL) {
        abort();
    }
    do {
        result = view_unpacker_step(u, entries, &v);
    } while (result == VIEW_UNPACK_MORE);
    if ((v != NULL) != (result == VIEW_UNPACK_DONE)) {
        abort();
    }
    view_unpacker_free(&u);
    return v;
}

/* Of two views, or none and none, the octets. */
static void
must_be_same(const struct view *a, const struct view *b)
{
    struct buf pa = BUF_INIT, pb = BUF_INIT;

    if ((a == NULL) != (b == NULL)) {
        abort();
    }
    if (a != NULL && (!view_pack(a, &pa) || !view_pack(b, &pb) ||
                      !bytes_eq(buf_bytes(&pa), buf_bytes(&pb)))) {
        abort();
    }
    buf_free(&pa);
    buf_free(&pb);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view *v = view_unpack(bytes_make(data, size));
    struct buf packed = BUF_INIT;

    for (size_t entries = 1; entries < 4; entries++) {
        struct view *pieces = in_pieces(bytes_make(data, size), entries);

        must_be_same(v, pieces);
        view_free(&pieces);
    }
    if (v != NULL) {
        struct view *again;

        try_decisions(v);
        if (!view_pack(v, &packed)) {
            abort();
        }
        again = view_unpack(buf_bytes(&packed));
        if (again == NULL || view_key_count(again) != view_key_count(v) ||
            view_user_count(again) != view_user_count(v)) {
            abort();
        }
        view_free(&again);
    }
    view_free(&v);
    buf_free(&packed);
    return 0;
}
