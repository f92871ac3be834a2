/*
 * zonefile - a file that the zone includes; see ways.h.
 *
 * In this order: the include file, the serial, the reload. When one fails or
 * the program dies between them, the caller's records are still `changed`,
 * and the next call does all three again.
 */
#include "proxy/publish/serial.h"
#include "proxy/publish/ways.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <proxy/keys/replace.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    ZONE_MAX = 64 * 1024 * 1024 /* octets of a zone file */
};

/* --- files -------------------------------------------------------------- */

static bool
fail(struct buf *why, const char *setting, const char *path)
{
    int error = errno;

    buf_printf(why, "[publish] %s = %s: %s", setting, path, strerror(error));
    return false;
}

/* owner_out: as the file has it. False: errno. */
static bool
read_file(const char *path, struct buf *out, struct replace_owner *owner_out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct stat st;
    bool good;
    int error;

    if (fd < 0) {
        return false;
    }
    good = fstat(fd, &st) == 0 && replace_read(fd, ZONE_MAX, out);
    error = errno;
    close(fd);
    errno = error;
    if (good) {
        *owner_out =
            (struct replace_owner){ st.st_uid, st.st_gid, st.st_mode & 07777 };
    }
    return good;
}

/* The group that a new file beside path gets from us. */
static gid_t
group_beside(const char *path)
{
    const char *slash = strrchr(path, '/');
    char dir[PATH_MAX];
    struct stat st;

    if (slash != NULL &&
        bytes_copy(bytes_make(path, (size_t)(slash - path) + 1), dir,
                   sizeof(dir)) &&
        stat(dir, &st) == 0 && (st.st_mode & S_ISGID) != 0) {
        return st.st_gid;
    }
    return getegid();
}

/*
 * Behind a symbolic link, the file that it names. Only root can give a file
 * away: the nameserver, which reads it by its group, must be able to read the
 * new one, too.
 */
static bool
replace(const char *setting, const char *path, struct bytes text,
        const struct replace_owner *owner, struct buf *why)
{
    char real[PATH_MAX];

    path = realpath(path, real) == NULL ? path : real;
    if (geteuid() != 0 && owner->uid != (uid_t)-1 &&
        (owner->mode & S_IRGRP) != 0 && (owner->mode & S_IROTH) == 0 &&
        owner->gid != group_beside(path)) {
        buf_printf(why,
                   "[publish] %s = %s: the new file would not have its group; "
                   "chmod g+s its directory of that group, or chmod o+r %s",
                   setting, path, path);
        return false;
    }
    return replace_file(path, text, owner) || fail(why, setting, path);
}

/* --- what stands in it -------------------------------------------------- */

static void
put_zone(const struct publish_work *w, struct buf *out)
{
    buf_puts(out, "; Written whole by sealpost at each change: do not edit.\n");
    for (size_t i = 0; i < w->count; i++) {
        const struct publish_record *r = &w->records[i];

        if (r->text[0] != '\0') {
            buf_printf(out, "%s. %u IN TXT ", r->name, w->conf->ttl_s);
            publish_put_strings(bytes_str(r->text), out);
            buf_putc(out, '\n');
        }
    }
}

/* *new_out: it is not what stood there. */
static bool
write_records(const struct publish_work *w, bool *new_out, struct buf *why)
{
    struct replace_owner owner = { (uid_t)-1, (gid_t)-1, 0644 };
    struct buf old = BUF_INIT, text = BUF_INIT;
    bool was_there, good;

    put_zone(w, &text);
    was_there = read_file(w->conf->file, &old, &owner);
    *new_out = !was_there || !bytes_eq(buf_bytes(&old), buf_bytes(&text));
    if (buf_failed(&text) || (!was_there && errno != ENOENT)) {
        good = fail(why, "file", w->conf->file);
    } else {
        good = !*new_out ||
               replace("file", w->conf->file, buf_bytes(&text), &owner, why);
    }
    buf_free(&old);
    buf_free(&text);
    return good;
}

/* --- the serial --------------------------------------------------------- */

/* YYYYMMDD in UTC. */
static uint32_t
day_of(uint64_t now_s)
{
    time_t t = (time_t)now_s;
    struct tm tm;

    if (gmtime_r(&t, &tm) == NULL) {
        return 0;
    }
    return (uint32_t)((tm.tm_year + 1900) * 10000 + (tm.tm_mon + 1) * 100 +
                      tm.tm_mday);
}

static bool
raise_serial(const struct publish_work *w, struct buf *why)
{
    const char *path = w->conf->serial_file;
    struct buf old = BUF_INIT, text = BUF_INIT;
    struct replace_owner owner;
    bool good = false;

    if (path[0] == '\0') {
        return true;
    }
    if (!read_file(path, &old, &owner)) {
        (void)fail(why, "serial_file", path);
    } else if (!serial_raise(buf_bytes(&old), day_of(w->now_s), &text)) {
        buf_printf(why,
                   "[publish] serial_file = %s: no SOA with a serial in it; "
                   "the zone file that has the SOA record",
                   path);
    } else if (buf_failed(&text)) {
        buf_puts(why, "no memory");
    } else {
        good = replace("serial_file", path, buf_bytes(&text), &owner, why);
    }
    buf_free(&old);
    buf_free(&text);
    return good;
}

/* --- the reload --------------------------------------------------------- */

static bool
reload(const struct publish_work *w, struct buf *why)
{
    struct spawn s = { NULL, NULL, BYTES_LIT(""), w->conf->timeout_s };
    struct buf zone = BUF_INIT, file = BUF_INIT;
    const char *extra[3] = { NULL, NULL, NULL };
    struct spawn_result result;
    bool good = false;

    if (w->conf->reload[0] == '\0') {
        return true;
    }
    buf_printf(&zone, "SEALPOST_ZONE=%s", w->zone);
    buf_printf(&file, "SEALPOST_FILE=%s", w->conf->file);
    extra[0] = buf_str(&zone);
    extra[1] = buf_str(&file);
    s.extra = extra;
    if (extra[0] == NULL || extra[1] == NULL) {
        buf_puts(why, "no memory");
    } else if (spawn_shell(w->conf->reload, &s, &result) == SPAWN_GOOD) {
        good = true;
    } else {
        buf_printf(why, "the records are in %s, but [publish] reload = %s ",
                   w->conf->file, w->conf->reload);
        spawn_explain(&s, &result, why);
    }
    buf_free(&zone);
    buf_free(&file);
    return good;
}

bool
publish_zonefile(const struct publish_work *w, struct buf *why_out)
{
    bool new_text;

    if (w->conf->file[0] == '\0') {
        buf_puts(why_out, "publish = zonefile needs [publish] file = PATH");
        return false;
    }
    if (!write_records(w, &new_text, why_out)) {
        return false;
    }
    if (!new_text && !w->again && !publish_any_changed(w)) {
        return true;
    }
    return raise_serial(w, why_out) && reload(w, why_out);
}
