/*
 * store - see store.h.
 */
#include "tests/support/store.h"

#include "tests/support/cmocka.h"
#include "tests/support/tempdir.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static char dir[64];
struct keystore_conf store_conf;

int
store_begin(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/sealpost-keystore-XXXXXX");
    assert_non_null(mkdtemp(dir));
    store_conf = (struct keystore_conf){ .state_dir = dir,
                                         .uid = (uid_t)-1,
                                         .gid = (gid_t)-1 };
    return 0;
}

int
store_end(void **state)
{
    (void)state;
    return tempdir_erase(dir);
}

struct keystore_key
store_about(const char *domain, const char *selector, enum view_key_state state)
{
    struct keystore_key key = { .created_s = 1795301313, .note = "a note" };

    key.view.domain = domain;
    key.view.selector = selector;
    key.view.state = state;
    key.view.owner = "";
    key.view.activated_s = state == VIEW_KEY_ACTIVE ? 1795301314 : 0;
    return key;
}

enum key_err
store_add(const char *domain, const char *selector, enum dkim_alg alg,
          enum view_key_state state)
{
    struct keystore_key key = store_about(domain, selector, state);
    EVP_PKEY *pkey = NULL;
    enum key_err err;

    assert_int_equal(keyfile_generate(alg, 0, false, &pkey), KEY_OK);
    err = keystore_add(&store_conf, pkey, &key);
    EVP_PKEY_free(pkey);
    return err;
}

const char *
store_path(const char *name)
{
    static char path[256];

    snprintf(path, sizeof(path), "%s/keys/%s", dir, name);
    return path;
}

void
store_check_load(size_t keys, size_t lines, const char *says)
{
    struct conf_errors *errors = conf_errors_new();
    struct keystore *s = keystore_load(&store_conf, errors);

    assert_non_null(s);
    if (conf_errors_count(errors) != lines ||
        (lines > 0 && strstr(conf_errors_line(errors, 0), says) == NULL)) {
        fail_msg("%zu lines, the first: %s", conf_errors_count(errors),
                 conf_errors_count(errors) > 0 ? conf_errors_line(errors, 0)
                                               : "");
    }
    assert_int_equal(keystore_count(s), keys);
    keystore_free(&s);
    conf_errors_free(&errors);
}

void
store_write(const char *name, const char *text, mode_t mode)
{
    FILE *f = fopen(store_path(name), "we");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(store_path(name), mode), 0);
}
