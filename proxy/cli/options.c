/*
 * options - command lines; see cli.h.
 *
 * getopt_long() would do, but for a table that several commands share and
 * for messages that name the command.
 */
#include "proxy/cli/cli.h"
#include "proxy/config/suggest.h"

#include <dkim/address.h>

#include <stdarg.h>
#include <stdio.h>
#include <sysexits.h>

__attribute__((format(printf, 2, 0))) static void
say(const struct cli *c, const char *format, va_list args)
{
    fprintf(stderr, "sealpost %s: ", c->name);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

int
cli_fail(const struct cli *c, int code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(c, format, args);
    va_end(args);
    return code;
}

int
cli_misuse(const struct cli *c, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(c, format, args);
    va_end(args);
    fprintf(stderr, "%s", c->usage);
    return EX_USAGE;
}

int
cli_take_domain(const struct cli *c, const char *word, char *out)
{
    return dkim_domain_parse(bytes_str(word), false, out)
               ? CLI_GO_ON
               : cli_misuse(c,
                            "%s is not a domain; letters, digits, hyphens and "
                            "dots, xn-- for others",
                            word);
}

void
cli_note(const struct cli *c, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(c, format, args);
    va_end(args);
}

/* The option that arg names; *value_out: behind "=", else NULL. */
static const struct cli_option *
find_option(const struct cli_option *options, const char *arg,
            const char **value_out)
{
    size_t len = strcspn(arg, "=");

    for (; options->name != NULL; options++) {
        if (arg[1] == '-' && strlen(options->name) == len &&
            strncmp(arg, options->name, len) == 0) {
            *value_out = arg[len] == '=' ? arg + len + 1 : NULL;
            return options;
        }
        if (arg[1] != '-' && options->letter != '\0' &&
            arg[1] == options->letter) {
            *value_out = arg[2] != '\0' ? arg + 2 : NULL;
            return options;
        }
    }
    return NULL;
}

static int
set_option(const struct cli *c, const struct cli_option *o, const char *value)
{
    if (o->text != NULL) {
        *o->text = value;
        return CLI_GO_ON;
    }
    if (!bytes_to_u64(bytes_str(value), UINT64_MAX, o->number)) {
        return cli_misuse(c, "%s takes a whole number, not \"%s\"", o->name,
                          value);
    }
    return CLI_GO_ON;
}

static void
suggest_options(const struct cli_option *options, struct conf_suggest *s)
{
    for (; options->name != NULL; options++) {
        conf_suggest_offer(s, options->name);
    }
}

static int
unknown_option(const struct cli *c, const struct cli_option *own,
               const struct cli_option *common, const char *arg)
{
    struct bytes word = bytes_str(arg);
    struct conf_suggest near =
        CONF_SUGGEST(bytes_take(word, bytes_find(word, '=')));

    if (arg[1] == '-') {
        suggest_options(own, &near);
        suggest_options(common, &near);
    }
    return near.best == NULL ? cli_misuse(c, "unknown option %s", arg)
                             : cli_misuse(c,
                                          "unknown option %s; did you mean "
                                          "%s?",
                                          arg, near.best);
}

/* Takes the option at argv[*i], and its value. */
static int
take_option(const struct cli *c, const struct cli_option *own,
            const struct cli_option *common, char **argv, int argc, int *i)
{
    const char *arg = argv[*i];
    const char *value = NULL;
    const struct cli_option *o = find_option(own, arg, &value);

    if (o == NULL) {
        o = find_option(common, arg, &value);
    }
    if (o == NULL) {
        return unknown_option(c, own, common, arg);
    }
    if (o->flag != NULL) {
        *o->flag = true;
        return value == NULL ? CLI_GO_ON
                             : cli_misuse(c, "%s takes no value", o->name);
    }
    if (value == NULL && *i + 1 < argc) {
        value = argv[++*i];
    }
    return value == NULL ? cli_misuse(c, "%s needs a value", o->name)
                         : set_option(c, o, value);
}

int
cli_parse(struct cli *c, int argc, char **argv,
          const struct cli_option *options)
{
    const char *path = NULL;
    bool help = false;
    bool only_words = false;
    const struct cli_option common[] = {
        { "--config", 'c', NULL, &path, NULL },
        { "--help", 'h', &help, NULL, NULL },
        { "--json", 0, &c->json, NULL, NULL },
        { "--dry-run", 'n', &c->dry_run, NULL, NULL },
        { "--no-reload", 0, &c->no_reload, NULL, NULL },
        { NULL, 0, NULL, NULL, NULL },
    };

    for (int i = 1; i < argc; i++) {
        int code = CLI_GO_ON;

        if (!only_words && strcmp(argv[i], "--") == 0) {
            only_words = true;
        } else if (!only_words && argv[i][0] == '-' && argv[i][1] != '\0') {
            code = take_option(c, options, common, argv, argc, &i);
        } else if (c->word_count == CLI_WORDS_MAX) {
            code = cli_misuse(c, "too many arguments");
        } else {
            c->words[c->word_count++] = argv[i];
        }
        if (help) {
            printf("%s", c->usage);
            return EX_OK;
        }
        if (code != CLI_GO_ON) {
            return code;
        }
    }
    c->path_given = path != NULL;
    c->path = path == NULL ? SEALPOST_CONF : path;
    return CLI_GO_ON;
}

void
cli_free(struct cli *c)
{
    conf_free(&c->conf);
}

static void
list_commands(FILE *out, const char *program,
              const struct cli_command *commands)
{
    fprintf(out, "usage: %s COMMAND ...\n\n", program);
    for (; commands->name != NULL; commands++) {
        fprintf(out, "  %-12s %s\n", commands->name, commands->about);
    }
    fprintf(out,
            "\n%s COMMAND --help says more; each takes -c FILE (default "
            "%s).\n",
            program, SEALPOST_CONF);
}

static int
no_command(const char *program, const struct cli_command *commands,
           const char *word)
{
    struct conf_suggest near = CONF_SUGGEST(bytes_str(word));

    for (const struct cli_command *c = commands; c->name != NULL; c++) {
        conf_suggest_offer(&near, c->name);
    }
    if (word[0] == '-') {
        fprintf(stderr, "%s: a command is needed\n", program);
    } else if (near.best != NULL) {
        fprintf(stderr, "%s: unknown command %s; did you mean %s?\n", program,
                word, near.best);
    } else {
        fprintf(stderr, "%s: unknown command %s\n", program, word);
    }
    list_commands(stderr, program, commands);
    return EX_USAGE;
}

/* `sealpost -c FILE key --json list`: the command's word comes first. */
static void
move_command_first(int argc, char **argv)
{
    int at = 1;
    char *word;

    while (at < argc && argv[at][0] == '-') {
        bool takes_next =
            strcmp(argv[at], "-c") == 0 || strcmp(argv[at], "--config") == 0;

        at += takes_next ? 2 : 1;
    }
    if (at <= 1 || at >= argc) {
        return;
    }
    word = argv[at];
    memmove(argv + 2, argv + 1, (size_t)(at - 1) * sizeof(*argv));
    argv[1] = word;
}

int
cli_dispatch(const char *program, const struct cli_command *commands, int argc,
             char **argv)
{
    const struct cli_command *c = commands;

    if (argc < 2) {
        list_commands(stderr, program, commands);
        return EX_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        list_commands(stdout, program, commands);
        return EX_OK;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        puts("sealpost " PACKAGE_VERSION);
        return EX_OK;
    }
    move_command_first(argc, argv);
    while (c->name != NULL && strcmp(c->name, argv[1]) != 0) {
        c++;
    }
    if (c->name == NULL) {
        return no_command(program, commands, argv[1]);
    }
    return c->run(argc - 1, argv + 1);
}
