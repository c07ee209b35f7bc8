/* SPDX-License-Identifier: Apache-2.0
 *
 * A column of which the target's table knows nothing came; one that the feed described until now,
 * and the target still has, went. One that came together with one that went may be the same under
 * another name: nobody can tell from here. Columns that only the target ever had are its own.
 */
#include "agent/pipeline/ddl_notice.h"

#include <string.h>

#include "agent/pg/ident.h"

#define SQL_MAX ((size_t)16 << 20) /* 1600 columns with long defaults */

enum fate { STAYED, CAME, RETYPED };

static const struct column *
find_column(const struct relation *r, const char *name)
{
    for (uint16_t i = 0; r && i < r->columns_len; i++) {
        if (strcmp(r->columns[i].name, name) == 0) {
            return &r->columns[i];
        }
    }
    return NULL;
}

static const struct sink_column *
find_target(const struct sink_table *t, const char *name)
{
    for (size_t i = 0; i < t->len; i++) {
        if (strcmp(t->columns[i].name, name) == 0) {
            return &t->columns[i];
        }
    }
    return NULL;
}

static const struct notice_column *
find_source(const struct notice_table *t, const char *name)
{
    for (size_t i = 0; i < t->len; i++) {
        if (strcmp(t->columns[i].name, name) == 0) {
            return &t->columns[i];
        }
    }
    return NULL;
}

static enum fate
fate_of(const struct relation *before, const struct column *c, const struct sink_table *target)
{
    const struct column *was = find_column(before, c->name);
    if (!find_target(target, c->name)) {
        return CAME;
    }
    bool same = !was || (was->type_oid == c->type_oid && was->type_mod == c->type_mod);
    return same ? STAYED : RETYPED;
}

static bool
went(const struct column *was, const struct relation *now, const struct sink_table *target)
{
    return !find_column(now, was->name) && find_target(target, was->name);
}

bool
ddl_notice_differs(
    const struct relation *before, const struct relation *now, const struct sink_table *target)
{
    bool any = false;
    for (uint16_t i = 0; !any && i < now->columns_len; i++) {
        any = fate_of(before, &now->columns[i], target) != STAYED;
    }
    for (uint16_t i = 0; !any && before && i < before->columns_len; i++) {
        any = went(&before->columns[i], now, target);
    }
    return any && target->len > 0;
}

/* --- the statement ------------------------------------------------------------------------------
 */

struct search {
    const struct relation *before, *now;
    const struct sink_table *target;
    const struct notice_table *source;
    struct buf actions, words; /* for the server; for people */
    unsigned came, gone;
    const char *why, *copy;
};

static void
say(struct search *s, const char *what, const char *name, const char *type)
{
    buf_str(&s->words, s->words.len > 0 ? ", " : "");
    buf_str(&s->words, what);
    sql_ident(&s->words, name);
    buf_printf(&s->words, "%s%s", type ? " " : "", type ? type : "");
}

static struct buf *
action(struct search *s, const char *verb, const char *name)
{
    buf_str(&s->actions, s->actions.len > 0 ? ", " : "");
    buf_str(&s->actions, verb);
    sql_ident(&s->actions, name);
    return &s->actions;
}

static void
unclear(struct search *s, const char *why)
{
    s->why = s->why ? s->why : why;
}

static void
add_type(struct buf *sql, const struct notice_column *c)
{
    buf_printf(
        sql, " %s%s%s", c->type, c->collation ? " COLLATE " : "", c->collation ? c->collation : "");
}

static void
came(struct search *s, const struct notice_column *c)
{
    struct buf *sql = action(s, "ADD COLUMN ", c->name);
    add_type(sql, c);
    if (c->expression) {
        buf_str(sql, " DEFAULT ");
        buf_str(sql, c->expression);
    }
    if (c->identity) {
        buf_printf(sql, " GENERATED %s AS IDENTITY", c->identity == 'a' ? "ALWAYS" : "BY DEFAULT");
    }
    buf_str(sql, c->not_null ? " NOT NULL" : "");
    if (c->not_null && !c->expression && !c->identity) {
        unclear(s, "a new column is NOT NULL and has no default");
    }
    /* Of a column that was not seen to be new, as when somebody dropped the target's, rows of
     * before may have any value. */
    bool seen_new = s->before && !find_column(s->before, c->name);
    if (!seen_new || c->not_null || c->expression || c->identity || c->filled) {
        s->copy = "rows that were there may have values in the column";
    }
}

static void
retyped(struct search *s, const struct notice_column *c)
{
    struct buf *sql = action(s, "ALTER COLUMN ", c->name);
    buf_str(sql, " TYPE");
    add_type(sql, c);
    buf_str(sql, " USING ");
    sql_ident(sql, c->name);
    buf_printf(sql, "::%s", c->type);
    s->copy = "rows that were there got values of another type";
}

static void
look_at(struct search *s, const struct column *c)
{
    enum fate fate = fate_of(s->before, c, s->target);
    const struct sink_column *here = find_target(s->target, c->name);
    const struct notice_column *there = find_source(s->source, c->name);
    if (fate == STAYED || (fate == RETYPED && there && strcmp(there->type, here->type) == 0)) {
        return;
    }
    say(s, fate == CAME ? "new column " : "another type of ", c->name, there ? there->type : NULL);
    s->came += fate == CAME;
    if (!there || there->type_oid != c->type_oid || there->type_mod != c->type_mod) {
        unclear(s, "the source's table has been altered once more since");
    } else if (there->inherited) {
        unclear(s, "the column is inherited from another table");
    } else if (fate == CAME) {
        came(s, there);
    } else {
        retyped(s, there);
    }
}

static void
look_for_gone(struct search *s)
{
    for (uint16_t i = 0; s->before && i < s->before->columns_len; i++) {
        const struct column *was = &s->before->columns[i];
        if (went(was, s->now, s->target)) {
            say(s, "no column ", was->name, NULL);
            if (find_source(s->source, was->name)) {
                unclear(s, "the source's table has been altered once more since");
            }
            action(s, "DROP COLUMN ", was->name);
            s->gone++;
        }
    }
}

void
ddl_notice_find(const struct relation *before, const struct relation *now,
    const struct sink_table *target, const struct notice_table *source, struct notice *out)
{
    struct search s = {.before = before, .now = now, .target = target, .source = source};
    *out = (struct notice){.kind = NOTICE_NOTHING};
    buf_init(&s.actions, SQL_MAX);
    buf_init(&s.words, SQL_MAX);
    buf_init(&out->sql, SQL_MAX);
    for (uint16_t i = 0; i < now->columns_len; i++) {
        look_at(&s, &now->columns[i]);
    }
    look_for_gone(&s);
    if (s.came > 0 && s.gone > 0) {
        unclear(&s, "a new column may be one that is gone under another name");
    }
    if (s.copy && source->partition) {
        unclear(&s, "the rows of a partitioned table would have to be copied anew");
    }
    if (s.words.len > 0 && target->len > 0) {
        out->kind = s.why ? NOTICE_UNCLEAR : NOTICE_STATEMENT;
        out->why = s.why;
        out->copy = s.why ? NULL : s.copy;
        buf_str(&out->sql, s.why ? "table " : "ALTER TABLE ");
        sql_qualified(&out->sql, source->schema, source->name);
        buf_str(&out->sql, s.why ? ": " : " ");
        buf_str(&out->sql, buf_cstr(s.why ? &s.words : &s.actions));
    }
    buf_done(&s.actions);
    buf_done(&s.words);
}

void
ddl_notice_done(struct notice *n)
{
    buf_done(&n->sql);
    *n = (struct notice){0};
}
