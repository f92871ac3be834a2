/*
 * collect - the first step of loading: what stands where; see sections.h.
 *
 * Unknown sections and keys, duplicates and `+=` in the wrong place are found
 * here; values are kept as text.
 */
#include "reader.h"
#include "sections.h"
#include "suggest.h"

enum {
    SECTIONS_MAX = 1000,
    VALUES_MAX = 1000
};

struct collecting {
    struct conf_memory *memory;
    struct conf_errors *errors;
    const struct conf_file *file;
    const struct conf_include *include; /* the next one */
    struct conf_section *section;       /* NULL: none, or an unknown one */
    bool unknown; /* its keys are not looked at: one error is enough */
};

static void collect_file(struct collecting *outer,
                         const struct conf_file *file);

static const struct conf_kind *
find_kind(struct bytes word, struct conf_suggest *near)
{
    for (size_t i = 0; i < conf_kind_count; i++) {
        if (bytes_is(word, conf_kinds[i].name)) {
            return &conf_kinds[i];
        }
        conf_suggest_offer(near, conf_kinds[i].name);
    }
    return NULL;
}

/* meant: by its likeness; NULL: any may be. */
static void
unknown_section(const struct collecting *c, const struct conf_entry *entry,
                const struct conf_kind *meant)
{
    if (meant != NULL) {
        conf_error(c->errors, entry->file, entry->line,
                   "[%s] is not a section; did you mean [%s%s]?",
                   entry->section, meant->name, meant->named ? " NAME" : "");
    } else {
        conf_error(c->errors, entry->file, entry->line,
                   "[%s] is not a section; [server], [spool], [dns], "
                   "[listen NAME], [upstream NAME], [oauth NAME], [sign], "
                   "[check NAME], [limits], [rotate], [publish], [notify] and "
                   "[console] are",
                   entry->section);
    }
}

/* NULL: any may be meant. *misnamed_out: it was told, here or by the reader. */
static const struct conf_kind *
kind_of_entry(const struct collecting *c, const struct conf_entry *entry,
              struct bytes word, bool *misnamed_out)
{
    struct conf_suggest near = CONF_SUGGEST(word);
    struct conf_suggest none = CONF_SUGGEST(word);
    const struct conf_kind *kind = find_kind(word, &near);
    const struct conf_kind *meant =
        near.best == NULL ? NULL : find_kind(bytes_str(near.best), &none);

    *misnamed_out = kind == NULL || entry->faulty;
    if (kind == NULL && !entry->faulty) {
        unknown_section(c, entry, meant);
    }
    return kind == NULL ? meant : kind;
}

static bool
is_name(struct bytes name)
{
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.ptr[i];

        if (!byte_is_alpha(c) && !byte_is_digit(c) && c != '-' && c != '_' &&
            c != '.') {
            return false;
        }
    }
    return name.len > 0;
}

/* False, with the error: [listen] without a name, [server x] with one. */
static bool
check_name(const struct collecting *c, const struct conf_entry *entry,
           const struct conf_kind *kind, struct bytes name)
{
    if (!kind->named && name.len > 0) {
        conf_error(c->errors, entry->file, entry->line,
                   "[%s] has a name; there is one [%s], without a name",
                   entry->section, kind->name);
        return false;
    }
    if (kind->named && !is_name(name)) {
        conf_error(c->errors, entry->file, entry->line,
                   "[%s] %s; [%s NAME], of letters, digits, _, - and .",
                   entry->section,
                   name.len == 0 ? "has no name" : "has no good name",
                   kind->name);
        return false;
    }
    return true;
}

static const struct conf_section *
find_section(const struct conf_memory *m, const struct conf_kind *kind,
             struct bytes name, size_t *count_out)
{
    size_t count = 0;

    for (const struct conf_section *s = m->sections; s != NULL; s = s->next) {
        count++;
        if (s->kind == kind && bytes_is_ci(name, s->name)) {
            return s;
        }
    }
    *count_out = count;
    return NULL;
}

static void
begin_section(struct collecting *c, const struct conf_entry *entry)
{
    struct bytes word = bytes_str(entry->section);
    struct bytes name = bytes_skip(word, bytes_find(word, ' '));
    const struct conf_kind *kind;
    const struct conf_section *other;
    bool misnamed;
    size_t count = 0;

    word.len -= name.len;
    name = bytes_trim(name);
    c->section = NULL;
    c->unknown = true;
    kind = kind_of_entry(c, entry, word, &misnamed);
    if (kind == NULL) {
        c->memory->any_misnamed = true;
        return;
    }
    misnamed = misnamed || !check_name(c, entry, kind, name);
    name.len = kind->named ? name.len : 0;
    other = find_section(c->memory, kind, name, &count);
    if (other != NULL && (misnamed || other->misnamed)) {
        return;
    }
    if (other != NULL) {
        conf_error(c->errors, entry->file, entry->line,
                   "[%s] is here twice; first at %s:%u, put its keys there",
                   entry->section, other->at.file, other->at.line);
        return;
    }
    if (count >= SECTIONS_MAX) {
        conf_error(c->errors, entry->file, entry->line,
                   "too many sections; at most %d", SECTIONS_MAX);
        return;
    }
    c->section =
        conf_section_new(c->memory, kind, name,
                         (struct conf_place){ c->file->path, entry->line });
    c->unknown = false;
    if (c->section != NULL) {
        c->section->misnamed = misnamed;
    }
}

/* Where else is a key of that name? NULL: nowhere. */
static const struct conf_kind *
section_with(const char *key)
{
    struct conf_suggest near = CONF_SUGGEST(bytes_str(key));

    for (size_t i = 0; i < conf_setting_count; i++) {
        if (strcmp(conf_settings[i].key, key) == 0) {
            return find_kind(bytes_str(conf_settings[i].section), &near);
        }
    }
    return NULL;
}

/* Its index; count: there is none. */
static size_t
setting_of(const struct conf_section *s, const char *key)
{
    size_t n = 0;

    while (n < s->count && strcmp(s->settings[n].key, key) != 0) {
        n++;
    }
    return n;
}

static void
unknown_key(const struct collecting *c, const struct conf_entry *entry)
{
    const struct conf_section *s = c->section;
    struct conf_suggest near = CONF_SUGGEST(bytes_str(entry->key));
    const struct conf_kind *elsewhere = section_with(entry->key);

    for (size_t i = 0; i < s->count; i++) {
        conf_suggest_offer(&near, s->settings[i].key);
    }
    if (near.best != NULL && elsewhere == NULL) {
        conf_error(c->errors, entry->file, entry->line,
                   "[%s] has no key %s; did you mean %s?", entry->section,
                   entry->key, near.best);
        s->faulty[setting_of(s, near.best)] = true;
    } else if (elsewhere != NULL) {
        conf_error(c->errors, entry->file, entry->line,
                   "[%s] has no key %s; it belongs in [%s%s]", entry->section,
                   entry->key, elsewhere->name,
                   elsewhere->named ? " NAME" : "");
    } else {
        conf_error(c->errors, entry->file, entry->line,
                   "[%s] has no key %s; sealpost.conf(5) lists those it has",
                   entry->section, entry->key);
    }
}

static void
add_occurrence(struct collecting *c, const struct conf_entry *entry, size_t n)
{
    struct conf_arena *arena = &c->memory->arena;
    struct conf_occurrence **tail = &c->section->seen[n];
    struct conf_occurrence *o;
    size_t count = 0;

    while (*tail != NULL) {
        tail = &(*tail)->next;
        count++;
    }
    if (count >= VALUES_MAX) {
        conf_error(c->errors, entry->file, entry->line,
                   "%s has too many lines; at most %d", entry->key, VALUES_MAX);
        return;
    }
    o = conf_arena_new(arena, 1, sizeof(*o));
    if (o == NULL) {
        return;
    }
    o->at = (struct conf_place){ c->file->path, entry->line };
    o->append = entry->append;
    o->value = conf_arena_text(arena, bytes_str(entry->value));
    *tail = o->value == NULL ? NULL : o;
}

/* False, with the error: a line that the setting does not take. */
static bool
check_line(const struct collecting *c, const struct conf_entry *entry, size_t n)
{
    const struct conf_occurrence *first = c->section->seen[n];
    bool list = conf_type_is_list(c->section->settings[n].type);

    if (entry->append && !list) {
        conf_error(c->errors, entry->file, entry->line,
                   "%s takes one value, no `+=`; `%s = VALUE`", entry->key,
                   entry->key);
        return false;
    }
    if (entry->append && entry->value[0] == '\0') {
        conf_error(c->errors, entry->file, entry->line,
                   "%s += adds nothing; `%s += VALUE`", entry->key, entry->key);
        return false;
    }
    if (!entry->append && first != NULL) {
        conf_error(c->errors, entry->file, entry->line,
                   "%s is set twice; first at %s:%u%s", entry->key,
                   first->at.file, first->at.line,
                   list ? ", `+=` adds to a list" : "");
        return false;
    }
    return true;
}

static void
add_setting(struct collecting *c, const struct conf_entry *entry)
{
    size_t n = setting_of(c->section, entry->key);

    if (n == c->section->count) {
        unknown_key(c, entry);
    } else if (check_line(c, entry, n)) {
        add_occurrence(c, entry, n);
    } else {
        c->section->faulty[n] = true;
    }
}

static void
include(struct collecting *c, const struct conf_entry *entry)
{
    if (entry->value[0] == '\0') {
        conf_error(c->errors, entry->file, entry->line,
                   "include names no file; include = DIR/*.conf");
        return;
    }
    if (c->include == NULL || c->include->line != entry->line) {
        return;
    }
    for (const struct conf_file *f = c->include->files; f != NULL;
         f = f->next) {
        if (f->fault[0] != '\0') {
            conf_error(c->errors, entry->file, entry->line,
                       "%s can't be included: %s; include = DIR/*.conf",
                       f->path, f->fault);
        } else {
            collect_file(c, f);
        }
    }
    c->include = c->include->next;
}

static void
on_entry(const struct conf_entry *entry, void *arg)
{
    struct collecting *c = arg;

    if (entry->key == NULL) {
        begin_section(c, entry);
    } else if (strcmp(entry->key, "include") == 0) {
        include(c, entry);
    } else if (c->section != NULL) {
        add_setting(c, entry);
    } else if (!c->unknown) {
        conf_error(c->errors, entry->file, entry->line,
                   "%s stands before any section; [SECTION] comes first",
                   entry->key);
    }
}

static void
collect_file(struct collecting *outer, const struct conf_file *file)
{
    struct collecting c = { outer->memory,  outer->errors, file,
                            file->includes, NULL,          false };

    (void)conf_read_text(file->text, file->path, on_entry, &c, c.errors);
}

void
conf_collect(struct conf *conf, struct conf_errors *errors)
{
    struct collecting c = { conf->memory, errors, NULL, NULL, NULL, false };

    collect_file(&c, conf->memory->bundle.root);
}
