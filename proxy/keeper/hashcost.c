/*
 * hashcost - reads the cost out of crypt(3) strings; see hashcost.h and
 * crypt(5).
 */
#include <base/bytes.h>

#include <proxy/keeper/hashcost.h>

enum {
    BCRYPT_COST_MAX = 14,
    SHA512_ROUNDS_MAX = 2000000
};

/* The text up to the next '$', which is skipped with it. */
static struct bytes
field(struct bytes *rest)
{
    size_t n = bytes_find(*rest, '$');
    struct bytes f = bytes_take(*rest, n);

    *rest = bytes_skip(*rest, n < rest->len ? n + 1 : n);
    return f;
}

/* Octet c comes no later than `last` in crypt's order of 64 characters. */
static bool
at_most(uint8_t c, char last)
{
    static const char order[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz";
    const char *at = c == '\0' ? NULL : strchr(order, c);

    return at != NULL && at <= strchr(order, last);
}

/* Flavour j, log2(N), r; more parameters only ever cost more. */
static bool
yescrypt_ok(struct bytes params)
{
    return params.len == 3 && params.ptr[0] == 'j' &&
           at_most(params.ptr[1], 'E') && at_most(params.ptr[2], 'T');
}

static bool
bcrypt_ok(struct bytes cost)
{
    uint64_t n;

    return bytes_to_u64(cost, BCRYPT_COST_MAX, &n);
}

/* "rounds=N" is optional: 5000. */
static bool
sha512_ok(struct bytes params)
{
    uint64_t n;

    return !bytes_starts_ci(params, "rounds=") ||
           bytes_to_u64(bytes_skip(params, sizeof("rounds=") - 1),
                        SHA512_ROUNDS_MAX, &n);
}

bool
hashcost_ok(const char *hash)
{
    static const struct {
        const char *kind;
        bool (*ok)(struct bytes params);
    } kinds[] = {
        { "y", yescrypt_ok }, { "2a", bcrypt_ok }, { "2b", bcrypt_ok },
        { "2y", bcrypt_ok },  { "6", sha512_ok },
    };
    struct bytes rest = bytes_str(hash);
    struct bytes before = field(&rest);
    struct bytes kind = field(&rest);
    struct bytes params = field(&rest);

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (before.len == 0 && bytes_is(kind, kinds[i].kind)) {
            return kinds[i].ok(params);
        }
    }
    return false;
}
