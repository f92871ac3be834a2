/*
 * fuzz_view_unpack - any octets as a view; and each view that is taken must
 * survive being packed again and decide without a fault.
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

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view *v = view_unpack(bytes_make(data, size));
    struct buf packed = BUF_INIT;

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
