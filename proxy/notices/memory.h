/*
 * memory - which notices were sent when: STATE_DIR/notices/sent.conf.
 *
 *   [sent]
 *   0123456789abcdef = 1795305600      a notice's name, seconds since 1970
 *
 * A name is the first octets of a digest: subjects are as long as they like,
 * and lines are not. What is older than a week is forgotten.
 */
#ifndef PROXY_NOTICES_MEMORY_H
#define PROXY_NOTICES_MEMORY_H

#include <proxy/notices/notice.h>

enum {
    NOTICE_MEMORY_MAX = 1000
};

struct notice_memory {
    struct {
        uint64_t name;
        uint64_t time_s;
    } sent[NOTICE_MEMORY_MAX];
    size_t count;
    bool changed;
};

/* A file that is missing or damaged is empty. */
void notice_memory_load(const char *state_dir, struct notice_memory *m);
void notice_memory_parse(struct bytes text, struct notice_memory *m);

/* way: "command" or "mail". Sent in the last day? */
bool notice_memory_has(const struct notice_memory *m, const struct notice *n,
                       const char *way);
/* It is sent now; its opposite is forgotten. */
void notice_memory_note(struct notice_memory *m, const struct notice *n,
                        const char *way);

/* False: errno. Nothing to do when nothing has changed. */
bool notice_memory_save(const struct notice_memory *m,
                        const struct server_conf *server, uint64_t now_s);

#endif
