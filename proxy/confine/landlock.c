/*
 * landlock - files and TCP ports; see confine.h and landlock(7).
 *
 * The kernel's header on a build machine may be older than the kernel that
 * runs, so the structures and bits that are asked for stand here.
 */
#include <errno.h>
#include <fcntl.h>
#include <proxy/confine/confine.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    RULE_PATH = 1,
    RULE_PORT = 2,
    ASK_VERSION = 1 /* flag of landlock_create_ruleset() */
};

enum {
    FS_EXECUTE = 1 << 0,
    FS_WRITE_FILE = 1 << 1,
    FS_READ_FILE = 1 << 2,
    FS_READ_DIR = 1 << 3,
    FS_REMOVE_FILE = 1 << 5,
    FS_MAKE_REG = 1 << 8,
    FS_REFER = 1 << 13,
    FS_TRUNCATE = 1 << 14,
    FS_FIRST = (1 << 13) - 1, /* all bits of version 1 */
    FS_READ = FS_READ_FILE | FS_READ_DIR,
    FS_WRITE =
        FS_READ | FS_WRITE_FILE | FS_REMOVE_FILE | FS_MAKE_REG | FS_TRUNCATE,
    FS_OF_A_FILE = FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE,
    NET_BIND = 1 << 0,
    NET_CONNECT = 1 << 1,
    SCOPE_ABSTRACT_UNIX = 1 << 0,
    SCOPE_SIGNAL = 1 << 1
};

struct ruleset {
    uint64_t fs;
    uint64_t net;    /* version 4 */
    uint64_t scoped; /* version 6 */
};

struct path_rule {
    uint64_t access;
    int32_t fd;
} __attribute__((packed));

struct port_rule {
    uint64_t access;
    uint64_t port;
};

static void
ask_for(int version, struct ruleset *out)
{
    *out = (struct ruleset){ .fs = FS_FIRST };
    if (version >= 2) {
        out->fs |= FS_REFER;
    }
    if (version >= 3) {
        out->fs |= FS_TRUNCATE;
    }
    if (version >= 4) {
        out->net = NET_BIND | NET_CONNECT;
    }
    if (version >= 6) {
        out->scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
    }
}

static bool
allow_place(int ruleset, const struct ruleset *asked,
            const struct confine_place *place)
{
    const int fd = open(place->path, O_PATH | O_CLOEXEC);
    struct path_rule rule = { place->write ? FS_WRITE : FS_READ, fd };
    struct stat st;
    bool good;

    if (fd < 0) {
        return errno == ENOENT || errno == ENOTDIR || errno == EACCES;
    }
    if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode)) {
        rule.access &= FS_OF_A_FILE;
    }
    rule.access &= asked->fs;
    good = syscall(SYS_landlock_add_rule, ruleset, RULE_PATH, &rule, 0) == 0;
    (void)close(fd);
    return good;
}

static bool
allow_port(int ruleset, const struct ruleset *asked, uint16_t port)
{
    struct port_rule rule = { NET_CONNECT, port };

    return asked->net == 0 ||
           syscall(SYS_landlock_add_rule, ruleset, RULE_PORT, &rule, 0) == 0;
}

static bool
fill(int ruleset, const struct ruleset *asked,
     const struct confine_rules *rules)
{
    for (size_t i = 0; i < rules->place_count; i++) {
        if (!allow_place(ruleset, asked, &rules->places[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < rules->port_count; i++) {
        if (!allow_port(ruleset, asked, rules->ports[i])) {
            return false;
        }
    }
    return true;
}

int
confine_landlock(const struct confine_rules *rules)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, ASK_VERSION);
    struct ruleset asked;
    int fd, error;

    if (version < 1) {
        return 0;
    }
    ask_for((int)version, &asked);
    fd = (int)syscall(SYS_landlock_create_ruleset, &asked, sizeof(asked), 0);
    if (fd < 0) {
        return 0;
    }
    if (!fill(fd, &asked, rules) ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        syscall(SYS_landlock_restrict_self, fd, 0) != 0) {
        version = 0;
    }
    error = errno;
    (void)close(fd);
    errno = error;
    return (int)version;
}
