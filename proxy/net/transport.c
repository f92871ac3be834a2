/*
 * transport - see transport.h.
 *
 * A TLS stream ends properly with close_notify only (RFC 8446 6.1); a FIN
 * without it may be an attacker's cut and is an error, and after either one
 * nothing is ever read from the bare socket.
 */
#include "proxy/net/transport.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include <errno.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
    IOV_COUNT = 16
};

static const struct {
    int number;
    const char *text;
} errors[] = {
    { ECONNRESET, "connection reset" },
    { ECONNREFUSED, "connection refused" },
    { ECONNABORTED, "connection aborted" },
    { ETIMEDOUT, "connection timed out" },
    { EPIPE, "connection closed by the peer" },
    { EHOSTUNREACH, "no route to host" },
    { ENETUNREACH, "network is unreachable" },
    { ENETDOWN, "network is down" },
    { EADDRNOTAVAIL, "cannot assign an address" },
    { EACCES, "permission denied" },
    { EPERM, "operation not permitted" },
    { EMFILE, "too many open files" },
    { ENFILE, "too many open files in the system" },
    { ENOBUFS, "no buffer space" },
    { ENOMEM, "out of memory" },
};

const char *
transport_error_text(int error)
{
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (errors[i].number == error) {
            return errors[i].text;
        }
    }
    return "input or output error";
}

static enum transport_result
failed(struct transport *t, const char *error)
{
    t->error = error;
    return TRANSPORT_FAILED;
}

/* EINTR can't come here: the sockets are nonblocking. */
static enum transport_result
socket_result(struct transport *t, enum transport_result wait)
{
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
        return wait;
    }
    return failed(t, transport_error_text(errno));
}

static enum transport_result
tls_failed(struct transport *t)
{
    unsigned long code = ERR_peek_last_error();
    long verify = SSL_get_verify_result(t->ssl);
    const char *reason = ERR_reason_error_string(code);

    ERR_clear_error();
    if (ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        return failed(t, "TLS connection closed without close_notify");
    }
    if (!SSL_is_init_finished(t->ssl) &&
        verify == X509_V_ERR_APPLICATION_VERIFICATION) {
        return failed(t, "its certificate is not that of tls_fingerprint");
    }
    if (!SSL_is_init_finished(t->ssl) && verify != X509_V_OK) {
        return failed(t, X509_verify_cert_error_string(verify));
    }
    return failed(t, reason == NULL ? "TLS protocol error" : reason);
}

/* What a TLS call that did not succeed waits for. */
static enum transport_result
tls_result(struct transport *t, int result)
{
    int error = errno;

    switch (SSL_get_error(t->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return TRANSPORT_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return TRANSPORT_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return TRANSPORT_END;
    case SSL_ERROR_SYSCALL:
        ERR_clear_error();
        return failed(t, error == 0
                             ? "TLS connection closed without close_notify"
                             : transport_error_text(error));
    default:
        return tls_failed(t);
    }
}

static enum transport_result
tls_read(struct transport *t, uint8_t *room, size_t cap, size_t *len_out)
{
    while (*len_out < cap) {
        size_t left = cap - *len_out;
        int n;

        ERR_clear_error();
        errno = 0;
        n = SSL_read(t->ssl, room + *len_out,
                     left > INT_MAX ? INT_MAX : (int)left);
        if (n <= 0) {
            return tls_result(t, n);
        }
        *len_out += (size_t)n;
        if (SSL_has_pending(t->ssl) == 0) {
            return TRANSPORT_WANT_READ; /* saves the EAGAIN */
        }
    }
    return TRANSPORT_DONE;
}

enum transport_result
transport_read(struct transport *t, uint8_t *room, size_t cap, size_t *len_out)
{
    ssize_t n;

    *len_out = 0;
    if (t->ssl != NULL) {
        return tls_read(t, room, cap, len_out);
    }
    n = recv(t->fd, room, cap, 0);
    if (n < 0) {
        return socket_result(t, TRANSPORT_WANT_READ);
    }
    if (n == 0) {
        return TRANSPORT_END;
    }
    *len_out = (size_t)n;
    return *len_out < cap ? TRANSPORT_WANT_READ : TRANSPORT_DONE;
}

/* Where a write stands among its runs. */
struct cursor {
    const struct bytes *runs;
    size_t count;
    size_t offset; /* octets of runs[0] that are done */
};

static void
advance(struct cursor *c, size_t n)
{
    c->offset += n;
    while (c->count > 0 && c->offset >= c->runs[0].len) {
        c->offset -= c->runs[0].len;
        c->runs++;
        c->count--;
    }
}

static enum transport_result
plain_write(struct transport *t, struct cursor *c, size_t *len_out)
{
    while (c->count > 0) {
        struct iovec iov[IOV_COUNT];
        struct msghdr msg = { .msg_iov = iov };
        size_t asked = 0;
        ssize_t n;

        for (size_t i = 0; i < c->count && i < IOV_COUNT; i++) {
            struct bytes run = bytes_skip(c->runs[i], i == 0 ? c->offset : 0);

            iov[i].iov_base = (void *)(uintptr_t)run.ptr; /* only read */
            iov[i].iov_len = run.len;
            msg.msg_iovlen = i + 1;
            asked += run.len;
        }
        n = sendmsg(t->fd, &msg, MSG_NOSIGNAL);
        if (n < 0) {
            return socket_result(t, TRANSPORT_WANT_WRITE);
        }
        *len_out += (size_t)n;
        advance(c, (size_t)n);
        if ((size_t)n < asked) {
            return TRANSPORT_WANT_WRITE;
        }
    }
    return TRANSPORT_DONE;
}

/* The next octets for one record: a view of one run, or several gathered. */
static struct bytes
next_record(const struct cursor *c, uint8_t *scratch)
{
    struct bytes run = bytes_skip(c->runs[0], c->offset);
    size_t len = 0;

    if (run.len >= TRANSPORT_RECORD_MAX || c->count == 1) {
        return run;
    }
    for (size_t i = 0; i < c->count && len < TRANSPORT_RECORD_MAX; i++) {
        run = bytes_skip(c->runs[i], i == 0 ? c->offset : 0);
        run = bytes_take(run, TRANSPORT_RECORD_MAX - len);
        if (run.len > 0) {
            memcpy(scratch + len, run.ptr, run.len);
            len += run.len;
        }
    }
    return bytes_make(scratch, len);
}

static enum transport_result
tls_write(struct transport *t, struct cursor *c, uint8_t *scratch,
          size_t *len_out)
{
    while (c->count > 0) {
        struct bytes record = next_record(c, scratch);
        int n;

        ERR_clear_error();
        errno = 0;
        n = SSL_write(t->ssl, record.ptr,
                      record.len > INT_MAX ? INT_MAX : (int)record.len);
        if (n <= 0) {
            enum transport_result result = tls_result(t, n);

            return result == TRANSPORT_END
                       ? failed(t, "connection closed by the peer")
                       : result;
        }
        *len_out += (size_t)n;
        advance(c, (size_t)n);
    }
    return TRANSPORT_DONE;
}

enum transport_result
transport_write(struct transport *t, const struct bytes *runs, size_t count,
                uint8_t *scratch, size_t *len_out)
{
    struct cursor c = { runs, count, 0 };

    *len_out = 0;
    advance(&c, 0); /* no empty run at the front */
    return t->ssl == NULL ? plain_write(t, &c, len_out)
                          : tls_write(t, &c, scratch, len_out);
}

enum transport_result
transport_handshake(struct transport *t)
{
    int n;

    ERR_clear_error();
    errno = 0;
    n = SSL_do_handshake(t->ssl);
    if (n == 1) {
        return TRANSPORT_DONE;
    }
    switch (tls_result(t, n)) {
    case TRANSPORT_WANT_READ:
        return TRANSPORT_WANT_READ;
    case TRANSPORT_WANT_WRITE:
        return TRANSPORT_WANT_WRITE;
    case TRANSPORT_END:
        return failed(t, "TLS connection closed in the handshake");
    default:
        return TRANSPORT_FAILED;
    }
}

bool
transport_has_input(const struct transport *t)
{
    return t->ssl != NULL && SSL_has_pending(t->ssl) == 1;
}

/* RFC 9266 2: this label, and a context of length zero. */
bool
transport_channel_binding(const struct transport *t,
                          uint8_t out[TRANSPORT_CHANNEL_BINDING_OCTETS])
{
    static const char label[] = "EXPORTER-Channel-Binding";
    uint8_t binding[TRANSPORT_CHANNEL_BINDING_OCTETS];

    if (t->ssl == NULL || SSL_version(t->ssl) < TLS1_3_VERSION ||
        SSL_export_keying_material(t->ssl, binding, sizeof(binding), label,
                                   sizeof(label) - 1, (const uint8_t *)"", 0,
                                   1) != 1) {
        ERR_clear_error();
        return false;
    }
    memcpy(out, binding, sizeof(binding));
    return true;
}
