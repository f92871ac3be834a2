/*
 * activation - see activation.h.
 */
#include "proxy/process/activation.h"

#include <base/bytes.h>

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    FDS_MAX = 1024
};

static bool
number_of(const char *name, uint64_t max, uint64_t *out)
{
    const char *text = getenv(name);

    return text != NULL && bytes_to_u64(bytes_str(text), max, out);
}

size_t
activation_take(void)
{
    uint64_t pid, count;
    bool ours = number_of("LISTEN_PID", INT32_MAX, &pid) &&
                number_of("LISTEN_FDS", FDS_MAX, &count) &&
                pid == (uint64_t)getpid();

    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
    for (uint64_t i = 0; ours && i < count; i++) {
        (void)fcntl(ACTIVATION_FIRST_FD + (int)i, F_SETFD, FD_CLOEXEC);
    }
    return ours ? (size_t)count : 0;
}
