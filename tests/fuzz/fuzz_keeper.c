/*
 * fuzz_keeper - both decoders of the protocol; what decodes is encoded again
 * to the same octets: no packet has two spellings.
 */
#include <proxy/keeper/protocol.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool good)
{
    if (!good) {
        abort();
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes packet = bytes_make(data, size);
    uint8_t again[KEEPER_REQUEST_MAX];
    struct keeper_answer answer;
    struct keeper_ask ask;

    if (keeper_ask_decode(packet, &ask)) {
        size_t len = keeper_ask_encode(&ask, again);

        must(bytes_eq(packet, bytes_make(again, len)));
    }
    if (keeper_answer_decode(packet, &answer)) {
        size_t len = keeper_answer_encode(&answer, again);

        must(bytes_eq(packet, bytes_make(again, len)));
    }
    return 0;
}
