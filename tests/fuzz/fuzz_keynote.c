/*
 * fuzz_keynote - any octets as the note beside a key: what is taken comes
 * back the same when it is written and read again.
 */
#include "proxy/keys/keynote.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
read_note(struct bytes text, struct strings *s, struct keystore_key *key,
          struct conf_errors *errors)
{
    int fd = memfd_create("note", MFD_CLOEXEC);
    bool good;

    if (fd < 0 || write(fd, text.ptr, text.len) != (ssize_t)text.len ||
        lseek(fd, 0, SEEK_SET) != 0) {
        abort();
    }
    key->view.domain = "a.example";
    key->view.selector = "s";
    good = keynote_read(fd, "the note", s, key, errors);
    close(fd);
    return good;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conf_errors *errors = conf_errors_new();
    struct strings s = { NULL };
    struct keystore_key key = { .note = "" };
    struct buf text = BUF_INIT;
    struct buf again = BUF_INIT;

    if (read_note(bytes_make(data, size), &s, &key, errors)) {
        keynote_put(&key, &text);
        if (!read_note(buf_bytes(&text), &s, &key, errors)) {
            abort(); /* what we write, we read */
        }
        keynote_put(&key, &again);
        if (!bytes_eq(buf_bytes(&text), buf_bytes(&again))) {
            abort();
        }
    } else if (conf_errors_count(errors) == 0) {
        abort(); /* refused without a word */
    }
    buf_free(&text);
    buf_free(&again);
    strings_free(&s);
    conf_errors_free(&errors);
    return 0;
}
