/*
 * mail - a notice by mail, through a listener of our own; see ways.h.
 *
 * The relay signs and delivers it like any other mail. libcurl speaks SMTP.
 * The certificate is not judged by its date or name: the one that runs out is
 * what we may have to tell. It must be the very one that the configuration
 * names, by its public key.
 */
#include "proxy/config/secret.h"
#include "proxy/notices/compose.h"
#include "proxy/notices/ways.h"

#include <base/base64.h>
#include <base/wipe.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    SECONDS = 60,
    SHA256_OCTETS = 32,
    PIN = 8 + BASE64_LEN(SHA256_OCTETS) + 1
};

struct sending {
    struct bytes message; /* what is left of it */
    char said[200];       /* the server's last line */
};

static size_t
give_message(char *out, size_t size, size_t count, void *arg)
{
    struct sending *s = arg;
    struct bytes piece = bytes_take(s->message, size * count);

    if (piece.len > 0) {
        memcpy(out, piece.ptr, piece.len);
    }
    s->message = bytes_skip(s->message, piece.len);
    return piece.len;
}

static size_t
take_reply(char *line, size_t size, size_t count, void *arg)
{
    struct sending *s = arg;
    struct bytes text = bytes_trim(bytes_make(line, size * count));

    (void)bytes_copy(bytes_take(text, sizeof(s->said) - 1), s->said,
                     sizeof(s->said));
    return size * count;
}

/* --- whom we meet ------------------------------------------------------- */

/* "sha256//BASE64" of the certificate's public key. out: room for PIN. */
static bool
pin_of(const char *path, char *out)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned char *der = NULL;
    FILE *f = fopen(path, "re");
    X509 *certificate;
    int len = 0;
    bool good;

    if (f == NULL) {
        return false;
    }
    certificate = PEM_read_X509(f, NULL, NULL, NULL);
    (void)fclose(f);
    if (certificate != NULL) {
        len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    }
    good = len > 0 &&
           EVP_Digest(der, (size_t)len, digest, NULL, EVP_sha256(), NULL) == 1;
    if (good) {
        memcpy(out, "sha256//", 8);
        out[8 + base64_encode(bytes_make(digest, SHA256_OCTETS), out + 8)] =
            '\0';
    }
    OPENSSL_free(der);
    X509_free(certificate);
    return good;
}

/* Several keys for several names: any of them is ours. ';' parts them. */
static bool
put_pins(const struct listen_conf *l, struct buf *out, struct buf *why)
{
    for (size_t i = 0; l->certificates[i] != NULL; i++) {
        char pin[PIN];

        if (!pin_of(l->certificates[i], pin)) {
            buf_printf(why, "[listen %s] certificate = %s cannot be read",
                       l->name, l->certificates[i]);
            return false;
        }
        buf_printf(out, "%s%s", i == 0 ? "" : ";", pin);
    }
    return buf_str(out) != NULL;
}

/* smtp://ADDRESS:PORT/our name. Who listens anywhere listens on loopback. */
static void
put_url(const struct conf *conf, const struct listen_conf *l, struct buf *out)
{
    const struct conf_address *a = &l->addresses.list[0];
    const char *host = strcmp(a->host, "0.0.0.0") == 0 ? "127.0.0.1"
                       : strcmp(a->host, "::") == 0    ? "::1"
                                                       : a->host;
    bool v6 = strchr(host, ':') != NULL;

    buf_printf(out, "%s://%s%s%s:%u/%s",
               l->tls == CONF_TLS_IMPLICIT ? "smtps" : "smtp", v6 ? "[" : "",
               host, v6 ? "]" : "", (unsigned)a->port, conf->server.hostname);
}

static bool
read_password(const char *path, char *out, struct buf *why)
{
    enum conf_secret result = conf_secret_read(path, CONF_PASSWORD_MAX, out);

    if (result == CONF_SECRET_FILE) {
        buf_printf(why, "[notify] password_file = %s: %s", path,
                   strerror(errno));
    } else if (result == CONF_SECRET_LINE) {
        buf_printf(why,
                   "[notify] password_file = %s: no password; 1 to %d octets "
                   "in the first line",
                   path, CONF_PASSWORD_MAX);
    }
    return result == CONF_SECRET_OK;
}

/* --- the transfer ------------------------------------------------------- */

static void
set_message(CURL *curl, struct sending *s)
{
    (void)curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_READFUNCTION, give_message);
    (void)curl_easy_setopt(curl, CURLOPT_READDATA, s);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_reply);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, s);
}

static void
set_server(CURL *curl, const struct listen_conf *l, const char *url,
           const char *pins)
{
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    (void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)SECONDS);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    if (l->tls != CONF_TLS_NONE) {
        (void)curl_easy_setopt(curl, CURLOPT_USE_SSL, (long)CURLUSESSL_ALL);
        (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
        (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
        (void)curl_easy_setopt(curl, CURLOPT_PINNEDPUBLICKEY, pins);
    }
}

/* The envelope and the message; false: what curl and the server said. */
static bool
transfer(CURL *curl, const struct letter *letter, struct sending *s,
         struct buf *why)
{
    char error[CURL_ERROR_SIZE] = "";
    struct curl_slist *to = curl_slist_append(NULL, letter->to);
    CURLcode code = CURLE_OUT_OF_MEMORY;

    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
    if (to != NULL) {
        (void)curl_easy_setopt(curl, CURLOPT_MAIL_FROM, letter->from);
        (void)curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, to);
        code = curl_easy_perform(curl);
    }
    if (code != CURLE_OK) {
        buf_printf(why, "%s%s%s",
                   error[0] != '\0' ? error : curl_easy_strerror(code),
                   s->said[0] != '\0' ? ": " : "", s->said);
    }
    curl_slist_free_all(to);
    return code == CURLE_OK;
}

static bool
send_through(const struct conf *conf, const struct listen_conf *l,
             const struct letter *letter, struct buf *why)
{
    struct sending s = { letter->message, "" };
    struct buf url = BUF_INIT, pins = BUF_INIT;
    char password[CONF_PASSWORD_MAX + 1] = "";
    CURL *curl = curl_easy_init();
    bool good = curl != NULL;

    put_url(conf, l, &url);
    good = good && buf_str(&url) != NULL &&
           (l->tls == CONF_TLS_NONE || put_pins(l, &pins, why)) &&
           (conf->notify.username[0] == '\0' ||
            read_password(conf->notify.password_file, password, why));
    if (good) {
        set_message(curl, &s);
        set_server(curl, l, (char *)url.ptr, (char *)pins.ptr);
        if (conf->notify.username[0] != '\0') {
            (void)curl_easy_setopt(curl, CURLOPT_USERNAME,
                                   conf->notify.username);
            (void)curl_easy_setopt(curl, CURLOPT_PASSWORD, password);
        }
        buf_printf(why, "through [listen %s] at %s: ", l->name,
                   (char *)url.ptr);
        good = transfer(curl, letter, &s, why);
    }
    wipe(password, sizeof(password));
    curl_easy_cleanup(curl);
    buf_free(&url);
    buf_free(&pins);
    return good;
}

bool
notice_letter(const struct conf *conf, const struct letter *letter,
              struct buf *why_out)
{
    const struct listen_conf *l = conf_notify_listen(conf);

    if (l == NULL) {
        buf_puts(why_out, "no listener takes it; [notify] listener = NAME of "
                          "an outbound [listen NAME]");
        return false;
    }
    return send_through(conf, l, letter, why_out);
}

bool
notice_mail(const struct conf *conf, const struct notice *n,
            struct buf *why_out)
{
    struct notice_mail m = {
        conf->notify.from, conf->notify.mail, conf->server.hostname, { 0, 0 }
    };
    struct buf message = BUF_INIT;
    bool good = false;

    (void)RAND_bytes((unsigned char *)m.id, sizeof(m.id));
    notice_put_mail(n, &m, &message);
    if (buf_failed(&message)) {
        buf_puts(why_out, "no memory");
    } else {
        struct letter letter = { m.from, m.to, buf_bytes(&message) };

        good = notice_letter(conf, &letter, why_out);
    }
    buf_free(&message);
    return good;
}
