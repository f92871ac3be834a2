/*
 * xml - one aggregate report (RFC 9990 3.1), by libxml2; see parts.h.
 *
 * A pull parser: the document is never whole in memory as a tree. Names count
 * without their namespace, since the older form (RFC 7489) has none. What is
 * not known is passed over.
 */
#include "proxy/reports/parts.h"

#include <arpa/inet.h>
#include <libxml/xmlreader.h>
#include <stdlib.h>

enum {
    LEVELS_MAX = 32,
    PATH_MAX_OCTETS = 256,
    VALUE_MAX = 512,
    AUTHS_MAX = 16, /* signatures of one row */
    CELLS_STEP = 4096
};

static const char too_many[] =
    "more sources and signatures than a report can have";

struct auth {
    char domain[254];
    char selector[64];
    bool pass, fail;
};

struct row {
    uint64_t count;
    char source[48];
    char from[254];
    bool dkim_pass, spf_pass; /* aligned: policy_evaluated */
    struct auth auths[AUTHS_MAX];
    size_t auth_count;
};

struct parsing {
    struct report report;
    size_t cap;
    char path[PATH_MAX_OCTETS]; /* "feedback/record/row" */
    size_t lengths[LEVELS_MAX]; /* of path before each level */
    size_t depth;
    char value[VALUE_MAX];
    size_t value_len;
    struct row row;
    struct auth auth; /* under way */
    bool no_memory, too_many;
};

/* --- values ------------------------------------------------------------- */

static void
copy_printable(const char *value, char *out, size_t cap)
{
    size_t n = 0;

    for (size_t i = 0; value[i] != '\0' && n < cap - 1; i++) {
        out[n++] = value[i] >= 0x20 && value[i] < 0x7f ? value[i] : '?';
    }
    out[n] = '\0';
}

/* A domain or selector, in lower case; "" when it cannot be one. */
static void
copy_name(const char *value, char *out, size_t cap)
{
    size_t n = 0;

    for (; n < cap - 1 && value[n] != '\0'; n++) {
        uint8_t c = byte_lower((uint8_t)value[n]);

        if (!byte_is_alpha(c) && !byte_is_digit(c) && c != '-' && c != '_' &&
            c != '.') {
            n = 0;
            break;
        }
        out[n] = (char)c;
    }
    out[value[n] == '\0' ? n : 0] = '\0';
}

static void
copy_address(const char *value, char *out, size_t cap)
{
    unsigned char octets[16];
    int family = strchr(value, ':') != NULL ? AF_INET6 : AF_INET;

    if (inet_pton(family, value, octets) != 1 ||
        inet_ntop(family, octets, out, (socklen_t)cap) == NULL) {
        (void)bytes_copy(BYTES_LIT("?"), out, cap);
    }
}

static void
set_number(const char *value, uint64_t max, uint64_t *out)
{
    uint64_t n;

    if (bytes_to_u64(bytes_str(value), max, &n)) {
        *out = n;
    }
}

/* --- elements ----------------------------------------------------------- */

typedef void taker(struct parsing *p, const char *value);

static void
take_organisation(struct parsing *p, const char *value)
{
    copy_printable(value, p->report.organisation,
                   sizeof(p->report.organisation));
}

static void
take_id(struct parsing *p, const char *value)
{
    copy_printable(value, p->report.id, sizeof(p->report.id));
}

static void
take_begin(struct parsing *p, const char *value)
{
    set_number(value, INT64_MAX, &p->report.begin_s);
}

static void
take_end(struct parsing *p, const char *value)
{
    set_number(value, INT64_MAX, &p->report.end_s);
}

static void
take_domain(struct parsing *p, const char *value)
{
    copy_name(value, p->report.domain, sizeof(p->report.domain));
}

static void
take_source(struct parsing *p, const char *value)
{
    copy_address(value, p->row.source, sizeof(p->row.source));
}

static void
take_count(struct parsing *p, const char *value)
{
    set_number(value, UINT32_MAX, &p->row.count);
}

static void
take_policy_dkim(struct parsing *p, const char *value)
{
    p->row.dkim_pass = bytes_is_ci(bytes_str(value), "pass");
}

static void
take_policy_spf(struct parsing *p, const char *value)
{
    p->row.spf_pass = bytes_is_ci(bytes_str(value), "pass");
}

static void
take_from(struct parsing *p, const char *value)
{
    copy_name(value, p->row.from, sizeof(p->row.from));
}

static void
take_auth_domain(struct parsing *p, const char *value)
{
    copy_name(value, p->auth.domain, sizeof(p->auth.domain));
}

static void
take_auth_selector(struct parsing *p, const char *value)
{
    copy_name(value, p->auth.selector, sizeof(p->auth.selector));
}

/* RFC 9990 3.1.1.12: temperror says nothing about the signature. */
static void
take_auth_result(struct parsing *p, const char *value)
{
    struct bytes v = bytes_str(value);

    p->auth.pass = bytes_is_ci(v, "pass");
    p->auth.fail = !p->auth.pass && !bytes_is_ci(v, "temperror") &&
                   !bytes_is_ci(v, "none");
}

static void
take_auth(struct parsing *p, const char *value)
{
    (void)value;
    if (p->row.auth_count < AUTHS_MAX && p->auth.domain[0] != '\0') {
        if (p->auth.selector[0] == '\0') {
            p->auth.selector[0] = '-'; /* RFC 7489 let it out */
            p->auth.selector[1] = '\0';
        }
        p->row.auths[p->row.auth_count++] = p->auth;
    }
    p->auth = (struct auth){ .pass = false };
}

/* --- rows to cells ------------------------------------------------------ */

static bool
grow_cells(struct parsing *p)
{
    size_t cap = p->cap * 2 + CELLS_STEP;
    struct report_cell *cells = realloc(p->report.cells, cap * sizeof(*cells));

    p->no_memory = cells == NULL;
    if (cells != NULL) {
        p->report.cells = cells;
        p->cap = cap;
    }
    return cells != NULL;
}

/* When the room is full, what is the same becomes one; half is to be free. */
static struct report_cell *
new_cell(struct parsing *p)
{
    struct report *r = &p->report;

    if (r->count == p->cap) {
        r->count = report_merge(r->cells, r->count);
        p->too_many = r->count > REPORT_CELLS_MAX;
        if (p->too_many || (r->count >= p->cap / 2 && !grow_cells(p))) {
            return NULL;
        }
    }
    return &r->cells[r->count++];
}

static void
add_cell(struct parsing *p, const char *domain, const struct auth *auth)
{
    const struct row *row = &p->row;
    struct report_cell *c = new_cell(p);

    if (c == NULL) {
        return;
    }
    *c = (struct report_cell){ .messages = row->count };
    (void)bytes_copy(bytes_str(domain), c->domain, sizeof(c->domain));
    (void)bytes_copy(bytes_str(auth == NULL ? "-" : auth->selector),
                     c->selector, sizeof(c->selector));
    (void)bytes_copy(bytes_str(row->source), c->source, sizeof(c->source));
    c->dkim_pass = auth != NULL && auth->pass ? row->count : 0;
    c->dkim_fail = auth == NULL || auth->fail ? row->count : 0;
    c->spf_pass = row->spf_pass ? row->count : 0;
    c->dmarc_pass = row->spf_pass || row->dkim_pass ? row->count : 0;
}

static void
take_record(struct parsing *p, const char *value)
{
    (void)value;
    for (size_t i = 0; i < p->row.auth_count; i++) {
        add_cell(p, p->row.auths[i].domain, &p->row.auths[i]);
    }
    if (p->row.auth_count == 0) {
        add_cell(p, p->row.from, NULL);
    }
    p->row = (struct row){ .count = 0 };
}

static const struct {
    const char *path;
    taker *take;
} elements[] = {
    { "feedback/report_metadata/org_name", take_organisation },
    { "feedback/report_metadata/report_id", take_id },
    { "feedback/report_metadata/date_range/begin", take_begin },
    { "feedback/report_metadata/date_range/end", take_end },
    { "feedback/policy_published/domain", take_domain },
    { "feedback/record/row/source_ip", take_source },
    { "feedback/record/row/count", take_count },
    { "feedback/record/row/policy_evaluated/dkim", take_policy_dkim },
    { "feedback/record/row/policy_evaluated/spf", take_policy_spf },
    { "feedback/record/identifiers/header_from", take_from },
    { "feedback/record/auth_results/dkim/domain", take_auth_domain },
    { "feedback/record/auth_results/dkim/selector", take_auth_selector },
    { "feedback/record/auth_results/dkim/result", take_auth_result },
    { "feedback/record/auth_results/dkim", take_auth },
    { "feedback/record", take_record },
};

/* --- the document ------------------------------------------------------- */

static bool
begin_element(struct parsing *p, struct bytes name)
{
    size_t len = strlen(p->path);
    struct bytes room = { NULL, sizeof(p->path) - len };

    if (p->depth == LEVELS_MAX || name.len + 2 > room.len) {
        return false;
    }
    p->lengths[p->depth++] = len;
    if (len > 0) {
        p->path[len++] = '/';
    }
    (void)bytes_copy(name, p->path + len, sizeof(p->path) - len);
    p->value_len = 0;
    return true;
}

static void
end_element(struct parsing *p)
{
    struct bytes text = bytes_trim(bytes_make(p->value, p->value_len));
    char value[VALUE_MAX + 1];

    if (!bytes_copy(text, value, sizeof(value))) {
        value[0] = '\0';
    }
    for (size_t i = 0; i < sizeof(elements) / sizeof(elements[0]); i++) {
        if (strcmp(p->path, elements[i].path) == 0) {
            elements[i].take(p, value);
        }
    }
    p->path[p->lengths[--p->depth]] = '\0';
    p->value_len = 0;
}

static void
add_text(struct parsing *p, struct bytes text)
{
    text = bytes_take(text, VALUE_MAX - p->value_len);
    if (text.len > 0) {
        memcpy(p->value + p->value_len, text.ptr, text.len);
        p->value_len += text.len;
    }
}

static struct bytes
as_bytes(const xmlChar *text)
{
    return bytes_str((const char *)text);
}

/* NULL: go on; else what is wrong. */
static const char *
take_node(struct parsing *p, xmlTextReaderPtr reader)
{
    switch (xmlTextReaderNodeType(reader)) {
    case XML_READER_TYPE_ELEMENT:
        if (!begin_element(p, as_bytes(xmlTextReaderConstLocalName(reader)))) {
            return "its elements are nested too deep";
        }
        if (p->depth == 1 && strcmp(p->path, "feedback") != 0) {
            return "XML, but no DMARC report: it does not begin with feedback";
        }
        if (xmlTextReaderIsEmptyElement(reader) == 1) {
            end_element(p);
        }
        break;
    case XML_READER_TYPE_END_ELEMENT:
        end_element(p);
        break;
    case XML_READER_TYPE_TEXT:
    case XML_READER_TYPE_CDATA:
        add_text(p, as_bytes(xmlTextReaderConstValue(reader)));
        break;
    case XML_READER_TYPE_DOCUMENT_TYPE:
    case XML_READER_TYPE_ENTITY_REFERENCE:
        return "it has a DOCTYPE or entities, as no report has";
    default:
        break;
    }
    return p->no_memory ? "no memory" : p->too_many ? too_many : NULL;
}

static const char *
parse(struct parsing *p, struct bytes xml)
{
    xmlTextReaderPtr reader = xmlReaderForMemory(
        (const char *)xml.ptr, (int)xml.len, NULL, NULL,
        XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    const char *why = NULL;
    int more = 1;

    if (reader == NULL) {
        return "no memory";
    }
    while (why == NULL && (more = xmlTextReaderRead(reader)) == 1) {
        why = take_node(p, reader);
    }
    if (why == NULL && more != 0) {
        why = "not well-formed XML";
    }
    xmlFreeTextReader(reader);
    return why;
}

/* The parser reads a DOCTYPE before it says that there is one. */
static bool
has_doctype(struct bytes xml)
{
    while (xml.len > 0) {
        xml = bytes_skip(xml, bytes_find(xml, '<'));
        if (bytes_starts_ci(xml, "<!DOCTYPE")) {
            return true;
        }
        xml = bytes_skip(xml, xml.len > 0 ? 1 : 0);
    }
    return false;
}

static const char *
check(const struct report *r)
{
    if (r->domain[0] == '\0' || r->id[0] == '\0') {
        return "no domain or no report_id in it";
    }
    if (r->count > REPORT_CELLS_MAX) {
        return too_many;
    }
    return r->end_s < r->begin_s || r->end_s == 0 ? "its date_range is none"
                                                  : NULL;
}

bool
report_xml(struct report_reading *r, struct bytes xml)
{
    struct parsing *p = calloc(1, sizeof(*p));
    const char *why;

    if (p == NULL) {
        return report_fail(r, "no memory");
    }
    why =
        has_doctype(xml) ? "it has a DOCTYPE, as no report has" : parse(p, xml);
    p->report.count = report_merge(p->report.cells, p->report.count);
    why = why != NULL ? why : check(&p->report);
    if (why == NULL) {
        r->found++;
        why = r->cb(r->arg, &p->report) ? NULL : "no memory";
    }
    free(p->report.cells);
    free(p);
    return why == NULL || report_fail(r, why);
}
