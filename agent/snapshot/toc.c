/* SPDX-License-Identifier: Apache-2.0
 *
 * pg_restore writes, before each entry,
 *
 *     --
 *     -- TOC entry 3535 (class 2606 OID 17443)
 *     -- Dependencies: 3525 227 220
 *     -- Name: fk1 fk1_p_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
 *     -- Data Pos: 0
 *     --
 *
 * and, before a header, SET statements for the tablespace or access method when these change. Such
 * a SET stands behind the text of the entry before; it is taken off there and kept as a setting of
 * all entries that follow, because these are going to run in different sessions.
 *
 * The order of the script is that of the list in three passes: privileges come behind everything
 * else, event triggers behind privileges. Should a pg_restore order otherwise, a second try accepts
 * headers in any order.
 */
#include "agent/snapshot/toc.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/parse.h"

static const char header_mark[] = "-- TOC entry ";

struct expected {
    uint32_t id, class_oid, object_oid;
    int pass;
    size_t place; /* in the list: makes the sort stable */
    bool seen;
};

struct header {
    uint32_t id, class_oid, object_oid;
    char *deps, *deps_end; /* the list of numbers, NULL when it has none */
    char *name, *name_end; /* the line behind "-- Name: " */
    char *body;            /* first character behind the header */
};

struct parser {
    struct toc *toc;
    struct expected *expected;
    size_t expected_len, next; /* next: index of the one that must come, in strict order */
    bool strict;
    struct toc_entry *current; /* NULL before the first header */
    char *current_start;
    const char *tablespace, *access_method;
    size_t deps_len;
};

/* --- the list ------------------------------------------------------------------------------- */

static bool
starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* Digits at *at, moved behind them. */
static bool
take_number(const char **at, uint32_t *out)
{
    char digits[16];
    size_t n = strspn(*at, "0123456789");
    if (n == 0 || n >= sizeof(digits)) {
        return false;
    }
    memcpy(digits, *at, n);
    digits[n] = 0;
    *at += n;
    return parse_u32(digits, out);
}

static int
pass_of(const char *rest)
{
    if (starts_with(rest, "ACL ") || starts_with(rest, "DEFAULT ACL ")) {
        return 1;
    }
    if (starts_with(rest, "EVENT TRIGGER ") || starts_with(rest, "MATERIALIZED VIEW DATA ") ||
        starts_with(rest, "COMMENT - EVENT TRIGGER ")) {
        return 2;
    }
    return 0;
}

/* "3649; 0 0 ACL - SCHEMA public postgres"; lines that begin with a semicolon are remarks. */
static bool
list_line(const char *line, struct expected *out)
{
    const char *at = line;
    if (!take_number(&at, &out->id) || !starts_with(at, "; ")) {
        return false;
    }
    at += 2;
    if (!take_number(&at, &out->class_oid) || *at++ != ' ' || !take_number(&at, &out->object_oid) ||
        *at++ != ' ') {
        return false;
    }
    out->pass = pass_of(at);
    return true;
}

static int
compare_expected(const void *a, const void *b)
{
    const struct expected *x = a, *y = b;
    if (x->pass != y->pass) {
        return x->pass - y->pass;
    }
    return x->place < y->place ? -1 : x->place > y->place;
}

static size_t
count_lines(const char *s)
{
    size_t n = 1;
    for (; (s = strchr(s, '\n')) != NULL; s++) {
        n++;
    }
    return n;
}

static struct expected *
read_list(const char *list, size_t *len)
{
    struct expected *all = x_zalloc(count_lines(list) * sizeof(*all));
    *len = 0;
    for (const char *line = list; line && *line;) {
        if (list_line(line, &all[*len])) {
            all[*len].place = *len;
            (*len)++;
        }
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    qsort(all, *len, sizeof(*all), compare_expected);
    return all;
}

/* --- headers -------------------------------------------------------------------------------- */

static char *
line_end(char *line)
{
    char *end = strchr(line, '\n');
    return end ? end : line + strlen(line);
}

static char *
next_line(char *line)
{
    char *end = line_end(line);
    return *end ? end + 1 : end;
}

static bool
line_is(const char *line, const char *text)
{
    size_t n = strlen(text);
    return strncmp(line, text, n) == 0 && (line[n] == '\n' || line[n] == 0);
}

/* Changes nothing in the text: it may turn out to be no header. */
static bool
read_header(char *line, struct header *h)
{
    memset(h, 0, sizeof(*h));
    const char *at = line + strlen(header_mark);
    if (!take_number(&at, &h->id) || !starts_with(at, " (class ")) {
        return false;
    }
    at += strlen(" (class ");
    if (!take_number(&at, &h->class_oid) || !starts_with(at, " OID ")) {
        return false;
    }
    at += strlen(" OID ");
    if (!take_number(&at, &h->object_oid) || !line_is(at, ")")) {
        return false;
    }
    for (line = next_line(line); starts_with(line, "-- "); line = next_line(line)) {
        if (starts_with(line, "-- Dependencies: ")) {
            h->deps = line + strlen("-- Dependencies: ");
            h->deps_end = line_end(line);
        } else if (starts_with(line, "-- Name: ")) {
            h->name = line + strlen("-- Name: ");
            h->name_end = line_end(line);
        }
    }
    h->body = next_line(line);
    return h->name && line_is(line, "--");
}

/* Whether this header is due; marks it as seen. */
static bool
is_due(struct parser *p, const struct header *h)
{
    size_t from = p->strict ? p->next : 0;
    size_t to = p->strict && p->next < p->expected_len ? p->next + 1 : p->expected_len;
    for (size_t i = from; i < to; i++) {
        struct expected *e = &p->expected[i];
        if (!e->seen && e->id == h->id && e->class_oid == h->class_oid &&
            e->object_oid == h->object_oid) {
            e->seen = true;
            p->next++;
            return true;
        }
    }
    return false;
}

/* Last occurrence of `mark` in the string, cut off there; returns what stood behind it. */
static char *
cut_behind(char *s, const char *mark)
{
    char *found = NULL;
    for (char *at = s; (at = strstr(at, mark)) != NULL; at++) {
        found = at;
    }
    if (!found) {
        return NULL;
    }
    *found = 0;
    return found + strlen(mark);
}

static void
set_names(struct toc_entry *e, const struct header *h)
{
    *h->name_end = 0;
    (void)cut_behind(h->name, "; Owner: ");
    char *schema = cut_behind(h->name, "; Schema: ");
    char *type = cut_behind(h->name, "; Type: ");
    e->name = h->name;
    e->schema = schema ? schema : "-";
    e->type = type ? type : "";
}

static void
set_deps(struct parser *p, struct toc_entry *e, const struct header *h)
{
    if (!h->deps) {
        return;
    }
    *h->deps_end = 0;
    e->deps = p->toc->deps + p->deps_len;
    for (const char *at = h->deps; *at;) {
        uint32_t id;
        if (!take_number(&at, &id)) {
            at++;
            continue;
        }
        p->toc->deps[p->deps_len++] = id;
        e->deps_len++;
    }
}

/* --- bodies --------------------------------------------------------------------------------- */

/* A setting's value as pg_restore writes it: name, "na me", or ''. */
static bool
is_plain_value(const char *value)
{
    size_t n = strlen(value);
    if (strcmp(value, "''") == 0) {
        return true;
    }
    if (n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n - 1] == value[0]) {
        return n > 2;
    }
    for (const char *c = value; *c; c++) {
        if (!isalnum((unsigned char)*c) && *c != '_' && *c != '$') {
            return false;
        }
    }
    return n > 0;
}

/* True when the line is a setting for what follows; it is taken apart in place. *tablespace and
 * *method are set unless a later line has done so. */
static bool
take_setting(char *line, const char **tablespace, const char **method)
{
    static const char *const names[] = {
        "SET default_tablespace = ", "SET default_table_access_method = ",
        "SET default_with_oids = ", "SELECT pg_catalog.set_config('search_path', '', false)"};
    size_t n = strlen(line);
    if (n == 0 || line[n - 1] != ';') {
        return false;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!starts_with(line, names[i])) {
            continue;
        }
        char *value = line + strlen(names[i]);
        line[n - 1] = 0;
        if (i < 3 && !is_plain_value(value)) {
            line[n - 1] = ';';
            return false;
        }
        const char **slot = i == 0 ? tablespace : i == 1 ? method : NULL;
        if (slot && !*slot) {
            *slot = value;
        }
        return true;
    }
    return false;
}

/* Ends the current entry's text at `end`; settings and empty lines at its end are taken off. */
static void
finish_body(struct parser *p, char *end)
{
    const char *tablespace = NULL, *method = NULL;
    *end = 0;
    for (;;) {
        while (end > p->current_start && isspace((unsigned char)end[-1])) {
            *--end = 0;
        }
        char *line = end;
        while (line > p->current_start && line[-1] != '\n') {
            line--;
        }
        if (line == end || !take_setting(line, &tablespace, &method)) {
            break;
        }
        end = line;
    }
    p->tablespace = tablespace ? tablespace : p->tablespace;
    p->access_method = method ? method : p->access_method;
    if (p->current) {
        p->current->sql = p->current_start;
    }
}

static void
begin_entry(struct parser *p, const struct header *h)
{
    struct toc_entry *e = &p->toc->items[p->toc->len++];
    memset(e, 0, sizeof(*e));
    e->id = h->id;
    e->class_oid = h->class_oid;
    e->object_oid = h->object_oid;
    set_names(e, h);
    set_deps(p, e, h);
    e->tablespace = p->tablespace;
    e->access_method = p->access_method;
    p->current = e;
    p->current_start = h->body;
    while (*p->current_start == '\n') {
        p->current_start++;
    }
}

/* What pg_restore writes behind the last entry. */
static char *
find_trailer(char *text)
{
    static const char mark[] = "\n--\n-- PostgreSQL database dump complete\n--\n";
    char *found = NULL;
    for (char *at = text; (at = strstr(at, mark)) != NULL; at++) {
        found = at;
    }
    if (!found) {
        return text + strlen(text);
    }
    char *line = found;
    while (line > text && isspace((unsigned char)line[-1])) {
        line--;
    }
    while (line > text && line[-1] != '\n') {
        line--;
    }
    return starts_with(line, "-- Completed on ") ? line : found;
}

static void
parse_script(struct parser *p)
{
    char *end = find_trailer(p->toc->text);
    *end = 0;
    char *dashes = NULL; /* the line before, when it is "--" */
    p->current_start = p->toc->text;
    for (char *line = p->toc->text; *line;) {
        struct header h;
        char *next = next_line(line);
        if (dashes && starts_with(line, header_mark) && read_header(line, &h) && is_due(p, &h)) {
            finish_body(p, dashes);
            begin_entry(p, &h);
            next = p->current_start;
            line = next;
            dashes = NULL;
            continue;
        }
        dashes = line_is(line, "--") ? line : NULL;
        line = next;
    }
    finish_body(p, end);
}

/* Numbers in all "Dependencies" lines together are fewer than characters in the text; a bound that
 * is nearer: one for each blank in such a line. */
static size_t
count_deps(const char *script)
{
    size_t n = 0;
    static const char mark[] = "\n-- Dependencies: ";
    for (const char *at = script; (at = strstr(at, mark)) != NULL;) {
        for (at += strlen(mark), n++; *at && *at != '\n'; at++) {
            n += *at == ' ';
        }
    }
    return n;
}

static bool
try_parse(const char *list, const char *script, bool strict, struct toc *out, struct err *err)
{
    struct parser p = {.toc = out, .strict = strict};
    memset(out, 0, sizeof(*out));
    p.expected = read_list(list, &p.expected_len);
    out->items = x_zalloc((p.expected_len + 1) * sizeof(*out->items));
    out->deps = x_zalloc((count_deps(script) + 1) * sizeof(*out->deps));
    out->text = x_strdup(script);
    parse_script(&p);
    bool ok = out->len == p.expected_len;
    if (!ok) {
        const struct expected *missing = &p.expected[0];
        while (missing->seen) {
            missing++;
        }
        err_set(err, ERR_FATAL,
            "the schema script does not hold entry %u (class %u oid %u) of its list", missing->id,
            missing->class_oid, missing->object_oid);
        err_hint(err, "pg_restore of another version than pg_dump? set TIDEGATE_PG_BINDIR");
        toc_free(out);
    }
    x_free(p.expected);
    return ok;
}

bool
toc_parse(const char *list, const char *script, struct toc *out, struct err *err)
{
    if (try_parse(list, script, true, out, err)) {
        return true;
    }
    err_clear(err);
    return try_parse(list, script, false, out, err);
}

void
toc_free(struct toc *t)
{
    x_free(t->items);
    x_free(t->deps);
    x_free(t->text);
    memset(t, 0, sizeof(*t));
}
