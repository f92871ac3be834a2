/*
 * seen - what DNS showed; see seen.h.
 */
#include "proxy/domains/seen.h"

#include <stdlib.h>

void
seen_free(struct seen *seen, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(seen[i].at);
        seen[i] = (struct seen){ 0, NULL, 0 };
    }
}
