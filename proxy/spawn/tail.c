/*
 * tail - the last line of what a program says; see tail.h.
 */
#include "proxy/spawn/tail.h"

static void
end_line(struct spawn_tail *t)
{
    struct bytes line = bytes_trim(bytes_make(t->line, t->len));

    if (line.len > 0) {
        (void)bytes_copy(line, t->last, sizeof(t->last));
    }
    t->len = 0;
}

void
spawn_tail_put(struct spawn_tail *t, struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];

        if (c == '\n') {
            end_line(t);
        } else if (t->len < sizeof(t->line) - 1) {
            t->line[t->len++] = c == '\r' || c == '\t'   ? ' '
                                : c >= 0x20 && c <= 0x7e ? (char)c
                                                         : '?';
        }
    }
}

bool
spawn_tail_line(struct spawn_tail *t, char *out)
{
    end_line(t);
    if (t->last[0] == '\0') {
        return false;
    }
    memcpy(out, t->last, sizeof(t->last));
    return true;
}
