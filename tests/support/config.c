/*
 * config - reads a configuration as a test wants it; see config.h.
 */
#include "config.h"

#include <proxy/config/sections.h>
#include <stdio.h>
#include <tests/support/cmocka.h>
#include <unistd.h>

void
config_vectors(char *out, size_t cap)
{
    const char *srcdir = getenv("srcdir");

    (void)snprintf(out, cap, "%s/tests/vectors/config/",
                   srcdir == NULL ? "." : srcdir);
}

/* Without each folder's name. */
static void
put_line(struct buf *out, const char *line, const char *folder)
{
    const char *hit;

    while ((hit = strstr(line, folder)) != NULL) {
        buf_put(out, bytes_make(line, (size_t)(hit - line)));
        line = hit + strlen(folder);
    }
    buf_puts(out, line);
    buf_putc(out, '\n');
}

static void
put_errors(struct buf *out, const struct conf_errors *e, const char *folder)
{
    size_t warnings = 0;

    for (size_t i = 0; i < conf_errors_count(e); i++) {
        bool warning = conf_errors_is_warning(e, i);

        warnings += warning;
        buf_puts(out, warning ? "W " : "E ");
        put_line(out, conf_errors_line(e, i), folder);
    }
    assert_int_equal(warnings, conf_errors_warnings(e));
}

void
config_load_both(const char *path, const char *folder, struct buf *from_file,
                 struct buf *from_fd)
{
    struct conf_errors *e;
    struct conf *conf;
    bool loaded;
    int fd;

    conf_load(path, &conf, &e);
    loaded = conf != NULL;
    assert_int_equal(loaded, conf_errors_count(e) == conf_errors_warnings(e));
    put_errors(from_file, e, folder);
    conf_free(&conf);
    assert_null(conf);
    conf_errors_free(&e);
    assert_null(e);

    fd = conf_pack(path);
    assert_true(fd >= 0);
    conf_load_fd(fd, &conf, &e);
    assert_int_equal(loaded, conf != NULL);
    put_errors(from_fd, e, folder);
    conf_free(&conf);
    conf_errors_free(&e);
    close(fd);
}

void
check_list(conf_list got, const char *want)
{
    struct buf text = BUF_INIT;

    for (; *got != NULL; got++) {
        buf_puts(&text, text.len == 0 ? "" : " ");
        buf_puts(&text, *got);
    }
    assert_string_equal(buf_str(&text), want);
    buf_free(&text);
}

struct conf_errors *
load_text(const char *text, struct conf **conf_out)
{
    struct conf_errors *e;
    struct conf_bundle b;

    conf_bundle_text(&b, "t", bytes_str(text));
    conf_load_bundle(&b, conf_out, &e);
    return e;
}
