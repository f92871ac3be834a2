/*
 * log - one fact a line, as logfmt or JSON, to stderr, syslog or a file.
 *
 *   struct log_line l;
 *   log_begin(&l, LOG_LEVEL_INFO, "message");        event=message
 *   log_text(&l, "id", id);                          id=...
 *   log_bytes(&l, "from", path);                     quoted and escaped
 *   log_number(&l, "size", n);
 *   log_end(&l);                                     one write()
 *
 * Values are quoted when they hold SP, '"', '=' or '\', and octets outside
 * 0x20-0x7e are written \xHH: a peer can't make a second line or field. On its
 * way to systemd's journal a line begins with "<N>", its level (sd-daemon(3)).
 * error means that a human must act.
 */
#ifndef PROXY_LOG_LOG_H
#define PROXY_LOG_LOG_H

#include <base/buf.h>

#include <proxy/config/conf.h>

enum log_level {
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARN,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG
};

enum {
    LOG_LINE_MAX = 8192
}; /* a longer value is cut and ends in "..." */

struct log_line {
    struct buf text; /* private, and the others */
    size_t start;    /* octets before the first key */
    enum log_level level;
};

/* Where lines go from now on. fd is borrowed; -1: syslog. */
void log_open(int fd, enum conf_log_format format, const char *process);
void log_set_fd(int fd);
/* Lines above this level are dropped; INFO until it is called. */
void log_set_level(enum log_level level);

void log_begin(struct log_line *l, enum log_level level, const char *event);
void log_text(struct log_line *l, const char *key, const char *value);
void log_bytes(struct log_line *l, const char *key, struct bytes value);
void log_number(struct log_line *l, const char *key, uint64_t value);
__attribute__((format(printf, 3, 4))) void
log_format(struct log_line *l, const char *key, const char *format, ...);
void log_end(struct log_line *l);

/* A whole line: event and one text under key "text". */
__attribute__((format(printf, 3, 4))) void
log_event(enum log_level level, const char *event, const char *format, ...);

#endif
