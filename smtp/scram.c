/*
 * scram - client-first-message; see smtp/scram.h.
 */
#include "gs2.h"

#include <smtp/scram.h>

/* "r=" c-nonce ["," extensions]; printable, without a comma (RFC 5802 7). */
static bool
nonce_ok(struct bytes rest)
{
    struct bytes nonce = bytes_take(rest, bytes_find(rest, ','));

    if (nonce.len < 3 || nonce.len > 2 + SMTP_SCRAM_NONCE_MAX ||
        nonce.ptr[0] != 'r' || nonce.ptr[1] != '=') {
        return false;
    }
    for (size_t i = 0; i < nonce.len; i++) {
        if (nonce.ptr[i] <= 0x20 || nonce.ptr[i] >= 0x7f) {
            return false;
        }
    }
    return bytes_find(rest, 0) == rest.len;
}

static bool
read_binding(const struct smtp_gs2 *gs2, enum smtp_scram_binding *out)
{
    *out = gs2->flag == 'n'   ? SMTP_SCRAM_NONE
           : gs2->flag == 'y' ? SMTP_SCRAM_UNUSED
                              : SMTP_SCRAM_EXPORTER;
    return gs2->flag != 'p' || bytes_is(gs2->binding, "tls-exporter");
}

bool
smtp_scram_first_parse(struct bytes message, struct smtp_scram_first *first_out)
{
    struct smtp_scram_first first;
    struct smtp_gs2 gs2;
    struct bytes name;

    /* "m=" stands before the name: an extension that must be understood. */
    if (!smtp_gs2_take(&message, &gs2) || !read_binding(&gs2, &first.binding) ||
        message.len < 2 || message.ptr[0] != 'n' || message.ptr[1] != '=') {
        return false;
    }
    message = bytes_skip(message, 2);
    name = bytes_take(message, bytes_find(message, ','));
    if (name.len == message.len || !smtp_gs2_name(name, first.user) ||
        !nonce_ok(bytes_skip(message, name.len + 1))) {
        return false;
    }
    if (gs2.authzid[0] != '\0' && strcmp(gs2.authzid, first.user) != 0) {
        return false;
    }
    *first_out = first;
    return true;
}
