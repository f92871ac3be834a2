/*
 * file - DNS answers from a file; see proxy/dns/file.h.
 *
 * Records stand in one array in the file's order and are searched from its
 * start for each question: such files are small, and nothing has to be kept
 * in step. Names and data are held decoded in one buffer, as offsets, because
 * the buffer moves while it grows.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <proxy/dns/file.h>
#include <stdlib.h>

enum {
    ANY_TYPE = 0, /* TYPE "*" */
    TTL_S = 300
};

struct entry {
    size_t name, name_len; /* in pool; lower case, no final dot */
    size_t data, data_len; /* in pool */
    int type;
    bool failure; /* status instead of data */
    enum dns_status status;
    uint16_t preference;
};

struct dns_file {
    struct entry *entries; /* owned */
    size_t count, cap;
    struct buf pool;
    struct dns_record *found; /* owned; room for count records */
};

/* One line being read; error has its place and what is wrong. */
struct line {
    const char *file;
    size_t number;
    struct bytes rest;
    struct buf *error;
};

static const struct type_word {
    const char *word;
    int type;
} type_words[] = {
    { "TXT", DNS_TXT },   { "CNAME", DNS_CNAME }, { "A", DNS_A },
    { "AAAA", DNS_AAAA }, { "MX", DNS_MX },       { "PTR", DNS_PTR },
    { "*", ANY_TYPE },
};

static const struct failure_word {
    const char *word;
    enum dns_status status;
} failure_words[] = {
    { "!NXDOMAIN", DNS_NXDOMAIN },
    { "!NODATA", DNS_NODATA },
    { "!SERVFAIL", DNS_TEMPFAIL },
    { "!TIMEOUT", DNS_TEMPFAIL },
};

static bool
wrong(const struct line *l, const char *what)
{
    buf_printf(l->error, "%s:%zu: %s", l->file, l->number, what);
    return false;
}

static void
skip_space(struct line *l)
{
    while (l->rest.len > 0 && byte_is_wsp(l->rest.ptr[0])) {
        l->rest = bytes_skip(l->rest, 1);
    }
}

static struct bytes
next_word(struct line *l)
{
    struct bytes word;
    size_t n = 0;

    skip_space(l);
    while (n < l->rest.len && !byte_is_wsp(l->rest.ptr[n])) {
        n++;
    }
    word = bytes_take(l->rest, n);
    l->rest = bytes_skip(l->rest, n);
    return word;
}

static bool
at_end(struct line *l)
{
    skip_space(l);
    return l->rest.len == 0 || l->rest.ptr[0] == '#';
}

/*
 * Takes one octet, or \DDD, or \X, off *text; false: an escape that is none.
 * RFC 1035 5.1.
 */
static bool
unescape(struct bytes *text, uint8_t *octet_out)
{
    uint64_t value;

    *octet_out = text->ptr[0];
    *text = bytes_skip(*text, 1);
    if (*octet_out != '\\') {
        return true;
    }
    if (text->len == 0) {
        return false;
    }
    if (!byte_is_digit(text->ptr[0])) {
        *octet_out = text->ptr[0];
        *text = bytes_skip(*text, 1);
        return true;
    }
    if (text->len < 3 || !bytes_to_u64(bytes_take(*text, 3), 255, &value)) {
        return false;
    }
    *octet_out = (uint8_t)value;
    *text = bytes_skip(*text, 3);
    return true;
}

/* Puts a name into the pool: decoded, lower case, without a final dot. */
static bool
put_name(struct dns_file *f, struct line *l, struct bytes word, size_t *at_out,
         size_t *len_out)
{
    size_t start = f->pool.len;

    if (word.len > 0 && word.ptr[word.len - 1] == '.') {
        word.len--; /* the root itself becomes the empty name */
    }
    while (word.len > 0) {
        uint8_t octet;

        if (!unescape(&word, &octet)) {
            return wrong(l, "bad escape in a name; \\DDD (000 to 255) or \\ "
                            "and a character is allowed");
        }
        buf_putc(&f->pool, (char)byte_lower(octet));
    }
    *at_out = start;
    *len_out = f->pool.len - start;
    return *len_out <= DNS_NAME_MAX ||
           wrong(l, "name too long; 253 octets are allowed");
}

static bool
parse_txt(struct dns_file *f, struct line *l, struct entry *e)
{
    e->data = f->pool.len;
    while (!at_end(l)) {
        uint8_t octet;

        if (l->rest.ptr[0] != '"') {
            return wrong(l, "TXT data without quotes; one or more \"quoted "
                            "strings\" are allowed");
        }
        l->rest = bytes_skip(l->rest, 1);
        while (l->rest.len > 0 && l->rest.ptr[0] != '"') {
            if (!unescape(&l->rest, &octet)) {
                return wrong(l, "bad escape; \\\", \\\\ and \\DDD (000 to "
                                "255) are allowed");
            }
            buf_putc(&f->pool, (char)octet);
        }
        if (l->rest.len == 0) {
            return wrong(l, "string without its closing quote");
        }
        l->rest = bytes_skip(l->rest, 1);
    }
    e->data_len = f->pool.len - e->data;
    return e->data_len <= UINT16_MAX ||
           wrong(l, "TXT data too long; 65535 octets are allowed");
}

static bool
parse_address(struct dns_file *f, struct line *l, struct entry *e)
{
    char text[INET6_ADDRSTRLEN];
    uint8_t octets[16];
    bool v4 = e->type == DNS_A;

    if (!bytes_copy(next_word(l), text, sizeof(text)) ||
        inet_pton(v4 ? AF_INET : AF_INET6, text, octets) != 1) {
        return wrong(l, v4 ? "bad address; A takes an IPv4 address"
                           : "bad address; AAAA takes an IPv6 address");
    }
    e->data = f->pool.len;
    e->data_len = v4 ? 4 : 16;
    buf_put(&f->pool, bytes_make(octets, e->data_len));
    return true;
}

static bool
parse_target(struct dns_file *f, struct line *l, struct entry *e)
{
    struct bytes word;
    uint64_t preference;

    if (e->type == DNS_MX) {
        if (!bytes_to_u64(next_word(l), UINT16_MAX, &preference)) {
            return wrong(l, "MX without a preference; `MX NUMBER NAME` is "
                            "allowed, 0 to 65535");
        }
        e->preference = (uint16_t)preference;
    }
    word = next_word(l);
    /* A null MX (RFC 7505) may be written without its dot. */
    if (word.len == 0 && e->type != DNS_MX) {
        return wrong(l, "name missing behind the type");
    }
    return put_name(f, l, word, &e->data, &e->data_len);
}

static bool
parse_failure(struct line *l, struct entry *e)
{
    struct bytes word = next_word(l);

    for (size_t i = 0; i < sizeof(failure_words) / sizeof(*failure_words);
         i++) {
        if (bytes_is_ci(word, failure_words[i].word)) {
            e->failure = true;
            e->status = failure_words[i].status;
            return true;
        }
    }
    return wrong(l, "unknown failure; !NXDOMAIN, !NODATA, !SERVFAIL and "
                    "!TIMEOUT are allowed");
}

static bool
parse_type(struct line *l, int *type_out)
{
    struct bytes word = next_word(l);

    for (size_t i = 0; i < sizeof(type_words) / sizeof(*type_words); i++) {
        if (bytes_is_ci(word, type_words[i].word)) {
            *type_out = type_words[i].type;
            return true;
        }
    }
    return wrong(l, "unknown type; TXT, CNAME, A, AAAA, MX, PTR and * are "
                    "allowed");
}

static bool
parse_data(struct dns_file *f, struct line *l, struct entry *e)
{
    skip_space(l);
    if (l->rest.len > 0 && l->rest.ptr[0] == '!') {
        return parse_failure(l, e);
    }
    switch (e->type) {
    case DNS_TXT:
        return parse_txt(f, l, e);
    case DNS_A:
    case DNS_AAAA:
        return parse_address(f, l, e);
    case DNS_MX:
    case DNS_PTR:
    case DNS_CNAME:
        return parse_target(f, l, e);
    default:
        return wrong(l, "data for type *; only a failure such as !TIMEOUT is "
                        "allowed");
    }
}

static bool
add_entry(struct dns_file *f, struct line *l, const struct entry *e)
{
    if (f->count == f->cap) {
        size_t cap = f->cap == 0 ? 64 : f->cap * 2;
        struct entry *grown = realloc(f->entries, cap * sizeof(*grown));

        if (grown == NULL) {
            return wrong(l, "out of memory");
        }
        f->entries = grown;
        f->cap = cap;
    }
    f->entries[f->count++] = *e;
    return true;
}

static bool
parse_line(struct dns_file *f, struct line *l)
{
    struct entry e = { 0 };

    if (l->rest.len > 0 && l->rest.ptr[l->rest.len - 1] == '\r') {
        l->rest.len--;
    }
    if (at_end(l)) {
        return true;
    }
    if (!put_name(f, l, next_word(l), &e.name, &e.name_len) ||
        !parse_type(l, &e.type) || !parse_data(f, l, &e)) {
        return false;
    }
    if (!at_end(l)) {
        return wrong(l, "text behind the data; one record a line and a # "
                        "comment are allowed");
    }
    return add_entry(f, l, &e);
}

struct dns_file *
dns_file_parse(const char *name, struct bytes text, struct buf *error)
{
    struct dns_file *f = calloc(1, sizeof(*f));
    struct line l = { name, 1, text, error };
    bool good = f != NULL;

    for (; good && text.len > 0; l.number++) {
        size_t n = bytes_find(text, '\n');

        l.rest = bytes_take(text, n);
        good = parse_line(f, &l);
        text = bytes_skip(text, n < text.len ? n + 1 : n);
    }
    if (good) {
        f->found = calloc(f->count + 1, sizeof(*f->found));
    }
    if (f == NULL || (good && (f->found == NULL || buf_failed(&f->pool)))) {
        good = wrong(&l, "out of memory");
    }
    if (!good) {
        dns_file_free(&f);
    }
    return f;
}

static bool
read_all(FILE *in, struct buf *out)
{
    uint8_t block[16384];
    size_t n;

    while ((n = fread(block, 1, sizeof(block), in)) > 0) {
        buf_put(out, bytes_make(block, n));
        if (out->len > DNS_FILE_OCTETS_MAX) {
            errno = EFBIG;
            return false;
        }
    }
    if (buf_failed(out)) {
        errno = ENOMEM;
        return false;
    }
    return !ferror(in);
}

struct dns_file *
dns_file_load(const char *path, struct buf *error)
{
    struct dns_file *f = NULL;
    struct buf text = BUF_INIT;
    FILE *in = fopen(path, "re");

    if (in == NULL || !read_all(in, &text)) {
        buf_printf(error, "%s: cannot read: %s", path, strerror(errno));
        goto out;
    }
    f = dns_file_parse(path, buf_bytes(&text), error);
out:
    if (in != NULL) {
        (void)fclose(in);
    }
    buf_free(&text);
    return f;
}

void
dns_file_free(struct dns_file **fp)
{
    struct dns_file *f = *fp;

    if (f != NULL) {
        free(f->entries);
        free(f->found);
        buf_free(&f->pool);
        free(f);
        *fp = NULL;
    }
}

static struct bytes
pool_text(const struct dns_file *f, size_t at, size_t len)
{
    return len == 0 ? bytes_make(NULL, 0) : bytes_make(f->pool.ptr + at, len);
}

/* The first entry of this type at name; *exists_out: the name has any. */
static const struct entry *
find(const struct dns_file *f, struct bytes name, int type, bool failure,
     bool *exists_out)
{
    for (size_t i = 0; i < f->count; i++) {
        const struct entry *e = &f->entries[i];

        if (!bytes_eq_ci(pool_text(f, e->name, e->name_len), name)) {
            continue;
        }
        *exists_out = true;
        if (e->type == type && e->failure == failure) {
            return e;
        }
    }
    return NULL;
}

static size_t
collect(struct dns_file *f, struct bytes name, int type)
{
    size_t n = 0;

    for (size_t i = 0; i < f->count; i++) {
        const struct entry *e = &f->entries[i];

        if (e->type == type && !e->failure &&
            bytes_eq_ci(pool_text(f, e->name, e->name_len), name)) {
            f->found[n].data = pool_text(f, e->data, e->data_len);
            f->found[n].preference = e->preference;
            n++;
        }
    }
    return n;
}

/* A failure for the type holds over data, data over CNAME, CNAME over "*". */
void
dns_file_ask(struct dns_file *f, const struct dns_question *q,
             struct dns_answer *answer_out)
{
    struct bytes name = bytes_str(q->name);
    struct dns_answer answer = { .status = DNS_TEMPFAIL, .ttl_s = TTL_S };

    for (int cnames = 0; cnames <= DNS_FILE_CNAMES_MAX; cnames++) {
        bool exists = false;
        const struct entry *e = find(f, name, (int)q->type, true, &exists);

        if (e == NULL) {
            answer.count = collect(f, name, (int)q->type);
            answer.records = f->found;
            if (answer.count > 0) {
                answer.status = DNS_OK;
                break;
            }
            e = find(f, name, DNS_CNAME, false, &exists);
        }
        if (e != NULL && !e->failure) {
            name = pool_text(f, e->data, e->data_len);
            continue;
        }
        if (e == NULL) {
            e = find(f, name, ANY_TYPE, true, &exists);
        }
        answer.status = e != NULL ? e->status
                        : exists  ? DNS_NODATA
                                  : DNS_NXDOMAIN;
        break;
    }
    *answer_out = answer;
}
