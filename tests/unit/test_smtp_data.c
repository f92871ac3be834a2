/*
 * test_smtp_data - one message, however it is split; against a reference.
 *
 * SEALPOST_LONG=1: every stream of up to eight octets of the reduced alphabet,
 * not five; and thirty times as many that are drawn. SEALPOST_STREAMS=N: so
 * many are drawn of that alphabet, each with every cut; SEALPOST_SEED=N:
 * others.
 */
#include "tests/support/cmocka.h"
#include "tests/support/vec.h"

#include <smtp/data.h>

#include <stdlib.h>

struct outcome {
    struct buf content;
    unsigned faults;
    bool done;
    size_t used; /* octets of the wire */
};

/* Feeds wire in pieces: first octets, then chunk octets each. */
static void
decode(struct smtp_data_decoder *d, struct bytes wire, size_t first,
       size_t chunk, struct outcome *o)
{
    size_t size = first;

    *o = (struct outcome){ .content = BUF_INIT };
    while (!o->done && o->used < wire.len) {
        struct bytes in = bytes_take(bytes_skip(wire, o->used), size);
        size_t before = in.len;

        while (in.len > 0 && !o->done) {
            struct bytes out;

            o->done = smtp_data_decode(d, &in, &out) == SMTP_DATA_DONE;
            assert_true(!o->done || out.len == 0);
            buf_put(&o->content, out);
        }
        o->used += before - in.len;
        size = chunk;
    }
    o->faults = smtp_data_faults(d);
}

/*
 * The reference: what RFC 5321 says, one octet at a time, nothing fast.
 * mode 'd' DATA, 'n' DATA normalized, 'c' chunks.
 */
static void
reference(struct bytes wire, char mode, struct outcome *o)
{
    size_t line = 0, i = 0;
    bool start = true;

    *o = (struct outcome){ .content = BUF_INIT };
    while (i < wire.len) {
        struct bytes rest = bytes_skip(wire, i);
        bool crlf = rest.len > 1 && memcmp(rest.ptr, "\r\n", 2) == 0;
        uint8_t c = rest.ptr[0];

        if (start && c == '.' && mode != 'c') {
            if (rest.len >= 3 && memcmp(rest.ptr, ".\r\n", 3) == 0) {
                o->done = true;
                o->used = i + 3;
                return;
            }
            i++;
            start = false;
            /* What could still become the end is not judged. */
            if (rest.len == 1 || (rest.len == 2 && rest.ptr[1] == '\r')) {
                break;
            }
            continue;
        }
        start = crlf;
        if (crlf) {
            buf_puts(&o->content, "\r\n");
            line = 0;
            i += 2;
            continue;
        }
        i++;
        if (c == '\r' && i == wire.len && mode != 'c') {
            break; /* half of something */
        }
        o->faults |= c == '\r'   ? SMTP_FAULT_BARE_CR
                     : c == '\n' ? SMTP_FAULT_BARE_LF
                     : c == '\0' ? SMTP_FAULT_NUL
                     : c >= 0x80 ? SMTP_FAULT_8BIT
                                 : 0;
        line = c == '\n' && mode == 'n' ? 0 : line + 1;
        o->faults |= line > 998 ? SMTP_FAULT_LONG_LINE : 0;
        if (mode == 'n' && c == '\n') {
            buf_puts(&o->content, "\r\n");
        } else {
            buf_putc(&o->content, mode == 'n' && c == '\r' ? ' ' : (char)c);
        }
    }
    if (mode == 'c' && line > 0 && wire.ptr[wire.len - 1] != '\r') {
        buf_puts(&o->content, "\r\n"); /* a last line is made whole */
    }
    o->used = wire.len;
}

static void
assert_same(const struct outcome *a, const struct outcome *b, struct bytes what,
            size_t where)
{
    struct bytes x = buf_bytes(&a->content), y = buf_bytes(&b->content);

    if (!bytes_eq(x, y) || a->faults != b->faults || a->done != b->done ||
        a->used != b->used) {
        fail_msg("%.*s, split %zu: %zu/%zu octets, faults %u/%u, used %zu/%zu",
                 BYTES_ARG(what), where, x.len, y.len, a->faults, b->faults,
                 a->used, b->used);
    }
}

static unsigned
faults_of(struct bytes letters)
{
    static const char names[] = "CLN.G8";
    unsigned faults = 0;

    for (unsigned i = 0; i < 6; i++) {
        if (bytes_find(letters, (uint8_t)names[i]) < letters.len) {
            faults |= 1u << i;
        }
    }
    return faults;
}

static void
test_vectors(void **state)
{
    struct vec v;

    (void)state;
    vec_open(&v, "smtp-data.txt");
    while (vec_next_of(&v, 5)) {
        struct bytes wire = v.col[1];
        struct outcome want = { .faults = faults_of(v.col[3]) };
        uint64_t left = 0;

        want.done = bytes_to_u64(v.col[4], 1000, &left);
        want.used = wire.len - (size_t)left;
        buf_put(&want.content, v.col[2]);
        for (size_t k = 1; k <= wire.len; k++) {
            struct smtp_data_decoder d;
            struct outcome o;

            smtp_data_decoder_init(&d, UINT64_MAX, false);
            decode(&d, wire, k, k, &o);
            assert_same(&o, &want, v.col[0], k);
            assert_int_equal(smtp_data_octets(&d), o.content.len);
            buf_free(&o.content);
            smtp_data_decoder_init(&d, UINT64_MAX, false);
            decode(&d, wire, k, wire.len, &o);
            assert_same(&o, &want, v.col[0], k);
            buf_free(&o.content);
        }
        buf_free(&want.content);
    }
}

static uint32_t
next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void
run_decoder(struct bytes wire, char mode, size_t first, size_t chunk,
            struct outcome *o)
{
    struct smtp_data_decoder d;

    if (mode == 'c') {
        smtp_data_chunks_init(&d, UINT64_MAX, false);
    } else {
        smtp_data_decoder_init(&d, UINT64_MAX, mode == 'n');
    }
    decode(&d, wire, first, chunk, o);
    if (mode == 'c') {
        buf_put(&o->content, smtp_data_chunks_end(&d));
        o->faults = smtp_data_faults(&d);
    }
}

static bool
is_long(void)
{
    return getenv("SEALPOST_LONG") != NULL;
}

static unsigned long
number(const char *name, unsigned long otherwise)
{
    const char *text = getenv(name);

    return text == NULL ? otherwise : strtoul(text, NULL, 10);
}

/* A CR at the end that could be half of a CRLF is held, not judged. */
static void
test_reference(void **state)
{
    static const char letters[] = "\r\n.\0a \r\n.\x80\t\r\n";
    uint32_t seed = 20261121;

    (void)state;
    for (unsigned round = 0; round < (is_long() ? 10200000 : 340000); round++) {
        uint8_t wire[40];
        struct bytes in = { wire, 1 + next_random(&seed) % sizeof(wire) };
        size_t first = 1 + next_random(&seed) % in.len;
        size_t chunk = 1 + next_random(&seed) % in.len;

        for (size_t i = 0; i < in.len; i++) {
            wire[i] =
                (uint8_t)letters[next_random(&seed) % (sizeof(letters) - 1)];
        }
        for (const char *mode = "dnc"; *mode != '\0'; mode++) {
            struct outcome want, o;

            reference(in, *mode, &want);
            run_decoder(in, *mode, first, chunk, &o);
            assert_same(&o, &want, bytes_make(mode, 1), round);
            buf_free(&want.content);
            buf_free(&o.content);
        }
    }
}

/* RFC 5321 4.5.2, the sender's side, one octet at a time. */
static void
reference_wire(struct bytes content, struct buf *wire)
{
    for (size_t i = 0; i < content.len; i++) {
        if (content.ptr[i] == '.' &&
            (i == 0 ||
             (i > 1 && memcmp(content.ptr + i - 2, "\r\n", 2) == 0))) {
            buf_putc(wire, '.');
        }
        buf_putc(wire, (char)content.ptr[i]);
    }
    if (content.len > 0 &&
        (content.len < 2 ||
         memcmp(content.ptr + content.len - 2, "\r\n", 2) != 0)) {
        buf_puts(wire, "\r\n");
    }
    buf_puts(wire, ".\r\n");
}

static void
encode(struct bytes content, size_t first, size_t chunk, struct buf *wire)
{
    struct smtp_data_encoder e = { 0 };

    for (size_t size = first; content.len > 0; size = chunk) {
        struct bytes in = bytes_take(content, size), out;

        content = bytes_skip(content, in.len);
        while (in.len > 0) {
            smtp_data_encode(&e, &in, &out);
            buf_put(wire, out);
        }
    }
    buf_put(wire, smtp_data_encode_end(&e));
}

/* What came in goes out the same, whatever the pieces. */
static void
check_encoded(struct bytes content, size_t first, size_t chunk)
{
    struct buf want = BUF_INIT, wire = BUF_INIT;

    reference_wire(content, &want);
    encode(content, first, chunk, &wire);
    if (!bytes_eq(buf_bytes(&wire), buf_bytes(&want))) {
        fail_msg("%zu octets in pieces of %zu, %zu: %zu on the wire, not %zu",
                 content.len, first, chunk, wire.len, want.len);
    }
    buf_free(&want);
    buf_free(&wire);
}

/* One stream in each mode, cut at first and then each chunk octets. */
static void
check_stream(struct bytes wire, size_t first, size_t chunk)
{
    const unsigned bad =
        SMTP_FAULT_BARE_CR | SMTP_FAULT_BARE_LF | SMTP_FAULT_NUL;

    for (const char *mode = "dnc"; *mode != '\0'; mode++) {
        struct outcome want, o;

        reference(wire, *mode, &want);
        run_decoder(wire, *mode, first, chunk, &o);
        assert_same(&o, &want, bytes_make(mode, 1), first);
        if ((o.faults & bad) == 0 && *mode != 'n') {
            check_encoded(buf_bytes(&o.content), first, chunk);
        }
        buf_free(&want.content);
        buf_free(&o.content);
    }
}

static const char reduced[] = { '\r', '\n', '.', '\0', 'a', ' ' };

/* Every stream of the reduced alphabet, in every two pieces and octet by
 * octet. */
static void
test_all_short_streams(void **state)
{
    size_t len_max = is_long() ? 8 : 5;

    (void)state;
    for (size_t len = 1; len <= len_max; len++) {
        unsigned long streams = 1;

        for (size_t i = 0; i < len; i++) {
            streams *= sizeof(reduced);
        }
        for (unsigned long n = 0; n < streams; n++) {
            uint8_t wire[8];
            unsigned long rest = n;

            for (size_t i = 0; i < len; i++, rest /= sizeof(reduced)) {
                wire[i] = (uint8_t)reduced[rest % sizeof(reduced)];
            }
            for (size_t first = 1; first <= len; first++) {
                check_stream(bytes_make(wire, len), first, len);
            }
            check_stream(bytes_make(wire, len), 1, 1);
        }
    }
}

/* Longer ones are drawn, each with every cut. */
static void
test_drawn_streams(void **state)
{
    unsigned long rounds =
        number("SEALPOST_STREAMS", is_long() ? 300000 : 10000);
    uint32_t seed = (uint32_t)number("SEALPOST_SEED", 4321);

    (void)state;
    for (unsigned long round = 0; round < rounds; round++) {
        uint8_t wire[24];
        size_t len = 6 + next_random(&seed) % (sizeof(wire) - 5);

        for (size_t i = 0; i < len; i++) {
            wire[i] = (uint8_t)reduced[next_random(&seed) % sizeof(reduced)];
        }
        for (size_t first = 1; first <= len; first++) {
            check_stream(bytes_make(wire, len), first, first);
            check_stream(bytes_make(wire, len), first, len);
        }
    }
}

/* Out and in again is the same, for every split of both. */
static void
test_identity(void **state)
{
    static const char letters[] = "\r\n.a\r\n.";
    uint32_t seed = 1;

    (void)state;
    for (unsigned round = 0; round < 200000; round++) {
        uint8_t content[32];
        size_t len = next_random(&seed) % (sizeof(content) - 2);
        size_t chunk = 1 + next_random(&seed) % sizeof(content);
        struct smtp_data_encoder e = { 0 };
        struct smtp_data_decoder d;
        struct buf wire = BUF_INIT;
        struct outcome o;

        for (size_t i = 0; i < len; i++) {
            content[i] =
                (uint8_t)letters[next_random(&seed) % (sizeof(letters) - 1)];
        }
        if (len > 0) { /* a message ends with a line end */
            content[len++] = '\r';
            content[len++] = '\n';
        }
        for (size_t at = 0; at < len; at += chunk) {
            struct bytes in =
                bytes_take(bytes_make(content + at, len - at), chunk);

            while (in.len > 0) {
                struct bytes out;

                smtp_data_encode(&e, &in, &out);
                buf_put(&wire, out);
            }
        }
        buf_put(&wire, smtp_data_encode_end(&e));
        smtp_data_decoder_init(&d, UINT64_MAX, false);
        decode(&d, buf_bytes(&wire), chunk, chunk, &o);
        assert_true(o.done);
        assert_int_equal(o.used, wire.len);
        assert_int_equal(o.content.len, len);
        if (len > 0) {
            assert_memory_equal(o.content.ptr, content, len);
        }
        buf_free(&o.content);
        buf_free(&wire);
    }
}

static void
test_encode_end(void **state)
{
    struct smtp_data_encoder e = { 0 };
    struct bytes in = BYTES_LIT("cut"), out;

    (void)state;
    assert_true(bytes_is(smtp_data_encode_end(&e), ".\r\n"));
    smtp_data_encode(&e, &in, &out);
    assert_true(bytes_is(out, "cut"));
    assert_true(bytes_is(smtp_data_encode_end(&e), "\r\n.\r\n"));
    smtp_data_encode(&e, &in, &out); /* nothing is left: nothing changes */
    assert_int_equal(out.len, 0);
    assert_true(bytes_is(smtp_data_encode_end(&e), "\r\n.\r\n"));
}

static void
test_limit(void **state)
{
    struct bytes wire = BYTES_LIT("..abc\r\ndef\r\n.\r\n");

    (void)state;
    /* Decoded: ".abc\r\ndef\r\n", 11 octets. */
    for (size_t max = 0; max < 13; max++) {
        for (size_t k = 1; k <= wire.len; k++) {
            struct smtp_data_decoder d;
            struct outcome o;

            smtp_data_decoder_init(&d, max, false);
            decode(&d, wire, k, k, &o);
            assert_true(o.done);
            assert_int_equal(o.content.len, max < 11 ? max : 11);
            assert_int_equal(smtp_data_octets(&d), 11);
            assert_int_equal(o.faults, max < 11 ? SMTP_FAULT_TOO_BIG : 0);
            buf_free(&o.content);
        }
    }
}

/* A bare LF that becomes CRLF ends the line that is counted. */
static void
test_normalized_lines(void **state)
{
    uint8_t wire[1400];
    struct smtp_data_decoder d;
    struct outcome o;

    (void)state;
    memset(wire, 'a', sizeof(wire));
    wire[700] = '\n';
    memcpy(wire + sizeof(wire) - 5, "\r\n.\r\n", 5);
    for (size_t k = 1; k <= sizeof(wire); k++) {
        smtp_data_decoder_init(&d, UINT64_MAX, true);
        decode(&d, bytes_make(wire, sizeof(wire)), k, k, &o);
        assert_true(o.done);
        assert_int_equal(o.faults, SMTP_FAULT_BARE_LF);
        buf_free(&o.content);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_reference),
        cmocka_unit_test(test_all_short_streams),
        cmocka_unit_test(test_drawn_streams),
        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_encode_end),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_normalized_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
