/*
 * fuzz_userfile - any octets as users.conf: read, edited, read again.
 */
#include "proxy/users/useredit.h"
#include "proxy/users/userfile.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was taken can be changed, and is taken again. */
static void
edit(struct bytes text, const struct userfile *f)
{
    struct conf_errors *errors = conf_errors_new();
    struct useredit e = { .path = "users.conf", .text = BUF_INIT, .lock = -1 };
    struct userfile *again;

    buf_put(&e.text, text);
    if (useredit_set(&e, f->users[0].name, "locked", "yes") != USEREDIT_OK) {
        abort(); /* a user that the reader finds, the editor finds */
    }
    again = userfile_parse(buf_bytes(&e.text), "users.conf", errors);
    if (again == NULL || again->count != f->count || !again->users[0].locked) {
        abort();
    }
    userfile_free(&again);
    (void)useredit_delete(&e, f->users[0].name);
    (void)useredit_add(&e, "somebody");
    useredit_end(&e);
    conf_errors_free(&errors);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conf_errors *errors = conf_errors_new();
    struct bytes text = bytes_make(data, size);
    struct userfile *f = userfile_parse(text, "users.conf", errors);
    struct view_builder *b = view_builder_new();

    if (f != NULL && b != NULL && userfile_to_view(f, b)) {
        struct view *v = view_build(&b, 1);

        userfile_check_selectors(f, "users.conf", v, errors);
        view_free(&v);
        if (f->count > 0) {
            edit(text, f);
        }
    } else if (f == NULL && conf_errors_count(errors) == 0) {
        abort(); /* refused without a word */
    }
    view_builder_free(&b);
    userfile_free(&f);
    conf_errors_free(&errors);
    return 0;
}
