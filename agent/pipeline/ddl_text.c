/* SPDX-License-Identifier: Apache-2.0
 *
 * The server's call stack (PL/pgSQL's PG_CONTEXT) shows what a routine executes as
 *
 *     SQL statement "CREATE TABLE x (...)"
 *     PL/pgSQL function f() line 3 at SQL statement
 *
 * with the text as it is. It ends at a quote in front of a line that is one of the stack's; a text
 * that holds such a line itself is told from that by its own quotes being open there, and where two
 * ends are possible the statement is refused.
 */
#include "agent/pipeline/ddl_text.h"

#include <string.h>

#include "agent/base/arena.h"
#include "agent/pipeline/sql_split.h"

#define STACK_MARK "SQL statement \""

static bool
set_kind(struct ddl_text *t, enum ddl_text_kind kind, const char *why)
{
    t->kind = kind;
    t->why = why;
    return false;
}

static bool
refuse(struct ddl_text *t, const char *why)
{
    return set_kind(t, DDL_TEXT_REFUSED, why);
}

static bool
has_escapes(const struct ddl_message *m)
{
    for (size_t i = 0; i < m->settings_len; i++) {
        if (strcmp(m->settings[i].name, "standard_conforming_strings") == 0) {
            return strcmp(m->settings[i].value, "off") == 0;
        }
    }
    return false;
}

static bool
begins(const char *s, const char *with)
{
    return strncmp(s, with, strlen(with)) == 0;
}

/* Exactly one statement. */
static bool
single(const char *text, bool escapes, struct sql_piece *out)
{
    struct sql_piece more;
    bool found, second;
    return sql_next(&text, escapes, out, &found) && found &&
           sql_next(&text, escapes, &more, &second) && !second;
}

/* --- out of a call stack ------------------------------------------------------------------------
 */

static bool
is_stack_line(const char *s)
{
    return *s == '\0' || begins(s, "PL/") || begins(s, "SQL ") || begins(s, "portal ") ||
           begins(s, "unnamed portal") || begins(s, "extension script");
}

/* *text: the innermost statement, new. */
static bool
of_stack(const struct ddl_message *m, bool escapes, char **text, struct ddl_text *out)
{
    const char *from = m->context + strlen(STACK_MARK);
    size_t ends = 0;
    for (const char *at = strchr(from, '"'); at; at = strchr(at + 1, '"')) {
        bool end = at[1] == '\0' || (at[1] == '\n' && is_stack_line(at + 2));
        if (!end) {
            continue;
        }
        char *candidate = x_strndup(from, (size_t)(at - from));
        struct sql_piece p;
        if (!single(candidate, escapes, &p)) {
            x_free(candidate);
            continue;
        }
        ends++;
        x_free(*text);
        *text = candidate;
    }
    if (ends == 1) {
        return true;
    }
    x_free(*text);
    *text = NULL;
    return ends > 1 ? refuse(out, "its text cannot be told from the server's call stack")
                    : refuse(out, "a routine executed it together with other statements in one "
                                  "string");
}

/* --- out of the client's string -----------------------------------------------------------------
 */

/* A statement taken back lets the triggers count it again. */
static bool
takes_back(const struct sql_piece *p)
{
    return p->words_len > 0 &&
           (strcmp(p->words[0], "ROLLBACK") == 0 || strcmp(p->words[0], "ABORT") == 0);
}

static bool
is_extension(const struct sql_piece *p)
{
    return sql_has_tag(p, "CREATE EXTENSION") || sql_has_tag(p, "ALTER EXTENSION");
}

static bool
of_string(const struct ddl_message *m, bool escapes, struct sql_piece *out, struct ddl_text *t)
{
    const char *at = m->query;
    uint32_t nth = 0;
    size_t pieces = 0, extensions = 0;
    bool found = true, back = false;
    struct sql_piece p;
    for (;;) {
        if (!sql_next(&at, escapes, &p, &found)) {
            return refuse(t, "the client's string cannot be taken apart");
        }
        if (!found) {
            break;
        }
        pieces++;
        back = back || takes_back(&p);
        extensions += is_extension(&p);
        nth += sql_has_tag(&p, m->tag);
        if (nth == m->nth && sql_has_tag(&p, m->tag)) {
            *out = p;
        }
    }
    if (back && pieces > 1) {
        return refuse(t, "it stands in one string with a ROLLBACK, which hides its place there");
    }
    if (m->nth > 0 && nth >= m->nth) {
        return true;
    }
    if (extensions > 0) {
        return set_kind(t, DDL_TEXT_NOTHING, "an extension's script did it");
    }
    return refuse(t, "the client's string does not show it; a routine written in SQL or another "
                     "language may have executed it");
}

/* --- what may stand in a transaction ------------------------------------------------------------
 */

static bool
moves_storage(const struct sql_piece *p, bool escapes)
{
    bool relation = sql_has_tag(p, "ALTER TABLE") || sql_has_tag(p, "ALTER INDEX") ||
                    sql_has_tag(p, "ALTER MATERIALIZED VIEW");
    return relation && sql_has_word(p, escapes, "TABLESPACE");
}

static bool
write_statement(const struct sql_piece *p, bool escapes, struct ddl_text *out)
{
    if (p->parameters) {
        return refuse(out, "it has parameters ($1)");
    }
    if (moves_storage(p, escapes)) {
        return memchr(p->at, ',', p->len)
                   ? refuse(out, "it changes a tablespace together with something else")
                   : set_kind(out, DDL_TEXT_NOTHING, "tablespaces are not carried");
    }
    bool index = sql_has_tag(p, "CREATE INDEX");
    bool table = sql_has_tag(p, "CREATE TABLE");
    bool concurrent = index || sql_has_tag(p, "DROP INDEX") || sql_has_tag(p, "ALTER TABLE");
    if (concurrent && sql_has_word(p, escapes, "CONCURRENTLY")) {
        struct buf plain;
        buf_init(&plain, DDL_TEXT_MAX);
        sql_without_word(p, escapes, "CONCURRENTLY", &plain);
        struct sql_piece q;
        bool ok = single(buf_cstr(&plain), escapes, &q);
        if (ok) {
            sql_without_tablespace(&q, escapes, &out->sql);
        }
        buf_done(&plain);
        return ok || refuse(out, "it cannot be taken apart");
    }
    if (index || table) {
        sql_without_tablespace(p, escapes, &out->sql);
    } else {
        buf_bytes(&out->sql, p->at, p->len);
    }
    return true;
}

static bool
find(const struct ddl_message *m, struct ddl_text *out)
{
    bool escapes = has_escapes(m);
    struct sql_piece p;
    if (m->instead) {
        buf_str(&out->sql, m->instead);
        return true;
    }
    if (!m->context || !begins(m->context, STACK_MARK)) {
        return m->query ? of_string(m, escapes, &p, out) && write_statement(&p, escapes, out)
                        : refuse(out, "its text is not known");
    }
    char *text = NULL;
    bool ok = of_stack(m, escapes, &text, out) && single(text, escapes, &p);
    if (ok && !sql_has_tag(&p, m->tag)) {
        ok = is_extension(&p) ? set_kind(out, DDL_TEXT_NOTHING, "an extension's script did it")
                              : refuse(out, "the server's call stack shows another statement");
    }
    ok = ok && write_statement(&p, escapes, out);
    x_free(text);
    return ok;
}

void
ddl_text_find(const struct ddl_message *m, struct ddl_text *out)
{
    *out = (struct ddl_text){.kind = DDL_TEXT_FOUND};
    buf_init(&out->sql, DDL_TEXT_MAX);
    if (find(m, out) && out->sql.failed) {
        refuse(out, "it is too long");
    }
}

void
ddl_text_done(struct ddl_text *t)
{
    buf_done(&t->sql);
}
