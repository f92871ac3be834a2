/*
 * fill - the second step of loading: text to fields; see sections.h.
 *
 * Where a key is not written its default is read by the same parser. `+=`
 * adds to the default unless `=` stands before it. A field whose value is
 * faulty keeps its default, so that the later steps have something to judge.
 */
#include "fingerprints.h"
#include "reader.h"
#include "sections.h"
#include "values.h"

enum {
    ELEMENTS_MAX = 1000,
    FAULTY_MAX = 16 /* told of one setting */
};

struct elements {
    struct bytes list[ELEMENTS_MAX + 1];
    struct conf_place at[ELEMENTS_MAX + 1];
    size_t count;
};

struct filling {
    struct conf_arena *arena;
    struct conf_errors *errors;
    const struct conf_section *section;
    struct elements *elements; /* of the setting at hand */
};

static void
mark_faulty(const struct filling *f, const struct conf_setting *s)
{
    f->section->faulty[s - f->section->settings] = true;
}

/* "KEY = VALUE: WHY; ALLOWED" */
static void
bad_value(const struct filling *f, const struct conf_setting *s,
          struct conf_place at, struct bytes value, const char *why)
{
    struct buf allowed = BUF_INIT;
    const char *text;

    mark_faulty(f, s);
    conf_value_allowed(s, &allowed);
    text = buf_str(&allowed);
    if (text == NULL) {
        f->arena->failed = true;
    } else {
        conf_error(f->errors, at.file, at.line, "%s = %.*s: %s; %s", s->key,
                   BYTES_ARG(value), why, text);
    }
    buf_free(&allowed);
}

/* `a, b`: to elements. */
static void
split(const struct filling *f, const struct conf_setting *s,
      struct conf_place at, const char *value)
{
    struct elements *e = f->elements;
    struct bytes rest = bytes_str(value);
    bool empty = false;

    while (rest.len > 0) {
        size_t comma = s->type == CONF_CERT_USERS ? conf_client_user_end(rest)
                                                  : bytes_find(rest, ',');
        struct bytes element = bytes_trim(bytes_take(rest, comma));

        if (e->count >= (s->max == 0 ? ELEMENTS_MAX : s->max)) {
            mark_faulty(f, s);
            conf_error(f->errors, at.file, at.line,
                       "%s has too many elements; at most %ju", s->key,
                       (uintmax_t)s->max);
            return;
        }
        empty = empty || element.len == 0 || comma + 1 == rest.len;
        if (element.len > 0) {
            e->list[e->count] = element;
            e->at[e->count++] = at;
        }
        rest = bytes_skip(rest, comma < rest.len ? comma + 1 : comma);
    }
    if (empty) {
        bad_value(f, s, at, bytes_str(value), "an empty element");
    }
}

/* What is written, or the default, or both. */
static void
gather(const struct filling *f, const struct conf_setting *s,
       const struct conf_occurrence *o, bool with_default)
{
    struct elements *e = f->elements;

    e->count = 0;
    if (!conf_type_is_list(s->type)) {
        e->list[0] = bytes_str(o == NULL ? s->standard : o->value);
        e->at[0] = o == NULL ? f->section->at : o->at;
        e->count = e->list[0].len > 0;
        return;
    }
    if (with_default && s->standard != NULL) {
        split(f, s, f->section->at, s->standard);
    }
    for (; o != NULL; o = o->next) {
        split(f, s, o->at, o->value);
    }
}

/* May it be empty? What is needed is said by the caller. */
static bool
may_be_empty(const struct conf_setting *s)
{
    if (conf_type_is_list(s->type)) {
        return s->min == 0;
    }
    return s->standard != NULL && s->standard[0] == '\0';
}

static void
take_out(struct elements *e, size_t n)
{
    e->count--;
    memmove(&e->list[n], &e->list[n + 1], (e->count - n) * sizeof(e->list[0]));
    memmove(&e->at[n], &e->at[n + 1], (e->count - n) * sizeof(e->at[0]));
}

/* Tells of each faulty element, and goes on with the others. */
static void
parse_elements(const struct filling *f, const struct conf_setting *s,
               struct conf_place at)
{
    struct elements *e = f->elements;
    union conf_field field;

    for (size_t told = 0; told < FAULTY_MAX; told++) {
        struct conf_value v = { .setting = s,
                                .arena = f->arena,
                                .elements = e->list,
                                .count = e->count };
        const char *why = conf_value_parse(&v, &field);

        if (why == NULL) {
            if (!f->arena->failed) {
                conf_value_store(s, &field, f->section->base);
            }
            return;
        }
        if (v.faulty == e->count) {
            bad_value(f, s, at, bytes_str("..."), why);
            return;
        }
        bad_value(f, s, e->at[v.faulty], e->list[v.faulty], why);
        take_out(e, v.faulty);
        if (e->count == 0) {
            return;
        }
    }
}

/* What is in f->elements to the field. */
static void
parse(const struct filling *f, const struct conf_setting *s,
      struct conf_place at)
{
    union conf_field none;

    if (f->elements->count == 0 && !may_be_empty(s)) {
        bad_value(f, s, at, bytes_str(""), "no value");
        return;
    }
    if (f->elements->count > 0 || conf_type_is_list(s->type)) {
        parse_elements(f, s, at);
        return;
    }
    memset(&none, 0, sizeof(none)); /* of words, "" is the one that is 0 */
    if (s->type != CONF_WORD) {
        none.text = "";
    }
    conf_value_store(s, &none, f->section->base);
}

static void
missing(const struct filling *f, const struct conf_setting *s)
{
    const struct conf_section *section = f->section;
    struct buf allowed = BUF_INIT;
    const char *text;

    conf_value_allowed(s, &allowed);
    text = buf_str(&allowed);
    if (text == NULL) {
        f->arena->failed = true;
    } else {
        conf_error(f->errors, section->at.file, section->at.line,
                   "[%s%s%s] has no %s; %s = %s", section->kind->name,
                   section->name[0] == '\0' ? "" : " ", section->name, s->key,
                   s->key, text);
    }
    buf_free(&allowed);
}

/* It stays when what is written is faulty. */
static void
fill_default(const struct filling *f, const struct conf_setting *s)
{
    union conf_field none;

    if (s->standard != NULL) {
        gather(f, s, NULL, true);
        parse(f, s, f->section->at);
        return;
    }
    memset(&none, 0, sizeof(none));
    if (!conf_type_is_list(s->type)) {
        none.text = "";
    }
    conf_value_store(s, &none, f->section->base);
}

static void
fill_setting(const struct filling *f, size_t n)
{
    const struct conf_setting *s = &f->section->settings[n];
    const struct conf_occurrence *o = f->section->seen[n];

    fill_default(f, s);
    if (o == NULL && s->standard == NULL && conf_is_sound(f->section, s->key)) {
        missing(f, s);
    }
    if (o != NULL) {
        gather(f, s, o, o->append);
        parse(f, s, conf_place_of(f->section, s->key));
    }
}

/* The struct of a section: in struct conf, or the next of its array. */
static void *
base_of(struct conf *conf, const struct conf_kind *kind)
{
    if (!kind->named) {
        return (uint8_t *)conf + kind->offset;
    }
    if (strcmp(kind->name, "listen") == 0) {
        return &conf->listens[conf->listen_count++];
    }
    if (strcmp(kind->name, "upstream") == 0) {
        return &conf->upstreams[conf->upstream_count++];
    }
    if (strcmp(kind->name, "oauth") == 0) {
        return &conf->oauths[conf->oauth_count++];
    }
    return &conf->checks[conf->check_count++];
}

static void
set_name(struct conf_section *s)
{
    /* `name` is the first field of each struct that has one. */
    if (s->kind->named) {
        memcpy(s->base, &s->name, sizeof(s->name));
    }
}

static size_t
count_kind(const struct conf_memory *m, const char *kind)
{
    size_t count = 0;

    for (const struct conf_section *s = m->sections; s != NULL; s = s->next) {
        count += strcmp(s->kind->name, kind) == 0;
    }
    return count;
}

static bool
has_section(const struct conf_memory *m, const struct conf_kind *kind,
            const char *name)
{
    for (const struct conf_section *s = m->sections; s != NULL; s = s->next) {
        if (s->kind == kind && strcmp(s->name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Single sections, and [check default], are there with their defaults. */
static void
add_absent(struct conf *conf)
{
    struct conf_memory *m = conf->memory;

    conf->rotate.present = count_kind(m, "rotate") > 0;
    conf->publish.present = count_kind(m, "publish") > 0;
    conf->notify.present = count_kind(m, "notify") > 0;
    conf->console.present = count_kind(m, "console") > 0;
    for (size_t i = 0; i < conf_kind_count; i++) {
        const struct conf_kind *kind = &conf_kinds[i];
        bool check = strcmp(kind->name, "check") == 0;
        const char *name = check ? "default" : "";

        if ((!kind->named || check) && !has_section(m, kind, name)) {
            (void)conf_section_new(m, kind, bytes_str(name),
                                   (struct conf_place){ conf->path, 0 });
        }
    }
}

void
conf_fill(struct conf *conf, struct conf_errors *errors)
{
    struct conf_memory *m = conf->memory;
    struct filling f = { &m->arena, errors, NULL, NULL };

    add_absent(conf);
    conf->listens = conf_arena_new(&m->arena, count_kind(m, "listen") + 1,
                                   sizeof(*conf->listens));
    conf->upstreams = conf_arena_new(&m->arena, count_kind(m, "upstream") + 1,
                                     sizeof(*conf->upstreams));
    conf->oauths = conf_arena_new(&m->arena, count_kind(m, "oauth") + 1,
                                  sizeof(*conf->oauths));
    conf->checks = conf_arena_new(&m->arena, count_kind(m, "check") + 1,
                                  sizeof(*conf->checks));
    f.elements = conf_arena_new(&m->arena, 1, sizeof(*f.elements));
    if (m->arena.failed) {
        return;
    }
    for (struct conf_section *s = m->sections; s != NULL; s = s->next) {
        s->base = base_of(conf, s->kind);
        set_name(s);
        f.section = s;
        for (size_t n = 0; n < s->count; n++) {
            fill_setting(&f, n);
        }
    }
}
