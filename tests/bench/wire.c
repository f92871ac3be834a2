/*
 * wire - see wire.h.
 */
#include "wire.h"

#include <openssl/err.h>

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

SSL_CTX *
wire_client(void)
{
    SSL_CTX *c = SSL_CTX_new(TLS_client_method());

    if (c != NULL) {
        SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    }
    return c;
}

SSL_CTX *
wire_server(const char *pem)
{
    SSL_CTX *c = SSL_CTX_new(TLS_server_method());

    if (c == NULL || SSL_CTX_use_certificate_chain_file(c, pem) != 1 ||
        SSL_CTX_use_PrivateKey_file(c, pem, SSL_FILETYPE_PEM) != 1) {
        ERR_print_errors_fp(stderr);
        return NULL;
    }
    SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE |
                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    (void)SSL_CTX_set_session_id_context(c, (const unsigned char *)"sink", 4);
    return c;
}

bool
wire_tls(struct wire *w, SSL_CTX *context, SSL_SESSION *resume, bool server)
{
    w->ssl = SSL_new(context);
    if (w->ssl == NULL || SSL_set_fd(w->ssl, w->fd) != 1) {
        return false;
    }
    if (resume != NULL) {
        (void)SSL_set_session(w->ssl, resume);
    }
    if (server) {
        SSL_set_accept_state(w->ssl);
    } else {
        SSL_set_connect_state(w->ssl);
    }
    w->shaking = true;
    return true;
}

/* What SSL_*() returned, as wire_*() does. */
static ssize_t
judge(struct wire *w, int n)
{
    int error = n > 0 ? SSL_ERROR_NONE : SSL_get_error(w->ssl, n);

    w->wants_write = error == SSL_ERROR_WANT_WRITE;
    if (n > 0) {
        return n;
    }
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0
                                                                         : -1;
}

int
wire_shake(struct wire *w)
{
    int n;

    ERR_clear_error();
    n = (int)judge(w, SSL_do_handshake(w->ssl));
    w->shaking = n == 0;
    return n;
}

static ssize_t
judge_plain(struct wire *w, ssize_t n)
{
    bool later = n < 0 && (errno == EAGAIN || errno == EINTR);

    w->wants_write = false;
    return later ? 0 : n;
}

ssize_t
wire_send(struct wire *w, const void *octets, size_t count)
{
    if (w->ssl == NULL) {
        ssize_t n = judge_plain(w, send(w->fd, octets, count, MSG_NOSIGNAL));

        w->wants_write = n == 0;
        return n;
    }
    ERR_clear_error();
    return judge(w, SSL_write(w->ssl, octets, (int)count));
}

ssize_t
wire_recv(struct wire *w, void *octets, size_t count)
{
    ssize_t n;

    if (w->ssl != NULL) {
        ERR_clear_error();
        return judge(w, SSL_read(w->ssl, octets, (int)count));
    }
    n = recv(w->fd, octets, count, 0);
    return n == 0 ? -1 : judge_plain(w, n);
}

void
wire_close(struct wire *w)
{
    if (w->ssl != NULL) {
        (void)SSL_shutdown(w->ssl);
        SSL_free(w->ssl);
        w->ssl = NULL;
    }
    (void)close(w->fd);
    w->fd = -1;
}
