/*
 * tls_tickets - see tls_tickets.h.
 *
 * A ticket is as RFC 5077 4 recommends it: AES-256-CBC, then HMAC-SHA-256 over
 * all of it; OpenSSL puts it together, the keys and their choice are here.
 */
#include "proxy/net/tls_tickets.h"

#include <base/buf.h>
#include <base/wipe.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    NAME_OCTETS = 16, /* OpenSSL's: what a ticket begins with */
    KEY_OCTETS = 32,
    ID_OCTETS = SSL_MAX_SID_CTX_LENGTH /* 32, a SHA-256 */
};

struct ticket_key {
    uint8_t name[NAME_OCTETS];
    uint8_t cipher[KEY_OCTETS];
    uint8_t mac[KEY_OCTETS];
};

/* What a context has of ours. */
struct tickets {
    uint8_t id[ID_OCTETS]; /* what its sessions stand for */
    struct ticket_key keys[TLS_TICKET_SECRETS];
    size_t count; /* 0: OpenSSL's own keys */
};

static void
free_tickets(void *parent, void *tickets, CRYPTO_EX_DATA *data, int index,
             long number, void *arg)
{
    (void)parent;
    (void)data;
    (void)index;
    (void)number;
    (void)arg;
    if (tickets != NULL) {
        wipe(tickets, sizeof(struct tickets));
        OPENSSL_free(tickets);
    }
}

static int
tickets_index(void)
{
    static int index = -1;

    if (index < 0) {
        index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_tickets);
    }
    return index;
}

/* --- what a session stands for -------------------------------------------- */

/* A file may be another one under the same name after a reload. */
static bool
put_authorities(const SSL_CTX *ctx, struct buf *text)
{
    const STACK_OF(X509_OBJECT) *list =
        X509_STORE_get0_objects(SSL_CTX_get_cert_store(ctx));

    for (int i = 0; i < sk_X509_OBJECT_num(list); i++) {
        const X509 *cert = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(list, i));
        uint8_t digest[EVP_MAX_MD_SIZE];
        unsigned len = 0;

        if (cert != NULL &&
            X509_digest(cert, EVP_sha256(), digest, &len) != 1) {
            return false;
        }
        buf_put(text, bytes_make(digest, len));
    }
    return true;
}

static bool
make_id(const SSL_CTX *ctx, const struct listen_conf *conf,
        uint8_t id_out[ID_OCTETS])
{
    struct buf text = BUF_INIT;
    bool good;

    buf_printf(&text, "%s %d %s", conf->name, (int)conf->tls_min_version,
               conf->tls_client_ca == NULL ? "" : conf->tls_client_ca);
    for (size_t i = 0; i < conf->tls_client_users.count; i++) {
        const struct conf_client_user *user = &conf->tls_client_users.list[i];

        buf_put(&text, bytes_make(user->fingerprint.sha256,
                                  sizeof(user->fingerprint.sha256)));
        buf_printf(&text, "%s=%s", user->subject == NULL ? "" : user->subject,
                   user->user);
    }
    good =
        put_authorities(ctx, &text) && !buf_failed(&text) &&
        EVP_Digest(text.ptr, text.len, id_out, NULL, EVP_sha256(), NULL) == 1;
    buf_free(&text);
    return good;
}

bool
tls_tickets_begin(SSL_CTX *ctx, const struct listen_conf *conf)
{
    struct tickets *t = OPENSSL_zalloc(sizeof(*t));

    if (t == NULL || !make_id(ctx, conf, t->id) ||
        SSL_CTX_set_ex_data(ctx, tickets_index(), t) != 1) {
        OPENSSL_free(t);
        return false;
    }
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    return SSL_CTX_set_session_id_context(ctx, t->id, sizeof(t->id)) == 1 &&
           SSL_CTX_set_num_tickets(ctx, 1) == 1;
}

/* --- keys ----------------------------------------------------------------- */

_Static_assert(sizeof(struct ticket_key) == NAME_OCTETS + 2 * KEY_OCTETS,
               "octets, and nothing between them");

/* RFC 5869 2.3: the secret is uniform as it is. */
static bool
derive(const uint8_t secret[TLS_TICKET_SECRET_OCTETS],
       const uint8_t id[ID_OCTETS], struct ticket_key *key_out)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *ctx = kdf == NULL ? NULL : EVP_KDF_CTX_new(kdf);
    int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY,
                                          (void *)(uintptr_t)secret,
                                          TLS_TICKET_SECRET_OCTETS),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO,
                                          (void *)(uintptr_t)id, ID_OCTETS),
        OSSL_PARAM_construct_end(),
    };
    bool good = ctx != NULL && EVP_KDF_derive(ctx, (uint8_t *)key_out,
                                              sizeof(*key_out), params) == 1;

    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    return good;
}

static bool
use_key(const struct ticket_key *key, const uint8_t *iv, EVP_CIPHER_CTX *cipher,
        EVP_MAC_CTX *mac, int encrypt)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(
            OSSL_MAC_PARAM_KEY, (void *)(uintptr_t)key->mac, sizeof(key->mac)),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };

    return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv,
                             encrypt) == 1 &&
           EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3): -1 an error, 0 a key that nobody
 * has, 1 it is set, 2 it is set and the client gets a newer ticket. */
static int
on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv,
          EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt)
{
    const struct tickets *t =
        SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), tickets_index());
    size_t i = 0;

    if (encrypt == 1) {
        memcpy(name, t->keys[0].name, NAME_OCTETS);
        return RAND_bytes(iv, EVP_CIPHER_iv_length(EVP_aes_256_cbc())) == 1 &&
                       use_key(&t->keys[0], iv, cipher, mac, encrypt)
                   ? 1
                   : -1;
    }
    while (i < t->count && memcmp(name, t->keys[i].name, NAME_OCTETS) != 0) {
        i++;
    }
    if (i == t->count) {
        return 0;
    }
    if (!use_key(&t->keys[i], iv, cipher, mac, encrypt)) {
        return -1;
    }
    return i == 0 ? 1 : 2;
}

bool
tls_tickets_share(SSL_CTX *ctx, const struct tls_ticket_secrets *s)
{
    struct tickets *t = SSL_CTX_get_ex_data(ctx, tickets_index());
    struct ticket_key keys[TLS_TICKET_SECRETS];
    bool good = t != NULL && s->count > 0;

    for (size_t i = 0; good && i < s->count; i++) {
        good = derive(s->list[i], t->id, &keys[i]);
    }
    good = good && SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket) == 1;
    if (good) {
        memcpy(t->keys, keys, sizeof(keys));
        t->count = s->count;
    }
    wipe(keys, sizeof(keys));
    ERR_clear_error();
    return good;
}

/* --- secrets -------------------------------------------------------------- */

bool
tls_tickets_renew(struct tls_ticket_secrets *s)
{
    uint8_t fresh[TLS_TICKET_SECRET_OCTETS];

    if (RAND_priv_bytes(fresh, sizeof(fresh)) != 1) {
        ERR_clear_error();
        return false;
    }
    memmove(s->list[1], s->list[0], sizeof(fresh));
    memcpy(s->list[0], fresh, sizeof(fresh));
    s->count += s->count < TLS_TICKET_SECRETS;
    wipe(fresh, sizeof(fresh));
    return true;
}

int
tls_tickets_pack(const struct tls_ticket_secrets *s)
{
    int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
    int fd = memfd_create("sealpost-tickets", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    size_t octets = s->count * sizeof(s->list[0]);
    ssize_t n;

    if (fd < 0) {
        return -1;
    }
    n = pwrite(fd, s->list, octets, 0);
    if (n < 0 || (size_t)n != octets || fcntl(fd, F_ADD_SEALS, seals) != 0) {
        int saved = n < 0 ? errno : EIO;

        (void)close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

bool
tls_tickets_unpack(int fd, struct tls_ticket_secrets *out)
{
    struct tls_ticket_secrets s = { .count = 0 };
    size_t one = sizeof(s.list[0]);
    struct stat st;
    ssize_t n;

    if (fd < 0 || fstat(fd, &st) != 0 || st.st_size <= 0 ||
        (size_t)st.st_size > sizeof(s.list) || (size_t)st.st_size % one != 0) {
        return false;
    }
    n = pread(fd, s.list, sizeof(s.list), 0);
    if (n != st.st_size) {
        return false;
    }
    s.count = (size_t)n / one;
    *out = s;
    wipe(&s, sizeof(s));
    return true;
}
