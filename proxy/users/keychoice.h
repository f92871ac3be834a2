/*
 * keychoice - which key of a domain signs, and which stands in for it.
 *
 * The newest active one. When its record was seen to be gone from DNS or to
 * be another: the newest that was proved and is visible, active before
 * retiring before published; when there is none, the last that was proved
 * goes on (product.md: DNS never stops mail).
 */
#ifndef PROXY_USERS_KEYCHOICE_H
#define PROXY_USERS_KEYCHOICE_H

#include <proxy/users/view.h>

/* What decide.c works with; way is its own. */
struct keychoice {
    const struct view_key *key; /* lent by the view; NULL: none is active */
    unsigned way;
    bool instead; /* it stands in for one whose record is wrong */
};

/*
 * owner "": the domain's own keys, those reserved for users left out; else
 * the slots of that user.
 */
struct keychoice keychoice_make(const struct view *v, const char *domain,
                                enum dkim_alg alg, const char *owner);

/* May this key sign at all now: it is active, or it stands in. */
bool keychoice_signs(const struct view *v, const struct view_key *key);

#endif
