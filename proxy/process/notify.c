/*
 * notify - see notify.h.
 */
#include "proxy/process/notify.h"

#include <base/bytes.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static struct sockaddr_un address;
static socklen_t address_len;

void
notify_init(void)
{
    const char *path = getenv("NOTIFY_SOCKET");

    if (path != NULL && (path[0] == '/' || path[0] == '@') &&
        bytes_copy(bytes_str(path), address.sun_path,
                   sizeof(address.sun_path))) {
        address.sun_family = AF_UNIX;
        address_len =
            (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
        if (path[0] == '@') {
            address.sun_path[0] = '\0'; /* the abstract name space */
        }
    }
    (void)unsetenv("NOTIFY_SOCKET");
}

void
notify_leave(void)
{
    char path[sizeof(address.sun_path) + 1] = "";

    if (address_len == 0) {
        return;
    }
    memcpy(path, address.sun_path, sizeof(address.sun_path));
    if (path[0] == '\0') {
        path[0] = '@';
    }
    (void)setenv("NOTIFY_SOCKET", path, 1);
}

static void
notify(const char *state)
{
    int fd;

    if (address_len == 0) {
        return;
    }
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return;
    }
    (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL,
                 (const struct sockaddr *)&address, address_len);
    (void)close(fd);
}

void
notify_ready(void)
{
    notify("READY=1");
}

void
notify_reloading(void)
{
    struct timespec now;
    char text[80];

    clock_gettime(CLOCK_MONOTONIC, &now);
    (void)snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld",
                   (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    notify(text);
}

void
notify_stopping(void)
{
    notify("STOPPING=1");
}
