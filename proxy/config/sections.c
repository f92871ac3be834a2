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
    if (s->name == NULL || s->seen == NULL) {
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

static const struct conf_occurrence *
seen(const struct conf_section *s, const char *key)
{
    size_t i = 0;

    while (i < s->count && strcmp(s->settings[i].key, key) != 0) {
        i++;
    }
    assert(i < s->count);
    return s->seen[i];
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
