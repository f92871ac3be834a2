/*
 * caps - EHLO keywords, read and written by one table; see smtp/caps.h.
 *
 * To know another extension: enum smtp_cap and a row in keywords[].
 */
#include <smtp/caps.h>
#include <smtp/xclient.h>

enum {
    LIMIT_DIGITS = 6
}; /* RFC 9422 4: 1*6DIGIT */

static const struct keyword {
    const char *name;
    enum smtp_cap cap;
    const char *arg; /* what we write behind it, or NULL */
} keywords[] = {
    { "PIPELINING", SMTP_CAP_PIPELINING, NULL },
    { "SIZE", SMTP_CAP_SIZE, NULL },
    { "STARTTLS", SMTP_CAP_STARTTLS, NULL },
    { "AUTH", SMTP_CAP_AUTH, NULL },
    { "8BITMIME", SMTP_CAP_8BITMIME, NULL },
    { "ENHANCEDSTATUSCODES", SMTP_CAP_ENHANCEDSTATUSCODES, NULL },
    { "SMTPUTF8", SMTP_CAP_SMTPUTF8, NULL },
    { "DSN", SMTP_CAP_DSN, NULL },
    { "CHUNKING", SMTP_CAP_CHUNKING, NULL },
    { "REQUIRETLS", SMTP_CAP_REQUIRETLS, NULL },
    { "LIMITS", SMTP_CAP_LIMITS, NULL },
    { "XCLIENT", SMTP_CAP_XCLIENT,
      "NAME ADDR PORT PROTO HELO DESTADDR DESTPORT" }, /* not LOGIN */
    { "XFORWARD", SMTP_CAP_XFORWARD, "NAME ADDR PORT PROTO HELO IDENT SOURCE" },
};

static const struct mech_name {
    const char *name;
    enum smtp_mech mech;
} mech_names[] = {
    { "SCRAM-SHA-256-PLUS", SMTP_MECH_SCRAM_SHA_256_PLUS },
    { "SCRAM-SHA-256", SMTP_MECH_SCRAM_SHA_256 },
    { "PLAIN", SMTP_MECH_PLAIN },
    { "LOGIN", SMTP_MECH_LOGIN },
    { "EXTERNAL", SMTP_MECH_EXTERNAL },
    { "XOAUTH2", SMTP_MECH_XOAUTH2 },
    { "OAUTHBEARER", SMTP_MECH_OAUTHBEARER },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

const char *
smtp_mech_name(enum smtp_mech mech)
{
    for (size_t i = 0; i < COUNT(mech_names); i++) {
        if (mech_names[i].mech == mech) {
            return mech_names[i].name;
        }
    }
    return "?";
}

unsigned
smtp_mech_parse(struct bytes name)
{
    for (size_t i = 0; i < COUNT(mech_names); i++) {
        if (bytes_is_ci(name, mech_names[i].name)) {
            return mech_names[i].mech;
        }
    }
    return 0;
}

/* The next word of *rest; false at the end. */
static bool
take_word(struct bytes *rest, struct bytes *word_out)
{
    *rest = bytes_trim(*rest);
    if (rest->len == 0) {
        return false;
    }
    *word_out = bytes_take(*rest, bytes_find(*rest, ' '));
    *rest = bytes_skip(*rest, word_out->len);
    return true;
}

static void
parse_limits(struct bytes args, struct smtp_caps *caps)
{
    struct bytes word;

    while (take_word(&args, &word)) {
        size_t equals = bytes_find(word, '=');
        struct bytes name = bytes_take(word, equals);
        uint64_t value;

        if (equals == word.len || word.len - equals - 1 > LIMIT_DIGITS ||
            !bytes_to_u64(bytes_skip(word, equals + 1), UINT64_MAX, &value)) {
            continue;
        }
        if (bytes_is_ci(name, "RCPTMAX")) {
            caps->rcpt_max = (unsigned)value;
        } else if (bytes_is_ci(name, "MAILMAX")) {
            caps->mail_max = (unsigned)value;
        } else if (bytes_is_ci(name, "RCPTDOMAINMAX")) {
            caps->rcpt_domain_max = (unsigned)value;
        }
    }
}

static void
parse_args(enum smtp_cap cap, struct bytes args, struct smtp_caps *caps)
{
    struct bytes word;

    if (cap == SMTP_CAP_SIZE) {
        (void)bytes_to_u64(bytes_trim(args), UINT64_MAX, &caps->size);
    } else if (cap == SMTP_CAP_LIMITS) {
        parse_limits(args, caps);
    } else if (cap == SMTP_CAP_AUTH) {
        while (take_word(&args, &word)) {
            caps->mechs |= smtp_mech_parse(word);
        }
    } else if (cap == SMTP_CAP_XCLIENT) {
        caps->xclient = smtp_xattr_names(SMTP_VERB_XCLIENT, args);
    } else if (cap == SMTP_CAP_XFORWARD) {
        caps->xforward = smtp_xattr_names(SMTP_VERB_XFORWARD, args);
    }
}

/* "AUTH=PLAIN" is what servers said before RFC 2554; some still do. */
static size_t
keyword_len(struct bytes line)
{
    size_t n = bytes_find(line, ' ');
    size_t equals = bytes_find(line, '=');

    return equals < n ? equals : n;
}

void
smtp_caps_parse(const struct smtp_reply *reply, struct smtp_caps *caps_out)
{
    struct bytes rest = reply->text;
    struct smtp_caps caps = { 0 };
    struct bytes line;

    (void)smtp_reply_line(&rest, &line); /* 4.1.1.1: the domain's own line */
    while (smtp_reply_line(&rest, &line)) {
        struct bytes name = bytes_take(line, keyword_len(line));
        struct bytes args =
            bytes_skip(line, name.len + (name.len < line.len ? 1 : 0));

        for (size_t i = 0; i < COUNT(keywords); i++) {
            if (bytes_is_ci(name, keywords[i].name)) {
                caps.offers |= keywords[i].cap;
                parse_args(keywords[i].cap, args, &caps);
            }
        }
    }
    *caps_out = caps;
}

static void
put_args(struct buf *text, const struct keyword *keyword,
         const struct smtp_caps *caps)
{
    if (keyword->arg != NULL) {
        buf_printf(text, " %s", keyword->arg);
    } else if (keyword->cap == SMTP_CAP_SIZE && caps->size > 0) {
        buf_printf(text, " %llu", (unsigned long long)caps->size);
    } else if (keyword->cap == SMTP_CAP_AUTH) {
        for (size_t i = 0; i < COUNT(mech_names); i++) {
            if (caps->mechs & mech_names[i].mech) {
                buf_printf(text, " %s", mech_names[i].name);
            }
        }
    } else if (keyword->cap == SMTP_CAP_LIMITS) {
        if (caps->rcpt_max > 0) {
            buf_printf(text, " RCPTMAX=%u", caps->rcpt_max);
        }
        if (caps->mail_max > 0) {
            buf_printf(text, " MAILMAX=%u", caps->mail_max);
        }
        if (caps->rcpt_domain_max > 0) {
            buf_printf(text, " RCPTDOMAINMAX=%u", caps->rcpt_domain_max);
        }
    }
}

/* RFC 4954 3, 9422 4: not without a mechanism, not without a limit. */
static bool
is_offered(const struct keyword *keyword, const struct smtp_caps *caps)
{
    if (keyword->cap == SMTP_CAP_AUTH && caps->mechs == 0) {
        return false;
    }
    if (keyword->cap == SMTP_CAP_LIMITS && caps->rcpt_max == 0 &&
        caps->mail_max == 0 && caps->rcpt_domain_max == 0) {
        return false;
    }
    return (caps->offers & keyword->cap) != 0;
}

void
smtp_caps_put(struct buf *out, const char *hostname, const char *greeting,
              const struct smtp_caps *caps)
{
    struct buf text = BUF_INIT;
    const char *whole;

    buf_printf(&text, "%s %s", hostname, greeting);
    for (size_t i = 0; i < COUNT(keywords); i++) {
        if (is_offered(&keywords[i], caps)) {
            buf_printf(&text, "\n%s", keywords[i].name);
            put_args(&text, &keywords[i], caps);
        }
    }
    whole = buf_str(&text);
    if (whole == NULL) {
        out->failed = true; /* the taker of out is the one who asks */
    } else {
        smtp_reply_put(out, 250, "", whole);
    }
    buf_free(&text);
}
