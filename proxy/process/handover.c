/*
 * handover - see handover.h.
 *
 *   sealpost 1
 *   lock FD, log-pipe FD, keepers FD PID, keeper-dir PATH
 *   serves KEEPER CONF-FD
 *   worker SLOT PID CONTROL-FD      any number
 *   socket FD                       any number
 */
#include "proxy/process/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define VARIABLE "SEALPOST_HANDOVER"
#define FIRST    "sealpost 1\n"

bool
handover_add_worker(struct handover *h, struct handover_worker w)
{
    struct handover_worker *more =
        realloc(h->workers, (h->worker_count + 1) * sizeof(*more));

    if (more == NULL) {
        return false;
    }
    h->workers = more;
    h->workers[h->worker_count++] = w;
    return true;
}

bool
handover_add_socket(struct handover *h, int fd)
{
    int *more = realloc(h->sockets, (h->socket_count + 1) * sizeof(*more));

    if (more == NULL) {
        return false;
    }
    h->sockets = more;
    h->sockets[h->socket_count++] = fd;
    return true;
}

void
handover_free(struct handover *h)
{
    free(h->workers);
    free(h->sockets);
    h->workers = NULL;
    h->sockets = NULL;
    h->worker_count = h->socket_count = 0;
}

/* --- leaving -------------------------------------------------------------- */

static void
put(const struct handover *h, struct buf *out)
{
    buf_puts(out, FIRST);
    buf_printf(out, "lock %d\nlog-pipe %d\nkeepers %d %ld\nkeeper-dir %s\n",
               h->lock_fd, h->log_pipe, h->keepers_control,
               (long)h->keepers_pid, h->keeper_dir);
    buf_printf(out, "serves %u %d\n", h->keeper, h->conf_fd);
    for (size_t i = 0; i < h->worker_count; i++) {
        buf_printf(out, "worker %u %ld %d\n", h->workers[i].slot,
                   (long)h->workers[i].pid, h->workers[i].control);
    }
    for (size_t i = 0; i < h->socket_count; i++) {
        buf_printf(out, "socket %d\n", h->sockets[i]);
    }
}

static void
keep(int fd, bool across_exec)
{
    if (fd >= 0) {
        (void)fcntl(fd, F_SETFD, across_exec ? 0 : FD_CLOEXEC);
    }
}

static void
keep_all(const struct handover *h, bool across_exec)
{
    keep(h->lock_fd, across_exec);
    keep(h->log_pipe, across_exec);
    keep(h->keepers_control, across_exec);
    keep(h->conf_fd, across_exec);
    for (size_t i = 0; i < h->worker_count; i++) {
        keep(h->workers[i].control, across_exec);
    }
    for (size_t i = 0; i < h->socket_count; i++) {
        keep(h->sockets[i], across_exec);
    }
}

bool
handover_leave(const struct handover *h)
{
    struct buf text = BUF_INIT;
    char number[16];
    int fd = memfd_create("sealpost-handover", 0);

    put(h, &text);
    if (fd < 0 || buf_str(&text) == NULL ||
        pwrite(fd, buf_str(&text), text.len, 0) != (ssize_t)text.len) {
        buf_free(&text);
        keep(fd, false);
        return false;
    }
    buf_free(&text);
    (void)snprintf(number, sizeof(number), "%d", fd);
    keep_all(h, true);
    return setenv(VARIABLE, number, 1) == 0;
}

void
handover_cancel(const struct handover *h)
{
    const char *number = getenv(VARIABLE);

    if (number != NULL) {
        /* NOLINTNEXTLINE(cert-err34-c): of our own writing */
        (void)close(atoi(number));
    }
    (void)unsetenv(VARIABLE);
    keep_all(h, false);
}

/* --- taking --------------------------------------------------------------- */

/* NOLINTBEGIN(cert-err34-c): numbers of our own writing */
static bool
take_line(struct handover *h, char *line)
{
    struct handover_worker w;
    int fd;
    long pid;

    line[strcspn(line, "\n")] = '\0';
    if (sscanf(line, "lock %d", &h->lock_fd) == 1 ||
        sscanf(line, "log-pipe %d", &h->log_pipe) == 1 ||
        sscanf(line, "serves %u %d", &h->keeper, &h->conf_fd) == 2) {
        return true;
    }
    if (sscanf(line, "keepers %d %ld", &h->keepers_control, &pid) == 2) {
        h->keepers_pid = (pid_t)pid;
        return true;
    }
    if (strncmp(line, "keeper-dir ", 11) == 0) {
        return bytes_copy(bytes_str(line + 11), h->keeper_dir,
                          sizeof(h->keeper_dir));
    }
    if (sscanf(line, "worker %u %ld %d", &w.slot, &pid, &w.control) == 3) {
        w.pid = (pid_t)pid;
        return handover_add_worker(h, w);
    }
    /* Lines that a newer version adds are passed over. */
    return sscanf(line, "socket %d", &fd) != 1 || handover_add_socket(h, fd);
}
/* NOLINTEND(cert-err34-c) */

static bool
take(struct handover *h, FILE *f)
{
    char line[1024];
    bool good =
        fgets(line, sizeof(line), f) != NULL && strcmp(line, FIRST) == 0;

    while (good && fgets(line, sizeof(line), f) != NULL) {
        good = take_line(h, line);
    }
    return good && h->lock_fd >= 0 && h->conf_fd >= 0;
}

bool
handover_take(struct handover *out, bool *found_out)
{
    const char *number = getenv(VARIABLE);
    uint64_t fd;
    FILE *f = NULL;
    bool good;

    *out = (struct handover){
        .lock_fd = -1, .log_pipe = -1, .keepers_control = -1, .conf_fd = -1
    };
    *found_out = number != NULL;
    if (number != NULL && bytes_to_u64(bytes_str(number), INT32_MAX, &fd)) {
        f = fdopen((int)fd, "r");
    }
    (void)unsetenv(VARIABLE);
    if (f == NULL) {
        return false;
    }
    rewind(f);
    good = take(out, f);
    (void)fclose(f);
    keep_all(out, false);
    return good;
}
