/*
 * scramsecret - RFC 5803 strings; see scramsecret.h.
 */
#include "proxy/users/scramsecret.h"

#include <base/base64.h>
#include <base/wipe.h>

/* The text up to c, which is skipped with it. False: there is no c. */
static bool
take_up_to(struct bytes *rest, uint8_t c, struct bytes *part_out)
{
    size_t n = bytes_find(*rest, c);

    if (n == rest->len) {
        return false;
    }
    *part_out = bytes_take(*rest, n);
    *rest = bytes_skip(*rest, n + 1);
    return true;
}

/* How many octets this base64 stands for; 0: it is none, or too long. */
static size_t
octets_of(struct bytes base64)
{
    uint8_t octets[BASE64_LEN(SCRAM_SALT_MAX)];
    size_t len = 0;
    bool good = base64.len <= BASE64_LEN(SCRAM_SALT_MAX) &&
                base64_decode(base64, false, octets, sizeof(octets), &len);

    wipe(octets, sizeof(octets));
    return good && len <= SCRAM_SALT_MAX ? len : 0;
}

bool
scram_secret_parse(struct bytes text, struct scram_secret *secret_out)
{
    struct scram_secret s;
    struct bytes mechanism, iterations;
    uint64_t n;

    if (!take_up_to(&text, '$', &mechanism) ||
        !bytes_is(mechanism, "SCRAM-SHA-256") ||
        !take_up_to(&text, ':', &iterations) ||
        !bytes_to_u64(iterations, SCRAM_ITERATIONS_MAX, &n) ||
        n < SCRAM_ITERATIONS || !take_up_to(&text, '$', &s.salt) ||
        !take_up_to(&text, ':', &s.stored_key)) {
        return false;
    }
    s.iterations = (unsigned)n;
    s.salt_octets = octets_of(s.salt);
    s.server_key = text;
    if (s.salt_octets == 0 || octets_of(s.stored_key) != SCRAM_KEY_OCTETS ||
        octets_of(s.server_key) != SCRAM_KEY_OCTETS) {
        return false;
    }
    *secret_out = s;
    return true;
}
