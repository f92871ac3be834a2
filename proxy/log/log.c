/*
 * log - see log.h.
 *
 * A line is put together in the caller's memory and leaves in one write(), so
 * that threads and processes that share the file never mix their lines. A log
 * that can't be written never stops the service: the line is lost.
 */
#include "proxy/log/log.h"

#include "proxy/log/format.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

static const struct level {
    const char *name;
    int priority;
} levels[] = {
    [LOG_LEVEL_ERROR] = { "error", LOG_ERR },
    [LOG_LEVEL_WARN] = { "warn", LOG_WARNING },
    [LOG_LEVEL_INFO] = { "info", LOG_INFO },
    [LOG_LEVEL_DEBUG] = { "debug", LOG_DEBUG },
};

/* The sink: the one global of the program (style rule 29). */
static struct {
    atomic_int fd;
    atomic_bool torn; /* the last line was cut by a failed write */
    atomic_int level;
    atomic_bool journal; /* fd leads to it: each line begins with "<LEVEL>" */
    enum conf_log_format format;
    char process[32];
} sink = { .fd = STDERR_FILENO, .level = LOG_LEVEL_INFO };

/* systemd.exec(5): JOURNAL_STREAM is DEVICE:INODE of what leads there. */
static bool
is_journal(int fd)
{
    const char *stream = getenv("JOURNAL_STREAM");
    char own[64];
    struct stat st;

    if (stream == NULL || fd < 0 || fstat(fd, &st) != 0) {
        return false;
    }
    (void)snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)st.st_dev,
                   (uintmax_t)st.st_ino);
    return strcmp(stream, own) == 0;
}

void
log_open(int fd, enum conf_log_format format, const char *process)
{
    if (fd < 0) {
        openlog("sealpost", LOG_PID, LOG_MAIL);
    }
    sink.format = format;
    (void)bytes_copy(bytes_take(bytes_str(process), sizeof(sink.process) - 1),
                     sink.process, sizeof(sink.process));
    log_set_fd(fd);
}

void
log_set_fd(int fd)
{
    sink.journal = is_journal(fd);
    sink.fd = fd;
    sink.torn = false;
}

void
log_set_level(enum log_level level)
{
    sink.level = (int)level;
}

/* Octets that this line may still take, its end ("}" and LF) left out. */
static size_t
room(const struct log_line *l)
{
    return l->text.len + 2 < LOG_LINE_MAX ? LOG_LINE_MAX - 2 - l->text.len : 0;
}

/* The key and what stands around it; false: the line is full. */
static bool
put_key(struct log_line *l, const char *key)
{
    if (room(l) < strlen(key) + 4 + 2 * LOG_VALUE_MIN) {
        return false;
    }
    if (sink.format == CONF_JSON) {
        buf_puts(&l->text, l->text.len > l->start ? ",\"" : "\"");
        buf_puts(&l->text, key);
        buf_puts(&l->text, "\":");
    } else {
        buf_puts(&l->text, l->text.len > l->start ? " " : "");
        buf_puts(&l->text, key);
        buf_putc(&l->text, '=');
    }
    return true;
}

static void
put_time(struct log_line *l)
{
    struct timespec now;
    struct buf text = BUF_INIT;

    clock_gettime(CLOCK_REALTIME, &now);
    log_format_time(&text, now.tv_sec, (unsigned)(now.tv_nsec / 1000000));
    log_bytes(l, "time", buf_bytes(&text));
    buf_free(&text);
}

void
log_begin(struct log_line *l, enum log_level level, const char *event)
{
    l->text = (struct buf)BUF_INIT;
    l->level = level;
    buf_reserve(&l->text, 512);
    if (sink.journal) {
        buf_printf(&l->text, "<%d>", levels[level].priority);
    }
    if (sink.format == CONF_JSON) {
        buf_putc(&l->text, '{');
    }
    l->start = l->text.len;
    put_time(l);
    log_text(l, "level", levels[level].name);
    if (sink.process[0] != '\0') {
        log_text(l, "process", sink.process);
    }
    log_text(l, "event", event);
}

void
log_text(struct log_line *l, const char *key, const char *value)
{
    log_bytes(l, key, bytes_str(value));
}

void
log_bytes(struct log_line *l, const char *key, struct bytes value)
{
    if (put_key(l, key)) {
        /* At most half of what is left: no value pushes out the later ones. */
        log_format_value(&l->text, sink.format, value, room(l) / 2);
    }
}

void
log_number(struct log_line *l, const char *key, uint64_t value)
{
    if (put_key(l, key)) {
        buf_put_number(&l->text, value);
    }
}

__attribute__((format(printf, 3, 0))) static void
log_vformat(struct log_line *l, const char *key, const char *format,
            va_list args)
{
    char text[LOG_LINE_MAX];
    int n = vsnprintf(text, sizeof(text), format, args);

    if (n >= 0) {
        log_bytes(l, key,
                  bytes_take(bytes_make(text, sizeof(text) - 1), (size_t)n));
    }
}

void
log_format(struct log_line *l, const char *key, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_vformat(l, key, format, args);
    va_end(args);
}

static void
write_line(struct bytes line)
{
    int saved = errno;

    while (line.len > 0) {
        ssize_t n = write(sink.fd, line.ptr, line.len);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            break; /* disk full, reader gone: mail goes on */
        }
        line = bytes_skip(line, (size_t)n);
        sink.torn = line.len > 0;
    }
    errno = saved;
}

void
log_end(struct log_line *l)
{
    if (sink.format == CONF_JSON) {
        buf_putc(&l->text, '}');
    }
    if ((int)l->level > sink.level) {
        goto out;
    }
    if (sink.fd < 0) {
        const char *text = buf_str(&l->text);

        syslog(levels[l->level].priority, "%s",
               text == NULL ? "event=log-line-lost reason=memory" : text);
        goto out;
    }
    if (sink.torn) {
        write_line(BYTES_LIT("\n")); /* never glued to half a line */
    }
    buf_putc(&l->text, '\n');
    write_line(buf_failed(&l->text)
                   ? BYTES_LIT("event=log-line-lost reason=memory\n")
                   : buf_bytes(&l->text));
out:
    buf_free(&l->text);
}

void
log_event(enum log_level level, const char *event, const char *format, ...)
{
    struct log_line l;
    va_list args;

    log_begin(&l, level, event);
    va_start(args, format);
    log_vformat(&l, "text", format, args);
    va_end(args);
    log_end(&l);
}
