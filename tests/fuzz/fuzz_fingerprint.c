/*
 * fuzz_fingerprint - what settings say of certificates, on memory that ends
 * where the text does. A fingerprint that is taken is taken again when it is
 * written out; an element of tls_client_users ends inside the text, at its end
 * or at a comma.
 */
#include <assert.h>
#include <proxy/config/fingerprints.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
again(const struct conf_fingerprint *f)
{
    struct conf_fingerprint same;
    char text[160] = "SHA256:";
    size_t len = strlen(text);

    for (size_t i = 0; i < sizeof(f->sha256); i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%02X",
                                i > 0 && i % 3 == 0 ? ":" : "", f->sha256[i]);
    }
    assert(conf_fingerprint_parse(bytes_str(text), &same) == NULL);
    assert(memcmp(&same, f, sizeof(same)) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conf_fingerprint f = { { 0 } };
    char *copy = malloc(size + 1);
    struct bytes text;
    size_t end;

    if (copy == NULL || memchr(data, '\0', size) != NULL) {
        free(copy);
        return 0;
    }
    memcpy(copy, data, size);
    copy = realloc(copy, size + (size == 0));
    text = bytes_make(copy, size);
    if (conf_fingerprint_parse(text, &f) == NULL) {
        again(&f);
    }
    end = conf_client_user_end(text);
    assert(end <= size);
    assert(end == size || copy[end] == ',');
    free(copy);
    return 0;
}
