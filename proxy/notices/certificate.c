/*
 * certificate - certificates that run out; see notice.h.
 */
#include "proxy/notices/notice.h"

#include <base/buf.h>

#include <openssl/pem.h>
#include <openssl/x509.h>

#include <stdio.h>
#include <time.h>

enum {
    DAY_S = 86400
};

/* False: the file holds none that can be read. */
static bool
read_end(const char *path, int64_t *end_out)
{
    FILE *f = fopen(path, "re");
    X509 *certificate;
    struct tm tm;
    bool good;

    if (f == NULL) {
        return false;
    }
    certificate = PEM_read_X509(f, NULL, NULL, NULL);
    (void)fclose(f);
    good = certificate != NULL &&
           ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) == 1;
    if (good) {
        *end_out = (int64_t)timegm(&tm);
    }
    X509_free(certificate);
    return good;
}

/* Whose it is, and the two files. */
struct shown {
    const char *section; /* "listen submission" */
    const char *certificate;
    const char *private_key;
};

static bool
tell(const struct conf *conf, const struct shown *shown, int64_t left_s,
     uint64_t now_s)
{
    const char *path = shown->certificate;
    struct notice n = { NOTICE_CERTIFICATE, path, "", NULL, now_s };
    struct buf text = BUF_INIT;
    bool good = false;

    if (left_s < 0) {
        buf_printf(&text,
                   "The certificate of [%s] ran out %ju days ago: who checks "
                   "it sends and takes no mail.\n",
                   shown->section, (uintmax_t)(-left_s / DAY_S));
    } else {
        buf_printf(&text,
                   "The certificate of [%s] runs out in %ju days: then who "
                   "checks it sends and takes no mail.\n",
                   shown->section, (uintmax_t)(left_s / DAY_S));
    }
    buf_printf(&text,
               "Put a new one into %s and its key into %s, then: systemctl "
               "reload sealpost\n",
               path, shown->private_key);
    n.text = buf_str(&text);
    good = n.text != NULL && notice_send(conf, &n);
    buf_free(&text);
    return good;
}

static bool
look(const struct conf *conf, const struct shown *shown, uint64_t now_s)
{
    int64_t end, left_s;

    if (!read_end(shown->certificate, &end)) {
        return true;
    }
    left_s = end - (int64_t)now_s;
    return left_s >= (int64_t)conf->notify.expiry_s ||
           tell(conf, shown, left_s, now_s);
}

static bool
look_at_listener(const struct conf *conf, const struct listen_conf *l,
                 uint64_t now_s)
{
    char section[128];
    bool good = true;

    (void)snprintf(section, sizeof(section), "listen %s", l->name);
    for (size_t i = 0; l->tls != CONF_TLS_NONE && l->certificates[i] != NULL;
         i++) {
        struct shown shown = { section, l->certificates[i],
                               l->private_keys[i] };

        good = look(conf, &shown, now_s) && good;
    }
    return good;
}

bool
notice_certificates(const struct conf *conf, uint64_t now_s)
{
    bool good = true;

    for (size_t i = 0; i < conf->listen_count; i++) {
        good = look_at_listener(conf, &conf->listens[i], now_s) && good;
    }
    for (size_t i = 0; i < conf->upstream_count; i++) {
        const struct upstream_conf *u = &conf->upstreams[i];
        char section[128];
        struct shown shown = { section, u->certificate, u->private_key };

        (void)snprintf(section, sizeof(section), "upstream %s", u->name);
        if (u->certificate[0] != '\0') {
            good = look(conf, &shown, now_s) && good;
        }
    }
    return good;
}
