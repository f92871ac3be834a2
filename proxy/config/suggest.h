/*
 * suggest - which known word was meant?
 */
#ifndef PROXY_CONFIG_SUGGEST_H
#define PROXY_CONFIG_SUGGEST_H

#include <base/bytes.h>

/* Takes candidates one by one; begin with CONF_SUGGEST(word). */
struct conf_suggest {
    struct bytes word;
    const char *best; /* lent by who offered it; NULL: none is near */
    size_t distance;  /* of best */
};

#define CONF_SUGGEST(word)     \
    {                          \
        (word), NULL, SIZE_MAX \
    }

/*
 * Keeps the candidate when it is nearer than the best so far: at most two
 * slips (a letter too much, too few, wrong, or two swapped), and at most one
 * slip for each three letters.
 */
void conf_suggest_offer(struct conf_suggest *s, const char *candidate);

#endif
