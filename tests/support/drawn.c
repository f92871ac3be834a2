/*
 * drawn - surveys from a line of text; see drawn.h.
 */
#include "tests/support/drawn.h"

#include "tests/support/cmocka.h"

#include <stdio.h>
#include <string.h>

static enum seen_what
what_of(char c)
{
    static const char letters[] = "KCPXMBS";
    static const enum seen_what what[] = { SEEN_KEY,     SEEN_CNAME,
                                           SEEN_REVOKED, SEEN_OTHER,
                                           SEEN_MISSING, SEEN_BROKEN,
                                           SEEN_SILENT };
    const char *at = strchr(letters, c);

    assert_non_null(at);
    return what[at - letters];
}

void
draw(const char *text, uint32_t ttl_s, struct drawn *d)
{
    memset(d, 0, sizeof(*d));
    d->seen.at = d->at;
    for (; *text != '\0'; text += text[2] == ' ' ? 3 : 2) {
        struct seen_at *at = d->at + d->seen.count;

        assert_true(d->seen.count < DRAWN_MAX);
        at->role = text[0] == 'O'   ? SEEN_OWNER
                   : text[0] == 'T' ? SEEN_TARGET
                                    : SEEN_RESOLVER;
        at->what = what_of(text[1]);
        snprintf(at->server, sizeof(at->server), "server %zu", d->seen.count);
        if (at->what == SEEN_MISSING) {
            at->negative_s = ttl_s;
        } else {
            at->ttl_s = ttl_s;
        }
        d->seen.count++;
    }
}
