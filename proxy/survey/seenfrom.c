/*
 * seenfrom - From domains without a key that were seen; see seenfrom.h.
 */
#include "proxy/survey/seenfrom.h"

#include <string.h>

static bool
take_word(struct bytes *line, struct bytes *word_out)
{
    size_t end;

    *line = bytes_trim(*line);
    end = bytes_find(*line, ' ');
    *word_out = bytes_take(*line, end);
    *line = bytes_skip(*line, end);
    return word_out->len > 0;
}

static bool
parse(struct bytes line, struct seenfrom_line *out)
{
    struct bytes domain, first, last, count;

    return take_word(&line, &domain) && take_word(&line, &first) &&
           take_word(&line, &last) && take_word(&line, &count) &&
           bytes_trim(line).len == 0 &&
           dkim_domain_parse(domain, false, out->domain) &&
           bytes_to_u64(first, UINT32_MAX, &out->first_day) &&
           bytes_to_u64(last, UINT32_MAX, &out->last_day) &&
           bytes_to_u64(count, UINT64_MAX, &out->count);
}

static bool
is_about(const char *name, const char *domain)
{
    struct bytes n = bytes_str(name);
    struct bytes d = bytes_str(domain);

    return bytes_eq_ci(n, d) || (n.len > d.len && bytes_ends_ci(n, d) &&
                                 n.ptr[n.len - d.len - 1] == '.');
}

static int
compare(const struct seenfrom_line *a, const struct seenfrom_line *b)
{
    if (a->count != b->count) {
        return a->count > b->count ? -1 : 1;
    }
    return strcmp(a->domain, b->domain);
}

/* In its place among count of them, with room for max; how many there are. */
static size_t
insert(struct seenfrom_line *list, size_t count, size_t max,
       const struct seenfrom_line *line)
{
    size_t at = count;

    while (at > 0 && compare(line, &list[at - 1]) < 0) {
        at--;
    }
    if (at == max) {
        return count;
    }
    count += count < max;
    memmove(list + at + 1, list + at, (count - at - 1) * sizeof(*list));
    list[at] = *line;
    return count;
}

size_t
seenfrom_read(struct bytes text, const char *domain, uint64_t today,
              struct seenfrom_line *list, size_t max)
{
    size_t count = 0;

    while (text.len > 0) {
        size_t end = bytes_find(text, '\n');
        struct seenfrom_line line;

        if (parse(bytes_take(text, end), &line) &&
            is_about(line.domain, domain) &&
            line.last_day + SEENFROM_DAYS >= today) {
            count = insert(list, count, max, &line);
        }
        text = bytes_skip(text, end < text.len ? end + 1 : end);
    }
    return count;
}
