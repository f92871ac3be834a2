/*
 * scram_users - users with SCRAM secrets, and the keeper's side of it; see
 * scram_users.h.
 */
#include "scram_users.h"

#include "tests/support/cmocka.h"

#include <proxy/cli/password.h>
#include <stdlib.h>

const uint8_t install_key[SALTKEY_OCTETS] = "the key of this installation...";

struct userfile *
users_of(const char *text)
{
    struct conf_errors *errors = conf_errors_new();
    struct userfile *f = userfile_parse(bytes_str(text), "users.conf", errors);

    assert_non_null(f);
    conf_errors_free(&errors);
    return f;
}

static void
put_user(struct buf *out, const char *name, const char *password,
         const char *more)
{
    struct buf secret = BUF_INIT;

    assert_true(password_scram(password, &secret));
    buf_printf(out, "[%s]\nscram = %s\n%s", name, buf_str(&secret), more);
    buf_free(&secret);
}

struct userfile *
make_users(const char *password)
{
    struct buf text = BUF_INIT;
    struct userfile *f;

    put_user(&text, "alice", password, "");
    put_user(&text, "bob", "other", "");
    put_user(&text, "mallory", password, "locked = yes\n");
    buf_puts(&text, "[plain]\nfrom = example.com\n");
    f = users_of(buf_str(&text));
    buf_free(&text);
    return f;
}

int
setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));

    w->scram = scram_new(install_key);
    w->data.users = make_users("pencil");
    assert_int_equal(gsasl_init(&w->gsasl), GSASL_OK);
    *state = w;
    return w->scram == NULL;
}

int
teardown(void **state)
{
    struct world *w = *state;

    scram_free(&w->scram);
    userfile_free(&w->data.users);
    gsasl_done(w->gsasl);
    free(w);
    return 0;
}
