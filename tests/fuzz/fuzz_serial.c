/*
 * fuzz_serial - any octets as a zone file: the serial that is found is one
 * number of it; raised, it is found again at the same place, greater, and no
 * other octet has changed.
 */
#include "proxy/publish/serial.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool holds)
{
    if (!holds) {
        abort();
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes zone = bytes_make(data, size);
    struct buf out = BUF_INIT;
    size_t at, len, new_at, new_len;
    uint32_t old, new;

    if (!serial_find(zone, &at, &len, &old)) {
        require(!serial_raise(zone, 20261122, &out) && out.len == 0);
        return 0;
    }
    require(at + len <= size && serial_raise(zone, 20261122, &out));
    require(serial_find(buf_bytes(&out), &new_at, &new_len, &new));
    require(new_at == at && new == serial_next(old, 20261122));
    require(new - old != 0 && new - old < 0x80000000u); /* RFC 1982 3.2 */
    require(bytes_eq(bytes_take(zone, at), bytes_take(buf_bytes(&out), at)));
    require(bytes_eq(bytes_skip(zone, at + len),
                     bytes_skip(buf_bytes(&out), at + new_len)));
    buf_free(&out);
    return 0;
}
