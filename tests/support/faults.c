/*
 * faults.c - the calls of one of the daemon's processes, made to fail or to
 * do little, or those of all of them to take long.
 *
 * A library for LD_PRELOAD; the file that TEST_FAULTS names is shared with
 * tests/support/faults.py, which says what happens and to whom: the processes
 * of another kind load it and are left alone. System calls are made by number,
 * so that nothing stands between this and the kernel.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    OFF,
    FAIL,    /* the at-th call of that name fails, once */
    TRICKLE, /* each stream takes and gives a few octets, or none now */
    DELAY    /* one in eight of those that others wait for is late */
};

enum {
    DELAY_MS = 80
};

/* Kinds of processes, and the control, as faults.py has them. */
enum {
    WORKER,
    MASTER,
    PARENT, /* of keepers: forked by the master */
    KEEPER
};

struct control {
    uint32_t mode, at, calls, hits, whose;
    char name[24];
};

static volatile struct control off, *control = &off;
static uint64_t seed = 0x9e3779b97f4a7c15U;
static uint32_t kind;
static pid_t began_as;

static uint32_t
kind_by_option(void)
{
    char line[4096];
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, line, sizeof(line));

    close(fd);
    if (n > 0 && memmem(line, (size_t)n, "--worker", 8) != NULL) {
        return WORKER;
    }
    return n > 0 && memmem(line, (size_t)n, "--keeper-child", 14) != NULL
               ? KEEPER
               : MASTER;
}

static bool
is_whose(void)
{
    if (kind == MASTER && syscall(SYS_getpid) != began_as) {
        return control->whose == PARENT;
    }
    return control->whose == kind;
}

__attribute__((constructor)) static void
begin(void)
{
    const char *path = getenv("TEST_FAULTS");
    void *map = MAP_FAILED;
    int fd;

    if (path == NULL) {
        return;
    }
    kind = kind_by_option();
    began_as = getpid();
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd >= 0) {
        map = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED,
                   fd, 0);
        close(fd);
    }
    if (map == MAP_FAILED) {
        abort(); /* a test without faults would pass */
    }
    control = map;
    seed += (uint64_t)began_as << 32;
}

static uint64_t
dice(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* As if the process, of whatever kind, were not given a CPU just now. */
static void
delay(const char *name)
{
    static const char others[] =
        " accept4 connect fork recv send sendmsg write ";
    const char *found = strstr(others, name);
    int before = errno;
    uint64_t n = dice();

    if (n % 8 == 0 && found != NULL && found[-1] == ' ' &&
        found[strlen(name)] == ' ') {
        control->hits++;
        (void)syscall(SYS_poll, NULL, 0, (int)(n / 8 % DELAY_MS));
        errno = before;
    }
}

static bool
is_meant(const char *name)
{
    size_t i = 0;

    while (name[i] != '\0' && control->name[i] == name[i]) {
        i++;
    }
    return control->name[i] == name[i];
}

static bool
fails(const char *name, int error)
{
    if (control->mode == DELAY) {
        delay(name);
        return false;
    }
    if (control->mode != FAIL || !is_meant(name) || !is_whose() ||
        ++control->calls != control->at) {
        return false;
    }
    control->hits++;
    errno = error;
    return true;
}

static bool
is_stream(int fd)
{
    int value = 0;
    socklen_t len = sizeof(value);

    return syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &value, &len) ==
               0 &&
           value == SOCK_STREAM;
}

/* How many of n octets may go now; 0: none, with errno. */
static size_t
portion(int fd, size_t n)
{
    static const size_t some[] = { 0, 1, 2, 7, 100, 4096, SIZE_MAX, 0 };
    int before = errno;
    size_t i, may;

    if (control->mode != TRICKLE || !is_whose() || n == 0 || !is_stream(fd)) {
        errno = before;
        return n;
    }
    i = dice() % 8;
    may = some[i] < n ? some[i] : n;
    control->hits += may < n;
    errno = may > 0 ? before : i == 0 ? EAGAIN : EINTR;
    return may;
}

int
socket(int domain, int type, int protocol)
{
    return fails("socket", EMFILE)
               ? -1
               : (int)syscall(SYS_socket, domain, type, protocol);
}

int
connect(int fd, const struct sockaddr *to, socklen_t len)
{
    return fails("connect", ECONNREFUSED)
               ? -1
               : (int)syscall(SYS_connect, fd, to, len);
}

int
accept4(int fd, struct sockaddr *from, socklen_t *len, int flags)
{
    return fails("accept4", ENFILE)
               ? -1
               : (int)syscall(SYS_accept4, fd, from, len, flags);
}

int
open(const char *path, int flags, ...)
{
    mode_t mode;
    va_list more;

    va_start(more, flags);
    mode = va_arg(more, mode_t); /* any value where there is none */
    va_end(more);
    return fails("open", EMFILE)
               ? -1
               : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

/* What makes a descriptor or a process; the kernel has the rest. */
int
socketpair(int domain, int type, int protocol, int fds[2])
{
    return fails("socketpair", EMFILE)
               ? -1
               : (int)syscall(SYS_socketpair, domain, type, protocol, fds);
}

int
pipe2(int fds[2], int flags)
{
    return fails("pipe2", EMFILE) ? -1 : (int)syscall(SYS_pipe2, fds, flags);
}

int
memfd_create(const char *name, unsigned flags)
{
    return fails("memfd_create", EMFILE)
               ? -1
               : (int)syscall(SYS_memfd_create, name, flags);
}

int
epoll_create1(int flags)
{
    return fails("epoll_create1", EMFILE)
               ? -1
               : (int)syscall(SYS_epoll_create1, flags);
}

/* More of it than a number: the C library keeps books of these. */
pid_t
fork(void)
{
    pid_t (*real)(void) = dlsym(RTLD_NEXT, "fork");

    return fails("fork", EAGAIN) ? -1 : real();
}

FILE *
fopen(const char *path, const char *mode)
{
    FILE *(*real)(const char *, const char *) = dlsym(RTLD_NEXT, "fopen");

    return fails("fopen", EMFILE) ? NULL : real(path, mode);
}

/* As libcrypto calls it. */
FILE *
fopen64(const char *path, const char *mode)
{
    return fopen(path, mode);
}

DIR *
fdopendir(int fd)
{
    DIR *(*real)(int) = dlsym(RTLD_NEXT, "fdopendir");

    return fails("fdopendir", ENOMEM) ? NULL : real(fd);
}

struct dirent *
readdir(DIR *dir)
{
    struct dirent *(*real)(DIR *) = dlsym(RTLD_NEXT, "readdir");

    return fails("readdir", EIO) ? NULL : real(dir);
}

int
execv(const char *path, char *const argv[])
{
    int (*real)(const char *, char *const *) = dlsym(RTLD_NEXT, "execv");

    return fails("execv", ENOMEM) ? -1 : real(path, argv);
}

int
fexecve(int fd, char *const argv[], char *const envp[])
{
    int (*real)(int, char *const *, char *const *) =
        dlsym(RTLD_NEXT, "fexecve");

    return fails("fexecve", ENOMEM) ? -1 : real(fd, argv, envp);
}

/* --- memory: of programs without a sanitizer, which has its own -----------
 */

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t count, size_t n);
void *__libc_realloc(void *old, size_t n);

void *
malloc(size_t n)
{
    return fails("malloc", ENOMEM) ? NULL : __libc_malloc(n);
}

void *
calloc(size_t count, size_t n)
{
    return fails("malloc", ENOMEM) ? NULL : __libc_calloc(count, n);
}

void *
realloc(void *old, size_t n)
{
    return fails("malloc", ENOMEM) ? NULL : __libc_realloc(old, n);
}

/* --- files and sockets ----------------------------------------------------
 */

ssize_t
pwrite(int fd, const void *data, size_t n, off_t at)
{
    return fails("pwrite", EIO) ? -1 : syscall(SYS_pwrite64, fd, data, n, at);
}

ssize_t
pread(int fd, void *room, size_t n, off_t at)
{
    return fails("pread", EIO) ? -1 : syscall(SYS_pread64, fd, room, n, at);
}

/* As it is called with _FORTIFY_SOURCE. */
ssize_t __pread_chk(int fd, void *room, size_t n, off_t at, size_t size);

ssize_t
__pread_chk(int fd, void *room, size_t n, off_t at, size_t size)
{
    if (n > size) {
        abort();
    }
    return pread(fd, room, n, at);
}

ssize_t
read(int fd, void *room, size_t n)
{
    size_t may = portion(fd, n);

    if ((may == 0 && n > 0) || fails("read", EIO)) {
        return -1;
    }
    return syscall(SYS_read, fd, room, may);
}

ssize_t
write(int fd, const void *data, size_t n)
{
    size_t may = portion(fd, n);

    if ((may == 0 && n > 0) || fails("write", EIO)) {
        return -1;
    }
    return syscall(SYS_write, fd, data, may);
}

ssize_t
recv(int fd, void *room, size_t n, int flags)
{
    size_t may = portion(fd, n);

    if ((may == 0 && n > 0) || fails("recv", ECONNRESET)) {
        return -1;
    }
    return syscall(SYS_recvfrom, fd, room, may, flags, NULL, NULL);
}

ssize_t
send(int fd, const void *data, size_t n, int flags)
{
    size_t may = portion(fd, n);

    if ((may == 0 && n > 0) || fails("send", EPIPE)) {
        return -1;
    }
    return syscall(SYS_sendto, fd, data, may, flags, NULL, 0);
}

ssize_t
sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct msghdr cut = *message;
    struct iovec one = { NULL, 0 };

    if (fails("sendmsg", is_stream(fd) ? ECONNRESET : ENOBUFS)) {
        return -1;
    }
    for (size_t i = 0; i < message->msg_iovlen && one.iov_len == 0; i++) {
        one = message->msg_iov[i];
    }
    if (control->mode == TRICKLE && is_whose() && one.iov_len > 0 &&
        is_stream(fd)) {
        one.iov_len = portion(fd, one.iov_len);
        if (one.iov_len == 0) {
            return -1;
        }
        cut.msg_iov = &one;
        cut.msg_iovlen = 1;
    }
    return syscall(SYS_sendmsg, fd, &cut, flags);
}

/* --- OpenSSL: an error that the library has no word for ------------------- */

int SSL_read(void *ssl, void *room, int n);
int SSL_write(void *ssl, const void *data, int n);
int SSL_do_handshake(void *ssl);
void *SSL_new(void *ctx);
void *SSL_CTX_new(const void *method);

int
SSL_read(void *ssl, void *room, int n)
{
    int (*real)(void *, void *, int) = dlsym(RTLD_NEXT, "SSL_read");

    return fails("SSL_read", EIO) ? -1 : real(ssl, room, n);
}

int
SSL_write(void *ssl, const void *data, int n)
{
    int (*real)(void *, const void *, int) = dlsym(RTLD_NEXT, "SSL_write");

    return fails("SSL_write", EIO) ? -1 : real(ssl, data, n);
}

int
SSL_do_handshake(void *ssl)
{
    int (*real)(void *) = dlsym(RTLD_NEXT, "SSL_do_handshake");

    return fails("SSL_do_handshake", EIO) ? -1 : real(ssl);
}

void *
SSL_new(void *ctx)
{
    void *(*real)(void *) = dlsym(RTLD_NEXT, "SSL_new");

    return fails("SSL_new", ENOMEM) ? NULL : real(ctx);
}

void *
SSL_CTX_new(const void *method)
{
    void *(*real)(const void *) = dlsym(RTLD_NEXT, "SSL_CTX_new");

    return fails("SSL_CTX_new", ENOMEM) ? NULL : real(method);
}
