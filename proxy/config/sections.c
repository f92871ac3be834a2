/*
 * sections - which section and key stood where; see sections.h.
 */
#include "sections.h"

#include <assert.h>

struct conf_section *
conf_section_new(struct conf_memory *m, const struct conf_kind *kind,
                 struct bytes name, struct conf_place at)
{
    struct conf_section *s = conf_arena_new(&m->arena, 1, sizeof(*s));
    struct conf_section **tail = &m->sections;

    if (s == NULL) {
        return NULL;
    }
    s->kind = kind;
    s->at = at;
    s->name = conf_arena_text(&m->arena, name);
    s->settings = conf_settings_of(kind->name, &s->count);
    s->seen = conf_arena_new(&m->arena, s->count, sizeof(*s->seen));
    s->faulty = conf_arena_new(&m->arena, s->count, sizeof(*s->faulty));
    if (s->name == NULL || s->seen == NULL || s->faulty == NULL) {
        return NULL;
    }
    while (*tail != NULL) {
        tail = &(*tail)->next;
    }
    *tail = s;
    return s;
}

const struct conf_section *
conf_section_of(const struct conf *conf, const void *base)
{
    const struct conf_section *s = conf->memory->sections;

    while (s != NULL && s->base != base) {
        s = s->next;
    }
    assert(s != NULL);
    return s;
}

static size_t
index_of(const struct conf_section *s, struct bytes key)
{
    size_t i = 0;

    while (i < s->count && !bytes_is(key, s->settings[i].key)) {
        i++;
    }
    assert(i < s->count);
    return i;
}

static const struct conf_occurrence *
seen(const struct conf_section *s, const char *key)
{
    return s->seen[index_of(s, bytes_str(key))];
}

bool
conf_is_sound(const struct conf_section *s, const char *keys)
{
    struct bytes rest = bytes_str(keys);

    if (s->misnamed) {
        return false; /* who knows what it was to be */
    }
    while (rest.len > 0) {
        struct bytes key = bytes_take(rest, bytes_find(rest, ' '));

        if (s->faulty[index_of(s, key)]) {
            return false;
        }
        rest = bytes_trim(bytes_skip(rest, key.len));
    }
    return true;
}

bool
conf_has_misnamed(const struct conf *conf, const char *kind)
{
    const struct conf_section *s = conf->memory->sections;

    while (s != NULL && !(s->misnamed && strcmp(s->kind->name, kind) == 0)) {
        s = s->next;
    }
    return s != NULL || conf->memory->any_misnamed;
}

bool
conf_is_set(const struct conf_section *s, const char *key)
{
    return seen(s, key) != NULL;
}

bool
conf_is_empty(const struct conf_section *s, const char *key)
{
    const struct conf_occurrence *o = seen(s, key);

    return o != NULL && o->value[0] == '\0';
}

struct conf_place
conf_place_of(const struct conf_section *s, const char *key)
{
    const struct conf_occurrence *o = seen(s, key);

    while (o != NULL && o->next != NULL) {
        o = o->next;
    }
    return o == NULL ? s->at : o->at;
}

struct conf_place
conf_place_of_element(const struct conf_section *s, const char *key,
                      const char *element)
{
    const struct conf_occurrence *o = seen(s, key);

    while (o != NULL && strstr(o->value, element) == NULL) {
        o = o->next;
    }
    return o == NULL ? conf_place_of(s, key) : o->at;
}
