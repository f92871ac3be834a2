/*
 * suggest - which known word was meant? See proxy/config/suggest.h.
 *
 * The distance is Damerau's and Levenshtein's (optimal string alignment),
 * with three rows of the table; words beyond WORD_MAX have no neighbours.
 */
#include "suggest.h"

enum {
    WORD_MAX = 40,
    SLIPS_MAX = 2
};

/* As typed: case, `-` for `_` are no slips. */
static uint8_t
letter(struct bytes b, size_t i)
{
    return b.ptr[i] == '-' ? '_' : byte_lower(b.ptr[i]);
}

static size_t
least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t
distance(struct bytes a, struct bytes b)
{
    size_t rows[3][WORD_MAX + 1];

    for (size_t j = 0; j <= b.len; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a.len; i++) {
        size_t *row = rows[i % 3];
        const size_t *last = rows[(i + 2) % 3];
        const size_t *older = rows[(i + 1) % 3];

        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t wrong = letter(a, i - 1) != letter(b, j - 1);

            row[j] = least(last[j - 1] + wrong, least(last[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && letter(a, i - 1) == letter(b, j - 2) &&
                letter(a, i - 2) == letter(b, j - 1)) {
                row[j] = least(row[j], older[j - 2] + 1);
            }
        }
    }
    return rows[a.len % 3][b.len];
}

void
conf_suggest_offer(struct conf_suggest *s, const char *candidate)
{
    struct bytes known = bytes_str(candidate);
    size_t slips;

    if (s->word.len > WORD_MAX || known.len > WORD_MAX) {
        return;
    }
    slips = distance(s->word, known);
    if (slips <= SLIPS_MAX && slips <= known.len / 3 && slips < s->distance) {
        s->best = candidate;
        s->distance = slips;
    }
}
