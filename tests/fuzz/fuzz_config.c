/*
 * fuzz_config - any octets as a configuration.
 *
 * Octets that begin as a packed configuration go the way of a worker: a memfd
 * into conf_load_fd(). All others are a file's text; what it includes is not
 * opened. Whatever comes in, there is a configuration or an error, and what
 * was taken is taken again after packing.
 */
#include <proxy/config/conf.h>
#include <proxy/config/sections.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
need(bool good)
{
    if (!good) {
        abort();
    }
}

static void
judge(struct conf **conf, struct conf_errors **e)
{
    size_t errors = conf_errors_count(*e) - conf_errors_warnings(*e);

    need((*conf == NULL) == (errors > 0));
    for (size_t i = 0; i < conf_errors_count(*e); i++) {
        for (const char *c = conf_errors_line(*e, i); *c != '\0'; c++) {
            need(*c >= 0x20 && *c < 0x7f);
        }
    }
    if (*conf != NULL) {
        need((*conf)->listen_count > 0 && (*conf)->sign.headers != NULL);
        for (size_t i = 0; i < (*conf)->listen_count; i++) {
            need(conf_upstream(*conf, (*conf)->listens[i].upstream) != NULL);
            need(conf_check_section(*conf, (*conf)->listens[i].check) != NULL);
        }
    }
    conf_free(conf);
    conf_errors_free(e);
}

static void
load_fd(struct bytes in)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    struct conf_errors *e;
    struct conf *conf;

    need(fd >= 0 && write(fd, in.ptr, in.len) == (ssize_t)in.len);
    conf_load_fd(fd, &conf, &e);
    close(fd);
    judge(&conf, &e);
}

static void
load_text(struct bytes in)
{
    struct buf packed = BUF_INIT;
    struct conf_errors *e;
    struct conf_bundle b;
    struct conf *conf;

    conf_bundle_text(&b, "fuzz.conf", in);
    conf_bundle_pack(&b, &packed);
    conf_load_bundle(&b, &conf, &e);
    judge(&conf, &e);
    need(conf_bundle_unpack(&b, buf_bytes(&packed)));
    need(bytes_eq(b.root->text, in));
    conf_bundle_free(&b);
    buf_free(&packed);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = bytes_make(data, size);

    if (bytes_starts_ci(in, "sealpost-conf")) {
        load_fd(in);
    } else {
        load_text(in);
    }
    return 0;
}
