/*
 * domainguide - `sealpost domain add --guide`: the way to a domain that signs,
 * as a dialogue.
 *
 * Nothing is done here that a command of its own does not do: the guide asks,
 * runs those commands one after the other on the same terminal, and says what
 * each is, so that who breaks off can go on with them.
 */
#include "proxy/cli/domain.h"
#include "proxy/cli/rotating.h"
#include "proxy/keys/keynote.h"
#include "proxy/notices/ways.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

enum {
    ANSWER_MAX = 260,
    WORDS_MAX = 12,
    LOOK_S = 60 /* between two looks at a key that is being proved */
};

struct guide {
    struct cli *cli;
    char domain[DKIM_DOMAIN_MAX + 1];
    bool dual;
};

/* --- asking ------------------------------------------------------------- */

/* False: the end of the input. */
static bool
ask(const char *question, char *answer)
{
    size_t len;

    printf("%s ", question);
    (void)fflush(stdout);
    if (fgets(answer, ANSWER_MAX, stdin) == NULL) {
        return false;
    }
    len = strcspn(answer, "\r\n");
    answer[len] = '\0';
    return true;
}

static bool
is_yes(const char *answer)
{
    return answer[0] == 'y' || answer[0] == 'Y';
}

static int
ask_domain(struct guide *g)
{
    char answer[ANSWER_MAX];

    if (g->cli->word_count > 1) {
        return cli_misuse(g->cli, "one domain");
    }
    if (g->cli->word_count == 1) {
        snprintf(answer, sizeof(answer), "%.255s", g->cli->words[0]);
    } else if (!ask("Which domain shall be signed for?", answer)) {
        return EX_NOINPUT;
    }
    while (
        !dkim_domain_parse(bytes_trim(bytes_str(answer)), false, g->domain)) {
        printf("%s is not a domain: letters, digits, hyphens and dots, "
               "xn-- for others.\n",
               answer);
        if (!ask("Which domain?", answer)) {
            return EX_NOINPUT;
        }
    }
    return CLI_GO_ON;
}

/* --- commands ----------------------------------------------------------- */

static _Noreturn void
become(const char *const *words, int in, int out)
{
    char *argv[WORDS_MAX + 1];
    size_t n = 0;

    for (; n < WORDS_MAX && words[n] != NULL; n++) {
        argv[n] = strdup(words[n]);
        if (argv[n] == NULL) {
            _exit(EX_OSERR);
        }
    }
    argv[n] = NULL;
    if ((in >= 0 && dup2(in, STDIN_FILENO) < 0) ||
        (out >= 0 && dup2(out, STDOUT_FILENO) < 0)) {
        _exit(EX_OSERR);
    }
    execv("/proc/self/exe", argv);
    _exit(EX_OSERR);
}

/* `sealpost WORDS`; in and out: descriptors, -1 for the terminal's. The exit
 * code, or EX_OSERR. */
static int
run(const char *const *words, int in, int out)
{
    int status = 0;
    pid_t child;

    (void)fflush(stdout);
    child = fork();
    if (child == 0) {
        become(words, in, out);
    }
    while (child > 0 && waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) {
            return EX_OSERR;
        }
    }
    return child > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : EX_OSERR;
}

static void
show_command(const char *const *words)
{
    printf("\n$");
    for (; *words != NULL; words++) {
        printf(" %s", *words);
    }
    printf("\n");
}

/* --- the steps ---------------------------------------------------------- */

static int
add(struct guide *g)
{
    const char *const words[] = { "sealpost",
                                  "domain",
                                  "add",
                                  g->domain,
                                  "-c",
                                  g->cli->path,
                                  g->dual ? "--dual" : NULL,
                                  NULL };

    show_command(words);
    return run(words, -1, -1);
}

static int
watch(struct guide *g)
{
    const char *const words[] = { "sealpost", "domain", "check",      g->domain,
                                  "--watch",  "-c",     g->cli->path, NULL };
    char answer[ANSWER_MAX];

    printf("\nPublish these records at the provider of %s.\n", g->domain);
    if (!ask("Enter when that is done; the servers are asked until all is "
             "right.",
             answer)) {
        return EX_NOINPUT;
    }
    show_command(words);
    return run(words, -1, -1);
}

/* The selector of the domain's own key that signs; when the first one is
 * expected to, when none does (0: unknown). */
static int
look(struct guide *g, char *selector, uint64_t *when_out)
{
    struct cli quiet = *g->cli;
    struct rotating r;
    struct conf_errors *errors = conf_errors_new();
    struct rotate_facts *facts = NULL;
    const struct plan_track *t;
    int code = rotating_begin(&r, &quiet, 0);

    selector[0] = '\0';
    *when_out = 0;
    if (code == CLI_GO_ON && errors != NULL) {
        facts = rotate_facts_load(&r.world, errors);
    }
    for (size_t n = 0;
         facts != NULL && (t = rotate_facts_track(facts, n)) != NULL; n++) {
        size_t active = plan_active(t);

        if (strcmp(t->domain, g->domain) != 0 || t->owner[0] != '\0') {
            continue;
        }
        if (active < t->count && selector[0] == '\0') {
            snprintf(selector, DOMAIN_TOKEN_MAX + 1, "%s",
                     t->keys[active].key->view.selector);
        } else if (t->count > 0 && t->keys[0].key->life.seen_s != 0) {
            *when_out =
                t->keys[0].key->life.seen_s + t->keys[0].key->life.wait_s;
        }
    }
    rotate_facts_free(&facts);
    conf_errors_free(&errors);
    rotating_end(&r);
    return code;
}

/* Until a key signs: what the timer would do each hour. */
static int
prove(struct guide *g, char *selector)
{
    const char *const words[] = { "sealpost", "key",        "rotate", "--due",
                                  "-c",       g->cli->path, NULL };
    char when[KEYNOTE_TIME];
    uint64_t when_s;

    show_command(words);
    for (;;) {
        int code = run(words, -1, -1);

        if (code != EX_OK && code != EX_TEMPFAIL) {
            return code;
        }
        code = look(g, selector, &when_s);
        if (code != CLI_GO_ON || selector[0] != '\0') {
            return code;
        }
        rotating_when(when_s, (uint64_t)time(NULL), when);
        printf("No key signs yet; the first one is due: %s. Ctrl-C: the timer "
               "goes on without you.\n",
               when);
        sleep(LOOK_S);
    }
}

/* A name of its own for each: some mailboxes show what they have seen once. */
static void
put_message(const struct guide *g, const char *to, struct buf *out)
{
    time_t now = time(NULL);
    char date[40] = "";
    struct tm tm;

    if (gmtime_r(&now, &tm) != NULL) {
        (void)strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &tm);
    }
    buf_printf(out,
               "From: postmaster@%s\r\nTo: %s\r\n"
               "Subject: a test of Sealpost\r\nDate: %s\r\n"
               "Message-ID: <sealpost-guide.%jd.%ld@%s>\r\n\r\n"
               "If this has arrived, its Authentication-Results field says\r\n"
               "dkim=pass with header.d=%s.\r\n",
               g->domain, to, date, (intmax_t)now, (long)getpid(), g->domain,
               g->domain);
}

/* A message on a file without a name; -1: errno. */
static int
test_message(const struct guide *g)
{
    int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    struct buf text = BUF_INIT;
    struct bytes b;

    put_message(g, "undisclosed-recipients:;", &text);
    b = buf_bytes(&text);
    if (fd >= 0 &&
        (buf_failed(&text) || write(fd, b.ptr, b.len) != (ssize_t)b.len ||
         lseek(fd, 0, SEEK_SET) != 0)) {
        close(fd);
        fd = -1;
    }
    buf_free(&text);
    return fd;
}

/* Signed with the key that signs, verified with the key that DNS has. */
static int
try_it(struct guide *g, const char *selector)
{
    struct buf key = BUF_INIT;
    int message = test_message(g);
    int signed_fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    int code = EX_OSERR;

    buf_printf(&key, "%s/keys/%s/%s.pem", g->cli->conf->server.state_dir,
               g->domain, selector);
    if (buf_str(&key) != NULL && message >= 0 && signed_fd >= 0) {
        const char *const sign[] = { "sealpost", "sign",
                                     "-d",       g->domain,
                                     "-s",       selector,
                                     "-k",       (const char *)key.ptr,
                                     NULL };
        const char *const verify[] = { "sealpost", "verify", "-c", g->cli->path,
                                       NULL };

        show_command(sign);
        code = run(sign, message, signed_fd);
        if (code == EX_OK && lseek(signed_fd, 0, SEEK_SET) == 0) {
            show_command(verify);
            code = run(verify, signed_fd, -1);
        }
    }
    if (message >= 0) {
        close(message);
    }
    if (signed_fd >= 0) {
        close(signed_fd);
    }
    buf_free(&key);
    return code;
}

/* --- a message on its way ----------------------------------------------- */

/* An exit code; what the relay said is told. */
static int
send_to(const struct guide *g, const char *to)
{
    struct buf text = BUF_INIT, from = BUF_INIT, why = BUF_INIT;
    struct letter letter = { .to = to };
    bool good;

    put_message(g, to, &text);
    buf_printf(&from, "postmaster@%s", g->domain);
    letter.from = buf_str(&from);
    letter.message = buf_bytes(&text);
    good = letter.from != NULL && !buf_failed(&text) &&
           notice_letter(g->cli->conf, &letter, &why);
    if (good) {
        printf("The upstream has taken it: postmaster@%s to %s.\n", g->domain,
               to);
    } else {
        const char *said = buf_str(&why);

        printf("It was not sent: %s\nIs the daemon up (sealpost status), and "
               "may its [notify] sender use this From\n(sealpost user test)? "
               "The key is good all the same.\n",
               said == NULL ? "no memory" : said);
    }
    buf_free(&text);
    buf_free(&from);
    buf_free(&why);
    return good ? EX_OK : EX_UNAVAILABLE;
}

/* What has arrived, as its receiver may judge it. */
static int
verify_received(struct guide *g)
{
    const char *const verify[] = { "sealpost", "verify", "-c", g->cli->path,
                                   NULL };
    char answer[ANSWER_MAX];

    for (;;) {
        int fd, code;

        if (!ask("When it has arrived, save its source (\"show original\"). In "
                 "which file? [none]",
                 answer) ||
            answer[0] == '\0') {
            return EX_OK;
        }
        fd = open(answer, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            show_command(verify);
            code = run(verify, fd, -1);
            close(fd);
            return code;
        }
        printf("%s: %s\n", answer, strerror(errno));
    }
}

/* Through the relay itself, to a mailbox that the operator can look into. */
static int
send_one(struct guide *g)
{
    char to[ANSWER_MAX];
    int code;

    if (conf_notify_listen(g->cli->conf) == NULL) {
        printf("\nSend a message through the relay to a mailbox of yours: its "
               "Authentication-Results\nmust say dkim=pass. (No listener takes "
               "one from here: [notify] in sealpost.conf(5).)\n");
        return EX_OK;
    }
    printf("\nNow a message through the relay, from postmaster@%s.\n",
           g->domain);
    for (;;) {
        if (!ask("To which mailbox of yours? [none]", to) || to[0] == '\0') {
            return EX_OK;
        }
        if (conf_is_address(to)) {
            break;
        }
        printf("%s is not an address; one such as you@example.com.\n", to);
    }
    code = send_to(g, to);
    return code == EX_OK ? verify_received(g) : code;
}

static int
go(struct guide *g)
{
    char selector[DOMAIN_TOKEN_MAX + 1];
    char answer[ANSWER_MAX];
    int code = ask_domain(g);

    if (code == CLI_GO_ON && !g->dual) {
        if (!ask("Ed25519 keys beside RSA, six records instead of three? "
                 "[y/N]",
                 answer)) {
            return EX_NOINPUT;
        }
        g->dual = is_yes(answer);
    }
    if (code == CLI_GO_ON) {
        code = add(g);
    }
    if (code == EX_OK) {
        code = watch(g);
    }
    if (code == EX_OK) {
        code = prove(g, selector);
    }
    if (code == CLI_GO_ON) {
        printf("\n%s signs for %s. A message, signed with it and verified as a "
               "receiver does:\n",
               selector, g->domain);
        code = try_it(g, selector);
    }
    if (code == EX_OK) {
        code = send_one(g);
    }
    if (code == EX_OK) {
        printf("\nAll is well. From now on the timer (sealpost-rotate.timer) "
               "takes care of it;\n`sealpost domain status %s` says what "
               "comes next.\n",
               g->domain);
    }
    return code;
}

int
domain_guide(struct cli *c, bool dual)
{
    struct guide g = { .cli = c, .dual = dual };
    int code;

    if (!isatty(STDIN_FILENO)) {
        return cli_misuse(c, "--guide talks on a terminal; each step is a "
                             "command of its own: domain add, domain check "
                             "--watch, key rotate --due, domain status");
    }
    code = cli_conf(c);
    if (code == CLI_GO_ON) {
        code = rotating_configured(c);
    }
    return code == CLI_GO_ON ? go(&g) : code;
}
