/*
 * harden - process flags and locked memory; see harden.h.
 *
 * OpenSSL keeps the private numbers of keys in its secure heap: locked, not
 * dumped, between guard pages, cleared when freed. Copies that it makes while
 * it computes, and password hashes, are in ordinary memory, which is locked
 * too where there is no limit.
 */
#include <openssl/crypto.h>

#include <proxy/keeper/harden.h>
#include <proxy/log/log.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    HEAP_MIN = 1024 * 1024,
    HEAP_MAX = 16 * 1024 * 1024,
    HEAP_PIECE_MIN = 32,
    /* An RSA-4096 key takes 1.8 KB, and as much again while it is parsed. */
    OCTETS_A_KEY = 4096
};

bool
harden_process(pid_t parent)
{
    const struct rlimit none = { 0, 0 };

    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
    return parent == 0 || getppid() == parent; /* died before prctl()? */
}

/* The largest power of two that the limit allows, within our bounds. */
static size_t
heap_size(rlim_t limit)
{
    size_t size = HEAP_MAX;

    while (size > HEAP_MIN && size > limit) {
        size /= 2;
    }
    return size;
}

size_t
harden_memory(void)
{
    struct rlimit limit = { 0, 0 };
    bool all = false, heap = false;
    size_t size;

    (void)getrlimit(RLIMIT_MEMLOCK, &limit);
    size = heap_size(limit.rlim_cur);
    heap = CRYPTO_secure_malloc_initialized() == 1 ||
           CRYPTO_secure_malloc_init(size, HEAP_PIECE_MIN) == 1;
    if (limit.rlim_cur == RLIM_INFINITY) {
        all = mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0;
    }
    if (!heap && !all) {
        log_event(LOG_LEVEL_WARN, "memory",
                  "private keys are not in locked memory and may be swapped "
                  "out; raise RLIMIT_MEMLOCK (LimitMEMLOCK=infinity)");
    } else if (!all) {
        log_event(LOG_LEVEL_INFO, "memory",
                  "private keys are in locked memory, other secrets are not; "
                  "LimitMEMLOCK=infinity locks all");
    }
    return size / OCTETS_A_KEY;
}
