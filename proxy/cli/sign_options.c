/*
 * sign_options - what `sealpost sign` is asked for; see sign.h.
 */
#include "proxy/cli/sign.h"

#include <sysexits.h>
#include <time.h>

static bool
parse_canon_word(struct bytes word, enum dkim_canon_mode *out)
{
    if (bytes_is(word, "relaxed")) {
        *out = DKIM_CANON_RELAXED;
        return true;
    }
    *out = DKIM_CANON_SIMPLE;
    return bytes_is(word, "simple");
}

/* "relaxed/simple"; "relaxed" alone means simple for the body (RFC 6376
 * 3.5, c=). */
static int
take_canon(struct signing *s)
{
    struct bytes text = bytes_str(s->canon);
    size_t slash = bytes_find(text, '/');
    struct bytes body =
        slash < text.len ? bytes_skip(text, slash + 1) : BYTES_LIT("simple");

    if (s->canon == NULL) {
        return CLI_GO_ON;
    }
    if (!parse_canon_word(bytes_take(text, slash), &s->params.header_canon) ||
        !parse_canon_word(body, &s->params.body_canon)) {
        return cli_misuse(&s->cli,
                          "--canon %s; relaxed or simple, as "
                          "relaxed/relaxed",
                          s->canon);
    }
    return CLI_GO_ON;
}

static bool
is_field_name(const char *name)
{
    for (const char *c = name; *c != '\0'; c++) {
        if (*c <= 32 || *c == 127 || *c == ':' || *c == ';') {
            return false;
        }
    }
    return name[0] != '\0';
}

static bool
is_listed(const char *const *list, const char *name)
{
    for (; *list != NULL; list++) {
        if (strcmp(*list, name) == 0) {
            return true;
        }
    }
    return false;
}

/* One name of --headers; a second time it is oversigned. */
static int
take_name(struct signing *s, const char *name)
{
    const char **list =
        is_listed(s->sign_names, name) ? s->oversign_names : s->sign_names;
    size_t n = 0;

    if (!is_field_name(name)) {
        return cli_misuse(&s->cli,
                          "--headers: \"%s\" is no field name; names "
                          "parted by colons, as from:to:subject",
                          name);
    }
    while (list[n] != NULL) {
        n++;
    }
    if (n == SIGN_HEADERS_MAX) {
        return cli_misuse(&s->cli, "--headers: over %d names",
                          SIGN_HEADERS_MAX);
    }
    list[n] = name;
    return CLI_GO_ON;
}

static int
take_headers(struct signing *s)
{
    int code = CLI_GO_ON;
    char *next;

    if (s->headers == NULL) {
        return CLI_GO_ON;
    }
    for (const char *c = s->headers; *c != '\0'; c++) {
        buf_putc(&s->names_text, (char)byte_lower((uint8_t)*c));
    }
    if (buf_str(&s->names_text) == NULL) {
        return cli_fail(&s->cli, EX_OSERR, "no memory");
    }
    next = (char *)s->names_text.ptr;
    while (code == CLI_GO_ON && next != NULL) {
        char *name = next;
        char *colon = strchr(name, ':');

        next = colon == NULL ? NULL : colon + 1;
        if (colon != NULL) {
            *colon = '\0';
        }
        code = take_name(s, name);
    }
    if (code == CLI_GO_ON && !is_listed(s->sign_names, "from")) {
        return cli_misuse(&s->cli, "--headers must name from (RFC 6376 5.4)");
    }
    s->names.sign = s->sign_names;
    s->names.oversign = s->oversign_names;
    s->names.oversign_present = s->oversign_names;
    return code;
}

/* [sign] of the configuration, when there is one. */
static void
take_settings(struct signing *s)
{
    const struct conf *conf = s->cli.conf;

    s->names = dkim_sign_headers_default;
    s->params.header_canon = DKIM_CANON_RELAXED;
    s->params.body_canon = DKIM_CANON_RELAXED;
    if (conf == NULL) {
        return;
    }
    s->names.sign = conf->sign.headers;
    s->names.oversign = conf->sign.oversign;
    s->names.oversign_present = conf->sign.oversign_present;
    if (!conf->sign.header_relaxed) {
        s->params.header_canon = DKIM_CANON_SIMPLE;
    }
    if (!conf->sign.body_relaxed) {
        s->params.body_canon = DKIM_CANON_SIMPLE;
    }
}

int
sign_take_options(struct signing *s)
{
    int code;

    if (s->cli.word_count > 0) {
        return cli_misuse(&s->cli, "the message comes on stdin, not as an "
                                   "argument");
    }
    if (s->user != NULL
            ? s->domain != NULL || s->selector != NULL || s->key_path != NULL
            : s->domain == NULL || s->selector == NULL) {
        return cli_misuse(&s->cli, "-d DOMAIN and -s SELECTOR, or -u USER");
    }
    /* With -k the machine's configuration counts only when it is named. */
    if (s->user != NULL || s->key_path == NULL || s->cli.path_given) {
        code = cli_conf(&s->cli);
        if (code != CLI_GO_ON) {
            return code;
        }
    }
    take_settings(s);
    code = take_canon(s);
    if (code == CLI_GO_ON) {
        code = take_headers(s);
    }
    s->time_given = s->time_s != UINT64_MAX;
    s->time_s = s->time_given ? s->time_s : (uint64_t)time(NULL);
    if (s->expire_s == UINT64_MAX) {
        s->expire_s = s->cli.conf != NULL ? s->cli.conf->sign.expire_s : 0;
    }
    if (s->expire_s > UINT64_MAX - s->time_s) {
        return cli_misuse(&s->cli, "--expire: too far away");
    }
    return code;
}
