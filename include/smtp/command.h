/*
 * command - one SMTP command line, taken apart.
 *
 * A pure grammar: it knows neither what is allowed now (smtp/server.h) nor
 * what the upstream can do. All views point into the line.
 *
 * RFC 5321 4.1.1, 4.1.2; parameters: RFC 1870 (SIZE), 6152 (BODY), 6531
 * (SMTPUTF8), 3461 (DSN), 4954 (AUTH), 8689 (REQUIRETLS).
 */
#ifndef SMTP_COMMAND_H
#define SMTP_COMMAND_H

#include <base/bytes.h>

enum smtp_verb {
    SMTP_VERB_UNKNOWN,
    SMTP_VERB_EHLO,
    SMTP_VERB_HELO,
    SMTP_VERB_MAIL,
    SMTP_VERB_RCPT,
    SMTP_VERB_DATA,
    SMTP_VERB_BDAT,
    SMTP_VERB_RSET,
    SMTP_VERB_NOOP,
    SMTP_VERB_QUIT,
    SMTP_VERB_VRFY,
    SMTP_VERB_EXPN,
    SMTP_VERB_HELP,
    SMTP_VERB_STARTTLS,
    SMTP_VERB_AUTH,
    SMTP_VERB_XCLIENT,  /* smtp/xclient.h parses its argument, */
    SMTP_VERB_XFORWARD, /* and this one's */
    SMTP_VERB_COUNT
};

/* Parameters of MAIL and RCPT. */
enum smtp_param {
    SMTP_PARAM_SIZE,       /* MAIL, RFC 1870 */
    SMTP_PARAM_BODY,       /* MAIL, RFC 6152, 3030 */
    SMTP_PARAM_SMTPUTF8,   /* MAIL, RFC 6531, no value */
    SMTP_PARAM_AUTH,       /* MAIL, RFC 4954 */
    SMTP_PARAM_RET,        /* MAIL, RFC 3461 */
    SMTP_PARAM_ENVID,      /* MAIL, RFC 3461 */
    SMTP_PARAM_REQUIRETLS, /* MAIL, RFC 8689, no value */
    SMTP_PARAM_NOTIFY,     /* RCPT, RFC 3461 */
    SMTP_PARAM_ORCPT,      /* RCPT, RFC 3461 */
    SMTP_PARAM_COUNT
};

enum smtp_body {
    SMTP_BODY_7BIT, /* also when no BODY was given */
    SMTP_BODY_8BITMIME,
    SMTP_BODY_BINARYMIME
};

struct smtp_params {
    unsigned present;                     /* 1u << enum smtp_param */
    struct bytes value[SMTP_PARAM_COUNT]; /* as written, still encoded */
    uint64_t size;                        /* octets; 0 without SIZE */
    enum smtp_body body;
};

/* A reverse-path or forward-path without its angle brackets and route. */
struct smtp_path {
    struct bytes mailbox; /* "local@domain", "postmaster", or empty for <> */
    struct bytes local;   /* as written, quotes included */
    struct bytes domain;  /* empty for <> and <postmaster>; may be [literal] */
    bool utf8;            /* holds octets over 127, well-formed UTF-8 */
};

struct smtp_command {
    enum smtp_verb verb;
    struct bytes arg;          /* behind the verb and one space, trimmed */
    struct smtp_path path;     /* MAIL, RCPT */
    struct smtp_params params; /* MAIL, RCPT */
    struct bytes name;         /* EHLO, HELO: the domain; AUTH: mechanism */
    struct bytes initial;      /* AUTH: initial response, base64 or "=" */
    bool has_initial;
    uint64_t chunk; /* BDAT: octets */
    bool last;      /* BDAT */
};

enum smtp_err {
    SMTP_OK,
    SMTP_ERR_CONTROL,     /* NUL, bare CR or LF, other C0 or DEL: 500 5.5.2 */
    SMTP_ERR_SYNTAX,      /* 501 5.5.4 */
    SMTP_ERR_ADDRESS,     /* 501 5.1.3 / 5.1.7 */
    SMTP_ERR_UTF8,        /* 8-bit without SMTPUTF8, or malformed: 553 5.6.7 */
    SMTP_ERR_PARAM,       /* unknown parameter: 555 5.5.4 */
    SMTP_ERR_PARAM_VALUE, /* 501 5.5.4 */
    SMTP_ERR_PARAM_TWICE, /* 501 5.5.4 */
    SMTP_ERR_COUNT
};

/* One sentence, without a full stop. */
const char *smtp_err_text(enum smtp_err err);

/*
 * Parses one line without its CRLF. An unknown verb is a result (OK with
 * SMTP_VERB_UNKNOWN). On an error *cmd_out holds the verb and nothing else.
 */
enum smtp_err smtp_command_parse(struct bytes line,
                                 struct smtp_command *cmd_out);

/* "MAIL"; "?" for an unknown one. */
const char *smtp_verb_name(enum smtp_verb verb);

/*
 * Parses a mailbox as it stands in a user's file or a log, without brackets
 * ("a@b.example"). The same rules as for RCPT, no route.
 */
enum smtp_err smtp_mailbox_parse(struct bytes text, struct smtp_path *path_out);

#endif
