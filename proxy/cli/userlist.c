/*
 * userlist - `sealpost user list`: who signs with what, when it was last done,
 * and what DNS said of it.
 */
#include "proxy/cli/cli.h"
#include "proxy/cli/user.h"
#include "proxy/cli/userkeys.h"
#include "proxy/json/json.h"
#include "proxy/keeper/daybook.h"
#include "proxy/keys/keynote.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

static const char list_usage[] =
    "usage: sealpost user list [--json] [-c FILE]\n"
    "Lists the users: the selector that signs, the last signature, and what DNS\n"
    "said of its key.\n";

struct listing {
    struct cli cli;
    struct cli_data data;
    struct signed_book *signatures; /* owns; empty when there is no record */
};

/* --- the record of signatures --------------------------------------------- */

/* The daemon's record; none is as good as an empty one. */
static int
read_signatures(struct listing *l)
{
    struct buf path = BUF_INIT, text = BUF_INIT;
    int code = EX_OK;
    int fd = -1;

    buf_printf(&path, "%s/keeper/last-signed", l->cli.conf->server.state_dir);
    if (buf_str(&path) != NULL) {
        fd = open(buf_str(&path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    }
    if (fd >= 0) {
        code = cli_read_all(&l->cli, fd, (const char *)path.ptr,
                            DAYBOOK_OCTETS_MAX, &text);
        close(fd);
    } else if (errno != ENOENT) {
        cli_note(&l->cli, "%s: %s; last signatures are not shown",
                 (const char *)path.ptr, strerror(errno));
    }
    if (code == EX_OK) {
        l->signatures = signed_book_new(buf_bytes(&text));
        code = l->signatures == NULL ? cli_fail(&l->cli, EX_OSERR, "no memory")
                                     : EX_OK;
    }
    buf_free(&path);
    buf_free(&text);
    return code == EX_OK ? CLI_GO_ON : code;
}

/* --- a user --------------------------------------------------------------- */

static void
put_from(const struct view_from *f, struct buf *out)
{
    switch (f->kind) {
    case VIEW_FROM_ANY:
        buf_putc(out, '*');
        break;
    case VIEW_FROM_DOMAIN:
        buf_puts(out, f->domain);
        break;
    case VIEW_FROM_BELOW:
        buf_printf(out, "*.%s", f->domain);
        break;
    case VIEW_FROM_ADDRESS:
        buf_printf(out, "%s@%s", f->local, f->domain);
        break;
    }
}

static void
put_list(const struct view_user *u, struct buf *out)
{
    for (size_t i = 0; i < u->from_count; i++) {
        buf_puts(out, i > 0 ? ", " : "");
        put_from(u->from + i, out);
    }
}

static void
put_selectors(const struct view_user *u, struct buf *out)
{
    buf_puts(out, u->own_selector ? "own" : "");
    for (conf_list s = u->selectors; *s != NULL; s++) {
        buf_printf(out, "%s%s", s == u->selectors ? "" : ", ", *s);
    }
}

/* "yes", "locked": may she log in at all? scram: by SCRAM, too? */
static const char *
login_word(const struct userfile *f, size_t i, bool scram)
{
    bool has_password = f->secrets[i].password[0] != '\0';
    bool has_scram = f->secrets[i].scram[0] != '\0';

    if (f->users[i].locked) {
        return "locked";
    }
    if (scram && has_password && !has_scram) {
        return "no-scram";
    }
    return has_password || has_scram ? "yes" : "no";
}

/* What she has, or in parentheses what signs for her without one. */
static void
put_signing(const struct view_user *u, const struct userkeys *keys,
            struct buf *out)
{
    bool fixed = u->selectors[0] != NULL;

    put_selectors(u, out);
    for (size_t i = 0; !fixed && i < keys->count; i++) {
        const char *selector = keys->keys[i]->view.selector;
        bool again = false;

        for (size_t n = 0; n < i; n++) {
            again =
                again || strcmp(keys->keys[n]->view.selector, selector) == 0;
        }
        if (!again) {
            buf_printf(out, "%s%s",
                       i > 0          ? ", "
                       : out->len > 0 ? " ("
                                      : "(",
                       selector);
        }
    }
    if (!fixed && keys->count > 0) {
        buf_puts(out, keys->more ? ", ...)" : ")");
    }
}

static void
put_cell(struct cli_table *t, struct buf *text)
{
    const char *s = buf_str(text);

    cli_table_cell(t, s == NULL || s[0] == '\0' ? "-" : s);
    buf_free(text);
}

static void
put_row(struct listing *l, size_t i, struct cli_table *t)
{
    const struct view_user *u = &l->data.users->users[i];
    const struct signed_row *last = signed_book_find(l->signatures, u->name);
    struct buf from = BUF_INIT, signing = BUF_INIT;
    char time[KEYNOTE_TIME] = "";
    struct userkeys keys;

    userkeys_find(&l->cli, &l->data, u, &keys);
    put_list(u, &from);
    put_signing(u, &keys, &signing);
    if (last != NULL) {
        keynote_time(last->time_s, time);
    }
    cli_table_cell(t, u->name);
    cli_table_cell(t,
                   login_word(l->data.users, i, conf_has_scram(l->cli.conf)));
    put_cell(t, &signing);
    cli_table_cell(t, userkeys_worst(&keys));
    cli_table_cell(t, time[0] == '\0' ? "-" : time);
    cli_table_cell(t, u->domain[0] == '\0' ? "-" : u->domain);
    cli_table_cell(t, u->upstream[0] == '\0' ? "-" : u->upstream);
    put_cell(t, &from);
}

static int
list_table(struct listing *l)
{
    static const char *const titles[] = {
        "USER",   "LOGIN",  "SELECTOR", "DNS",
        "SIGNED", "DOMAIN", "UPSTREAM", "FROM"
    };
    struct cli_table t;

    cli_table_begin(&t, titles, 8);
    for (size_t i = 0; i < l->data.users->count; i++) {
        put_row(l, i, &t);
    }
    return cli_table_end(&l->cli, &t);
}

/* --- as JSON -------------------------------------------------------------- */

static void
put_json_keys(const struct userkeys *keys, struct buf *out)
{
    buf_puts(out, ",\"keys\":[");
    for (size_t i = 0; i < keys->count; i++) {
        const struct keystore_key *k = keys->keys[i];

        buf_puts(out, i > 0 ? ",{" : "{");
        json_member(out, "domain", k->view.domain);
        json_member(out, "selector", k->view.selector);
        json_member(out, "algorithm", dkim_alg_name(k->view.alg));
        json_member(out, "state", keynote_state_name(k->view.state));
        json_member(out, "dns", userkeys_dns(k));
        cli_json_time(out, "proved", k->view.proved_s);
        buf_putc(out, '}');
    }
    buf_puts(out, "]");
}

static void
put_json_last(const struct signed_row *last, struct buf *out)
{
    if (last == NULL) {
        buf_puts(out, ",\"last_signed\":null");
        return;
    }
    buf_puts(out, ",\"last_signed\":{");
    cli_json_time(out, "time", last->time_s);
    json_member(out, "domain", last->domain);
    json_member(out, "selector", last->selector);
    buf_putc(out, '}');
}

static void
put_json_lists(const struct view_user *u, struct buf *o)
{
    buf_puts(o, ",\"from\":[");
    for (size_t n = 0; n < u->from_count; n++) {
        struct buf from = BUF_INIT;

        put_from(u->from + n, &from);
        buf_puts(o, n > 0 ? "," : "");
        json_string(o, buf_bytes(&from));
        buf_free(&from);
    }
    buf_puts(o, "],\"selectors\":[");
    for (conf_list s = u->selectors; *s != NULL; s++) {
        buf_puts(o, s == u->selectors ? "" : ",");
        json_string(o, bytes_str(*s));
    }
    buf_printf(o, "],\"own_selector\":%s", u->own_selector ? "true" : "false");
}

static void
put_json_user(struct listing *l, size_t i, struct buf *out)
{
    const struct view_user *u = &l->data.users->users[i];
    struct userkeys keys;

    userkeys_find(&l->cli, &l->data, u, &keys);
    buf_putc(out, '{');
    json_member(out, "user", u->name);
    json_member(out, "login",
                login_word(l->data.users, i, conf_has_scram(l->cli.conf)));
    put_json_lists(u, out);
    json_member(out, "domain", u->domain);
    json_member(out, "upstream", u->upstream);
    buf_printf(out,
               ",\"rate_count\":%u,\"rate_s\":%u,\"recipient_count\":%u,"
               "\"recipient_s\":%u,\"locked\":%s",
               u->rate_count, u->rate_s, u->recipient_count, u->recipient_s,
               u->locked ? "true" : "false");
    json_member(out, "dns", userkeys_worst(&keys));
    put_json_keys(&keys, out);
    put_json_last(signed_book_find(l->signatures, u->name), out);
    buf_putc(out, '}');
}

static int
list_json(struct listing *l)
{
    size_t count = l->data.users->count;
    struct buf out = BUF_INIT;
    int code;

    buf_putc(&out, '[');
    for (size_t i = 0; i < count; i++) {
        buf_puts(&out, i > 0 ? ",\n" : "\n");
        put_json_user(l, i, &out);
    }
    buf_puts(&out, count > 0 ? "\n]\n" : "]\n");
    code = buf_failed(&out) ? cli_fail(&l->cli, EX_OSERR, "no memory")
                            : cli_write(&l->cli, buf_bytes(&out));
    buf_free(&out);
    return code;
}

int
user_list(int argc, char **argv)
{
    static const struct cli_option none[] = { { NULL, 0, NULL, NULL, NULL } };
    struct listing l = { .cli = { .name = "user list", .usage = list_usage },
                         .data = { .users_path = BUF_INIT } };
    int code = cli_parse(&l.cli, argc, argv, none);

    if (code == CLI_GO_ON && l.cli.word_count > 0) {
        code = cli_misuse(&l.cli, "too many arguments");
    }
    if (code == CLI_GO_ON) {
        code = cli_conf(&l.cli);
    }
    if (code == CLI_GO_ON) {
        code = cli_load(&l.cli, true, &l.data);
    }
    if (code == CLI_GO_ON) {
        code = read_signatures(&l);
    }
    if (code == CLI_GO_ON) {
        code = l.cli.json ? list_json(&l) : list_table(&l);
    }
    signed_book_free(&l.signatures);
    cli_data_free(&l.data);
    cli_free(&l.cli);
    return code;
}
