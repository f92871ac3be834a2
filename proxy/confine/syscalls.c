/*
 * syscalls - the system calls that are left; see confine.h and seccomp(2).
 */
#include <errno.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <proxy/confine/confine.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    SOCKET_TYPE = 0xf /* of socket()'s second argument; the rest is flags */
};

/* What a process does whatever it is for. */
static const int common[] = {
    /* descriptors */
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(readv),
    SCMP_SYS(writev),
    SCMP_SYS(pread64),
    SCMP_SYS(pwrite64),
    SCMP_SYS(preadv),
    SCMP_SYS(pwritev),
    SCMP_SYS(close),
    SCMP_SYS(close_range),
    SCMP_SYS(lseek),
    SCMP_SYS(fcntl),
    SCMP_SYS(dup),
    SCMP_SYS(dup2),
    SCMP_SYS(dup3),
    SCMP_SYS(pipe2),
    SCMP_SYS(eventfd2),
    SCMP_SYS(memfd_create),
    /* files: which ones is Landlock's */
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(stat),
    SCMP_SYS(lstat),
    SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(statx),
    SCMP_SYS(statfs),
    SCMP_SYS(fstatfs),
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(getdents64),
    SCMP_SYS(getcwd),
    SCMP_SYS(umask),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    SCMP_SYS(rename),
    SCMP_SYS(renameat),
    SCMP_SYS(renameat2),
    SCMP_SYS(mkdir),
    SCMP_SYS(mkdirat),
    SCMP_SYS(fchmod),
    SCMP_SYS(fsync),
    SCMP_SYS(fdatasync),
    SCMP_SYS(ftruncate),
    SCMP_SYS(fallocate),
    SCMP_SYS(flock),
    /* sockets that are there; to send: see allow_sending() */
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(recvmmsg),
    SCMP_SYS(connect),
    SCMP_SYS(bind),
    SCMP_SYS(accept),
    SCMP_SYS(accept4),
    SCMP_SYS(shutdown),
    SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
    SCMP_SYS(listen),
    /* waiting */
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_create),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(select),
    SCMP_SYS(pselect6),
    SCMP_SYS(nanosleep),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime),
    SCMP_SYS(timerfd_gettime),
    SCMP_SYS(signalfd4),
    SCMP_SYS(futex),
    SCMP_SYS(sched_yield),
    SCMP_SYS(restart_syscall),
    /* memory; never executable: see allow_memory() */
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(mlock),
    SCMP_SYS(mlock2),
    SCMP_SYS(munlock),
    SCMP_SYS(mlockall),
    SCMP_SYS(membarrier),
    /* signals, and the end */
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigpending),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    /* who and where am I */
    SCMP_SYS(getpid),
    SCMP_SYS(getppid),
    SCMP_SYS(gettid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(getresuid),
    SCMP_SYS(getresgid),
    SCMP_SYS(uname),
    SCMP_SYS(sysinfo),
    SCMP_SYS(getrlimit),
    SCMP_SYS(getrusage),
    SCMP_SYS(getrandom),
    SCMP_SYS(getcpu),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(prctl),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
};

static const int worker_calls[] = {
    SCMP_SYS(sendfile),
    SCMP_SYS(splice),
    SCMP_SYS(tee),
    SCMP_SYS(copy_file_range),
};

static const int keeper_calls[] = {
    SCMP_SYS(fchown),
    SCMP_SYS(fchownat),
    SCMP_SYS(chown),
    SCMP_SYS(sched_setattr),
};

/* Nothing of ours makes these, nor falls back on them. */
static const int intruders[] = {
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(fork),
    SCMP_SYS(vfork),
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(bpf),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(setns),
    SCMP_SYS(unshare),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(add_key),
    SCMP_SYS(keyctl),
    SCMP_SYS(request_key),
    SCMP_SYS(setuid),
    SCMP_SYS(setresuid),
};

static const unsigned long ioctls[] = { FIONREAD, FIONBIO, TIOCOUTQ, TCGETS };

/* A call that this machine does not have is no mistake. */
static bool
add(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int error = seccomp_rule_add(filter, action, calls[i], 0);

        if (error != 0 && error != -EDOM && error != -EINVAL) {
            errno = -error;
            return false;
        }
    }
    return true;
}

static bool
add_if(scmp_filter_ctx filter, int call, struct scmp_arg_cmp is)
{
    int error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1, is);

    errno = -error;
    return error == 0;
}

/* Landlock knows the ports of TCP alone: MPTCP and SCTP would have all. */
static bool
allow_internet(scmp_filter_ctx filter, int family)
{
    static const int kinds[][2] = { { SOCK_STREAM, 0 },
                                    { SOCK_STREAM, IPPROTO_TCP },
                                    { SOCK_DGRAM, 0 },
                                    { SOCK_DGRAM, IPPROTO_UDP } };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        int error = seccomp_rule_add(
            filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 3,
            SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family, 0),
            SCMP_A1(SCMP_CMP_MASKED_EQ, SOCKET_TYPE, (scmp_datum_t)kinds[i][0]),
            SCMP_A2(SCMP_CMP_EQ, (scmp_datum_t)kinds[i][1], 0));

        if (error != 0) {
            errno = -error;
            return false;
        }
    }
    return true;
}

static bool
allow_sockets(scmp_filter_ctx filter, enum confine_process process)
{
    return add_if(filter, SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0)) &&
           (process != CONFINE_WORKER || (allow_internet(filter, AF_INET) &&
                                          allow_internet(filter, AF_INET6)));
}

/* TCP Fast Open connects without connect(), where Landlock does not look. */
static bool
allow_sending(scmp_filter_ctx filter)
{
    return add_if(filter, SCMP_SYS(sendto),
                  SCMP_A3(SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0)) &&
           add_if(filter, SCMP_SYS(sendmsg),
                  SCMP_A2(SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0)) &&
           add_if(filter, SCMP_SYS(sendmmsg),
                  SCMP_A3(SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0));
}

/* Signals to itself, as abort() sends one; Landlock knows signals since 6. */
static bool
allow_signals(scmp_filter_ctx filter)
{
    return add_if(filter, SCMP_SYS(tgkill),
                  SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0));
}

static bool
allow_memory(scmp_filter_ctx filter)
{
    return add_if(filter, SCMP_SYS(mmap),
                  SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) &&
           add_if(filter, SCMP_SYS(mprotect),
                  SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
}

static bool
allow_ioctls(scmp_filter_ctx filter)
{
    for (size_t i = 0; i < sizeof(ioctls) / sizeof(ioctls[0]); i++) {
        if (!add_if(filter, SCMP_SYS(ioctl),
                    SCMP_A1(SCMP_CMP_EQ, ioctls[i], 0))) {
            return false;
        }
    }
    return true;
}

/* prlimit64 only to ask: a new limit, its third argument, is NULL. */
static bool
allow_limits(scmp_filter_ctx filter)
{
    return add_if(filter, SCMP_SYS(prlimit64), SCMP_A2(SCMP_CMP_EQ, 0, 0));
}

/* clone3 hides its flags from the filter: libc falls back on clone. */
static bool
allow_threads(scmp_filter_ctx filter)
{
    return add_if(filter, SCMP_SYS(clone),
                  SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
}

static bool
fill(scmp_filter_ctx filter, enum confine_process process)
{
    bool worker = process == CONFINE_WORKER;

    return add(filter, SCMP_ACT_KILL_PROCESS, intruders,
               sizeof(intruders) / sizeof(intruders[0])) &&
           add(filter, SCMP_ACT_ALLOW, common,
               sizeof(common) / sizeof(common[0])) &&
           (worker ? add(filter, SCMP_ACT_ALLOW, worker_calls,
                         sizeof(worker_calls) / sizeof(worker_calls[0]))
                   : add(filter, SCMP_ACT_ALLOW, keeper_calls,
                         sizeof(keeper_calls) / sizeof(keeper_calls[0])) &&
                         allow_threads(filter)) &&
           allow_sockets(filter, process) && allow_sending(filter) &&
           allow_signals(filter) && allow_memory(filter) &&
           allow_ioctls(filter) && allow_limits(filter);
}

bool
confine_syscalls(enum confine_process process)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    int error;

    if (filter == NULL) {
        return false;
    }
    if (fill(filter, process)) {
        error = -seccomp_load(filter);
    } else {
        error = errno;
    }
    seccomp_release(filter);
    errno = error;
    return error == 0;
}
