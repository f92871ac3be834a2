/*
 * lists - settings that take `a, b`; see proxy/config/lists.h.
 */
#include "lists.h"

#include <stdio.h>

enum {
    WEIGHT_MAX = 100
};

const char *
conf_parse_words(struct conf_value *v, union conf_field *out)
{
    for (v->faulty = 0; v->faulty < v->count; v->faulty++) {
        const char *why;
        const struct conf_word *word =
            conf_word_find(v, v->elements[v->faulty], &why);

        if (why != NULL) {
            return why;
        }
        out->number |= word->value;
    }
    return NULL;
}

static const char *
parse_addresses(struct conf_value *v, bool numeric, uint16_t default_port,
                union conf_field *out)
{
    struct conf_address *list =
        conf_arena_new(v->arena, v->count + 1, sizeof(*list));

    if (list == NULL) {
        return NULL;
    }
    for (v->faulty = 0; v->faulty < v->count; v->faulty++) {
        const char *why =
            conf_address_parse(v->arena, v->elements[v->faulty], numeric,
                               default_port, &list[v->faulty]);

        if (why != NULL) {
            return why;
        }
    }
    out->addresses.list = list;
    out->addresses.count = v->count;
    return NULL;
}

const char *
conf_parse_listen(struct conf_value *v, union conf_field *out)
{
    return parse_addresses(v, true, 0, out);
}

const char *
conf_parse_servers(struct conf_value *v, union conf_field *out)
{
    return parse_addresses(v, true, 53, out);
}

const char *
conf_parse_targets(struct conf_value *v, union conf_field *out)
{
    return parse_addresses(v, false, 0, out);
}

/* "weight=N" behind an address. NULL: done; else what is wrong. */
static const char *
parse_weight(struct bytes text, unsigned *weight_out)
{
    uint64_t weight;

    if (!bytes_starts_ci(text, "weight=")) {
        return "text behind the port that is no weight=N";
    }
    if (!bytes_to_u64(bytes_skip(text, strlen("weight=")), WEIGHT_MAX,
                      &weight) ||
        weight == 0) {
        return "not a weight from 1 to 100";
    }
    *weight_out = (unsigned)weight;
    return NULL;
}

const char *
conf_parse_pool(struct conf_value *v, union conf_field *out)
{
    struct conf_address *list =
        conf_arena_new(v->arena, v->count + 1, sizeof(*list));

    for (v->faulty = 0; list != NULL && v->faulty < v->count; v->faulty++) {
        struct bytes text = v->elements[v->faulty];
        struct bytes address = bytes_take(text, bytes_find(text, ' '));
        struct bytes more = bytes_trim(bytes_skip(text, address.len));
        const char *why =
            conf_address_parse(v->arena, address, false, 0, &list[v->faulty]);

        if (why == NULL && more.len > 0) {
            why = parse_weight(more, &list[v->faulty].weight);
        }
        if (why != NULL) {
            return why;
        }
    }
    out->addresses.list = list;
    out->addresses.count = list == NULL ? 0 : v->count;
    return NULL;
}

const char *
conf_parse_networks(struct conf_value *v, union conf_field *out)
{
    struct conf_network *nets =
        conf_arena_new(v->arena, v->count + 1, sizeof(*nets));

    if (nets == NULL) {
        return NULL;
    }
    for (v->faulty = 0; v->faulty < v->count; v->faulty++) {
        const char *why = conf_network_parse(v->elements[v->faulty], v->hint,
                                             &nets[v->faulty]);

        if (why != NULL) {
            return why;
        }
    }
    out->networks.nets = nets;
    out->networks.count = v->count;
    return NULL;
}

/* In the order written, for two of them may go together. */
const char *
conf_parse_paths(struct conf_value *v, union conf_field *out)
{
    const char **list = conf_arena_new(v->arena, v->count + 1, sizeof(*list));

    for (v->faulty = 0; v->faulty < v->count; v->faulty++) {
        struct bytes path = v->elements[v->faulty];

        if (path.ptr[0] != '/') {
            return CONF_NO_PATH;
        }
        if (list != NULL) {
            list[v->faulty] = conf_arena_text(v->arena, path);
        }
    }
    out->list = list;
    return NULL;
}

static char *
lower_text(struct conf_arena *arena, struct bytes text)
{
    char *copy = conf_arena_text(arena, text);

    for (char *c = copy; c != NULL && *c != '\0'; c++) {
        *c = (char)byte_lower((uint8_t)*c);
    }
    return copy;
}

/* Lower case, each once, in the order written. */
static const char *
parse_names(struct conf_value *v, bool (*is_good)(struct bytes),
            const char *kind, union conf_field *out)
{
    const char **list = conf_arena_new(v->arena, v->count + 1, sizeof(*list));

    for (v->faulty = 0; v->faulty < v->count; v->faulty++) {
        if (!is_good(v->elements[v->faulty])) {
            return kind;
        }
        if (list != NULL) {
            list[v->faulty] = lower_text(v->arena, v->elements[v->faulty]);
        }
    }
    out->list = list;
    return NULL;
}

const char *
conf_parse_domains(struct conf_value *v, union conf_field *out)
{
    return parse_names(v, conf_is_host, "not a DNS name", out);
}

/* "*.example.org" is what stands below it. */
static bool
is_sender(struct bytes text)
{
    return conf_is_host(
        bytes_skip(text, bytes_is(bytes_take(text, 2), "*.") ? 2 : 0));
}

const char *
conf_parse_senders(struct conf_value *v, union conf_field *out)
{
    return parse_names(v, is_sender, "not a DNS name or *.NAME", out);
}

const char *
conf_parse_fields(struct conf_value *v, union conf_field *out)
{
    return parse_names(v, conf_is_field, "not a header field's name", out);
}
