/*
 * gs2 - flag, authorization identity and escaped names; see gs2.h.
 */
#include "gs2.h"

#include "path.h"

bool
smtp_gs2_name(struct bytes text, char *out)
{
    size_t n = 0;

    while (text.len > 0 && n < SMTP_SASL_USER_MAX) {
        uint8_t c = text.ptr[0];
        size_t taken = 1;

        if (c == '=' && bytes_starts_ci(text, "=2C")) {
            c = ',';
            taken = 3;
        } else if (c == '=' && bytes_starts_ci(text, "=3D")) {
            taken = 3;
        } else if (c == '=' || c == ',' || c == '\0') {
            return false;
        }
        out[n++] = (char)c;
        text = bytes_skip(text, taken);
    }
    out[n] = '\0';
    return text.len == 0 && n > 0 && smtp_utf8_valid(bytes_make(out, n));
}

/* Up to the next comma, which is taken, too. */
static bool
take_field(struct bytes *in, struct bytes *field_out)
{
    size_t n = bytes_find(*in, ',');

    if (n == in->len) {
        return false;
    }
    *field_out = bytes_take(*in, n);
    *in = bytes_skip(*in, n + 1);
    return true;
}

/* gs2-cbind-flag: "n", "y" or "p=" cb-name. */
static bool
read_flag(struct bytes field, struct smtp_gs2 *gs2)
{
    gs2->flag = field.len > 0 ? field.ptr[0] : 0;
    gs2->binding = bytes_make(NULL, 0);
    if (gs2->flag == 'p' && field.len > 2 && field.ptr[1] == '=') {
        gs2->binding = bytes_skip(field, 2);
        return true;
    }
    return field.len == 1 && (gs2->flag == 'n' || gs2->flag == 'y');
}

bool
smtp_gs2_take(struct bytes *in, struct smtp_gs2 *gs2_out)
{
    struct smtp_gs2 gs2 = { 0 };
    struct bytes field;

    if (!take_field(in, &field) || !read_flag(field, &gs2) ||
        !take_field(in, &field)) {
        return false;
    }
    if (field.len > 0 &&
        (field.len < 3 || field.ptr[0] != 'a' || field.ptr[1] != '=' ||
         !smtp_gs2_name(bytes_skip(field, 2), gs2.authzid))) {
        return false;
    }
    *gs2_out = gs2;
    return true;
}
