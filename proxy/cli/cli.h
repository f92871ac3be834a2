/*
 * cli - what the sub-commands of `sealpost` share: options, errors, files.
 *
 * A command is one function in one file and one row of the table in main.c.
 * Exit codes are those of sysexits.h.
 */
#ifndef PROXY_CLI_CLI_H
#define PROXY_CLI_CLI_H

#include <base/buf.h>
#include <base/bytes.h>

#include <proxy/config/conf.h>
#include <proxy/keys/keystore.h>
#include <proxy/users/userfile.h>
#include <proxy/users/view.h>

enum {
    CLI_GO_ON = -1,
    CLI_WORDS_MAX = 1024 /* files, where a command takes any number */
};

/* One sub-command's line: what all have, and the words that are no option. */
struct cli {
    const char *name;  /* "key generate", for messages */
    const char *usage; /* for --help and mistakes; static */
    const char *path;  /* -c, or the default */
    bool path_given;
    bool json;
    bool dry_run;
    bool no_reload;
    bool quiet; /* warnings about the data are somebody else's business */
    const char *words[CLI_WORDS_MAX]; /* borrowed from argv */
    size_t word_count;
    struct conf *conf; /* owns; NULL until cli_conf() */
};

/* One option of a command: exactly one of flag, text and number is set. */
struct cli_option {
    const char *name; /* "--type" */
    char letter;      /* 'd' for -d, or 0 */
    bool *flag;
    const char **text;
    uint64_t *number;
};

/*
 * Reads argv[1] and on: options in any place, "--" ends them. options ends
 * with an all-zero row; -c, --config, --help, --json, --dry-run and
 * --no-reload are always known. CLI_GO_ON, or the exit code to end with.
 */
int cli_parse(struct cli *c, int argc, char **argv,
              const struct cli_option *options);
void cli_free(struct cli *c);

/* "sealpost NAME: ..." on stderr; returns code, so that callers can return
 * it. */
__attribute__((format(printf, 3, 4))) int
cli_fail(const struct cli *c, int code, const char *format, ...);
/* The same behind the usage, with EX_USAGE. */
__attribute__((format(printf, 2, 3))) int cli_misuse(const struct cli *c,
                                                     const char *format, ...);
/* A domain in lower case to out, DKIM_DOMAIN_MAX + 1 octets. CLI_GO_ON, or
 * misuse. */
int cli_take_domain(const struct cli *c, const char *word, char *out);
/* A remark: no exit code, no end. */
__attribute__((format(printf, 2, 3))) void cli_note(const struct cli *c,
                                                    const char *format, ...);

/* Prints every line; EX_CONFIG when one is an error, else CLI_GO_ON. */
int cli_errors(const struct cli *c, const struct conf_errors *errors);

/* Loads the configuration into c->conf. CLI_GO_ON, or EX_CONFIG. */
int cli_conf(struct cli *c);
/* The same for commands that can do without: nothing is said, and c->conf
 * stays NULL, when no -c was given and the default file is not there. */
int cli_conf_maybe(struct cli *c);

/* Keys, users and the view made of them. Zero is empty. */
struct cli_data {
    struct keystore_conf store_conf;
    struct keystore *store;
    struct userfile *users;
    struct view *view;
    struct buf users_path; /* NUL-terminated */
};

/* CLI_GO_ON, or EX_CONFIG. users false: keys only, no view. */
int cli_load(struct cli *c, bool users, struct cli_data *data);
/* After cli_load() without users: these and the view, and not a word about
 * what is wrong with them; data->view stays NULL then. */
void cli_view(const struct cli *c, struct cli_data *data);
void cli_data_free(struct cli_data *data);

/* SIGHUP to the daemon of this state_dir, if there is one and no
 * --no-reload. A daemon that cannot be told is a remark, not a failure. */
void cli_reload(const struct cli *c);

/* All of a descriptor. EX_OK, or an exit code that was explained. */
int cli_read_all(const struct cli *c, int fd, const char *name,
                 size_t octets_max, struct buf *out);
/* All of it to stdout. EX_OK or EX_IOERR. */
int cli_write(const struct cli *c, struct bytes text);

/* A time as keynote_time() has it, as a member; see json.h. */
void cli_json_time(struct buf *out, const char *key, uint64_t time_s);

/* --- tables ------------------------------------------------------------- */

enum {
    CLI_COLUMNS_MAX = 8
};

/* Cells are copied; columns are as wide as they must be. */
struct cli_table {
    struct buf text; /* cells, each with a NUL */
    size_t columns;
    size_t widths[CLI_COLUMNS_MAX];
    size_t cells;
};

void cli_table_begin(struct cli_table *t, const char *const *titles,
                     size_t columns);
void cli_table_cell(struct cli_table *t, const char *text);
/* Prints and frees. */
int cli_table_end(const struct cli *c, struct cli_table *t);

/* --- the commands: argv[0] is the command's own name -------------------- */

int cli_sign(int argc, char **argv);
int cli_verify(int argc, char **argv);
int cli_spf(int argc, char **argv);
int cli_explain(int argc, char **argv);
int cli_key(int argc, char **argv);
int cli_domain(int argc, char **argv);
int cli_user(int argc, char **argv);
int cli_sink(int argc, char **argv);
int cli_status(int argc, char **argv);
int cli_dmarc_report(int argc, char **argv);
int cli_notify(int argc, char **argv);
int cli_oauth(int argc, char **argv);

/* A row of a command that has commands itself. */
struct cli_command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *about;
};

/* Finds argv[1] in the table (ends with a zero row) and runs it. */
int cli_dispatch(const char *program, const struct cli_command *commands,
                 int argc, char **argv);

#endif
