/*
 * password - asked for and hashed; see password.h.
 */
#include "proxy/cli/password.h"

#include "proxy/users/scramsecret.h"

#include <base/base64.h>
#include <base/wipe.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <termios.h>
#include <unistd.h>

enum {
    SHA256_OCTETS = 32
};

/* One line from fd without its line end. Octet by octet: what is behind it
 * is not ours, and no buffer keeps a copy. */
static int
read_line(const struct cli *c, int fd, char *out)
{
    size_t n = 0;

    for (;;) {
        char octet = '\0';
        ssize_t got = read(fd, &octet, 1);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0 || octet == '\n') {
            break;
        }
        if (octet == '\0' || n == PASSWORD_MAX) {
            return cli_fail(c, EX_DATAERR,
                            "the password is longer than %d "
                            "octets or holds a NUL",
                            PASSWORD_MAX);
        }
        out[n++] = octet;
    }
    n -= n > 0 && out[n - 1] == '\r';
    out[n] = '\0';
    return n > 0 ? CLI_GO_ON
                 : cli_fail(c, EX_DATAERR,
                            "the password is empty; at least "
                            "one octet");
}

/* Asks once. The terminal is itself again on every way out. */
static int
ask(const struct cli *c, int tty, const char *prompt, char *out)
{
    struct termios old, quiet;
    int code;

    if (tcgetattr(tty, &old) != 0) {
        return cli_fail(c, EX_IOERR, "the terminal: %s", strerror(errno));
    }
    quiet = old;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
    if (tcsetattr(tty, TCSAFLUSH, &quiet) != 0) {
        return cli_fail(c, EX_IOERR, "the terminal: %s", strerror(errno));
    }
    (void)!write(tty, prompt, strlen(prompt));
    code = read_line(c, tty, out);
    (void)!write(tty, "\n", 1);
    (void)tcsetattr(tty, TCSAFLUSH, &old);
    return code;
}

static int
ask_twice(const struct cli *c, int tty, char *out)
{
    char again[PASSWORD_MAX + 1] = "";
    int code = ask(c, tty, "New password: ", out);

    if (code == CLI_GO_ON) {
        code = ask(c, tty, "Once more: ", again);
    }
    if (code == CLI_GO_ON &&
        !bytes_eq_secret(bytes_str(out), bytes_str(again))) {
        code = cli_fail(c, EX_DATAERR,
                        "the two are not the same; nothing "
                        "was changed");
    }
    wipe(again, sizeof(again));
    return code;
}

int
password_read(const struct cli *c, bool from_stdin, char *password_out)
{
    int code;
    int tty;

    if (from_stdin) {
        return read_line(c, STDIN_FILENO, password_out);
    }
    tty = isatty(STDIN_FILENO) ? open("/dev/tty", O_RDWR | O_CLOEXEC) : -1;
    if (tty < 0) {
        return cli_misuse(c, "there is no terminal to ask on; "
                             "--password-stdin reads a line of stdin");
    }
    code = ask_twice(c, tty, password_out);
    close(tty);
    return code;
}

bool
password_crypt(const char *password, struct buf *out)
{
    char *salt = crypt_gensalt_ra("$y$", 0, NULL, 0);
    void *work = NULL;
    int size = 0;
    const char *hash;
    bool good;

    if (salt == NULL) {
        return false;
    }
    hash = crypt_ra(password, salt, &work, &size);
    good = hash != NULL && hash[0] == '$';
    if (good) {
        buf_puts(out, hash);
    }
    if (work != NULL) {
        wipe(work, (size_t)size);
    }
    free(work);
    free(salt);
    return good && !buf_failed(out);
}

static void
put_base64(struct bytes in, struct buf *out)
{
    if (buf_reserve(out, BASE64_LEN(in.len))) {
        out->len += base64_encode(in, (char *)out->ptr + out->len);
    }
}

static bool
hmac(struct bytes key, const char *text, uint8_t *out)
{
    return HMAC(EVP_sha256(), key.ptr, (int)key.len, (const uint8_t *)text,
                strlen(text), out, NULL) != NULL;
}

/* RFC 5802 3. Non-ASCII passwords are used as they are: SASLprep of what is
 * plain ASCII is the same text. */
bool
password_scram(const char *password, struct buf *out)
{
    uint8_t salt[SCRAM_SALT_OCTETS], salted[SHA256_OCTETS],
        client[SHA256_OCTETS];
    uint8_t stored[SHA256_OCTETS], server[SHA256_OCTETS];
    struct bytes key = { salted, sizeof(salted) };
    bool good =
        RAND_bytes(salt, sizeof(salt)) == 1 &&
        PKCS5_PBKDF2_HMAC(password, (int)strlen(password), salt, sizeof(salt),
                          SCRAM_ITERATIONS, EVP_sha256(), sizeof(salted),
                          salted) == 1 &&
        hmac(key, "Client Key", client) && hmac(key, "Server Key", server) &&
        EVP_Digest(client, sizeof(client), stored, NULL, EVP_sha256(), NULL) ==
            1;

    if (good) {
        buf_printf(out, "SCRAM-SHA-256$%d:", SCRAM_ITERATIONS);
        put_base64(bytes_make(salt, sizeof(salt)), out);
        buf_putc(out, '$');
        put_base64(bytes_make(stored, sizeof(stored)), out);
        buf_putc(out, ':');
        put_base64(bytes_make(server, sizeof(server)), out);
    }
    wipe(salted, sizeof(salted));
    wipe(client, sizeof(client));
    return good && !buf_failed(out);
}
