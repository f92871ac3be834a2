/*
 * notice - something that the operator should hear of; see notice.h.
 */
#include "proxy/notices/notice.h"

#include "proxy/notices/compose.h"
#include "proxy/notices/memory.h"
#include "proxy/notices/ways.h"

#include <errno.h>
#include <proxy/log/log.h>
#include <proxy/spawn/spawn.h>
#include <stdlib.h>

enum {
    COMMAND_S = 60
};

bool
notice_command(const struct conf *conf, const struct notice *n,
               struct buf *why_out)
{
    struct buf json = BUF_INIT, kind = BUF_INIT;
    const char *extra[2] = { NULL, NULL };
    struct spawn_result result;
    struct spawn s = { NULL, extra, BYTES_LIT(""), COMMAND_S };
    bool good = false;

    notice_put_json(n, conf->server.hostname, &json);
    buf_printf(&kind, "SEALPOST_NOTICE=%s", notice_kind_name(n->kind));
    extra[0] = buf_str(&kind);
    s.input = buf_bytes(&json);
    if (buf_failed(&json) || extra[0] == NULL) {
        buf_puts(why_out, "no memory");
    } else if (spawn_shell(conf->notify.command, &s, &result) == SPAWN_GOOD) {
        good = true;
    } else {
        buf_printf(why_out, "[notify] command = %s ", conf->notify.command);
        spawn_explain(&s, &result, why_out);
    }
    buf_free(&json);
    buf_free(&kind);
    return good;
}

static void
log_notice(const struct notice *n, const char *way, bool good, struct buf *why)
{
    struct log_line l;

    log_begin(&l, good ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, "notice");
    log_text(&l, "kind", notice_kind_name(n->kind));
    log_text(&l, "subject", n->subject);
    if (n->selector[0] != '\0') {
        log_text(&l, "selector", n->selector);
    }
    log_text(&l, "by", way);
    if (!good) {
        log_bytes(&l, "failed", buf_bytes(why));
    }
    log_end(&l);
}

typedef bool notice_way(const struct conf *conf, const struct notice *n,
                        struct buf *why_out);

static bool
send_by(const struct conf *conf, const struct notice *n,
        struct notice_memory *memory, notice_way *way, const char *name)
{
    struct buf why = BUF_INIT;
    bool good;

    if (n->kind != NOTICE_TEST && notice_memory_has(memory, n, name)) {
        return true;
    }
    good = way(conf, n, &why);
    if (good) {
        notice_memory_note(memory, n, name);
    }
    log_notice(n, name, good, &why);
    buf_free(&why);
    return good;
}

bool
notice_send(const struct conf *conf, const struct notice *notice)
{
    const struct notify_conf *notify = &conf->notify;
    struct notice_memory *memory;
    bool good = true;

    if (notify->command[0] == '\0' && notify->mail[0] == '\0') {
        return true;
    }
    memory = calloc(1, sizeof(*memory));
    if (memory == NULL) {
        return false;
    }
    notice_memory_load(conf->server.state_dir, memory);
    if (notify->command[0] != '\0') {
        good = send_by(conf, notice, memory, notice_command, "command");
    }
    if (notify->mail[0] != '\0') {
        good = send_by(conf, notice, memory, notice_mail, "mail") && good;
    }
    if (!notice_memory_save(memory, &conf->server, notice->time_s)) {
        log_event(LOG_LEVEL_WARN, "notice",
                  "%s/notices/sent.conf: %s: it may be sent again",
                  conf->server.state_dir, strerror(errno));
    }
    free(memory);
    return good;
}
