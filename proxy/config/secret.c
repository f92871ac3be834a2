/*
 * secret - see secret.h.
 */
#include "secret.h"

#include <base/wipe.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

bool
conf_secret_line(struct bytes text, size_t octets_max, struct bytes *line_out)
{
    struct bytes line = bytes_take(text, bytes_find(text, '\n'));

    if (line.len > 0 && line.ptr[line.len - 1] == '\r') {
        line.len--;
    }
    if (line.len == 0 || line.len > octets_max ||
        bytes_find(line, '\0') < line.len) {
        return false;
    }
    *line_out = line;
    return true;
}

/* Up to cap octets of the file; -1: errno says why. A pipe is not awaited. */
static ssize_t
read_some(const char *path, char *text, size_t cap)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t n = fd < 0 ? -1 : read(fd, text, cap);
    int saved = errno;

    if (fd >= 0) {
        (void)close(fd);
    }
    errno = saved;
    return n;
}

enum conf_secret
conf_secret_read(const char *path, size_t octets_max, char *out)
{
    char text[CONF_TOKEN_MAX + 2]; /* a CR, and one octet too many */
    struct bytes line;
    ssize_t n;
    bool good;

    assert(octets_max <= CONF_TOKEN_MAX);
    out[0] = '\0';
    n = read_some(path, text, sizeof(text));
    if (n < 0) {
        return CONF_SECRET_FILE;
    }
    good = conf_secret_line(bytes_make(text, (size_t)n), octets_max, &line) &&
           bytes_copy(line, out, octets_max + 1);
    wipe(text, sizeof(text));
    return good ? CONF_SECRET_OK : CONF_SECRET_LINE;
}
