/*
 * memory - which notices were sent when; see memory.h.
 */
#include "proxy/notices/memory.h"

#include "proxy/notices/compose.h"

#include <openssl/evp.h>

#include <errno.h>
#include <fcntl.h>
#include <proxy/config/reader.h>
#include <proxy/keys/keystore.h>
#include <proxy/keys/replace.h>
#include <unistd.h>

enum {
    AGAIN_S = 23 * 3600, /* a daily timer is not to the second */
    KEPT_S = 7 * 86400,
    FILE_MAX = NOTICE_MEMORY_MAX * 64
};

static uint64_t
name_of(const struct notice *n, enum notice_kind kind, const char *way)
{
    unsigned char digest[EVP_MAX_MD_SIZE] = { 0 };
    struct buf text = BUF_INIT;
    uint64_t name = 0;

    buf_printf(&text, "%s %s %s %s", way, notice_kind_name(kind), n->subject,
               n->selector);
    (void)EVP_Digest(text.ptr, text.len, digest, NULL, EVP_sha256(), NULL);
    for (size_t i = 0; i < 8; i++) {
        name = name << 8 | digest[i];
    }
    buf_free(&text);
    return name;
}

/* --- the file ----------------------------------------------------------- */

static bool
name_parse(struct bytes text, uint64_t *name_out)
{
    uint64_t name = 0;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];

        if (!byte_is_digit(c) && (c < 'a' || c > 'f')) {
            return false;
        }
        name =
            name << 4 | (uint64_t)(byte_is_digit(c) ? c - '0' : c - 'a' + 10);
    }
    *name_out = name;
    return text.len == 16;
}

static void
take_entry(const struct conf_entry *e, void *arg)
{
    struct notice_memory *m = arg;
    uint64_t name, time_s;

    if (e->key != NULL && strcmp(e->section, "sent") == 0 &&
        m->count < NOTICE_MEMORY_MAX && name_parse(bytes_str(e->key), &name) &&
        bytes_to_u64(bytes_str(e->value), INT64_MAX, &time_s)) {
        m->sent[m->count].name = name;
        m->sent[m->count++].time_s = time_s;
    }
}

void
notice_memory_parse(struct bytes text, struct notice_memory *m)
{
    struct conf_errors *errors = conf_errors_new();

    m->count = 0;
    m->changed = false;
    if (errors != NULL) {
        (void)conf_read_text(text, "sent.conf", take_entry, m, errors);
    }
    conf_errors_free(&errors);
}

void
notice_memory_load(const char *state_dir, struct notice_memory *m)
{
    struct buf path = BUF_INIT, text = BUF_INIT;
    int fd = -1;

    m->count = 0;
    m->changed = false;
    buf_printf(&path, "%s/notices/sent.conf", state_dir);
    if (buf_str(&path) != NULL) {
        fd = open((char *)path.ptr, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    }
    if (fd >= 0 && replace_read(fd, FILE_MAX, &text)) {
        notice_memory_parse(buf_bytes(&text), m);
    }
    if (fd >= 0) {
        close(fd);
    }
    buf_free(&path);
    buf_free(&text);
}

bool
notice_memory_save(const struct notice_memory *m,
                   const struct server_conf *server, uint64_t now_s)
{
    struct buf folder = BUF_INIT, path = BUF_INIT, text = BUF_INIT;
    struct replace_owner folder_owner, owner;
    struct keystore_conf store; /* who keys_user is */
    bool good;

    if (!m->changed) {
        return true;
    }
    keystore_conf_init(&store, server, false);
    folder_owner = (struct replace_owner){ store.uid, store.gid, 0700 };
    owner = (struct replace_owner){ store.uid, store.gid, 0600 };
    buf_puts(&text, "[sent]\n");
    for (size_t i = 0; i < m->count; i++) {
        if (m->sent[i].time_s + KEPT_S >= now_s) {
            buf_printf(&text, "%016jx = %ju\n", (uintmax_t)m->sent[i].name,
                       (uintmax_t)m->sent[i].time_s);
        }
    }
    buf_printf(&folder, "%s/notices", server->state_dir);
    buf_printf(&path, "%s/notices/sent.conf", server->state_dir);
    errno = ENOMEM;
    good = buf_str(&folder) != NULL && buf_str(&path) != NULL &&
           !buf_failed(&text) &&
           replace_mkdir((char *)folder.ptr, &folder_owner) &&
           replace_file((char *)path.ptr, buf_bytes(&text), &owner);
    buf_free(&folder);
    buf_free(&path);
    buf_free(&text);
    return good;
}

/* --- asking and noting -------------------------------------------------- */

bool
notice_memory_has(const struct notice_memory *m, const struct notice *n,
                  const char *way)
{
    uint64_t name = name_of(n, n->kind, way);

    for (size_t i = 0; i < m->count; i++) {
        /* a time to come: a clock was wrong, and that must not silence us */
        if (m->sent[i].name == name && m->sent[i].time_s <= n->time_s &&
            n->time_s - m->sent[i].time_s < AGAIN_S) {
            return true;
        }
    }
    return false;
}

static void
forget(struct notice_memory *m, uint64_t name)
{
    for (size_t i = 0; i < m->count;) {
        if (m->sent[i].name == name) {
            m->sent[i] = m->sent[--m->count];
        } else {
            i++;
        }
    }
}

static void
forget_oldest(struct notice_memory *m)
{
    size_t oldest = 0;

    for (size_t i = 1; i < m->count; i++) {
        if (m->sent[i].time_s < m->sent[oldest].time_s) {
            oldest = i;
        }
    }
    m->sent[oldest] = m->sent[--m->count];
}

void
notice_memory_note(struct notice_memory *m, const struct notice *n,
                   const char *way)
{
    uint64_t name = name_of(n, n->kind, way);

    forget(m, name);
    if (n->kind == NOTICE_DOMAIN_GREEN) {
        forget(m, name_of(n, NOTICE_DOMAIN_RED, way));
    } else if (n->kind == NOTICE_DOMAIN_RED) {
        forget(m, name_of(n, NOTICE_DOMAIN_GREEN, way));
    }
    if (m->count == NOTICE_MEMORY_MAX) {
        forget_oldest(m);
    }
    m->sent[m->count].name = name;
    m->sent[m->count++].time_s = n->time_s;
    m->changed = true;
}
