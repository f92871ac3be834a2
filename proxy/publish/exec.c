/*
 * exec - the operator's program, for zones behind an API; see ways.h.
 *
 * The JSON is part of the contract: sealpost.conf(5), PUBLISHING.
 */
#include "proxy/publish/ways.h"

#include <proxy/json/json.h>

enum {
    STRING_MAX = 255
};

static void
put_split(struct bytes text, struct buf *out)
{
    buf_puts(out, ",\"strings\":[");
    while (text.len > 0) {
        struct bytes piece = bytes_take(text, STRING_MAX);

        json_string(out, piece);
        text = bytes_skip(text, piece.len);
        buf_puts(out, text.len > 0 ? "," : "");
    }
    buf_putc(out, ']');
}

static void
put_change(const struct publish_work *w, const struct publish_record *r,
           struct buf *out)
{
    bool put = r->text[0] != '\0';

    buf_putc(out, '{');
    json_member(out, "action", put ? "put" : "remove");
    json_member(out, "name", r->name);
    json_member(out, "type", "TXT");
    if (put) {
        buf_printf(out, ",\"ttl\":%u", w->conf->ttl_s);
        json_member(out, "value", r->text);
        put_split(bytes_str(r->text), out);
    }
    buf_putc(out, '}');
}

static void
put_changes(const struct publish_work *w, struct buf *out)
{
    const char *between = "";

    buf_puts(out, "{\"version\":1");
    json_member(out, "zone", w->zone);
    buf_puts(out, ",\"changes\":[");
    for (size_t i = 0; i < w->count; i++) {
        if (w->records[i].changed) {
            buf_puts(out, between);
            put_change(w, &w->records[i], out);
            between = ",";
        }
    }
    buf_puts(out, "]}\n");
}

bool
publish_exec(const struct publish_work *w, struct buf *why_out)
{
    const char *argv[] = { w->conf->program, NULL };
    struct buf input = BUF_INIT;
    struct spawn_result result;
    struct spawn s;
    bool good = false;

    if (w->conf->program[0] == '\0') {
        buf_puts(why_out, "publish = exec needs [publish] program = PATH");
        return false;
    }
    put_changes(w, &input);
    s = (struct spawn){ argv, NULL, buf_bytes(&input), w->conf->timeout_s };
    if (buf_failed(&input)) {
        buf_puts(why_out, "no memory");
    } else {
        good = spawn_run(&s, &result) == SPAWN_GOOD;
    }
    if (!good && !buf_failed(&input)) {
        buf_printf(why_out, "%s ", w->conf->program);
        spawn_explain(&s, &result, why_out);
    }
    buf_free(&input);
    return good;
}
