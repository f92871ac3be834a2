/*
 * spf_name - names that DNS may be asked about; see dkim/spf_state.h.
 *
 * RFC 7208 4.3, 4.8, 7.3.
 */
#include "spf_state.h"

/* Labels of 1 to 63 octets, at most 253 in all; *labels_out: how many. */
static bool
good_labels(struct bytes name, size_t *labels_out)
{
    size_t labels = 0;

    if (name.len == 0 || name.len > DNS_NAME_MAX) {
        return false;
    }
    for (;;) {
        size_t n = bytes_find(name, '.');

        if (n == 0 || n > 63) {
            return false;
        }
        labels++;
        if (n == name.len) {
            *labels_out = labels;
            return true;
        }
        name = bytes_skip(name, n + 1);
    }
}

static void
lower_copy(struct bytes name, char *out)
{
    for (size_t i = 0; i < name.len; i++) {
        out[i] = (char)byte_lower(name.ptr[i]);
    }
    out[name.len] = '\0';
}

bool
spf_identity_domain(struct bytes name, char *out)
{
    size_t labels;

    if (name.len > 0 && name.ptr[name.len - 1] == '.') {
        name.len--;
    }
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.ptr[i];

        if (!byte_is_alpha(c) && !byte_is_digit(c) && c != '-' && c != '_' &&
            c != '.') {
            return false;
        }
    }
    if (!good_labels(name, &labels) || labels < 2) {
        return false;
    }
    lower_copy(name, out);
    return true;
}

bool
spf_target_name(struct bytes name, char *out)
{
    size_t labels;

    if (name.len > 0 && name.ptr[name.len - 1] == '.') {
        name.len--;
    }
    /* 7.3: too long a name loses labels on the left. */
    while (name.len > DNS_NAME_MAX) {
        size_t n = bytes_find(name, '.');

        name = bytes_skip(name, n < name.len ? n + 1 : n);
    }
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] < 0x20 || name.ptr[i] > 0x7e || name.ptr[i] == '\\') {
            return false;
        }
    }
    if (!good_labels(name, &labels)) {
        return false;
    }
    lower_copy(name, out);
    return true;
}

bool
spf_expand(struct spf *s, struct bytes spec, struct buf *out)
{
    const char *domain = spf_top(s)->domain;
    const struct spf_macro_env env = {
        .local = s->identity == SPF_HELO ? BYTES_LIT("postmaster") : s->local,
        .sender_domain =
            s->identity == SPF_HELO ? s->input.helo : s->sender_domain,
        .domain = bytes_str(domain),
        .helo = s->input.helo,
        .receiver = s->receiver,
        .validated = bytes_str(spf_best_validated(s, domain)),
        .ip = s->ip,
        .ip4 = s->ip4,
        .now_s = s->input.now_s,
    };

    return spf_macro_expand(spec, &env, out);
}

bool
spf_term_target(struct spf *s, char *out)
{
    struct bytes spec = spf_top(s)->term.spec;
    struct buf name = BUF_INIT;
    bool good;

    if (spec.len == 0) {
        memcpy(out, spf_top(s)->domain, sizeof(spf_top(s)->domain));
        return true;
    }
    good = spf_expand(s, spec, &name) && spf_target_name(buf_bytes(&name), out);
    buf_free(&name);
    return good;
}

void
spf_take_names(struct spf_names *names, const struct dns_answer *a)
{
    names->count = names->next = 0;
    for (size_t i = 0; i < a->count && i < SPF_NAMES_MAX; i++) {
        if (spf_target_name(a->records[i].data, names->name[names->count])) {
            names->count++;
        }
    }
}
