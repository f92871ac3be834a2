/*
 * tries - failed tries to publish; see tries.h.
 */
#include "proxy/publish/tries.h"

#include <errno.h>
#include <fcntl.h>
#include <proxy/config/reader.h>
#include <proxy/keys/replace.h>
#include <stdio.h>
#include <unistd.h>

enum {
    FIRST_S = 60,
    LONGEST_S = 6 * 3600,
    FILE_MAX = 4096
};

static void
put_path(const char *state_dir, const char *name, struct buf *out)
{
    buf_printf(out, "%s/publish%s", state_dir, name);
}

static uint64_t
wait_s(uint64_t failures)
{
    uint64_t wait = FIRST_S;

    while (--failures > 0 && wait < LONGEST_S) {
        wait *= 2;
    }
    return wait < LONGEST_S ? wait : LONGEST_S;
}

static void
take_entry(const struct conf_entry *e, void *arg)
{
    struct publish_tries *t = arg;
    uint64_t n;

    if (e->key == NULL || strcmp(e->section, "publish") != 0) {
        return;
    }
    if (strcmp(e->key, "failures") == 0 &&
        bytes_to_u64(bytes_str(e->value), 1000000, &n)) {
        t->failures = (unsigned)n;
    } else if (strcmp(e->key, "failed") == 0 &&
               bytes_to_u64(bytes_str(e->value), INT64_MAX, &n)) {
        t->failed_s = n;
    } else if (strcmp(e->key, "why") == 0) {
        (void)bytes_copy(bytes_take(bytes_str(e->value), sizeof(t->why) - 1),
                         t->why, sizeof(t->why));
    }
}

void
publish_tries_parse(struct bytes text, struct publish_tries *tries_out)
{
    struct conf_errors *errors = conf_errors_new();
    struct publish_tries t = { 0 };

    if (errors == NULL ||
        !conf_read_text(text, "tries.conf", take_entry, &t, errors) ||
        t.failures == 0 || t.failed_s == 0) {
        t = (struct publish_tries){ 0 };
    } else {
        t.next_s = t.failed_s + wait_s(t.failures);
    }
    conf_errors_free(&errors);
    *tries_out = t;
}

void
publish_tries_read(const char *state_dir, struct publish_tries *tries_out)
{
    struct buf path = BUF_INIT;
    uint8_t text[FILE_MAX];
    ssize_t n = -1;
    int fd = -1;

    *tries_out = (struct publish_tries){ 0 };
    put_path(state_dir, "/tries.conf", &path);
    if (buf_str(&path) != NULL) {
        fd = open((char *)path.ptr, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    }
    if (fd >= 0) {
        n = read(fd, text, sizeof(text));
        close(fd);
    }
    if (n > 0) {
        publish_tries_parse(bytes_make(text, (size_t)n), tries_out);
    }
    buf_free(&path);
}

/* `;` begins a comment for the reader, and lines end at 199 octets. */
static void
put_why(const char *why, struct buf *out)
{
    struct bytes text = bytes_take(
        bytes_str(why), sizeof(((struct publish_tries *)0)->why) - 1);

    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];

        buf_putc(out, c == ';' ? ',' : c >= 0x20 && c <= 0x7e ? (char)c : '?');
    }
}

static bool
write_failure(const char *state_dir, const char *path,
              const struct publish_tries *tries, const char *why)
{
    struct replace_owner owner = replace_owner_of_keys(state_dir, 0600);
    struct buf text = BUF_INIT;
    bool good;

    buf_printf(&text, "[publish]\nfailures = %u\nfailed = %ju\nwhy = ",
               tries->failures, (uintmax_t)tries->failed_s);
    put_why(why, &text);
    buf_putc(&text, '\n');
    good = !buf_failed(&text) && replace_file(path, buf_bytes(&text), &owner);
    buf_free(&text);
    return good;
}

bool
publish_tries_note(const char *state_dir, uint64_t now_s, bool good,
                   const char *why)
{
    struct replace_owner owner = replace_owner_of_keys(state_dir, 0700);
    struct buf folder = BUF_INIT, path = BUF_INIT;
    struct publish_tries tries;
    bool written;

    put_path(state_dir, "", &folder);
    put_path(state_dir, "/tries.conf", &path);
    if (buf_str(&folder) == NULL || buf_str(&path) == NULL) {
        written = false;
    } else if (good) {
        written = unlink((char *)path.ptr) == 0 || errno == ENOENT;
    } else {
        publish_tries_read(state_dir, &tries);
        tries.failures++;
        tries.failed_s = now_s;
        written = replace_mkdir((char *)folder.ptr, &owner) &&
                  write_failure(state_dir, (char *)path.ptr, &tries, why);
    }
    buf_free(&folder);
    buf_free(&path);
    return written;
}
