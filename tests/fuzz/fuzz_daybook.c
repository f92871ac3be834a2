/*
 * fuzz_daybook - any octets as either book; what is written must be read as
 * the same again.
 */
#include <proxy/keeper/daybook.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    TODAY = 20000
};

static const struct view *
no_keys(void)
{
    static struct view *view;
    struct view_builder *b;

    if (view == NULL) {
        b = view_builder_new();
        view = b == NULL ? NULL : view_build(&b, 1);
    }
    return view;
}

static void
put_signed(struct bytes text, struct buf *out)
{
    struct signed_book *b = signed_book_new(text);

    (void)signed_book_find(b, DAYBOOK_LOOPBACK);
    if (!signed_book_put(b, no_keys(), out)) {
        abort();
    }
    signed_book_free(&b);
}

static void
put_from(struct bytes text, struct buf *out)
{
    struct from_book *b = from_book_new(text);

    if (!from_book_put(b, no_keys(), TODAY, out)) {
        abort();
    }
    from_book_free(&b);
}

static void
twice(struct bytes text, void (*put)(struct bytes text, struct buf *out))
{
    struct buf once = BUF_INIT, again = BUF_INIT;

    put(text, &once);
    put(buf_bytes(&once), &again);
    if (!bytes_eq(buf_bytes(&once), buf_bytes(&again))) {
        abort();
    }
    buf_free(&once);
    buf_free(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    twice(bytes_make(data, size), put_signed);
    twice(bytes_make(data, size), put_from);
    return 0;
}
